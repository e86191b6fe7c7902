"""Models that are functions, and the one that tells the truth."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_talk import MANUAL, Talk, only

from grok_rt.audio import AudioClip, pcm16
from grok_rt.simulator import Simulator
from grok_rt.simulator.brain import Call, Context, Prompt, Reply, mind_of, truth
from grok_rt.simulator.script import Script

TOOL = {"type": "function", "name": "lamp", "description": "Light.", "parameters": {}}


def answer(talk: Talk, text: str) -> list[dict[str, Any]]:
    talk.write(text)
    return talk.send("response.create") + talk.wait(9)


def words(messages: list[dict[str, Any]]) -> list[str]:
    return [each["transcript"] for each in only(messages, "response.output_audio_transcript.done")]


def test_a_function_is_a_model() -> None:
    """A function is asked for each response, and what it returns is said, or called, or both."""
    replies = iter(["Yes.", Call("lamp", {"on": True}), ["So", "be it.", Call("lamp")], None])
    talk = Talk(lambda _: next(replies))
    assert words(answer(talk, "One")) == ["Yes."]
    (called,) = only(answer(talk, "Two"), "response.function_call_arguments.done")
    assert (called["name"], called["arguments"]) == ("lamp", '{"on":true}')
    third = answer(talk, "Three")
    assert words(third) == ["So be it."]
    assert len(only(third, "response.function_call_arguments.done")) == 1
    assert words(answer(talk, "Four")) == ["You said: Four"]


def test_a_function_knows_the_conversation() -> None:
    """The context tells who said what, what is new, what functions there are, and the part."""
    known: list[Context] = []

    def brain(context: Context) -> str | Call:
        known.append(context)
        return Call("lamp") if context.heard == "Lamp!" else "Well."

    talk = Talk(brain)
    talk.send("session.update", session={"instructions": "Be kind.", "tools": [TOOL]})
    answer(talk, "Hello.")
    (called,) = only(answer(talk, "Lamp!"), "response.function_call_arguments.done")
    talk.answer(called["call_id"], "It is on.")
    talk.send("response.create")
    hello, _, on = known
    assert (hello.heard, hello.outputs, hello.instructions) == ("Hello.", (), "Be kind.")
    assert hello.tools == ({"name": "lamp", "description": "Light.", "parameters": {}},)
    assert (on.heard, on.outputs) == ("", ("It is on.",))
    assert on.messages == (("user", "Hello."), ("assistant", "Well."), ("user", "Lamp!"))


def test_a_function_hears_of_speech(question: AudioClip) -> None:
    """Speech that nothing has understood is no words, but its length is known."""
    known: list[Context] = []
    talk = Talk(lambda context: known.append(context))
    talk.send("session.update", session=MANUAL)
    talk.say(question)
    talk.send("input_audio_buffer.commit")
    (context,) = known
    assert context.heard == ""
    assert context.prompt.speech_seconds > 1


def test_a_function_that_fails_is_an_internal_error() -> None:
    """What a function raises, or returns that is no reply, is told, and the session goes on."""
    replies: Any = iter([7, ["a", 7]])
    talk = Talk(lambda _: next(replies))
    for told in ("not 7", "not 7", "StopIteration"):
        (failed,) = only(answer(talk, "Hm?"), "error")
        assert failed["error"]["type"] == "internal_error"
        assert told in failed["error"]["message"]


def test_what_is_no_brain() -> None:
    """A brain is a script or a function, and not the class of scripts."""
    for wrong in ("Hello", Script):
        with pytest.raises(TypeError, match="a brain is a Script or a function"):
            mind_of(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a brain is a Script or a function"):
            Simulator(wrong)  # type: ignore[arg-type]


def test_recorded_speech_is_spoken_as_it_was(question: AudioClip) -> None:
    """The sound of a reply is sent in the session's format, and not synthesised."""
    talk = Talk(lambda _: Reply("What is the weather?", speech=question))
    form = {"type": "audio/pcm", "rate": 16000}
    talk.send("session.update", session={"audio": {"output": {"format": form}}})
    seconds = answer(talk, "Hm?")[-1]["usage"]["output_audio_seconds"]
    assert seconds == pytest.approx(question.to(pcm16(16000)).duration, abs=0.01)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (Prompt("Hi"), "You said: Hi"),
        (Prompt("x", speech_seconds=2.13), "I heard 2.1 seconds of speech."),
        (Prompt("x", speech_seconds=2, sound="a tone"), "I heard 2.0 seconds of a tone."),
        (Prompt("Hi", speech_seconds=2, scripted=True), "I heard: Hi"),
        (Prompt(outputs=("3 degrees",)), "The answer is: 3 degrees"),
        (Prompt(searched=("a", "b")), "I searched for: a, b"),
        (Prompt(silence=True), "Are you still there?"),
        (Prompt(), "Hello, I am the simulator. Say or write something."),
    ],
)
def test_truth(prompt: Prompt, said: str) -> None:
    """Without a brain the model says what it got, and nothing else."""
    assert truth(prompt).text == said
    assert mind_of(None).reply(Context(prompt)).text == said


def test_a_function_is_spared_what_the_service_does_itself() -> None:
    """Who meddles with a search of the service gets its apology, whatever the brain."""
    meddled = Context(Prompt(meddled=True))
    assert mind_of(lambda _: "No.").reply(meddled).text.startswith("I am sorry")


def test_a_call_that_was_never_declared_fails_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody would answer it: the error names it, the functions there are, and the nearest."""
    talk = Talk(Script().says("Let me see.").calls("lmap").says("On."))
    talk.send("session.update", session={"tools": [TOOL]})
    turn = answer(talk, "Lamp!")
    assert words(turn) == ["Let me see."]
    assert only(turn, "response.function_call_arguments.done") == []
    (error,) = only(turn, "error")
    assert error["error"]["message"] == (
        "'lmap' is called, but the client has declared only 'lamp'; did you mean 'lamp'?"
    )
    assert turn[-1]["response"]["status"] == "failed"
    assert caplog.messages == [error["error"]["message"]]
    assert words(answer(talk, "And now?")) == ["On."]


def test_who_plays_the_client_by_hand_need_not_declare(caplog: pytest.LogCaptureFixture) -> None:
    """Without any function declared a call goes out, and the log says what is missing."""
    turn = answer(Talk(Script().calls("lamp")), "Lamp!")
    assert len(only(turn, "response.function_call_arguments.done")) == 1
    assert caplog.messages == ["'lamp' is called, but the client has declared no function"]


def test_what_the_service_does_itself_is_never_declared(caplog: pytest.LogCaptureFixture) -> None:
    """Searches and MCP tools are the service's to answer."""
    talk = Talk(Script().searches("cats").says("Many.").asks("find", output="3").says("Three."))
    talk.send("session.update", session={"tools": [TOOL]})
    assert words(answer(talk, "Cats?")) == ["Many.", "Three."]
    assert caplog.messages == []
