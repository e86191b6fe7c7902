"""Messages that are nearly right: samples with something in them changed, by a seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from wire import SAMPLES

__all__ = ["LEAVES", "changed", "mutated"]

NAMES = sorted({name for sample in SAMPLES for name in sample})
TYPES = sorted({sample["type"] for sample in SAMPLES})
LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 3.0, 0.1, 1e308, 2**63, 2**64, -(2**63) - 1),
    *("", "0", "AAECAw==", "AAA", "AB==", "\x00", "é", "\U0001f600", "in_progress", "audio/pcm"),
    *([], {}, [[]], {"type": None}, [1, "a", None], {"extra": {}}, {"event_id": 5}),
    *TYPES,
)


def mutated(dice: random.Random) -> bytes:
    """A sample with one to four changes, most of them still JSON."""
    value = copy.deepcopy(dice.choice(SAMPLES))
    for _ in range(dice.randint(1, 4)):
        value = changed(value, dice)
    text = json.dumps(value, ensure_ascii=dice.random() < 0.5).encode()
    if dice.random() < 0.2:
        text = _torn(text, dice)
    return text


def changed(value: Any, dice: random.Random) -> Any:
    """The value with something in it replaced, renamed, repeated or left out."""
    if not isinstance(value, (dict, list)) or not value or dice.random() < 0.1:
        return _leaf(dice)
    if isinstance(value, list):
        place = dice.randrange(len(value))
        change: Callable[[Any, int, random.Random], None] = dice.choice((_inside, _left_out, _more))
        change(value, place, dice)
        return value
    name = dice.choice(list(value))
    kind = dice.randrange(6)
    if kind < 3:
        value[name] = changed(value[name], dice)
    elif kind == 3:
        del value[name]
    elif kind == 4:
        value[dice.choice(NAMES)] = value.pop(name)
    else:
        value[dice.choice(NAMES)] = _leaf(dice)
    return value


def _inside(value: list[Any], place: int, dice: random.Random) -> None:
    value[place] = changed(value[place], dice)


def _left_out(value: list[Any], place: int, _: random.Random) -> None:
    del value[place]


def _more(value: list[Any], place: int, dice: random.Random) -> None:
    value.insert(place, _leaf(dice))


def _leaf(dice: random.Random) -> Any:
    other = dice.choice(SAMPLES) if dice.random() < 0.2 else dice.choice(LEAVES)
    return copy.deepcopy(other)


def _torn(text: bytes, dice: random.Random) -> bytes:
    """Bytes lost, repeated or replaced."""
    start = dice.randrange(len(text))
    stop = min(len(text), start + dice.randint(0, 8))
    return text[:start] + dice.choice((b"", text[start:stop] * 2, dice.randbytes(2))) + text[stop:]
