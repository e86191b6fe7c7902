"""What a script makes of a conversation."""

from __future__ import annotations

import re
from typing import Any

import pytest
from virtual_talk import Talk, names, only

from grok_rt.errors import ConfigError
from grok_rt.simulator.brain import Call, Context, Failure, Prompt, Reply
from grok_rt.simulator.script import Performance, Script


def said(text: str = "", **news: Any) -> Context:
    return Context(Prompt(text, **news))


def texts(play: Performance, *words: str) -> list[str]:
    return [play.reply(said(each)).text for each in words]


def test_says_then_calls_is_one_response() -> None:
    """`says` directly before `calls` is the preamble of one response."""
    play = Script().says("Wait.").calls("a", x=1).calls("b").says("Done.").play()
    first = Reply("Wait.", (Call("a", {"x": 1}), Call("b", {})))
    assert [play.reply(said()), play.reply(said())] == [first, Reply("Done.")]


def test_then_and_hears_end_a_response() -> None:
    """`then` and `hears` keep what follows for the next response."""
    play = Script().says("Hi.").hears("Lamp!").calls("a").then().calls("b").play()
    replies = [play.reply(said()) for _ in range(3)]
    assert replies == [Reply("Hi."), Reply(calls=(Call("a", {}),)), Reply(calls=(Call("b", {}),))]


def test_templates() -> None:
    """{output} and {heard} are filled in, in arguments too; other braces stay."""
    script = Script().says("{heard}? {output}! {x}").calls("a", q=["{heard}", {"n": 1}])
    reply = script.play().reply(said("How warm", outputs=("3", "{heard}")))
    assert reply.text == "How warm? 3, {heard}! {x}"
    assert reply.calls[0].arguments == {"q": ["How warm", {"n": 1}]}


def test_performances_are_apart() -> None:
    """Every session plays the script from its beginning."""
    script = Script().hears("One").says("Two").when("x", Script().says("A").says("B"))
    for _ in range(2):
        play = script.play()
        assert play.transcript() == "One"
        assert play.transcript() is None
        assert texts(play, "", "x", "") == ["Two", "A", "B"]


def test_a_tool_may_have_any_argument() -> None:
    """An argument may be called like our own parameter."""
    assert Script().calls("a", tool=1, self=2).play().reply(said()).calls == (
        Call("a", {"tool": 1, "self": 2}),
    )


# --- waiting and failing ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "replies"),
    [
        (Script().waits(2).says("A"), [Reply("A", wait=2)]),
        (Script().says("A").waits(2).says("B"), [Reply("A"), Reply("B", wait=2)]),
        (
            Script().says("A").waits(1).waits(1).calls("b"),
            [Reply("A", (Call("b"),), wait_to_call=2)],
        ),
        (Script().waits(2).calls("b"), [Reply(calls=(Call("b"),), wait=2)]),
        (Script().waits(2).fails("X"), [Reply(wait=2, failure=Failure("X"))]),
        (Script().waits(2).hears("Hm?").says("A"), [Reply("A", wait=2)]),
        (Script().says("").says("A"), [Reply(""), Reply("A")]),
        (Script().waits(2), [Reply("Hello, I am the simulator. Say or write something.", wait=2)]),
    ],
)
def test_waits(script: Script, replies: list[Reply]) -> None:
    """A wait belongs to what follows it: a response, or the calls of one that has spoken."""
    play = script.play()
    assert [play.reply(said()) for _ in replies] == replies


def ask(talk: Talk, text: str = "Hm?") -> list[tuple[float, dict[str, Any]]]:
    """What comes in answer, each with the seconds since it was asked."""
    talk.write(text)
    began, messages = talk.now, [(0.0, each) for each in talk.send("response.create")]
    while talk.now < began + 9:
        messages += [(talk.now - began, each) for each in talk.wait(0.01)]
    return messages


def first(messages: list[tuple[float, dict[str, Any]]], type: str) -> float:
    return next(at for at, message in messages if message["type"] == type)


def test_a_wait_takes_its_time() -> None:
    """The response is there at once; its words come when the wait is over, and then the calls."""
    talk = Talk(Script().waits(2).says("One moment.").waits(3).calls("a"), latency=0)
    messages = ask(talk)
    assert first(messages, "response.created") == 0
    spoken = first(messages, "response.output_audio.delta")
    assert spoken == pytest.approx(2, abs=0.02)
    assert first(messages, "response.function_call_arguments.done") > spoken + 3


@pytest.mark.parametrize(
    ("script", "spoken"), [(Script(), False), (Script().says("Let me"), True)], ids=["", "spoken"]
)
def test_a_failure_is_an_error_and_a_failed_response(script: Script, spoken: bool) -> None:
    """What fails has spoken, if it was to; then come an error and the end, and life goes on."""
    talk = Talk(script.fails("No more.", type="internal_error", code="overloaded").says("Again."))
    messages = [message for _, message in ask(talk)]
    assert ("response.output_audio_transcript.done" in names(messages)) is spoken
    *_, error, done = messages
    assert error["error"] == {
        "type": "internal_error",
        "code": "overloaded",
        "message": "No more.",
    }
    assert (done["type"], done["response"]["status"]) == ("response.done", "failed")
    again = [message for _, message in ask(talk)]
    assert only(again, "response.output_audio_transcript.done")[0]["transcript"] == "Again."


def test_a_failure_can_wait() -> None:
    """A model may think for long before it fails."""
    assert first(ask(Talk(Script().waits(3).fails())), "error") == pytest.approx(3, abs=0.1)


def test_no_wait_is_negative() -> None:
    """Nothing happens before it was asked for."""
    with pytest.raises(ValueError, match="0 seconds or more"):
        Script().waits(-1)


# --- branches --------------------------------------------------------------------------


def test_a_branch_is_played_when_its_matcher_matches() -> None:
    """Text is found in any case, a pattern is searched, a predicate is asked; else it goes on."""
    script = (
        Script()
        .says("First.")
        .when("LAMP", "A lamp!")
        .when(re.compile(r"^how (?P<what>warm|cold)"), "Not {what}.")
        .when(lambda context: len(context.heard) > 30, "So many words.")
    )
    asked = ("The lamp, please", "how cold?", "x", "y" * 31, "z")
    assert texts(script.play(), *asked) == [
        "A lamp!",
        "Not cold.",
        "First.",
        "So many words.",
        "You said: z",
    ]


def test_groups_reach_the_arguments() -> None:
    """What a pattern's group has found is an argument of a call."""
    branch = Script().calls("weather", city="{city}").says("{city} has {output}.")
    play = Script().when(re.compile(r"in (?P<city>\w+)"), branch).play()
    assert play.reply(said("How warm is it in Oslo?")).calls == (Call("weather", {"city": "Oslo"}),)
    assert play.reply(said(outputs=("3 degrees",))).text == "Oslo has 3 degrees."


def test_a_branch_goes_on_until_its_end_or_another() -> None:
    """A branch is left for another that matches, and begins anew when it matches again."""
    script = (
        Script()
        .says("Main.")
        .when("a", Script().says("A1").says("A2"))
        .when("b", Script().says("B1"))
    )
    assert texts(script.play(), "a", "b", "a", "x", "x") == ["A1", "B1", "A1", "A2", "Main."]


def test_branches_have_branches() -> None:
    """The branches of a branch are tried first, while it is played."""
    inner = Script().says("Which?").when("yes", "Inner yes.").says("Done.")
    script = Script().when("lamp", inner).when("yes", "Outer yes.")
    assert texts(script.play(), "yes", "lamp", "yes", "x", "yes", "x", "yes") == [
        "Outer yes.",
        "Which?",
        "Inner yes.",
        "Done.",
        "Inner yes.",
        "You said: x",
        "Outer yes.",
    ]


def test_a_branch_may_hear() -> None:
    """Transcripts of the branch that is played come before those of the script."""
    play = Script().hears("lamp").when("lamp", Script().says("Which?").hears("that one")).play()
    assert play.transcript() == "lamp"
    assert texts(play, "lamp") == ["Which?"]
    assert [play.transcript(), play.transcript()] == ["that one", None]


def test_speech_that_was_not_understood_matches_no_words() -> None:
    """A transcript that only tells of a sound is not what somebody said."""
    play = (
        Script().when("speech", "No.").when(lambda c: c.prompt.speech_seconds > 3, "Long.").play()
    )
    assert "seconds of speech" in play.reply(said("[2 s of speech]", speech_seconds=2)).text
    assert play.reply(said("[4 s of speech]", speech_seconds=4)).text == "Long."


def test_what_matches_nothing_is_refused() -> None:
    """A matcher is text, a pattern or a function."""
    with pytest.raises(TypeError, match="not 7"):
        Script().when(7, "Hm.")  # type: ignore[arg-type]


# --- from data -------------------------------------------------------------------------


def test_data_say_what_the_verbs_say() -> None:
    """A script read from data does what the same script written in Python does."""
    data = {
        "step": [
            {"hears": "Hello", "says": "Hi."},
            {"waits": 1, "says": "Wait.", "calls": "a", "with": {"x": [1, "{heard}"]}},
            {"calls": [{"name": "b"}, {"name": "c", "with": {"self": 1}}]},
            {"searches": "news", "by": "x_keyword_search"},
            {"then": True},
            {"asks": "d", "with": {"y": 2}, "output": "O"},
            {"fails": True},
            {"fails": "M", "type": "t", "code": "c"},
            {"fails": "No."},
        ],
        "when": [
            {"heard": "lamp", "step": [{"says": "L."}]},
            {
                "matches": "IN (?P<city>\\w+)",
                "step": [{"says": "{city}"}],
                "when": [{"heard": "no", "step": [{"says": "N."}]}],
            },
        ],
    }
    script = (
        Script()
        .hears("Hello")
        .says("Hi.")
        .waits(1)
        .says("Wait.")
        .calls("a", x=[1, "{heard}"])
        .calls("b")
        .calls("c", self=1)
        .searches("news", by="x_keyword_search")
        .then()
        .asks("d", output="O", y=2)
        .fails()
        .fails("M", type="t", code="c")
        .fails("No.")
        .when("lamp", "L.")
        .when(
            re.compile(r"IN (?P<city>\w+)", re.IGNORECASE), Script().says("{city}").when("no", "N.")
        )
    )
    plays = [Script.from_data(data).play(), script.play()]
    asked = ["in Oslo", "no", "lamp", *"abcdefgh"]
    ours, theirs = ([play.reply(said(words)) for words in asked] for play in plays)
    assert ours == theirs
    assert [play.transcript() for play in plays] == ["Hello", "Hello"]
    assert ours[1].text == "N."


def test_a_list_is_the_steps() -> None:
    """A script without branches may be a list alone."""
    assert Script.from_data([{"says": "Hi."}]).play().reply(said()).text == "Hi."


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"steps": []}, "the script: `steps` means nothing here; did you mean `step`?"),
        ({"step": {}}, "step must be a list of tables, not {}"),
        ({"step": "says"}, "step must be a list of tables"),
        ([3], "step 1 must be a table, not 3"),
        ([{}], "step 1 says nothing; there are hears, says"),
        ([{"says": "x"}, {"say": "x"}], "step 2: `say` means nothing here; did you mean `says`?"),
        ([{"says": 3}], "step 1, says must be text, not 3"),
        ([{"waits": "2"}], "step 1, waits must be a number of seconds, not '2'"),
        ([{"waits": True}], "step 1, waits must be a number"),
        ([{"waits": -2}], "step 1, waits must be a number"),
        ([{"then": 1}], "step 1, then must be true, not 1"),
        ([{"calls": 5}], "step 1, calls must be a list of tables, not 5"),
        ([{"calls": [{"with": {}}]}], "step 1, calls 1: a call needs a `name`"),
        ([{"calls": [{"name": "a", "args": {}}]}], "step 1, calls 1: `args` means nothing"),
        ([{"calls": [{"name": "a", "with": 3}]}], "step 1, calls 1, with must be a table, not 3"),
        ([{"calls": "a", "with": 3}], "step 1, calls, with must be a table, not 3"),
        ([{"says": "a", "with": {}}], "step 1: `with` means nothing here"),
        ([{"fails": "a", "typo": "x"}], "step 1: `typo` means nothing here; did you mean `type`?"),
        ([{"fails": "a", "code": 3}], "step 1, fails, code must be text, not 3"),
        ([{"fails": False}], "step 1, fails must be text, not False"),
        ({"when": [{"step": []}]}, "when 1: give either `heard` (words) or `matches`"),
        ({"when": [{"heard": "a", "matches": "b"}]}, "when 1: give either"),
        ({"when": [{"matches": "("}]}, "when 1: '(' is no pattern"),
        ({"when": [{"hears": "a"}]}, "when 1: `hears` means nothing here; did you mean `heard`?"),
        (
            {"when": [{"heard": "a", "when": [{"heard": "b", "step": [{"say": ""}]}]}]},
            "when 1, when 1, step 1: `say` means nothing here",
        ),
    ],
)
def test_data_that_are_no_script(data: Any, place: str) -> None:
    """What cannot be read is a `ConfigError` that names the place, and what was meant."""
    with pytest.raises(ConfigError) as raised:
        Script.from_data(data)
    assert place in str(raised.value)
