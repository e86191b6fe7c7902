"""Bytes between two threads, of which one must wait for nobody."""

from __future__ import annotations

import threading
import time

from callers import SOON
from hypothesis import given
from hypothesis import strategies as st

from grok_rt.devices._ring import Ring

steps = st.lists(st.tuples(st.sampled_from(["write", "read", "clear"]), st.integers(0, 20)))


@given(st.integers(1, 16), steps)
def test_a_ring_is_a_bounded_queue(size: int, steps: list[tuple[str, int]]) -> None:
    """What goes in comes out once and in order, never more than fits, but for what was cleared."""
    ring, model, number = Ring(size), bytearray(), 0
    for verb, count in steps:
        if verb == "write":
            data = bytes((number + i) % 256 for i in range(count))
            taken = ring.write(data)
            assert taken <= size
            model += data[:taken]
            number += taken
        elif verb == "read":
            target = bytearray(count)
            got = ring.read_into(memoryview(target))
            assert got == min(count, len(model))
            assert bytes(target[:got]) == bytes(model[:got])
            del model[:got]
        else:
            ring.clear()
            model.clear()
        assert len(ring) == len(model)
        assert ring.end - ring.position == len(model)
        assert 0 <= ring.room <= size - len(model)


@given(st.integers(1, 16))
def test_room_comes_back(size: int) -> None:
    """After a read all of the ring can be filled again, also where it was cleared."""
    ring = Ring(size)
    assert ring.write(bytes(size + 1)) == size
    assert ring.room == 0
    ring.clear()
    assert ring.read_into(memoryview(bytearray(1))) == 0
    assert ring.room == size


def test_two_threads() -> None:
    """One writes and one reads at the same time, and nothing is lost."""
    ring, total = Ring(97), 5_000
    got = bytearray()

    def read() -> None:
        target = memoryview(bytearray(31))
        while len(got) < total:
            got.extend(target[: ring.read_into(target)])
            time.sleep(0)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    sent, data = 0, bytes(range(256)) * 200
    while sent < total:
        sent += ring.write(data[sent : min(total, sent + 13)])
        time.sleep(0)  # the other one's turn
    reader.join(SOON)
    assert bytes(got) == data[:total]
