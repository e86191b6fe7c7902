"""A dispatcher that reads for the reader: nobody may notice, but by the clock."""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections.abc import Sequence

import live
import pytest
from callers import SOON, until, waiting
from stage import Peer, Script, on_stage, playing

from grok_rt import GrokClient, SessionConfig, events
from grok_rt._connection import reading
from grok_rt._connection.incoming import Incoming
from grok_rt._connection.reading import Turn
from grok_rt._wire.framing import Frame
from grok_rt._wire.line.dialling import DeadlineSocket
from grok_rt.errors import ConnectionClosedError

pytestmark = pytest.mark.skipif(not hasattr(select, "poll"), reason="this system has no poll")

READER, PUMP = "grok-rt-reader", "grok-rt-pump"


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that took what came, in order."""
    names: list[str] = []
    take = Incoming._take

    def noted(self: Incoming, frames: Sequence[Frame]) -> bool:
        names.append(threading.current_thread().name)
        return take(self, frames)

    monkeypatch.setattr(Incoming, "_take", noted)
    return names


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader looks after a minute only: what does not wait for that is woken."""
    monkeypatch.setattr(reading, "_STAY", 60.0)


def reads(grok: GrokClient) -> bool:
    """Whether the dispatcher waits for the line."""
    return grok._inbox._bell is not None and grok._inbox._bell.is_heard


class Play:
    """A script that goes on once the dispatcher reads: for that, something has to come first."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._started, self._reading = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.opens()
        assert self._started.wait(SOON)
        peer.says(live.ping())
        assert self._reading.wait(SOON)
        self._script(peer)

    def start(self, grok: GrokClient) -> None:
        grok.start()
        until(lambda: waiting(grok._inbox.not_empty))
        self._started.set()
        until(lambda: reads(grok))
        self._reading.set()


@pytest.mark.usefixtures("_patient")
def test_quick_handlers_are_called_by_the_thread_that_reads(readers: list[str]) -> None:
    """After the first, no event costs a switch of threads; handlers never change theirs."""
    heard_by: list[str] = []

    def script(peer: Peer) -> None:
        for count in range(20):
            peer.says(live.sound("resp", "item"))
            until(lambda count=count: len(heard_by) > count and reads(stage.grok))

    play = Play(script)
    with on_stage(play, reconnect=False) as stage:

        @stage.grok.on_audio
        def hear(_event: events.AudioDelta) -> None:
            heard_by.append(threading.current_thread().name)

        play.start(stage.grok)
        assert stage.is_over()
        assert heard_by == [PUMP] * 20
        assert readers[-20:] == [PUMP] * 20


@pytest.mark.parametrize(("lost_after", "holds"), [(-1.0, True), (SOON, False)])
def test_where_others_compute_the_interpreter_is_kept(
    monkeypatch: pytest.MonkeyPatch, lost_after: float, *, holds: bool
) -> None:
    """A read that took long, though something was there, is the last that lets go of it."""
    monkeypatch.setattr(reading, "_LOST", lost_after)
    seen: list[bool] = []
    take_into = DeadlineSocket.take_into

    def noted(self: DeadlineSocket, buffer: memoryview, /) -> int:
        if threading.current_thread().name == PUMP:
            seen.append(self.holds)
        return take_into(self, buffer)

    monkeypatch.setattr(DeadlineSocket, "take_into", noted)

    def script(peer: Peer) -> None:
        for count in range(3):
            peer.says(live.sound("resp", "item"))
            until(lambda count=count: len(stage.heard(events.AudioDelta)) > count)
            until(lambda: reads(stage.grok))

    play = Play(script)
    with on_stage(play, reconnect=False) as stage:
        play.start(stage.grok)
        assert stage.is_over()
    assert seen[1:4] == [holds] * 3


def test_reading_goes_on_beside_a_handler_that_takes_its_time(readers: list[str]) -> None:
    """What comes meanwhile is read by the reader, and a ping is answered."""
    inside, leave = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.says(live.sound("resp", "item"))
        assert inside.wait(SOON)
        peer._send(0x9, b"are you there?")
        assert peer._receive() == (0xA, b"are you there?")
        peer.says(live.sound("resp", "item"))
        leave.set()

    play = Play(script)
    with on_stage(play, reconnect=False) as stage:

        @stage.grok.on_audio
        def hear(_event: events.AudioDelta) -> None:
            inside.set()
            assert leave.wait(SOON)

        play.start(stage.grok)
        until(lambda: len(stage.heard(events.AudioDelta)) == 2)
        assert READER in readers[readers.index(PUMP) :]


@pytest.mark.parametrize("dispatcher", ["waits", "is in a handler"])
def test_reading_rests_for_nobody_who_does_not_come(
    monkeypatch: pytest.MonkeyPatch, dispatcher: str
) -> None:
    """The reader lends its turn to whom it has woken: not for a ping, nor again while he works."""
    lent: list[str] = []
    lend = Turn.lend
    monkeypatch.setattr(Turn, "lend", lambda turn: (lent.append(dispatcher), lend(turn))[1])
    ready, told, over = threading.Event(), threading.Event(), threading.Event()
    inside = threading.Event()

    def script(peer: Peer) -> None:
        peer.opens()
        assert ready.wait(SOON)
        if dispatcher == "waits":
            assert told.wait(SOON)
        else:
            peer.says(live.sound("resp", "item"))
            assert inside.wait(SOON)
        for _ in range(5):
            peer._send(0x9, b"are you there?")
            assert peer._receive() == (0xA, b"are you there?")
        over.set()

    with on_stage(script, reconnect=False) as stage:

        @stage.grok.on_audio
        def hear(_event: events.AudioDelta) -> None:
            inside.set()
            assert over.wait(SOON)

        stage.grok.start()
        until(lambda: waiting(stage.grok._inbox.not_empty))
        ready.set()
        if dispatcher == "waits":
            stage.grok.tell(events.AudioDropped(ms=1))  # wakes him, and is nothing of the line's
            until(lambda: stage.heard(events.AudioDropped))
            until(lambda: waiting(stage.grok._inbox.not_empty))
            told.set()
        assert over.wait(SOON)
        assert len(lent) == (dispatcher != "waits")


@pytest.mark.parametrize("lack", ["descriptors", "poll"])
def test_where_there_is_no_bell_the_reader_reads(
    monkeypatch: pytest.MonkeyPatch, readers: list[str], lack: str
) -> None:
    """A program that has run out of descriptors, or a library that has taken `poll` away."""

    def none_left(*_: int) -> tuple[int, int]:
        raise OSError(errno.EMFILE, "too many open files")

    started = threading.Event()

    def script(peer: Peer) -> None:
        peer.opens()
        assert started.wait(SOON)
        for count in range(1, 4):
            peer.says(live.sound("resp", "item"))
            until(lambda count=count: len(stage.heard(events.AudioDelta)) == count)

    with on_stage(script, reconnect=False) as stage:
        if lack == "poll":
            monkeypatch.delattr(select, "poll")
        else:
            monkeypatch.setattr(os, "pipe", none_left)
            monkeypatch.setattr(os, "eventfd", none_left, raising=False)
        stage.grok.start()
        until(lambda: waiting(stage.grok._inbox.not_empty))
        started.set()
        assert stage.is_over()
    assert set(readers) == {READER}


@pytest.mark.usefixtures("_patient")
def test_what_happens_here_is_heard_while_the_line_is_silent() -> None:
    """An event of this side rings: the dispatcher does not wait for the server to say something."""
    play = Play(lambda _peer: None)
    with on_stage(play, reconnect=False) as stage:
        play.start(stage.grok)
        for count in range(1, 50):
            stage.grok.tell(events.AudioDropped(ms=count))
            until(lambda count=count: len(stage.heard(events.AudioDropped)) == count)


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("verb", ["update_session", "close"])
def test_a_handler_that_waits_for_the_server_is_answered_at_once(verb: str) -> None:
    """The reader is called where the dispatcher waits for what it cannot read meanwhile."""
    took: list[float] = []

    def script(peer: Peer) -> None:
        if verb == "update_session":
            peer.hears("session.update")
            peer.says(live.session_updated())

    play = Play(script)
    with on_stage(play, reconnect=False) as stage:

        @stage.grok.on(events.AudioDropped)
        def waits(_event: events.AudioDropped) -> None:
            began = time.monotonic()
            if verb == "close":
                stage.grok.close()
            else:
                stage.grok.update_session(SessionConfig.wideband(voice="Eve"))
            took.append(time.monotonic() - began)

        play.start(stage.grok)
        stage.grok.tell(events.AudioDropped(ms=1))
        until(lambda: took)
    assert took[0] < 1


@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("end", ["vanishes", "closes", "breaks the rules"])
def test_an_end_that_the_dispatcher_meets_is_told_by_the_reader(end: str) -> None:
    """Every end that a line can have, with its code and at once."""

    def script(peer: Peer) -> None:
        if end == "vanishes":
            peer.vanishes()
        elif end == "closes":
            peer.closes(4000, "enough")
        else:
            peer._connection.sendall(b"\xff\xff")

    play = Play(script)
    with playing(play) as stage, stage.client(reconnect=False) as grok:
        play.start(grok)
        until(lambda: stage.heard(events.Closed))
        (closed,) = stage.heard(events.Closed)
        assert grok._inbox.source is None
        until(lambda: grok._inbox._bell is None)
        assert closed.code == (4000 if end == "closes" else 1006)
        assert isinstance(closed.error, ConnectionClosedError)
        assert closed.error.code == {"vanishes": 1006, "closes": 4000}.get(end, 1002)


@pytest.mark.usefixtures("_patient")
def test_a_defect_that_the_dispatcher_meets_ends_the_session(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback and told, as if the reader had met it."""

    def script(peer: Peer) -> None:
        monkeypatch.setattr(Incoming, "_take", lambda *_: 1 / 0)
        peer.says(live.ping())

    play = Play(script)
    with playing(play) as stage, stage.client(reconnect=False) as grok:
        play.start(grok)
        until(lambda: stage.heard(events.Closed))
        assert isinstance(stage.heard(events.Closed)[0].error.cause, ZeroDivisionError)
        assert "the reader failed" in caplog.text


def test_a_silent_server_is_noticed_by_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the writer, which has the clock, is stuck in the line."""
    monkeypatch.setattr("grok_rt._connection.connection.Connection._tick", lambda _: None)
    play = Play(lambda _peer: None)
    options = {"ping_interval": None, "dead_after": 0.5, "reconnect": False}
    with playing(play) as stage, stage.client(**options) as grok:
        play.start(grok)
        until(lambda: stage.heard(events.Closed))
        assert "silent" in stage.heard(events.Closed)[0].reason


def test_a_pump_in_the_foreground_never_reads(readers: list[str]) -> None:
    """Ctrl+C may strike there, and what is read must be read whole."""

    def script(peer: Peer) -> None:
        peer.opens()
        peer.says(*[live.sound("resp", "item") for _ in range(20)])
        peer.closes(1000)

    with on_stage(script) as stage:
        stage.grok.run()
    assert set(readers) == {READER}
