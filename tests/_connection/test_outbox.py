"""What is on its way out: what goes first, what waits, what is refused, who is woken."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable

import pytest
from callers import SOON, call_in_thread, waiting, waits_in
from hypothesis import given
from hypothesis import strategies as st

from grok_rt._connection.outbox import Outbox, Parcel, QueueClosed
from grok_rt._wire.framing import CLOSE, PONG, TEXT, Frame

A, B, C = (Frame(TEXT, name) for name in (b"a", b"b", b"c"))
SOUND = [Frame(TEXT, bytes([48 + i]) * 10) for i in range(10)]
LAST = Frame(CLOSE, b"\x03\xe8")
PONGED = Frame(PONG, b"pong")


def put(outbox: Outbox, *frames: Frame, is_audio: bool = False) -> None:
    for frame in frames:
        outbox.put_parcel(Parcel(frame, len(frame.data) if is_audio else 0), timeout=0)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=9)), max_size=30))
def test_control_goes_first_and_all_else_in_order(sent: list[tuple[bool, bytes]]) -> None:
    """A batch is all that waits: control frames first, either kind in its own order."""
    outbox = Outbox()
    frames = [(is_control, Frame(PONG if is_control else TEXT, data)) for is_control, data in sent]
    for is_control, frame in frames:
        if is_control:
            outbox.put_control(frame)
        else:
            put(outbox, frame)
    expected = [f for is_control, f in frames if is_control]
    expected += [f for is_control, f in frames if not is_control]
    assert outbox.take_batch(0) == expected
    assert outbox.take_batch(0) == []


@pytest.mark.parametrize(("items", "size"), [(2, 1 << 20), (100, 20)])
def test_full_is_full_in_items_and_in_bytes(items: int, size: int) -> None:
    """A bound in items and one in bytes; control frames and those of the books pass both."""
    outbox = Outbox(items, size)
    put(outbox, SOUND[0], SOUND[1])
    with pytest.raises(queue.Full):
        put(outbox, SOUND[2])
    with pytest.raises(queue.Full):
        outbox.put_parcel(Parcel(SOUND[2]), timeout=0.01)
    outbox.put_control(PONGED)
    outbox.put_now(A)
    assert outbox.take_batch(0) == [PONGED, SOUND[0], SOUND[1], A]
    put(outbox, SOUND[2], SOUND[3])


def test_one_oversized_frame_may_pass_alone() -> None:
    """What is larger than the bound goes through an empty queue, for it could never fit."""
    outbox = Outbox(max_bytes=5)
    put(outbox, SOUND[0])
    with pytest.raises(queue.Full):
        put(outbox, A)
    assert outbox.take_batch(0) == [SOUND[0]]
    put(outbox, A, B)


def test_who_waits_for_room_gets_it() -> None:
    """Taking a batch wakes everybody who waited for room."""
    outbox = Outbox(1)
    put(outbox, A)
    for frame in (B, C):
        parcel = Parcel(frame)
        future = waits_in(outbox.not_full, lambda p=parcel: outbox.put_parcel(p))
        assert len(outbox.take_batch(0) or ()) == 1
        assert future.result(SOON) is None
    assert outbox.take_batch(0) == [C]


def test_close_releases_who_waits_for_room() -> None:
    """Closing raises in those who wait for room, and refuses all that come later."""
    outbox = Outbox(1)
    put(outbox, A)
    future = waits_in(outbox.not_full, lambda: outbox.put_parcel(Parcel(B)))
    outbox.close(LAST)
    assert isinstance(future.exception(SOON), QueueClosed)
    with pytest.raises(QueueClosed):
        put(outbox, B)
    assert outbox.take_batch() == [A, LAST]
    assert outbox.take_batch() is None


@pytest.mark.parametrize(
    "wake",
    [
        lambda outbox: put(outbox, A),
        lambda outbox: outbox.put_now(A),
        lambda outbox: outbox.put_control(PONGED),
        lambda outbox: outbox.close(LAST),
        lambda outbox: outbox.close(),
        lambda outbox: outbox.abort(),
        lambda outbox: outbox.wake(),
    ],
)
def test_the_writer_is_woken(wake: Callable[[Outbox], object]) -> None:
    """Whatever gives the writer something to do ends its waiting."""
    outbox = Outbox()
    future = waits_in(outbox.not_empty, outbox.take_batch)
    wake(outbox)
    assert future.result(SOON) in ([A], [PONGED], [LAST], [], None)


def test_a_wake_up_is_not_lost_on_the_way_to_the_wait() -> None:
    """`wake` before `take_batch` counts once: a deadline set meanwhile is not overslept."""
    outbox = Outbox()
    outbox.wake()
    assert call_in_thread(outbox.take_batch).result(SOON) == []
    future = waits_in(outbox.not_empty, outbox.take_batch)
    assert not future.done()
    outbox.wake()
    assert future.result(SOON) == []


def test_take_batch_waits_no_longer_than_asked() -> None:
    """After `timeout` seconds an empty batch lets the writer look at its clock."""
    started = time.monotonic()
    assert Outbox().take_batch(0.05) == []
    assert 0.04 < time.monotonic() - started < SOON


def test_sound_waits_behind_the_gate() -> None:
    """Behind an update sound waits, and all that was queued after it; opening wakes the writer."""
    outbox = Outbox()
    put(outbox, SOUND[0], is_audio=True)
    outbox.put_parcel(Parcel(A, closes_gate=True))
    put(outbox, B)
    put(outbox, SOUND[1], is_audio=True)
    put(outbox, C)
    assert outbox.take_batch(0) == [SOUND[0], A, B]
    outbox.put_control(PONGED)
    assert outbox.take_batch(0) == [PONGED]
    future = waits_in(outbox.not_empty, outbox.take_batch)
    outbox.open_gate()
    assert future.result(SOON) == [SOUND[1], C]


def test_an_update_that_nobody_waits_for_closes_no_gate() -> None:
    """Given up before it has left, an update must not hold the sound that comes after it."""
    outbox = Outbox()
    outbox.put_parcel(Parcel(A, closes_gate=True))
    outbox.open_gate()
    put(outbox, SOUND[0], is_audio=True)
    assert outbox.take_batch(0) == [A, SOUND[0]]


def test_opening_an_open_gate_wakes_nobody() -> None:
    """The reader may open the gate at each event: the writer sleeps on."""
    outbox = Outbox()
    future = waits_in(outbox.not_empty, outbox.take_batch)
    outbox.open_gate()
    assert waiting(outbox.not_empty) == 1
    outbox.wake()
    assert future.result(SOON) == []


def test_closing_lets_all_that_waits_leave_before_the_last_frame() -> None:
    """Drain, then the close frame: the gate holds nothing back any more, and nothing follows."""
    outbox = Outbox()
    outbox.put_parcel(Parcel(A, closes_gate=True))
    assert outbox.take_batch(0) == [A]
    put(outbox, SOUND[0], is_audio=True)
    outbox.put_parcel(Parcel(B, closes_gate=True))
    put(outbox, SOUND[1], is_audio=True)
    outbox.put_control(PONGED)
    outbox.close(LAST)
    outbox.close(Frame(CLOSE, b"second"))
    outbox.put_control(PONGED)
    outbox.put_now(C)
    assert outbox.take_batch() == [PONGED, SOUND[0], B, SOUND[1], LAST]
    assert outbox.take_batch() is None


def test_abort_gives_back_what_never_left() -> None:
    """Aborting empties at once, names the data frames, and no close frame follows."""
    outbox = Outbox()
    put(outbox, A, B)
    outbox.put_control(PONGED)
    outbox.close(LAST)
    assert outbox.abort() == [A, B]
    assert outbox.abort() == []
    assert outbox.take_batch() is None
    with pytest.raises(QueueClosed):
        put(outbox, C)


def test_the_oldest_sound_makes_room_for_the_newest() -> None:
    """Sound is dropped oldest first and no more than needed; what is no sound stays."""
    outbox = Outbox(4, 40)
    put(outbox, SOUND[0], is_audio=True)
    put(outbox, A)
    put(outbox, SOUND[1], SOUND[2], is_audio=True)
    assert outbox.drop_oldest_audio(19) == 10
    put(outbox, Frame(TEXT, b"x" * 19), is_audio=True)
    assert outbox.drop_oldest_audio(10_000) == 10 + 10 + 19
    assert outbox.take_batch(0) == [A]


# --- an outbox without a line ------------------------------------------------------------------


def test_what_is_held_waits_for_its_release() -> None:
    """Control frames pass a held outbox; the rest leaves at the release, behind what goes first."""
    outbox = Outbox()
    outbox.hold([Parcel(A)], 100)
    put(outbox, SOUND[0], is_audio=True)
    put(outbox, B)
    outbox.put_control(PONGED)
    assert outbox.take_batch(0) == [PONGED]
    assert outbox.take_batch(0) == []
    outbox.release([Parcel(C)])
    assert outbox.take_batch(0) == [C, A, SOUND[0], B]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9))), st.integers(0, 40))
def test_a_held_outbox_keeps_the_newest_sound(said: list[tuple[bool, int]], limit: int) -> None:
    """Of sound the newest that fits is kept, the rest counted; events all stay, in order."""
    outbox = Outbox(1000)
    parcels = [
        Parcel(Frame(TEXT, bytes([i % 256]) * size), size if is_sound else 0)
        for i, (is_sound, size) in enumerate(said)
    ]
    outbox.hold(parcels[: len(said) // 2], limit)
    for parcel in parcels[len(said) // 2 :]:
        outbox.put_parcel(parcel, timeout=0)
    outbox.release(())
    room, left, lost = limit, [], 0
    for parcel in reversed(parcels):
        if parcel.sound and (lost or parcel.sound > room):
            lost += parcel.sound
        else:
            room -= parcel.sound
            left.insert(0, parcel.frame)
    assert outbox.take_batch(0) == left
    assert outbox.sound_lost == lost


def test_held_sound_never_waits_and_takes_no_room() -> None:
    """Events are bounded as ever while there is no line, and sound does not count among them."""
    outbox = Outbox(2)
    outbox.hold((), 1000)
    put(outbox, *SOUND, is_audio=True)
    put(outbox, A, B)
    with pytest.raises(queue.Full):
        put(outbox, C)
    put(outbox, SOUND[0], is_audio=True)
    future = waits_in(outbox.not_full, lambda: outbox.put_parcel(Parcel(C)))
    outbox.release(())
    assert len(outbox.take_batch(0) or []) == 13
    future.result(SOON)


def test_a_held_outbox_closes_at_once() -> None:
    """What is held has no session to go to: the last frame does not wait for it."""
    outbox = Outbox()
    outbox.hold([Parcel(A)], 0)
    outbox.close(LAST)
    assert outbox.take_batch(0) == [LAST]
    assert outbox.take_batch(0) is None
    assert outbox.abort() == [A]
