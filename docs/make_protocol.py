"""Write `docs/protocol.md`: the wire as the classes have it, with a real message for each.

`python docs/make_protocol.py` after any change to `grok_rt.events` or `grok_rt.models`;
`tests/test_protocol_page.py` fails until it was run. What was seen live and what is only
documented comes from the samples in `tests/data`, and where there is none from the docstring.
"""

# ruff: noqa: E501, INP001 - prose keeps its own lines; the documentation is no package

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from grok_rt import audio, events, models  # noqa: E402
from grok_rt._session.session import FATAL_ERROR_TYPES  # noqa: E402
from grok_rt._unset import UNSET, Unset  # noqa: E402
from grok_rt.events import client as client_events  # noqa: E402
from grok_rt.events import local as local_events  # noqa: E402
from grok_rt.events import response as response_events  # noqa: E402
from grok_rt.events import server as server_events  # noqa: E402
from grok_rt.models._wire import wire_name  # noqa: E402

PAGE = ROOT / "docs" / "protocol.md"

SAMPLES: dict[str, list[dict[str, Any]]] = {}
for line in (ROOT / "tests" / "data" / "samples.jsonl").read_text("utf-8").splitlines():
    SAMPLES.setdefault(json.loads(line)["event"]["type"], []).append(json.loads(line))

# By weight: the first that any sample has counts. Without one, the docstring says it.
STATUS = {
    "observed-live": "recorded live",
    "documented": "documented",
    "third-party-claim": "claimed by other clients",
    "inferred": "inferred",
    "inferred-openai": "OpenAI only",
}

GROUPS = (
    events.AudioDelta,
    events.TranscriptDelta,
    events.TextDelta,
    events.ResponsePart,
    events.Replayable,
    events.Failure,
)

VALUES = (
    *(models.ConversationItem, models.ContentPart, models.SessionUpdatePayload),
    *(models.SessionInfo, models.TurnDetection, models.AudioConfig, models.AudioChannelConfig),
    *(audio.AudioFormat, models.Transcription, models.GrokToolDefinition, models.Reasoning),
    *(models.Resumption, models.ResponseCreatePayload, models.ResponseInfo, models.Usage),
    *(models.TokenDetails, models.ConversationInfo, models.ErrorInfo, models.RateLimit),
)

ERRORS = {
    "invalid_request_error": "A client event was malformed or refused; nothing has changed.",
    "invalid_event": "A client event has a type that the server does not know.",
    "internal_error": "The server failed; trying again may help.",
    "timeout": "Nothing was said for too long.",
    "max_duration": "The session is as old as one may become, 120 minutes.",
}

INTRO = """\
# The protocol, class by class

<!-- Written by docs/make_protocol.py; changes belong into the docstrings. -->

Every message of the [realtime endpoint](https://docs.x.ai) is one class of `grok_rt.events`, named after its type: `response.output_audio.delta` is `ResponseOutputAudioDelta`.
Fields have the names of the wire. This page is made of those classes, and each example is a message that was recorded or documented.

**Absent, null, default.** A field that may be absent is `UNSET` when it is, and is then not sent. One that may be null is `None` when it is. Both are false.
What was read has no defaults: absent stays absent. Defaults exist only where you build something to send, and are noted as *here*.

**Sound** is `bytes` in the session's format; on the wire it is base64.

**What is new stays visible.** A field that this version does not know is kept in `extra`, of the event or of the object inside it, and is written back as it came.
A message whose type is not known is an `UnknownEvent` with all of it in `raw`; so is one whose fields are not what its class says, and then `parse_error` says which: ``expected a string, got null @ $.item.id``.
Text that is no JSON object with a `type` becomes the local event `Malformed`. None of these ends the session.

**Live or documented.** *Recorded live* means that a recording of the service holds it, of July to September 2026; where recordings and documents differ, the remark says how.
*Documented* means that no recording at hand does. *OpenAI only* are messages of the API that this one resembles and that some programs expect.
"""

CLIENT = """\
## Client events

What you say: `client.send(event)`, or the verb that sends it. Every one may carry an `event_id` (text), which an `error` about it repeats; the client fills it in where it waits for an answer.
"""

SERVER = """\
## Server events

What the server says. Every one may have an `event_id`, and live nearly every one a `previous_item_id`, mostly null; they are left out below.
"""

LOCAL = """\
## Local events

What happened on this side of the wire. They pass through the same queue and the same handlers, and are never sent.
"""

OBJECTS = """\
## Objects

What events hold, from `grok_rt.models` (and `AudioFormat` from `grok_rt.audio`). All are frozen, and all have `extra`.
"""

FAILURES = """\
## Errors of the server

`error.type` decides; `error.code` is often the same word, but not always. Live, a refused `response.cancel` (*no active response found*) becomes the local event `Harmless`.
An error that names a client event is raised by the verb that waits for it (`connect`, `update_session`, `ask`) and is an `Error` event as well.

| `error.type` | meaning | ends the session |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    client = list(defined(client_events))
    server = [*defined(server_events), *defined(response_events)]
    parts = [
        INTRO,
        groups(),
        CLIENT,
        overview(client),
        *(section(name, kind) for name, kind in client),
        SERVER,
        overview(server),
        *(section(name, kind) for name, kind in server),
        LOCAL,
        *(section(kind.__name__, kind) for _, kind in defined(local_events)),
        OBJECTS,
        *(section(kind.__name__, kind) for kind in VALUES),
        FAILURES + "".join(failures()),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def defined(module: ModuleType) -> Iterator[tuple[str, type[events.Event]]]:
    """The messages that a module defines, in its order, by their types."""
    for each in vars(module).values():
        is_event = inspect.isclass(each) and issubclass(each, events.Event)
        if is_event and each.__module__ == module.__name__:
            yield each.wire_type, each


def groups() -> str:
    """The classes that stand for several events."""
    rows = [
        f"| `{group.__name__}` | {summary(group)} | "
        + ", ".join(
            f"`{kind.__name__}`"
            for name in events.__all__
            if inspect.isclass(kind := getattr(events, name))
            and issubclass(kind, group)
            and hasattr(kind, "wire_type")
        )
        + " |"
        for group in GROUPS
    ]
    head = (
        "A handler for a group hears all its members: `client.on(events.AudioDelta)`.\n\n"
        "| group | what it is | members |\n|---|---|---|\n"
    )
    return head + "\n".join(rows)


def overview(kinds: Iterable[tuple[str, type[events.Event]]]) -> str:
    """A table of contents with the status of each."""
    rows = [
        f"| [`{name}`](#{anchor(name)}) | `{kind.__name__}` | {status(name, kind)} |"
        for name, kind in kinds
    ]
    return "\n".join(["| type | class | |", "|---|---|---|", *rows])


def section(title: str, kind: type[Any]) -> str:
    """Everything about one class."""
    lines = [f"### {title}", ""]
    if title in events.WIRE_TYPES:
        above = [f"`{group.__name__}`" for group in GROUPS if issubclass(kind, group)]
        named = f"`{kind.__name__}`" + (f", one of {', '.join(above)}" if above else "")
        lines += [f"{named}: {status(title, kind)}.", ""]
    lines += [description(kind), ""]
    rows = list(fields(kind))
    if rows:
        lines += ["| field | type | may be | |", "|---|---|---|---|", *rows, ""]
    if title in SAMPLES:
        lines += ["```json", *pretty(shortened(SAMPLES[title][0]["event"])), "```"]
    return "\n".join(lines)


def status(wire_type: str, kind: type[events.Event]) -> str:
    """Whether it was seen, and where else it is known from."""
    seen = {sample["confidence"] for sample in SAMPLES.get(wire_type, ())}
    for confidence, words in STATUS.items():
        if confidence in seen:
            return words
    is_foreign = "OpenAI only" in (kind.__doc__ or "")
    return STATUS["inferred-openai" if is_foreign else "documented"]


def failures() -> Iterator[str]:
    """The rows of the table of errors."""
    for name, meaning in ERRORS.items():
        end = "**yes**: every call raises `ConnectionClosedError`, `Closed` is the last event"
        yield f"| `{name}` | {meaning} | {end if name in FATAL_ERROR_TYPES else 'no'} |\n"
    yield "| any other | The server's sentence says it. | no |\n"


# docstrings


def description(kind: type[Any]) -> str:
    """The docstring without its attributes, as paragraphs of one line each."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")[0]
    text = re.sub(r"(?<=[.;]) (Live|Documented|OpenAI only)\.|; OpenAI only(?=\.)", "", text)
    paragraphs = re.split(r"\n{2,}", text.strip())
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def summary(kind: type[Any]) -> str:
    """Its first sentences, without the word that it is abstract."""
    return re.sub(r"; abstract(, and never sent)?", "", description(kind).split("\n")[0])


def remarks(kind: type[Any]) -> dict[str, str]:
    """What docstrings say of the fields; a subclass knows better than its base."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        text = inspect.cleandoc(each.__doc__ or "").partition("\nAttributes:\n")[2]
        for name, words in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", text, re.MULTILINE):
            found[name] = " ".join(words.split()).replace("|", "\\|")
    return found


# fields

SCALARS = {
    str: "text",
    bytes: "sound",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Any: "anything",
    BaseException: "exception",
}


def fields(kind: type[Any]) -> Iterator[str]:
    """A row for each field, but for those that all of its kind have."""
    common = {"extra"}
    if issubclass(kind, events.ClientEvent):
        common |= {"event_id"}
    elif issubclass(kind, events.ServerEvent):
        common |= {"event_id", "previous_item_id"}
    told = remarks(kind)
    null = "None" if issubclass(kind, events.LocalEvent) else "null"
    for field in attrs.fields(attrs.resolve_types(kind)):
        wire = wire_name(field)
        if not wire or field.name in common:
            continue
        named = f"`{wire}`" if wire == field.name else f"`{wire}`, here `{field.name}`"
        options = get_args(field.type) if is_union(field.type) else ()
        may_be = ["absent"] if field.default is UNSET or Unset in options else []
        may_be += [null] if type(None) in options else []
        remark = told.get(field.name, "")
        if field.default is not attrs.NOTHING and is_plain(field.default):
            remark = f"{remark} Here {json.dumps(field.default)}.".strip()
        yield f"| {named} | {words(field.type)} | {', '.join(may_be)} | {remark} |"


def is_plain(value: object) -> bool:
    """Whether a default can be told in a word."""
    return isinstance(value, (str, int, float))


def is_union(kind: Any) -> bool:
    """Whether a type has alternatives."""
    return get_origin(kind) in (Union, UnionType)


def words(kind: Any) -> str:
    """A type in words, with links to the objects."""
    absent = (Unset, type(None))
    if is_union(kind):
        return " or ".join(words(each) for each in get_args(kind) if each not in absent)
    if get_origin(kind) is tuple:
        return f"array of {words(get_args(kind)[0])}"
    if get_origin(kind) is Mapping:
        of = get_args(kind)[1]
        return "object" if of is Any else f"object of {words(of)}"
    if kind in VALUES:
        return f"[{kind.__name__}](#{anchor(kind.__name__)})"
    return SCALARS.get(kind) or f"`{getattr(kind, '__name__', kind)}`"


def anchor(title: str) -> str:
    """The name under which links find a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


# examples


def shortened(value: Any) -> Any:
    """The same message with its sound cut down."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shortened(each) for each in value]
    return value[:12] + "…" if isinstance(value, str) and len(value) > 200 else value


def pretty(value: Any, indent: str = "", head: str = "", tail: str = "") -> Iterator[str]:
    """JSON in lines of 100 characters: what fits on one line stays there."""
    flat = f"{indent}{head}{json.dumps(value, ensure_ascii=False)}{tail}"
    if len(flat) <= 100 or not isinstance(value, (dict, list)):
        yield flat
        return
    brackets = "{}" if isinstance(value, dict) else "[]"
    yield f"{indent}{head}{brackets[0]}"
    entries = value.items() if isinstance(value, dict) else ((None, each) for each in value)
    for number, (name, each) in enumerate(entries, start=1):
        label = "" if name is None else f"{json.dumps(name)}: "
        yield from pretty(each, indent + "  ", label, "," if number < len(value) else "")
    yield f"{indent}{brackets[1]}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
