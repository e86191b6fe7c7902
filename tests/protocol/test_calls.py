"""Function calls and their answers, and calls that are none of ours (protocol 9.6, 9.7)."""

from __future__ import annotations

import threading

import live
import pytest
from stage import Message, Peer, on_stage

from grok_rt import SessionConfig, events
from grok_rt.errors import LocalProtocolError
from grok_rt.models import FunctionCall, GrokToolDefinition

WEATHER = GrokToolDefinition.function("get_weather", "Weather for a city.", {"type": "object"})
BY_HAND = SessionConfig.wideband(tools=(WEATHER,))
ANSWERED = ["conversation.item.create", "response.create"]
PREAMBLE = [*live.announced("r", "a"), *live.spoken("r", "a"), *live.finished("r", "a")]


def get_weather(city: str) -> str:
    """Weather for a city."""
    return f"3 degrees, sleet in {city}"


def posed(peer: Peer) -> dict[str, str]:
    """Take a question in text; returns the metadata of its response."""
    peer.hears("conversation.item.create")
    metadata: dict[str, str] = peer.hears("response.create")["response"]["metadata"]
    return metadata


def answered(peer: Peer, *call_ids: str) -> dict[str, str]:
    """Take the outputs of these calls and the one `response.create` behind them."""
    items = [peer.hears("conversation.item.create")["item"] for _ in call_ids]
    assert {item["type"] for item in items} == {"function_call_output"}
    assert {item["call_id"] for item in items} == set(call_ids)
    assert "response" not in peer.hears("response.create")
    return {item["call_id"]: item["output"] for item in items}


@pytest.mark.parametrize("preamble", [PREAMBLE, []], ids=["after some words", "calls only"])
def test_a_round_trip(preamble: list[Message]) -> None:
    """9.6: a call, its output after `response.done`, one `response.create`, the spoken answer."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.created("r", posed(peer)), *preamble, *live.call("r", "f", "c"))
        peer.silence()  # the tool has its result at once; an early output can fail
        peer.says(live.done("r", live.call_item("f", "c")))
        outputs = answered(peer, "c")
        assert outputs == {"c": "3 degrees, sleet in Oslo"}
        peer.says(live.call_output("o", "c", outputs["c"]), *live.reply("r2", "a2"))

    with on_stage(script, tools=[get_weather]) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert answer.text.endswith(live.WORDS)
    assert answer.tool_calls == (FunctionCall("c", "get_weather", live.ARGUMENTS),)
    assert stage.sent == ["session.update", *ANSWERED, *ANSWERED]
    told = stage.types(events.FunctionCalled, events.ResponseFunctionCallArgumentsDone)
    assert told == ["response.function_call_arguments.done", "local.function_called"]


def test_parallel_calls_have_one_continuation() -> None:
    """9.6: every call of a response is answered, then one `response.create` follows."""
    ids = ["c-0", "c-1", "c-2"]

    def script(peer: Peer) -> None:
        peer.opens()
        calls = [m for n, call_id in enumerate(ids) for m in live.call("r", f"f{n}", call_id)]
        peer.says(live.created("r", posed(peer)), *calls, live.done("r"))
        answered(peer, *ids)
        peer.says(*live.reply("r2", "a2"))

    with on_stage(script, tools=[get_weather]) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert [call.call_id for call in answer.tool_calls] == ids
    assert stage.sent.count("response.create") == 2


def test_outputs_wait_for_the_last_call_and_for_the_end() -> None:
    """9.6: whatever is sent meanwhile, outputs leave once all calls are answered and it is over."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.created("r"), *live.call("r", "f1", "c1"), *live.call("r", "f2", "c2"))
        peer.hears("input_audio_buffer.clear")  # sent after the first result: it was held
        peer.says(live.done("r"))
        peer.hears("input_audio_buffer.clear")  # one call is still open
        assert answered(peer, "c1", "c2") == {"c1": "one", "c2": '{"two":2}'}

    with on_stage(script, config=BY_HAND) as stage:
        grok = stage.grok
        with grok.expect(events.FunctionCalled, lambda e: e.call.call_id == "c2", timeout=5):
            pass
        grok.send_tool_result("c1", "one")
        grok.clear_audio()
        grok.wait_for(events.ResponseDone, timeout=5)
        grok.clear_audio()
        grok.send_tool_result("c2", {"two": 2})
        with pytest.raises(LocalProtocolError, match="has its answer already"):
            grok.send_tool_result("c1", "again")


def test_the_next_response_shows_that_the_last_is_over() -> None:
    """9.4: speech kills a response without `response.done`; its outputs go out with the next."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.created("r"), *live.call("r", "f", "c"))
        peer.hears("input_audio_buffer.clear")
        peer.says(live.started("u"), live.created("r2"))
        item = peer.hears("conversation.item.create")["item"]
        assert item["call_id"] == "c"
        peer.silence()  # a response speaks: `response.create` would be refused
        peer.says(live.done("r2"))
        peer.hears("response.create")

    with on_stage(script, config=BY_HAND) as stage:
        stage.grok.wait_for(events.FunctionCalled, timeout=5)
        stage.grok.send_tool_result("c", "done")
        stage.grok.clear_audio()
        stage.grok.wait_for(events.ResponseDone, timeout=5)


def test_a_response_that_died_in_silence_is_not_waited_for_for_ever() -> None:
    """9.4: no `response.done`, no next response: the output leaves after a while all the same."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.created("r"), *live.call("r", "f", "c"))
        answered(peer, "c")

    with on_stage(script, config=BY_HAND) as stage:
        stage.grok._session._calls.hold_timeout = 0.3  # instead of 5 s
        stage.grok.wait_for(events.FunctionCalled, timeout=5)
        stage.grok.send_tool_result("c", "done")
        assert stage.is_over()


def test_an_interrupted_call_is_answered_too() -> None:
    """9.5 in 9.6: the user speaks into the words after a call; the bare end releases the output."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.created("r"), *live.call("r", "f", "c"), *live.spoken("r", "a")[:2])
        peer.hears("input_audio_buffer.clear")
        peer.says(live.bare_done("r"), live.started("u"))
        answered(peer, "c")

    with on_stage(script, config=BY_HAND) as stage:
        stage.grok.wait_for(events.FunctionCalled, timeout=5)
        stage.grok.send_tool_result("c", "done")
        stage.grok.clear_audio()
        stage.grok.wait_for(events.InputAudioBufferSpeechStarted, timeout=5)
        assert stage.is_over()


def test_a_refused_output_is_an_error_event() -> None:
    """10: `invalid_tool_call_id` ends nothing; `on_error` hears it with its code."""

    def script(peer: Peer) -> None:
        peer.opens()
        answered(peer, "unknown")
        peer.says(live.message("error", "before response.done"))

    with on_stage(script) as stage:
        codes: list[str | None] = []
        stage.grok.on_error(lambda failure: codes.append(failure.code))
        stage.grok.send_tool_result("unknown", "of an earlier session")
        stage.grok.wait_for(events.Error, timeout=5)
    assert codes == ["invalid_tool_call_id"]


def test_a_seeded_history_is_no_call() -> None:
    """9.6: `function_call` and its output as items, with a call id of our own: nobody is called."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.hears("conversation.item.create")
        peer.says(live.message("conversation.item.added", "seeded call"))

    with on_stage(script, tools=[get_weather]) as stage:
        from grok_rt.models import ConversationItem

        item = ConversationItem.function_call("get_weather", live.ARGUMENTS, call_id="seed-1")
        with stage.grok.expect(events.ConversationItemAdded, timeout=5):
            stage.grok.send(events.ConversationItemCreate(item))
    assert stage.types(events.FunctionCalled) == []
    assert stage.sent == ["session.update", "conversation.item.create"]


def leaks(response: str) -> dict[str, list[Message]]:
    """A search of the server's own, in each of the forms it was seen in."""
    by_arguments = [
        live.message("response.function_call_arguments.done", "x_search", response_id=response)
    ]
    by_item = [live.message("response.output_item.done", "file_search", response_id=response)]
    every = [
        live.message(
            "response.function_call_arguments.done", "x_search", name=name, response_id=response
        )
        for name in ("web_search", "x_keyword_search", "x_semantic_search", "collections_search")
    ]
    return {"arguments": by_arguments, "item": by_item, "each name": every}


@pytest.mark.parametrize("form", leaks("r"))
@pytest.mark.parametrize("place", ["same", "next"])
def test_a_search_of_the_servers_is_not_ours(form: str, place: str) -> None:
    """9.7: it leaks as a call nobody declared; seen, never answered, and the answer goes on."""

    def script(peer: Peer) -> None:
        peer.opens()
        metadata = posed(peer)
        filler = [
            *live.announced("r", "a"),
            live.words("r", "a", "Let me look."),
            live.sound("r", "a"),
        ]
        peer.says(live.created("r", metadata), *filler, *leaks("r")[form])
        if place == "same":
            peer.says(*live.announced("r", "b"), *live.spoken("r", "b"), *live.finished("r", "b"))
            peer.says(live.done("r"))
        else:
            peer.says(live.done("r"), *live.reply("r2", "b"))

    with on_stage(script, tools=[get_weather]) as stage:
        answer = stage.grok.ask(live.QUESTION, timeout=5)
    assert answer.text == f"Let me look. {live.WORDS}"
    assert answer.tool_calls == ()
    assert stage.types(events.FunctionCalled) == []
    assert stage.sent == ["session.update", *ANSWERED]


def test_answering_a_search_of_the_servers_is_refused_here() -> None:
    """9.7: an output would make the server apologise aloud; the client does not let it out."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.created("r"), *leaks("r")["arguments"], live.done("r"))

    with on_stage(script) as stage:
        call = stage.grok.wait_for(events.ResponseFunctionCallArgumentsDone, timeout=5)
        with pytest.raises(LocalProtocolError, match="must not be answered"):
            stage.grok.send_tool_result(call.call_id, "of course")
    assert stage.sent == ["session.update"]


def test_mcp_tools_are_watched_only() -> None:
    """9.7: the server lists and calls MCP tools itself; each step is an event."""
    listing = [
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
    ]
    calling = [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
    ]

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*map(live.message, listing))
        peer.says(live.created("r", posed(peer)), *map(live.message, calling))
        peer.says(*live.announced("r", "a"), *live.spoken("r", "a"), live.done("r"))

    with on_stage(script, tools=[get_weather]) as stage:
        assert stage.grok.ask(live.QUESTION, timeout=5).text == live.WORDS
    assert [type for type in stage.types() if "mcp" in type] == [*listing, *calling]
    assert stage.sent == ["session.update", *ANSWERED]


def test_a_tool_that_fails_is_answered_in_words() -> None:
    """9.6: the model gets a text for each call, whatever happens here."""
    ran = threading.Event()

    def get_weather(city: str) -> str:
        """Weather for a city."""
        ran.set()
        raise LookupError(f"no station in {city}")

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(live.created("r", posed(peer)), *live.call("r", "f", "c"), live.done("r"))
        (output,) = answered(peer, "c").values()
        assert output
        assert "Traceback" not in output
        peer.says(*live.reply("r2", "a2"))

    with on_stage(script, tools=[get_weather]) as stage:
        assert stage.grok.ask(live.QUESTION, timeout=5).text == live.WORDS
    assert ran.is_set()
    assert len(stage.heard(events.HandlerFailed)) == 1
