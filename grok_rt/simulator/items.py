"""Values a client sends, checked as the service checks them: items, metadata, audio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pybase64

from grok_rt.simulator import shapes
from grok_rt.simulator.reading import Refused, checked, needed, optional
from grok_rt.simulator.shapes import Wire

_TEXT_PARTS = ("input_text", "text", "output_text")
_SOUND_PARTS = ("input_audio", "audio", "output_audio")
_PARTS = (*_TEXT_PARTS, *_SOUND_PARTS, "input_image")


def checked_item(value: Any) -> Wire:
    """The item of a `conversation.item.create`; refused if the service cannot take it."""
    item = checked(value, dict, "item")
    kind = needed(item, "type", str, "item")
    if kind not in _REQUIRED:
        raise Refused(f"item type {kind!r} is not supported", param="item.type")
    for name, wanted in _REQUIRED[kind].items():
        needed(item, name, wanted, "item")
    for name, wanted in _OPTIONAL.items():
        optional(item, name, wanted, "item")
    if kind == "message" and item["role"] not in {"user", "assistant", "system"}:
        raise Refused(f"role {item['role']!r} is not supported", param="item.role")
    for index, part in enumerate(item.get("content") or ()):
        _check_part(part, f"item.content[{index}]")
    return item


_REQUIRED: dict[str, dict[str, type]] = {
    "message": {"role": str, "content": list},
    "function_call": {"name": str, "arguments": str},
    "function_call_output": {"call_id": str, "output": str},
    "force_message": {"content": list},
}
_OPTIONAL: dict[str, type] = {
    "id": str,
    "call_id": str,
    "content": list,
    "interruptible": bool,
}


def _check_part(part: Any, within: str) -> None:
    checked(part, dict, within)
    kind = needed(part, "type", str, within)
    for name in ("text", "transcript", "audio"):
        optional(part, name, str, within)
    if kind not in _PARTS:
        raise Refused(f"content of type {kind!r} is not supported", param=f"{within}.type")
    if kind in _TEXT_PARTS:
        needed(part, "text", str, within)
    if part.get("audio") is not None:
        audio_bytes(part, within)


def echo_item(item: Mapping[str, Any], item_id: str) -> Wire:
    """The item as `conversation.item.added` shows it; audio is not sent back."""
    if item["type"] == "function_call_output":
        return shapes.output_item(item_id, item["call_id"], item["output"])
    if item["type"] == "function_call":
        call_id = item.get("call_id") or f"call-{item_id}-0"
        return shapes.call_item(item_id, call_id, item["name"], "", role="tool", status="completed")
    return shapes.message_item(item_id, item["role"], [_echo_part(p) for p in item["content"]])


def _echo_part(part: Mapping[str, Any]) -> Wire:
    if part["type"] in _SOUND_PARTS:
        return {"type": part["type"], "transcript": part.get("transcript") or ""}
    return dict(part)


def sounds(item: Mapping[str, Any]) -> list[bytes]:
    """The sound in a message, part by part."""
    return [pybase64.b64decode(part["audio"]) for part in item["content"] if part.get("audio")]


def forced_text(item: Mapping[str, Any]) -> str:
    """What a `force_message` wants spoken; every part type seen to work is taken."""
    text = "".join(
        part.get("text") or "" for part in item["content"] if part["type"] in _TEXT_PARTS
    )
    if not text.strip():
        raise Refused("force_message needs one part with text", param="item.content")
    return text.strip()


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """At most 16 pairs, keys up to 64 and strings up to 512 characters."""
    good = (
        len(metadata) <= 16
        and all(len(key) <= 64 for key in metadata)
        and all(len(value) <= 512 for value in metadata.values() if isinstance(value, str))
    )
    if not good:
        raise Refused(
            "metadata has at most 16 pairs of 64 and 512 characters", param="response.metadata"
        )


def audio_bytes(holder: Mapping[str, Any], within: str = "") -> bytes:
    """The bytes of an `input_audio_buffer.append`, or of a part of a message."""
    try:
        return pybase64.b64decode(needed(holder, "audio", str, within), validate=True)
    except ValueError:
        param = f"{within}.audio" if within else "audio"
        raise Refused("audio must be base64", param=param) from None
