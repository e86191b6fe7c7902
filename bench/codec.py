"""An audio delta read and an append written, beside what else reads and writes JSON.

    python bench/codec.py

From the bytes of a message to an event with PCM in it, and from PCM to a message. By hand means
the standard library and an attrs class of the same fields; pydantic is what the vendors' packages
are made of. CPU us per event, the least of several rounds in which all take turns.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import time
import timeit
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import pybase64
from lab import figures, wire

from grok_rt._wire import codec

KIB = 1024
SIZES = (KIB, 4 * KIB, 16 * KIB, 64 * KIB)
FIELDS = ("event_id", "response_id", "item_id", "output_index", "content_index")
STRUCT = "msgspec.Struct + pybase64"

Call = Callable[[Any], object]


@attrs.frozen
class Delta:
    """By hand: the event as an attrs class."""

    audio: bytes
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class DeltaStruct(msgspec.Struct, tag_field="type", tag="response.output_audio.delta"):
    """The same fields for msgspec."""

    delta: str
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int


class AppendStruct(msgspec.Struct, tag_field="type", tag="input_audio_buffer.append"):
    """What is sent, for msgspec."""

    audio: str


def decode_by_hand(data: bytes) -> Delta:
    message = json.loads(data)
    assert message["type"] == "response.output_audio.delta"
    audio = base64.b64decode(message["delta"], validate=True)
    return Delta(audio, *(message[name] for name in FIELDS))


def encode_by_hand(pcm: bytes) -> bytes:
    audio = base64.b64encode(pcm).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode()


_read_struct = msgspec.json.Decoder(DeltaStruct).decode
_write_struct = msgspec.json.Encoder().encode


def decode_struct(data: bytes) -> bytes:
    return pybase64.b64decode(_read_struct(data).delta, validate=True)


def encode_struct(pcm: bytes) -> bytes:
    return _write_struct(AppendStruct(pybase64.b64encode_as_string(pcm)))


def pydantic_calls() -> tuple[Call, Call]:
    from pydantic import Base64Bytes, BaseModel

    class DeltaModel(BaseModel):
        type: str
        delta: Base64Bytes
        event_id: str
        response_id: str
        item_id: str
        output_index: int
        content_index: int

    class AppendModel(BaseModel):
        type: str = "input_audio_buffer.append"
        audio: str

    def encode(pcm: bytes) -> bytes:
        return AppendModel(audio=base64.b64encode(pcm).decode()).model_dump_json().encode()

    return DeltaModel.model_validate_json, encode


def measure(calls: dict[str, Call], arguments: list[bytes], rounds: int) -> dict[str, list[float]]:
    """CPU us per call, by contender and argument."""
    table: dict[str, list[float]] = {name: [] for name in calls}
    for argument in arguments:
        cases = {name: timed(call, argument) for name, call in calls.items()}
        for name, seconds in figures.best(cases, rounds).items():
            table[name].append(seconds * 1e6)
    return table


def timed(call: Call, argument: bytes) -> Callable[[], float]:
    timer = timeit.Timer(lambda: call(argument), timer=time.process_time)
    number = max(1, timer.autorange()[0] // 10)  # 20 ms
    return lambda: timer.timeit(number) / number


def main() -> None:
    options = figures.options(__doc__, rounds=15)
    decoders: dict[str, Call] = {
        "grok_rt": codec.decode,
        STRUCT: decode_struct,
        "json + attrs by hand": decode_by_hand,
    }
    encoders: dict[str, Call] = {
        "grok_rt": codec.encode_append,
        STRUCT: encode_struct,
        "json + base64 by hand": encode_by_hand,
    }
    if importlib.util.find_spec("pydantic") is None:
        figures.missing("pydantic")
    else:
        decoders["pydantic"], encoders["pydantic"] = pydantic_calls()
    columns = [f"{size // KIB} KiB" for size in SIZES]
    decoded = measure(decoders, [wire.delta(size) for size in SIZES], options.rounds)
    figures.show("Decode an audio delta: us", columns, decoded, per=STRUCT)
    for column, own, struct in zip(columns, decoded["grok_rt"], decoded[STRUCT], strict=True):
        limit = 2.0 if column in columns[:2] else 1.3
        figures.judge(f"{column}, of {STRUCT}", own / struct, limit)
    pcm = [os.urandom(size * 3 // 4) for size in SIZES]
    encoded = measure(encoders, pcm, options.rounds)
    figures.show("Encode an append: us", columns, encoded, per=STRUCT)
    figures.machine("attrs", "pydantic")


if __name__ == "__main__":
    main()
