"""What a script makes of a conversation."""

from __future__ import annotations

from grok_rt.simulator.script import Call, Prompt, Reply, Script


def test_says_then_calls_is_one_response() -> None:
    """`says` directly before `calls` is the preamble of one response."""
    play = Script().says("Wait.").calls("a", x=1).calls("b").says("Done.").play()
    first = Reply("Wait.", (Call("a", {"x": 1}), Call("b", {})))
    assert [play.reply(Prompt()), play.reply(Prompt())] == [first, Reply("Done.")]


def test_then_and_hears_end_a_response() -> None:
    """`then` and `hears` keep what follows for the next response."""
    play = Script().says("Hi.").hears("Lamp!").calls("a").then().calls("b").play()
    replies = [play.reply(Prompt()) for _ in range(3)]
    assert replies == [Reply("Hi."), Reply(calls=(Call("a", {}),)), Reply(calls=(Call("b", {}),))]


def test_templates() -> None:
    """{output} and {heard} are filled in; other braces stay."""
    play = Script().says("{heard}? {output}! {x}").play()
    assert play.reply(Prompt(text="How warm", outputs=("3", "4"))).text == "How warm? 3, 4! {x}"


def test_performances_are_apart() -> None:
    """Every session plays the script from its beginning."""
    script = Script().hears("One").says("Two")
    for _ in range(2):
        play = script.play()
        assert play.transcript() == "One"
        assert play.transcript() is None
        assert play.reply(Prompt()).text == "Two"


def test_a_tool_may_have_any_argument() -> None:
    """An argument may be called like our own parameter."""
    assert Script().calls("a", tool=1, self=2).play().reply(Prompt()).calls == (
        Call("a", {"tool": 1, "self": 2}),
    )


def test_truth() -> None:
    """Beyond the script the model says what it got, and nothing else."""
    play = Script().play()
    assert play.reply(Prompt(text="Hi")).text == "You said: Hi"
    assert (
        play.reply(Prompt(text="x", speech_seconds=2.13)).text == "I heard 2.1 seconds of speech."
    )
    assert play.reply(Prompt(text="Hi", speech_seconds=2, scripted=True)).text == "You said: Hi"
    assert play.reply(Prompt(outputs=("3 degrees",))).text == "The answer is: 3 degrees"
    assert play.reply(Prompt(silence=True)).text == "Are you still there?"
    assert play.reply(Prompt()).text.startswith("Hello")
