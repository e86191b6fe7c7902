"""Each way the service may behave in, switched: what then is different on the wire."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import attrs
import pytest
from tour import HEARS, asked, force
from virtual_talk import MANUAL, VAD, Talk, names, only

from grok_rt.audio import AudioClip, pcm16
from grok_rt.simulator import behaviour as module
from grok_rt.simulator.behaviour import DOCUMENTED, LIVE, Behaviour
from grok_rt.simulator.script import Script

COMPLETED = "conversation.item.input_audio_transcription.completed"
LONG = Script().says("A very long answer, " * 20)


def talk(script: Script | None = None, **options: Any) -> Talk:
    """A session with these behaviours; what no behaviour is named after goes to the peer."""
    fields = attrs.fields_dict(Behaviour)
    ways = {name: options.pop(name) for name in list(options) if name in fields}
    return Talk(script, behaviour=Behaviour(**ways), **options)


def test_every_way_says_what_it_stands_for() -> None:
    """Each field has a docstring of its own."""
    (body,) = ast.parse(inspect.getsource(module.Behaviour)).body
    assert isinstance(body, ast.ClassDef)
    for field, about in zip(body.body[1:], body.body[2:], strict=False):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(about, ast.Expr), ast.unparse(field)


def test_live_is_the_default() -> None:
    """Who says nothing gets what was seen live; documented is asked for."""
    assert Behaviour() == LIVE
    differing = {
        name: getattr(DOCUMENTED, name)
        for name in attrs.fields_dict(Behaviour)
        if getattr(DOCUMENTED, name) != getattr(LIVE, name)
    }
    assert differing["documented_shapes"] is True
    assert differing["interrupted_status"] == "cancelled"
    assert "model" not in differing


# --- the session -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked_for", "model"),
    [
        ("grok-voice-latest", "grok-voice-think-fast-2.0"),
        ("grok-voice-think-fast-2.0", "grok-voice-think-fast-2.0"),
        ("grok-voice-think-fast-1.0", "grok-voice-think-fast-1.0"),
        ("gpt-realtime", "grok-voice-think-fast-2.0"),
        ("", "grok-voice-think-fast-2.0"),
    ],
)
def test_models(asked_for: str, model: str) -> None:
    """An alias is resolved, a pinned model kept, and an unknown one replaced without a word."""
    session = Talk(query={"model": asked_for})
    assert session.opening[0]["session"]["model"] == model
    (updated,) = session.send("session.update", session={"model": "grok-voice-think-fast-9.9"})
    assert updated["session"]["model"] == model


def test_echoes_the_alias() -> None:
    """The alias is what the session says it runs on."""
    session = talk(echoes_the_alias=True, query={"model": "grok-voice-latest"})
    assert session.opening[0]["session"]["model"] == "grok-voice-latest"


def test_voice() -> None:
    """The default voice is shown with a prefix, or without."""
    assert Talk().opening[0]["session"]["voice"] == "xai_ara"
    assert talk(voice="human_Ara").opening[0]["session"]["voice"] == "human_Ara"


@pytest.mark.parametrize(
    "opening",
    [("conversation.created", "session.created", "ping"), ("conversation.created",), ()],
)
def test_opening(opening: tuple[str, ...]) -> None:
    """The first messages come in any order, and some not at all."""
    session = talk(opening=opening)
    assert names(session.opening) == list(opening)
    assert names(session.send("session.update", session={})) == ["session.updated"]


def test_ping_seconds() -> None:
    """Pings come as often as is said, or never."""
    often = talk(ping_seconds=2.0)
    often.wait(9)
    assert len(often.pings) == 5
    never = talk(ping_seconds=None, opening=("session.created",))
    never.wait(60)
    assert never.pings == []


def test_nested_settings(question: AudioClip) -> None:
    """Turn detection and voice where OpenAI has them work, unless they are to be passed over."""
    session = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    for nested in (True, False):
        spoken = talk(nested_settings=nested)
        spoken.send("session.update", session=session)
        answered = only(spoken.say(question), "response.created")
        assert bool(answered) is nested
    spoken = talk()
    spoken.send("session.update", session=session | MANUAL)
    assert not only(spoken.say(question), "response.created")


@pytest.mark.parametrize("detection", ["server_vad", {"type": "semantic_vad"}, None, 5])
def test_nested_settings_that_are_none(detection: Any) -> None:
    """What is no server VAD is passed over where it is not looked for."""
    session = {"audio": {"input": {"turn_detection": detection}}}
    assert names(Talk().send("session.update", session=session)) == ["session.updated"]


def test_echo_of_noise_suppression_and_leaks() -> None:
    """Noise suppression is echoed as the service wills; on a bad day it leaks its settings."""
    wish = {"enable_noise_suppression": True}
    (echo,) = Talk().send("session.update", session=wish)
    assert echo["session"]["enable_noise_suppression"] is False
    bad = talk(noise_suppression=True, leaked_settings={"vad_onset_frames": 3})
    (echo,) = bad.send("session.update", session={"enable_noise_suppression": False})
    assert echo["session"]["enable_noise_suppression"] is True
    assert echo["session"]["vad_onset_frames"] == 3


@pytest.mark.parametrize(("minutes", "kept"), [(29, True), (31, False)])
def test_resumption_window(minutes: int, kept: bool) -> None:
    """A conversation is kept for thirty minutes without activity."""
    archive: dict[str, Any] = {}
    first = Talk(archive=archive, unix_time=1e9)
    first.send("session.update", session={"resumption": {"enabled": True}})
    asked(first)
    first.peer.close()
    gone = first.now - 100 + 60 * minutes
    query = {"conversation_id": first.peer.conversation.id}
    second = Talk(archive=archive, query=query, unix_time=1e9 + gone, seed=8)
    resumed = second.opening[1]["conversation"]["id"] == query["conversation_id"]
    assert resumed is kept
    assert bool(second.peer.conversation.items) is kept


def test_resumption_seconds_and_what_is_replayed() -> None:
    """The window may be another, and the user's words come back too."""
    archive: dict[str, Any] = {}
    enabled = {"resumption": {"enabled": True}}
    first = talk(archive=archive)
    first.send("session.update", session=enabled)
    asked(first, "The word is cedar.")
    query = {"conversation_id": first.peer.conversation.id}
    later = talk(archive=archive, query=query, replays_the_user=True, resumption_seconds=60)
    *replayed, _ = later.send("session.update", session=enabled)
    assert [item["item"]["role"] for item in replayed] == ["user", "assistant"]
    assert replayed[0]["item"]["content"] == [{"type": "input_text", "text": "The word is cedar."}]
    late = talk(
        archive=archive, query=query, resumption_seconds=60, unix_time=1_790_000_120.0, seed=8
    )
    assert late.opening[1]["conversation"]["id"] != query["conversation_id"]


def test_replayed_field() -> None:
    """Before August 2026 items did not say whether they are replayed."""
    for message in asked(talk(replayed_field=False)):
        assert "replayed" not in str(message)
    assert "replayed" in str(asked(Talk())[0])


def test_fatal_close_code() -> None:
    """The session may be closed with another code than 1000."""
    session = talk(fatal_close_code=1011, max_duration=5)
    session.wait(9)
    assert session.peer.closed == (1011, "max_duration")


# --- the user's turn -------------------------------------------------------------------

JULY = ("speech_stopped", "committed", "completed", "response.created")
AUGUST = ("response.created", "speech_stopped", "committed", "completed")


@pytest.mark.parametrize("order", [JULY, AUGUST])
def test_turn_order(question: AudioClip, order: tuple[str, ...]) -> None:
    """What ends a turn with server VAD comes in any order that was seen."""
    session = talk(turn_order=order)
    session.send("session.update", session=VAD)
    ends = [name.rpartition(".")[2] for name in names(session.say(question))]
    wanted = [name.rpartition(".")[2] for name in order]
    at = ends.index(wanted[0])
    assert ends[at : at + 4] == wanted


def test_turns_are_reopened(question: AudioClip) -> None:
    """Who goes on before being answered goes on in the same item, and the answer is dropped."""
    script = Script().hears("Hi, this is Nora.").says("Never.").then().says("Hello Nora.")
    session = talk(script, latency=3.0)
    session.send("session.update", session=VAD)
    said = session.say(question) + session.say(question) + session.wait(20)
    started = only(said, "input_audio_buffer.speech_started")
    assert len(started) == 2
    assert len(only(said, "input_audio_buffer.speech_stopped")) == 2
    (committed,) = only(said, "input_audio_buffer.committed")
    assert {each["item_id"] for each in started} == {committed["item_id"]}
    first, second = only(said, "response.created")
    (done,) = only(said, "response.done")
    assert done["response_id"] == second["response"]["id"] != first["response"]["id"]
    assert "Hello Nora." in str(done)
    (turn,) = session.peer.turns
    assert turn.seconds > 2 * question.duration - 1


def test_answers_that_are_heard_are_interrupted(question: AudioClip) -> None:
    """Once the answer is being spoken, speech is a turn of its own."""
    session = talk(Script().says("A long answer, " * 20), pace=1.0)
    session.send("session.update", session=VAD)
    said = session.say(question) + session.say(question)
    assert len({each["item_id"] for each in only(said, "input_audio_buffer.speech_started")}) == 2
    assert only(said, "response.done")[0]["response"]["output"] == []


def test_turns_are_not_reopened(question: AudioClip) -> None:
    """A service that does not take the end of a turn back ends its answer, before it is spoken."""
    session = talk(Script().hears("Hi").says("Hello."), reopens_turns=False, latency=3.0)
    session.send("session.update", session=VAD)
    said = session.say(question) + session.say(question, tail=0)
    flow = names(said)
    at = flow.index("response.created")
    assert flow[at : at + 5] == [
        "response.created",
        "input_audio_buffer.committed",
        COMPLETED,
        "response.done",
        "input_audio_buffer.speech_started",
    ]


@pytest.mark.parametrize("empty", [True, False])
def test_repeated_transcripts(question: AudioClip, empty: bool) -> None:
    """In silence a transcript may come again each second, empty and never final."""
    session = talk(repeats_transcripts=empty)
    session.send("session.update", session=VAD | {"audio": HEARS})
    session.say(question)
    session.wait(5)
    quiet = session.say(AudioClip(b"", pcm16()), tail=4.0)
    repeats = only(quiet, COMPLETED)
    assert len(repeats) == (4 if empty else 0)
    assert {(each["transcript"], each["status"]) for each in repeats} <= {("", "in_progress")}


def test_late_duplicates(question: AudioClip) -> None:
    """After `response.created` of a commit older news of the turn may follow."""
    session = talk(Script().hears("Hi, this is Nora."), late_duplicates=True)
    session.send("session.update", session=MANUAL | {"audio": HEARS})
    session.say(question)
    turn = names(session.send("input_audio_buffer.commit"))
    late = turn[turn.index("response.created") + 1 :]
    updated = "conversation.item.input_audio_transcription.updated"
    assert late == ["conversation.item.added", updated, COMPLETED]


def test_documented_commit(question: AudioClip) -> None:
    """As documented a commit is confirmed, and `response.create` answers it."""
    session = talk(Script().hears("Hi"), commit_answers=False)
    session.send("session.update", session=MANUAL)
    session.say(question)
    committed = session.send("input_audio_buffer.commit") + session.wait(9)
    assert "input_audio_buffer.committed" in names(committed)
    assert not only(committed, "response.created")
    answer = session.send("response.create") + session.wait(9)
    assert "I heard: Hi" in str(answer[-1])


def test_create_overtakes_commit(question: AudioClip) -> None:
    """Sent together with a commit, `response.create` is answered without what was said."""
    session = talk(Script().hears("Hi"), create_overtakes_commit=True)
    session.send("session.update", session=MANUAL)
    session.say(question)
    session.send("input_audio_buffer.commit")
    turn = session.send("response.create") + session.wait(9)
    (done,) = only(turn, "response.done")
    assert "Hi" not in str(done)
    assert session.send("response.create") == []


def test_deaf_while_speaking(question: AudioClip) -> None:
    """Nobody may interrupt a service that does not listen while it speaks."""
    session = talk(LONG, deaf_while_speaking=True, pace=1.0)
    session.send("session.update", session=VAD)
    session.send("conversation.item.create", item=force("This call is recorded. " * 9))
    assert not only(session.say(question), "input_audio_buffer.speech_started")


# --- the answer ------------------------------------------------------------------------


def test_interrupted_status(question: AudioClip) -> None:
    """As documented an interrupted response is cancelled."""
    session = talk(LONG, interrupted_status="cancelled", pace=1.0)
    session.send("session.update", session=VAD)
    session.write("Go")
    session.send("response.create")
    (done,) = only(session.say(question, tail=0), "response.done")
    assert done["response"]["status"] == "cancelled"


def test_speech_that_does_not_stop_silently(question: AudioClip) -> None:
    """In manual mode too an interrupted response has an end."""
    session = talk(LONG, speech_stops_silently=False, pace=1.0)
    session.send("session.update", session=MANUAL)
    session.write("Go")
    session.send("response.create")
    assert only(session.say(question, tail=0), "response.done")


def test_late_deltas() -> None:
    """Some sound still arrives after a response was cancelled, under its id."""
    session = talk(LONG, late_deltas=3, pace=1.0)
    session.write("Go")
    (created,) = session.send("response.create")
    session.wait(1)
    done, *late = session.send("response.cancel")
    assert done["type"] == "response.done"
    assert names(late, short=False) == ["response.output_audio.delta"] * 3
    assert {delta["response_id"] for delta in late} == {created["response"]["id"]}
    assert session.wait(60) == []


@pytest.mark.parametrize("name", ["response.output_text", "response.text"])
@pytest.mark.parametrize("of_session", [True, False])
def test_text_replies(name: str, of_session: bool) -> None:
    """As documented an answer may be written: no sound, and text under either name."""
    session = talk(Script().says("Six words, and so two deltas."), text_replies=name)
    wish = {"modalities": ["text"]}
    if of_session:
        session.send("session.update", session=wish)
    turn = asked(session, "Hi", **({} if of_session else wish))
    assert names(turn) == [
        "conversation.item.added",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        f"{name}.delta",
        f"{name}.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    text = "".join(delta["delta"] for delta in only(turn, f"{name}.delta"))
    assert text == only(turn, f"{name}.done")[0]["text"] == "Six words, and so two deltas."
    assert turn[-1]["usage"]["output_audio_seconds"] == 0
    assert turn[-1]["response"]["output"][0]["content"] == [{"type": "text", "text": text}]


def test_text_is_ignored_live() -> None:
    """The wish for text is echoed, and the answer is spoken, and billed."""
    session = Talk()
    (echo,) = session.send("session.update", session={"modalities": ["text"]})
    assert echo["session"]["modalities"] == ["text"]
    turn = asked(session)
    assert only(turn, "response.output_audio.delta")
    assert turn[-1]["usage"]["output_token_details"]["audio_tokens"] > 0


def test_g711_is_ignored() -> None:
    """PCM at 24 kHz comes though µ-law was asked for."""
    session = talk(ignores_g711=True)
    session.send(
        "session.update", session={"audio": {"output": {"format": {"type": "audio/pcmu"}}}}
    )
    (first, *_) = only(asked(session), "response.output_audio.delta")
    assert pcm16().duration(len(first["delta"]) * 3 // 4) == pytest.approx(0.245, abs=0.001)


# --- items -----------------------------------------------------------------------------


def test_truncate_is_answered() -> None:
    """As documented a truncation is confirmed with the words that were heard; others are errors."""
    session = talk(Script().says("One two three four five six."), truncate_is_answered=True)
    (item,) = only(asked(session), "response.output_item.done")
    where = {"item_id": item["item"]["id"], "content_index": 0, "audio_end_ms": 1200}
    (truncated,) = session.send("conversation.item.truncate", **where)
    assert truncated["type"] == "conversation.item.truncated"
    assert {name: truncated[name] for name in where} == where
    assert truncated["transcript"] == "One two three"
    (refused,) = session.send("conversation.item.truncate", **{**where, "item_id": "x"})
    assert refused["error"]["message"] == "Item not found"


def test_deletion() -> None:
    """As documented the deleted item is named, and an answer can be deleted."""
    session = talk(deleted_names_the_item=True, answers_can_be_deleted=True)
    (item,) = only(asked(session), "response.output_item.done")
    (deleted,) = session.send("conversation.item.delete", item_id=item["item"]["id"])
    assert deleted["item_id"] == item["item"]["id"]


# --- what cannot be --------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"opening": ("session.created", "session.created")},
        {"opening": ("hello",)},
        {"turn_order": ("committed", "response.done")},
    ],
)
def test_orders_are_checked(wrong: dict[str, Any]) -> None:
    """An order is made of its own names, each once."""
    with pytest.raises(ValueError, match="is made of"):
        Behaviour(**wrong)
