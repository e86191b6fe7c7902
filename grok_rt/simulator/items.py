"""Values a client sends, checked as the service checks them: items, metadata, audio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pybase64

from grok_rt.simulator import shapes
from grok_rt.simulator.settings import Refused
from grok_rt.simulator.shapes import Wire

_TEXT_PARTS = ("input_text", "text", "output_text")


def checked_item(item: Any) -> Wire:
    """The item of a `conversation.item.create`; refused if the service cannot take it."""
    if not isinstance(item, dict):
        raise Refused("item must be an object", param="item")
    kind = item.get("type")
    required = _REQUIRED.get(kind) if isinstance(kind, str) else None
    if required is None:
        raise Refused(f"item type {kind!r} is not supported", param="item.type")
    for name, wanted in required.items():
        if not isinstance(item.get(name), wanted):
            raise Refused(f"{name} is required", param=f"item.{name}")
    if kind == "message" and item["role"] not in {"user", "assistant", "system"}:
        raise Refused(f"role {item['role']!r} is not supported", param="item.role")
    for part in item.get("content") or ():
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise Refused("a content part needs a type", param="item.content")
    return item


_REQUIRED: dict[str, dict[str, type]] = {
    "message": {"role": str, "content": list},
    "function_call": {"name": str, "arguments": str},
    "function_call_output": {"call_id": str, "output": str},
    "force_message": {"content": list},
}


def echo_item(item: Mapping[str, Any], item_id: str) -> Wire:
    """The item as `conversation.item.added` shows it; audio is not sent back."""
    if item["type"] == "function_call_output":
        return shapes.output_item(item_id, item["call_id"], item["output"])
    if item["type"] == "function_call":
        call_id = item.get("call_id") or f"call-{item_id}-0"
        return shapes.call_item(item_id, call_id, item["name"], "", role="tool", status="completed")
    content = [{k: v for k, v in part.items() if k != "audio"} for part in item["content"]]
    return shapes.message_item(item_id, item["role"], content)


def item_text(item: Mapping[str, Any]) -> str:
    """The words of a message, typed or transcribed."""
    words = (part.get("text") or part.get("transcript") or "" for part in item["content"])
    return " ".join(word for word in words if word)


def forced_text(item: Mapping[str, Any]) -> str:
    """What a `force_message` wants spoken; every part type seen to work is taken."""
    text = "".join(
        part.get("text") or "" for part in item["content"] if part["type"] in _TEXT_PARTS
    )
    if not text.strip():
        raise Refused("force_message needs one part with text", param="item.content")
    return text.strip()


def check_metadata(metadata: Any) -> None:
    """At most 16 pairs, keys up to 64 and strings up to 512 characters."""
    if metadata is None:
        return
    good = (
        isinstance(metadata, Mapping)
        and len(metadata) <= 16
        and all(len(key) <= 64 for key in metadata)
        and all(len(value) <= 512 for value in metadata.values() if isinstance(value, str))
    )
    if not good:
        raise Refused(
            "metadata has at most 16 pairs of 64 and 512 characters", param="response.metadata"
        )


def audio_bytes(value: Any) -> bytes:
    """The bytes of an `input_audio_buffer.append`."""
    try:
        return pybase64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise Refused("audio must be base64", param="audio") from None
