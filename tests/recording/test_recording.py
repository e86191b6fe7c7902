"""A conversation is recorded, read, told and played again; and nothing the disk does harms it."""

from __future__ import annotations

import itertools
import json
import logging
import re
import signal
import subprocess
import sys
import textwrap
import threading
import wave
from pathlib import Path
from typing import Any

import pytest
from callers import SOON, until

from grok_rt import GrokClient, Reconnect, SessionConfig, events
from grok_rt.audio import PCMU, AudioClip, pcm16, shipped
from grok_rt.errors import AudioError, RecordingError
from grok_rt.models import GrokToolDefinition
from grok_rt.recording import Recorded, Recording, _recorder, record
from grok_rt.simulator import Script, loopback, recorded

SECRET = "Canary-4rT7mPx2Qa9"


def script() -> Script:
    """Two responses with a call between them, then a long one."""
    return (
        Script()
        .says("Let me look.")
        .calls("weather", city="Oslo")
        .says("{output}")
        .then()
        .says("This is a long story that nobody would like to hear to its end.")
    )


class Caller(GrokClient):
    """Has a tool, and nothing to hide but the authorization of another server."""

    config = SessionConfig.wideband(
        tools=[GrokToolDefinition.mcp("https://mcp.invalid", "mcp", authorization=SECRET)]
    )


def caller(played: Script | None = None) -> Caller:
    """A client of the simulator in memory."""
    client = Caller(f"xai-{SECRET}", transport=loopback(played or script()))

    @client.tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"It is cold in {city}."

    return client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole call: a question with a tool, then an answer that is interrupted."""
    path = tmp_path_factory.mktemp("call") / "recorded"
    client = caller()
    with record(client, path) as recorder, client:
        client.ask("How warm is it?", timeout=SOON)
        client.send_audio(shipped("hello").to(client.config.input_audio_format)[:0.3].data)
        client.send_user_text("Tell me a story.")
        with client.expect(events.AudioDelta, timeout=SOON):
            client.request_response()
        client.interrupt(played_ms=100)
    assert (recorder.error, recorder.lost) == (None, 0)
    return path


def types(recording: Recording, source: str) -> list[str]:
    """What one side said, in order."""
    return [one.event.type for one in recording if one.source == source]


def test_both_directions_are_there_in_order(folder: Path) -> None:
    """The file has what each side said, as on the wire, in the order in which it happened."""
    recording = Recording.open(folder)
    ours = types(recording, "client")
    assert ours[0] == "session.update"
    assert [t for t in ours if t != "input_audio_buffer.append"][1:] == [
        "conversation.item.create",
        "response.create",
        "conversation.item.create",
        "response.create",
        "conversation.item.create",
        "response.create",
        "response.cancel",
        "conversation.item.truncate",
    ]
    assert types(recording, "server")[:2] == ["session.created", "conversation.created"]
    assert types(recording, "local")[0] == "local.opened"
    assert types(recording, "local")[-1] == "local.closed"
    times = [one.at for one in recording]
    assert times[0] >= 0
    assert max(a - b for a, b in itertools.pairwise(times)) < 0.5
    call = next(one for one in recording if isinstance(one.event, events.FunctionCalled))
    output = next(
        one
        for one in recording
        if one.source == "client"
        and one.message.get("item", {}).get("type") == "function_call_output"
    )
    assert call.at <= output.at
    assert repr(recording).startswith("<Recording of ")


def test_no_key_and_no_token_is_in_it(folder: Path) -> None:
    """Not the client's key, nor what is said to another server in its name, in any file."""
    for file in folder.iterdir():
        assert SECRET.encode() not in file.read_bytes()
    assert b'"authorization": "***"' in (folder / "events.jsonl").read_bytes()


def test_the_sound_is_where_it_was(folder: Path) -> None:
    """The caller is left and Grok right, on one clock, and Grok is silent once interrupted."""
    recording = Recording.open(folder)
    sent = shipped("hello").to(pcm16(24000))[:0.3]
    left, right = recording.caller, recording.grok
    assert left.format == right.format == pcm16(24000)
    at = left.data.find(sent.data)
    assert at > 0
    appended = next(
        one for one in recording if isinstance(one.event, events.InputAudioBufferAppend)
    )
    assert at / 48000 == pytest.approx(appended.at, abs=0.2)
    first = next(one for one in recording if isinstance(one.event, events.AudioDelta))
    assert not any(right.data[: int((first.at - 0.01) * 24000) * 2])
    assert right[first.at : first.at + 0.5].level() > -50
    stopped = next(one for one in recording if isinstance(one.event, events.Interrupted))
    assert not any(right.data[int((stopped.at + 0.01) * 24000) * 2 :])
    with wave.open(str(folder / "audio.wav")) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(recording.duration, abs=0.5)


def test_the_timeline_tells_the_call(folder: Path) -> None:
    """Who could be heard when, the function, the wait, and what was cut."""
    timeline = Recording.open(folder).timeline()
    kinds = [(span.kind, span.cut) for span in timeline.spans]
    assert kinds.count(("tool", False)) == 1
    assert kinds[-1] == ("assistant", True)
    assert ("wait", False) in kinds
    assert "weather" in timeline.text()
    spoken = [span for span in timeline.spans if span.kind == "assistant"]
    assert max(spoken[0].levels) > 0.05
    assert spoken[-1].levels == ()  # it was cut before it was heard
    assert all(a.end <= b.start for a, b in itertools.pairwise(spoken) if a.end)


def test_the_turns_are_those_of_the_call(folder: Path) -> None:
    """A recording has the conversation that the program had."""
    turns = [(t.role, t.interrupted) for t in Recording.open(folder).conversation()]
    assert turns[:4] == [
        ("user", False),
        ("assistant", False),
        ("tool", False),
        ("assistant", False),
    ]
    assert turns[-1] == ("assistant", True)


def test_handlers_hear_it_again(folder: Path) -> None:
    """A client that never connects hears all the program heard, and does nothing twice."""
    recording = Recording.open(folder)
    heard: list[events.Event] = []
    ran: list[str] = []
    done = threading.Event()

    def weather(city: str) -> None:
        ran.append(city)
        done.set()

    client = GrokClient("key", tools=[weather])
    client.on(events.Event)(heard.append)
    recording.replay(client)
    assert [e.type for e in heard] == [o.event.type for o in recording if o.source != "client"]
    assert not done.wait(0.2)
    assert ran == []
    plain: list[events.Event] = []
    recording.replay(plain.append, speed=1000)
    assert len(plain) == len(heard)

    @client.on(events.Closed)
    def fail(_: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        recording.replay(client)


def test_elided_sound_is_told_by_its_size(folder: Path) -> None:
    """Where sound was not kept, an event has none, and the recording says how much there was."""
    deltas = [o for o in Recording.open(folder) if isinstance(o.event, events.AudioDelta)]
    assert all(o.elided and o.event.audio_delta() == b"" for o in deltas)


def test_sound_may_be_kept(tmp_path: Path) -> None:
    """With `keep_audio` the lines hold the very bytes of the wire."""
    client = caller()
    heard = bytearray()
    client.on_audio(lambda event: heard.extend(event.audio))
    with record(client, tmp_path / "call", keep_audio=True), client:
        client.ask("How warm is it?", timeout=SOON)
    kept: list[Recorded] = list(Recording.open(tmp_path / "call"))
    assert b"".join(o.event.audio_delta() or b"" for o in kept if o.source == "server") == heard


def test_it_becomes_a_script(folder: Path) -> None:
    """The simulator says and calls again what was said and called, with a voice of its own."""
    again = recorded(Recording.open(folder))
    with caller(again) as client:
        answer = client.ask("How warm?", timeout=SOON)
    assert answer.text == "Let me look. It is cold in Oslo."
    assert answer.audio.level() > -50


def test_the_report_stands_alone(folder: Path) -> None:
    """One page with all that was said, escaped, which fetches nothing from anywhere."""
    page = (folder / "report.html").read_text("utf-8")
    for word in ("How warm is it?", "It is cold in Oslo.", "weather", "cut off", "<polygon"):
        assert word in page
    assert "default-src 'none'" in page
    bare = re.sub(r'src="data:[^"]*"|xmlns="[^"]*"', "", page)
    assert not re.search(r'(src|href)="|@import|url\(|fetch\(|<link', bare)
    assert "<!-- " not in page


def test_words_of_a_call_are_no_markup(tmp_path: Path) -> None:
    """What somebody said can neither become a tag nor a place of the template."""
    evil = "</pre><script>alert(1)</script><!-- title -->"
    client = GrokClient("key", transport=loopback(Script().says(evil)))
    with record(client, tmp_path / "call"), client:
        client.ask(evil, timeout=SOON)
    page = (tmp_path / "call" / "report.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "&lt;!-- title --&gt;" in page
    assert page.count("<script>") == 1


def test_long_sound_stays_beside_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound that would make the page too large is played from the file beside it."""
    monkeypatch.setattr("grok_rt.recording._page._EMBEDDED", 10)
    path = Recording.open(folder).write_report(folder / "other.html")
    assert 'src="audio.wav"' in path.read_text("utf-8")


def test_formats_may_differ_and_change(tmp_path: Path) -> None:
    """Telephone sound is recorded at its rate, and a format set later is understood."""
    config = SessionConfig.telephony()
    client = GrokClient("key", config=config, transport=loopback(Script().says("Yes.")))
    with record(client, tmp_path / "call"), client:
        client.update_session(config.with_audio_format("audio/pcm", 16000))
        client.send_audio(AudioClip.from_samples([9000] * 1600, 16000).data)
        client.ask("Well?", timeout=SOON)
    recording = Recording.open(tmp_path / "call")
    assert recording.formats["input"].type == PCMU.type
    assert recording.rate == 8000
    assert sum(s > 8000 for s in recording.caller.samples()) == pytest.approx(
        800, abs=80
    )  # resampling holds some back
    assert recording.grok.level() > -50


@pytest.mark.parametrize("begin", ["before", "after"])
def test_it_ends_with_the_session_or_before(tmp_path: Path, begin: str) -> None:
    """However the two blocks are nested, nothing of the recording is left, and it is whole."""
    client = caller()
    if begin == "before":
        with record(client, tmp_path / "call") as recorder, client:
            pass
    else:
        with client, record(client, tmp_path / "call") as recorder:
            client.ask("How warm is it?", timeout=SOON)
    assert client._inbox.listeners == ()
    assert (tmp_path / "call" / "report.html").exists()
    assert repr(recorder).startswith("<Recorder over")
    recorder.close()


def test_a_call_that_never_opens_is_recorded_too(tmp_path: Path) -> None:
    """A recording of nothing is one, and has a page."""
    with record(GrokClient("key"), tmp_path / "call"):
        pass
    recording = Recording.open(tmp_path / "call")
    assert list(recording) == []
    assert "Nothing was said." in (tmp_path / "call" / "report.html").read_text("utf-8")
    assert recording.timeline().text() == ""


def test_a_lost_connection_is_part_of_the_call(tmp_path: Path) -> None:
    """The recording goes on over the outage, and its timeline shows that nobody was there."""
    lines: list[Any] = []
    connect = loopback(script())

    def factory(url: str, headers: Any) -> Any:
        lines.append(connect(url, headers))
        return lines[-1]

    client = GrokClient("key", transport=factory, reconnect=Reconnect(backoff=0.01))
    with record(client, tmp_path / "call"):
        client.start()
        with client.expect(events.Reconnected, timeout=SOON):
            lines[0].shutdown()
        client.close()
    recording = Recording.open(tmp_path / "call")
    local = types(recording, "local")
    assert local.index("local.reconnecting") < local.index("local.reconnected")
    assert types(recording, "server").count("session.created") == 2
    (outage,) = recording.timeline().spans
    assert (outage.lane, outage.text, outage.end is None) == ("line", "no connection", False)


def test_nobody_listens_for_nothing() -> None:
    """A client that is not recorded has no listener, so nothing is called on its way."""
    with caller() as client:
        assert client._inbox.listeners == ()


# -- trouble ---------------------------------------------------------------------------------------


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    """Nothing is written over: a folder with something in it, or a file, is refused."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RecordingError, match="is not empty: a recording gets one of its own"):
        record(GrokClient("key"), tmp_path)
    with pytest.raises(RecordingError, match=r"mine.txt' is no folder"):
        record(GrokClient("key"), tmp_path / "mine.txt")
    with pytest.raises(RecordingError, match="cannot record to"):
        record(GrokClient("key"), tmp_path / "mine.txt" / "below")


@pytest.mark.parametrize("largest", [3000, 60_000], ids=["events", "sound"])
def test_a_full_disk_ends_the_recording_only(
    tmp_path: Path, largest: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The call goes on, one line of the log says what is lost, and the recorder knows why."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    client = caller()
    try:
        with record(client, tmp_path / "call") as recorder, client:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
            with caplog.at_level(logging.ERROR, "grok_rt"):
                assert client.ask("How warm is it?", timeout=SOON).status == "completed"
                until(lambda: not client._inbox.listeners)
            client.send_user_text("The call goes on.")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(recorder.error, OSError)
    assert "has ended: File too large. The call goes on" in str(recorder.error)
    assert [r.getMessage() for r in caplog.records] == [str(recorder.error)]
    assert repr(recorder).startswith("<Recorder failed")
    assert not (tmp_path / "call" / "report.html").exists()
    assert Recording.open(tmp_path / "call").timeline() is not None


def test_a_slow_disk_loses_events_and_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk cannot take in time is left out and told; the session does not wait for it."""
    monkeypatch.setattr(_recorder, "_MAX_WAITING", 2000)
    go = threading.Event()
    client = caller()
    with record(client, tmp_path / "call") as recorder:
        write = recorder._lines.write

        class Slow:
            def write(self, data: bytes) -> int | None:
                go.wait(SOON)
                return write(data)

            close = recorder._lines.close

        recorder._lines = Slow()  # type: ignore[assignment]
        with client:
            assert client.ask("How warm is it?", timeout=SOON).status == "completed"
            assert recorder.lost > 0
            go.set()
            until(lambda: not recorder._waiting)
            client.send_user_text("Is this recorded again?")
    recording = Recording.open(tmp_path / "call")
    assert recording.lost == recorder.lost
    assert "events not recorded" in (tmp_path / "call" / "report.html").read_text("utf-8")
    assert "recorded again?" in str(recording.conversation())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nobody is killed here")
def test_what_was_said_before_a_kill_can_be_read(tmp_path: Path) -> None:
    """After SIGKILL in the middle of a sentence both files are good up to there."""
    program = textwrap.dedent("""
        import sys, time
        from grok_rt import GrokClient, events
        from grok_rt.recording import record
        from grok_rt.simulator import Script, loopback
        client = GrokClient("key", transport=loopback(Script().says("A long story, " * 30)))
        recorder = record(client, sys.argv[1])
        client.start()
        client.send_user_text("Tell me a story.")
        with client.expect(events.AudioDelta, timeout=10):
            client.request_response()
        time.sleep(1.0)
        print("said", flush=True)
        time.sleep(60)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "call")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "said\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    recording = Recording.open(tmp_path / "call")
    assert "A long story, A long story" in str(recording.conversation())
    with wave.open(str(tmp_path / "call" / "audio.wav")) as file:
        assert file.getnframes() / file.getframerate() > 0.5
    assert recording.grok.level() > -50
    assert "A long story" in recording.write_report().read_text("utf-8")


def test_a_program_that_just_ends_has_its_recording(tmp_path: Path) -> None:
    """Whoever forgets to close finds the recording whole, page and all."""
    program = textwrap.dedent("""
        import sys
        from grok_rt import GrokClient
        from grok_rt.recording import record
        from grok_rt.simulator import Script, loopback
        client = GrokClient("key", transport=loopback(Script().says("Yes.")))
        record(client, sys.argv[1])
        client.connect()
        client.ask("Well?", timeout=10)
    """)
    path = tmp_path / "call"
    subprocess.run([sys.executable, "-c", program, str(path)], timeout=30, check=True)
    assert "Yes." in (path / "report.html").read_text("utf-8")


def test_a_broken_recording_is_read_as_far_as_it_goes(folder: Path, tmp_path: Path) -> None:
    """A last line that was cut, lines that are none, and sound that is missing do no harm."""
    whole = (folder / "events.jsonl").read_bytes()
    odd = b'[]\n{"t": 1, "from": "server", "event": {}}\nnull\n{"t": 2}\n'
    (tmp_path / "events.jsonl").write_bytes(whole + odd + b'{"t": 3, "from": "cl')
    recording = Recording.open(tmp_path)
    assert len(list(recording)) == len(list(Recording.open(folder)))
    assert recording.timeline().spans
    with pytest.raises(AudioError, match=r"audio\.wav"):
        _ = recording.caller
    assert recording.write_report().exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin like a recording"),
        (json.dumps({"recording": 2}), "does not begin like a recording"),
        (json.dumps({"recording": 1}), "says nonsense about itself: KeyError"),
        (json.dumps({"recording": 1, "began": "yesterday"}), "says nonsense about itself"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """A file that is not ours is an error that names it."""
    (tmp_path / "events.jsonl").write_text(text)
    with pytest.raises(RecordingError, match=why):
        Recording.open(tmp_path)


def test_a_missing_recording_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, and a page that cannot be written, are errors that say so."""
    with pytest.raises(RecordingError, match=r"is no recording .*No such file"):
        Recording.open(tmp_path / "none")
    with record(GrokClient("key"), tmp_path / "call"):
        pass
    with pytest.raises(RecordingError, match="cannot write the report"):
        Recording.open(tmp_path / "call").write_report(tmp_path / "none" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["call"]


def test_of_very_many_waits_and_events_the_page_shows_some(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long call has a page that can be read: the longest waits, and the first events."""
    monkeypatch.setattr("grok_rt.recording._page._MOST_WAITS", 1)
    monkeypatch.setattr("grok_rt.recording._page._MOST_EVENTS", 5)
    page = Recording.open(folder).write_report(folder / "short.html").read_text("utf-8")
    assert "The longest of 2 waits" in page
    assert page.count("<li data-at=") == 1
    assert "more in events.jsonl" in page


class Passing:
    """A recording that begins and ends."""

    def close(self) -> None:
        """It holds nothing."""


def test_a_program_ends_whatever_others_record() -> None:
    """Recordings that begin and end while it looks which there are keep none from being whole."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            others = {n: Passing() for n in range(200)}
            _recorder._live.update(others)  # type: ignore[arg-type]
            for n in others:
                _recorder._live.pop(n)

    comes = threading.Thread(target=come_and_go)
    comes.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30_000):
            _recorder._close_all()
    finally:
        sys.setswitchinterval(interval)
        over.set()
        comes.join(SOON)
