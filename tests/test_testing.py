"""The fixtures, what they assert, and what a failing test shows."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from grok_rt import GrokClient, SessionConfig, events
from grok_rt.audio import PCMU, pcm16
from grok_rt.testing import GrokPeer, GrokServer, speech

pytest_plugins = ["pytester"]

SOON = 20.0
PAGE = Path(__file__).parents[1] / "docs" / "testing.md"


def weather(city: str) -> str:
    """Current weather for a city."""
    return f"3 degrees in {city}"


# --- the server ------------------------------------------------------------------------


def test_a_conversation_is_asserted(grok_server: GrokServer) -> None:
    """What was heard, said, returned and played is there, of a spoken turn with a call."""
    grok_server.script.hears("How warm is it?").says("I look.").calls("weather", city="Oslo").says(
        "It is {output}."
    )
    with GrokClient(config=SessionConfig.wideband(), tools=[weather]) as grok:
        answer = grok.ask(speech("How warm is it?"), timeout=SOON)
    assert answer.text.endswith("It is 3 degrees in Oslo.")
    assert grok_server.heard("WARM") == "How warm is it?"
    assert grok_server.heard(re.compile(r"w.rm")) == "How warm is it?"
    assert grok_server.said("degrees") == "It is 3 degrees in Oslo."
    assert grok_server.said() == "I look."
    assert grok_server.tool_results == [("weather", "3 degrees in Oslo")]
    assert grok_server.answered("weather") == "3 degrees in Oslo"
    assert grok_server.sent_audio(1.0).duration == pytest.approx(answer.audio.duration, abs=0.1)
    assert grok_server.received_audio().level() > -40
    assert len(grok_server.events(events.ResponseDone)) == 2
    assert grok_server.event(events.ResponseDone, lambda done: len(done.response.output) == 1)
    assert isinstance(grok_server.events(events.ClientEvent)[0], events.SessionUpdate)


def test_what_is_not_there_is_told(grok_server: GrokServer) -> None:
    """An assertion that fails says what there was instead."""
    grok_server.brain = lambda context: f"{context.heard}? No."
    with GrokClient() as grok:
        grok.ask("Hello", timeout=SOON)
    for assertion, told in {
        lambda: grok_server.heard("bye", timeout=0): "heard nothing with 'bye', but ['Hello']",
        lambda: grok_server.said(re.compile("Y"), timeout=0): "'Y', but ['Hello? No.']",
        lambda: grok_server.answered("weather", timeout=0): "no result of weather, but none at all",
        lambda: grok_server.sent_audio(99, timeout=0): "s of sound, not 99 s",
        lambda: grok_server.received_audio(timeout=0): "received 0.00 s of sound",
        lambda: grok_server.event(events.Error, timeout=0): "no such Error in 0 of them",
    }.items():
        with pytest.raises(AssertionError, match=re.escape(told)):
            assertion()


def test_what_is_on_its_way_is_waited_for(grok_server: GrokServer) -> None:
    """What a client has sent and nobody has answered yet is heard all the same."""
    with GrokClient() as grok:
        grok.send_user_text("Are you there?")
        assert grok_server.heard("are you there")
        grok.request_response()
        assert grok_server.said("Are you there?")


def test_sound_has_the_format_of_the_session(grok_server: GrokServer) -> None:
    """A clip of what was sent is in the format that the client configured."""
    with GrokClient(config=SessionConfig.telephony()) as grok:
        answer = grok.ask("Hello", timeout=SOON)
    assert grok_server.sent_audio().format == answer.audio.format == PCMU


def test_two_sessions_have_a_timeline_each(grok_server: GrokServer) -> None:
    """The timeline says which session it tells of, when there are several."""
    assert grok_server.timeline() == "no client has connected"
    for words in ("One", "Two"):
        with GrokClient() as grok:
            grok.ask(words, timeout=SOON)
    first, second = grok_server.timeline().split("session 2:")
    assert first.startswith("session 1:")
    assert "'One'" in first
    assert "'You said: Two'" in second
    assert re.search(
        r"^ +\d\.\d\d ← response\.output_audio\.delta +\d\.\d\d s in", second, re.MULTILINE
    )


@pytest.mark.grok_simulator(refuse=503)
class TestMarkers:
    """What a marker says holds for the tests below it, unless a nearer one says else."""

    def test_inherited(self, grok_server: GrokServer) -> None:
        """A class hands its marker on."""
        assert grok_server.refuse == 503

    @pytest.mark.grok_simulator(refuse=401, latency=3)
    def test_nearest(self, grok_server: GrokServer) -> None:
        """The nearest marker wins."""
        assert grok_server.refuse == 401


# --- virtual time ----------------------------------------------------------------------


def test_five_minutes_take_none(grok_peer: GrokPeer) -> None:
    """A conversation of five minutes of the session's time is over at once."""
    for number in range(30):
        grok_peer.script.waits(10).says(f"Number {number}.")
    began = time.monotonic()
    for _ in range(30):
        grok_peer.write("And now?")
        grok_peer.until(events.ResponseDone)
    assert grok_peer.now > 300
    assert time.monotonic() - began < 30
    assert grok_peer.said("number 29")


def test_every_run_is_the_same() -> None:
    """Two peers that are told the same say the same, at the same times."""
    told = []
    for _ in range(2):
        peer = GrokPeer()
        peer.script.hears("Hm?").says("Yes.")
        peer.configure(SessionConfig.wideband())
        peer.say(speech("Are you there", pause=1))
        peer.until(events.ResponseDone)
        told.append([(entry.at, entry.wire) for entry in peer.journal.entries()])
    assert told[0] == told[1]


def test_a_peer_hears_speech(grok_peer: GrokPeer) -> None:
    """What is said is converted to the session's format, and heard in the session's time."""
    grok_peer.script.hears("Are you there?").says("Yes.")
    grok_peer.configure(SessionConfig.telephony())
    clip = speech("Are you there", pause=1)
    came = grok_peer.say(clip)
    assert grok_peer.now == pytest.approx(clip.duration, abs=0.05)
    assert any(isinstance(event, events.InputAudioBufferSpeechStarted) for event in came)
    assert grok_peer.heard("are you there?")
    assert grok_peer.received_audio().format == PCMU


def test_until_says_what_came_instead(grok_peer: GrokPeer) -> None:
    """What does not come in time is told, beside what did; and time does not go back."""
    grok_peer.write("Hello")
    with pytest.raises(TimeoutError, match=r"no SessionUpdated within 5 .* response\.done"):
        grok_peer.until(events.SessionUpdated, within=5)
    with pytest.raises(ValueError, match="0 seconds or more"):
        grok_peer.advance(-1)


@pytest.mark.grok_simulator(inactivity=20)
def test_a_peer_takes_options(grok_peer: GrokPeer) -> None:
    """The marker's options make the peer, too."""
    grok_peer.advance(30)
    assert grok_peer.peer.closed == (1000, "timeout")
    assert "closed: 1000 timeout" in grok_peer.timeline()


def test_speech_is_speech() -> None:
    """`speech` is PCM16 at 24 kHz, with a pause behind it if wanted."""
    assert speech("Hello").format == pcm16(24000)
    assert speech("Hello", pause=2).duration == pytest.approx(speech("Hello").duration + 2)


# --- the plugin ------------------------------------------------------------------------

FAILING = """
    from grok_rt import GrokClient
    from grok_rt.events import ResponseDone

    def test_server(grok_server):
        with GrokClient() as grok:
            grok.ask("Who is there?", timeout=20)
        assert grok_server.heard("Nobody", timeout=0)

    def test_peer(grok_peer):
        grok_peer.write("What is it?")
        grok_peer.until(ResponseDone)
        assert False

    def test_good(grok_server):
        pass
"""


def test_a_failing_test_shows_the_conversation(pytester: pytest.Pytester) -> None:
    """The report of a test that fails has a section with what passed; others have none."""
    pytester.makepyfile(FAILING)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=2, passed=1)
    output = result.stdout.str()
    assert output.count("Grok conversation") == 2
    result.stdout.fnmatch_lines(
        [
            "*the service has heard nothing with 'Nobody', but [[]'Who is there?'[]]",
            "*- Grok conversation -*",
            "* → session.update*",
            "* → conversation.item.create * 'Who is there?'",
            "* ← response.transcript.done * 'You said: Who is there?'",
            "* ← response.done * completed",
            "*- Grok conversation -*",
            "* → conversation.item.create * 'What is it?'",
        ]
    )
    assert "in _find" not in output  # no frame of ours between the test and its failure


@pytest.mark.system
def test_workers_do_not_collide(pytester: pytest.Pytester) -> None:
    """Tests in two processes have servers of their own, and reports are the same."""
    pytester.makepyfile(
        FAILING
        + """
    import os, pytest

    @pytest.mark.parametrize("number", range(6))
    def test_mine(grok_server, number):
        with GrokClient() as grok:
            assert grok.ask(f"I am {number}", timeout=20).text == f"You said: I am {number}"
        assert [grok_server.heard()] == [f"I am {number}"]
        assert os.environ["PYTEST_XDIST_WORKER"]
"""
    )
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=2, passed=7)
    result.stdout.fnmatch_lines(["*- Grok conversation -*", "*'Who is there?'"])


def test_others_pay_nothing(pytester: pytest.Pytester) -> None:
    """A run that does not use the fixtures does not import the package; the markers are known."""
    pytester.makepyfile(
        """
        import sys
        import pytest

        @pytest.mark.grok_simulator(latency=1)
        @pytest.mark.grok_faults("drop")
        def test_nothing():
            assert not [name for name in sys.modules if name.split(".")[0] == "grok_rt"]
            assert "_grok_rt_pytestplugin" in sys.modules
        """
    )
    result = pytester.runpytest_subprocess("--strict-markers", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_a_marker_without_names_is_refused(pytester: pytest.Pytester) -> None:
    """The options of the simulator are keyword arguments."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.grok_simulator("realtime")
        def test_nothing(grok_peer):
            pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*grok_simulator takes keyword arguments only"])
    assert result.ret != 0


@pytest.mark.parametrize(
    ("fixture", "first"), [("grok_server", "host, port"), ("grok_peer", "behaviour")]
)
def test_an_option_that_nobody_knows(pytester: pytest.Pytester, fixture: str, first: str) -> None:
    """It is refused by the name of the marker, and those that there are are told."""
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.grok_simulator(nonsense=3)
        def test_nothing({fixture}):
            pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [f"*mark.grok_simulator has no option 'nonsense'; it takes {first}*"]
    )


def test_faults_of_a_marker(pytester: pytest.Pytester) -> None:
    """Faults strike as values and as text, of all markers together; what is none is an error."""
    pytester.makepyfile(
        """
        import pytest
        from grok_rt import ConnectFailed, ConnectionClosedError, GrokClient
        from grok_rt.simulator import faults

        @pytest.mark.grok_simulator(faults=["refuse:status=503,sessions=1"])
        @pytest.mark.grok_faults(faults.Refuse(429, sessions=1))
        class TestLine:
            @pytest.mark.grok_faults("close:at=response.done,code=1013")
            def test_all(self, grok_server):
                for status in (503, 429):
                    with pytest.raises(ConnectFailed, match=str(status)):
                        GrokClient().connect()
                with pytest.raises(ConnectionClosedError) as error, GrokClient() as grok:
                    grok.ask("Are you there?", timeout=20)
                assert error.value.code == 1013

        @pytest.mark.grok_simulator(tls=True)
        def test_trusted(grok_server):
            assert grok_server.url.startswith("wss:")
            with GrokClient() as grok:
                assert grok.session_id

        @pytest.mark.grok_faults("expired-certificate")
        def test_expired(grok_server):
            with pytest.raises(ConnectFailed, match="expired"):
                GrokClient().connect()

        @pytest.mark.grok_faults(at="response.done")
        def test_keyword(grok_server): ...

        @pytest.mark.grok_faults("sneeze")
        def test_word(grok_server): ...

        @pytest.mark.grok_faults("omit")
        def test_peer(grok_peer): ...
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, errors=3)
    for said in ("and no keywords", "no fault is called 'sneeze'", "use grok_server"):
        result.stdout.fnmatch_lines([f"*{said}*"])


def test_the_page_holds(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests that the documentation shows pass, for the program that it shows."""
    monkeypatch.delitem(sys.modules, "receptionist", raising=False)  # the example's, not the page's
    program, *tests = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    pytester.path.joinpath("receptionist.py").write_text(program, "utf-8")
    pytester.path.joinpath("test_page.py").write_text("\n".join(tests), "utf-8")
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed="".join(tests).count("\ndef test_"))
