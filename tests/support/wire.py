"""The codec as the tests use it: values of JSON in, values of JSON out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from grok_rt import events
from grok_rt._wire import codec
from grok_rt.models import ConversationItem, SessionConfig

__all__ = ["JSON", "SAMPLES", "decode", "dump", "encode", "item", "session"]

#: Every message that was recorded on the live service or is documented.
_RECORDED = Path(__file__).parents[1] / "data" / "samples.jsonl"
SAMPLES: list[dict[str, Any]] = [
    json.loads(line)["event"]
    for line in (Path(__file__).parents[1] / "data" / "samples.jsonl")
    .read_text("utf-8")
    .splitlines()
]

#: Any value of JSON, with the names that mean something here.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "item", "x"]), children, max_size=3)
    ),
    max_leaves=8,
)


def dump(value: Any) -> bytes:
    """JSON as any other program writes it."""
    return json.dumps(value).encode()


def decode(value: Any) -> events.Event:
    """Read a message."""
    return codec.decode(dump(value))


def encode(event: events.Event) -> Any:
    """Write a message."""
    return json.loads(codec.encode(event))


def session(config: SessionConfig) -> Any:
    """What goes over the wire for a config."""
    return encode(events.SessionUpdate(config.to_update_payload()))["session"]


def item(value: ConversationItem) -> Any:
    """What goes over the wire for an item."""
    return encode(events.ConversationItemCreate(value))["item"]
