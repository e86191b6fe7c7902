"""The short ways of sound, which differ from the long ones in speed only."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import decode, dump, encode
from wire_cases import CASES, SOUND

from grok_rt import events
from grok_rt._unset import UNSET
from grok_rt._wire import codec
from grok_rt._wire.codec import _sound
from grok_rt.errors import LocalProtocolError


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("kind", [events.ResponseAudioDelta, events.ResponseOutputAudioDelta])
def test_the_short_way_gives_what_the_long_way_gives(
    kind: type[events.AudioDelta], *, alone: bool
) -> None:
    """Every field, of the same value and type; the long way is taken when the type is not first."""
    (value,) = [value for event, value in CASES if type(event) is kind]
    assert {a.metadata.get("wire", a.name) for a in attrs.fields(kind)} - {"extra"} == (
        set(value) - {"type"}
    )
    short = _sound.read_sound(dump(value), alone=alone)
    assert short is not None
    rest = {name: field for name, field in value.items() if name != "type"}
    last = dump({"x" * 40: 1, **rest, "type": kind.wire_type})
    assert _sound.read_sound(last) is None
    long = codec.decode(last)
    assert short == long
    assert repr(short) == repr(long).split(", extra=")[0] + ")"


@pytest.mark.parametrize("name", [a.name for a in attrs.fields(events.ResponseOutputAudioDelta)])
def test_the_short_way_takes_each_field_alone(name: str) -> None:
    """No field is lost, and none is invented."""
    value = {"type": "response.output_audio.delta", "delta": "AAECAw==", name: None}
    if name in {"audio", "event_id"}:
        value[name] = "e"
    short, long = (decode(value), codec.decode(b" " * 60 + dump(value)))
    assert short == long
    assert encode(short) == encode(long) == value


@pytest.mark.parametrize(
    "data",
    [
        b'{"type": "response.output_audio.delta", "delta": "AAEC", "new": 1}',
        b'{"type": "response.output_audio.delta", "delta": "AAEC", "ts": []}',
        b'{"type": "response.output_audio.delta", "delta": "*"}',
        b'{"type": "response.output_audio.delta", "delta": ',
        b'{"type": "response.text.delta", "delta": "AAEC"}',
        b'{"type": "ping"}',
    ],
)
def test_the_short_way_leaves_the_rest_to_the_long_way(data: bytes) -> None:
    """It takes what is plainly sound, and judges nothing else."""
    assert _sound.read_sound(data) is None
    assert _sound.read_sound(data, alone=True) is None


def test_sound_that_comes_alone_keeps_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faster decoder lets go of it, and would have to wait where others compute."""
    monkeypatch.setattr(_sound, "_from_base64", None)
    data = dump({"type": "response.output_audio.delta", "delta": "AAEC"})
    short = _sound.read_sound(data, alone=True)
    assert short is not None
    assert short.audio == b"\0\1\2"


def test_much_sound_is_taken_apart_even_alone() -> None:
    """What costs by the byte is for short messages."""
    value = {"type": "response.output_audio.delta", "delta": "AAEC" * (16 << 10)}
    short = _sound.read_sound(dump(value), alone=True)
    assert short is not None
    assert short.audio == b"\0\1\2" * (16 << 10)


_NAMES = ("delta", "delta", "delta", "event_id", "rid", "ts", 'x"delta', "delta\\", "new")
_VALUES = (
    "AAEC",
    "",
    "a/+=",
    "Aw==",
    "*",
    "delta",
    '"delta":"AAEC',
    ':"',
    "\\",
    3,
    0.5,
    None,
    {"delta": "AA=="},
)


@given(
    st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES)), max_size=5),
    st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
    st.booleans(),
)
def test_no_message_is_read_two_ways(
    fields: list[tuple[str, Any]], separators: tuple[str, str], is_escaped: bool
) -> None:
    """Whatever stands around the sound, before or behind it, twice or in another's text."""
    comma, colon = separators
    said = [("type", "response.output_audio.delta"), *fields]
    text = comma.join(json.dumps(name) + colon + json.dumps(value) for name, value in said)
    if is_escaped:  # JSON knows many ways to write one name
        text = text[:60] + text[60:].replace('"delta"', r'"\u0064elta"').replace("/", r"\/")
    data = b"{%b}" % text.encode()
    for short in (_sound.read_sound(data), _sound.read_sound(data, alone=True)):
        assert short in (None, codec.decode(b" " * 60 + data))


@given(st.text("Az09+/=-_ \\*", max_size=9))
def test_no_sound_is_read_two_ways(base64: str) -> None:
    """What is no base64 is none in any way."""
    data = dump({"type": "response.output_audio.delta", "delta": base64})
    long = codec.decode(b" " * 60 + data)
    assert codec.decode(data) == codec.decode(data, alone=True) == long


@given(st.binary(max_size=2000))
def test_sound_survives_the_wire(sound: bytes) -> None:
    """Every byte of it, in both directions and by both ways of writing."""
    delta = events.ResponseOutputAudioDelta(audio=sound)
    append = events.InputAudioBufferAppend(sound)
    assert codec.decode(codec.encode(delta)) == delta
    assert codec.decode(codec.encode(delta), alone=True) == delta
    assert codec.decode(codec.encode(append)) == append
    assert codec.decode(codec.encode_append(sound)) == append


@given(st.binary(max_size=50), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_template_writes_what_encode_writes(sound: bytes, event_id: str) -> None:
    """The short way out differs in speed only."""
    event = events.InputAudioBufferAppend(sound, event_id=event_id)
    assert json.loads(codec.encode_append(sound, event_id)) == encode(event)
    assert json.loads(codec.encode_append(bytearray(sound))) == encode(
        events.InputAudioBufferAppend(sound)
    )


@pytest.mark.parametrize(("sound", "event_id"), [("text", UNSET), (SOUND, "\ud800")])
def test_the_template_refuses_what_encode_refuses(sound: Any, event_id: Any) -> None:
    """The short way out has the same errors."""
    with pytest.raises(LocalProtocolError):
        codec.encode_append(sound, event_id)


def test_the_core_is_imported_without_cattrs() -> None:
    """Cattrs comes with the first message that needs it, and sound needs none."""
    program = (
        "import sys; from grok_rt._wire import codec\n"
        'event = codec.decode(b\'{"type":"response.audio.delta","delta":"AAEC"}\')\n'
        "assert event.audio == b'\\0\\1\\2', event\n"
        "assert not {'cattrs', 'websocket'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


@pytest.mark.parametrize("kind", [events.ResponseOutputAudioDelta, events.ResponseAudioDelta])
def test_sound_that_came_is_what_is_made_by_hand(kind: type[events.AudioDelta]) -> None:
    """Of the very class, with every field set, equal, hashable, picklable, and frozen."""
    read = codec.decode(codec.encode(kind(audio=SOUND, item_id="i", previous_item_id=None)))
    made = kind(audio=SOUND, item_id="i", previous_item_id=None)
    assert type(read) is kind
    assert read == made
    assert hash(read) == hash(made)
    assert repr(read) == repr(made)
    assert pickle.loads(pickle.dumps(read)) == made
    assert {f.name for f in attrs.fields(kind)} == {
        f.name for f in attrs.fields(kind) if hasattr(read, f.name)
    }
    for change in (lambda: setattr(read, "audio", b""), lambda: delattr(read, "audio")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            change()
