"""What can go wrong between the service and a client: one vocabulary, for tests and `simulate`.

Only the words live here, and how they are read from text; what they do to a session's messages
is `sabotage.py`, what they do to a socket is the server's. Frozen values; any thread.
"""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from grok_rt.errors import ConfigError
from grok_rt.events import WIRE_TYPES, ServerEvent

__all__ = [
    "CONNECTION",
    "AtRandom",
    "ClockSkew",
    "Close",
    "Delay",
    "Drop",
    "Duplicate",
    "ExpiredCertificate",
    "Fault",
    "Fragmented",
    "Huge",
    "InvalidJson",
    "InvalidUtf8",
    "Omit",
    "Refuse",
    "SessionFault",
    "Silence",
    "SlowReader",
    "Stall",
    "StrangeEvent",
    "StrangeFields",
    "WrongName",
    "as_faults",
    "drawn",
    "fault_of",
    "faults_of",
]

CONNECTION: Final = "connection"
"""The `at` of what is counted from the first byte of the server's, its HTTP answer included."""

_EVENTS: Final = [name for name, each in WIRE_TYPES.items() if issubclass(each, ServerEvent)]


def _is_event(_: Fault, field: attrs.Attribute[Any], name: str | None) -> None:
    """Refuse an event that never comes, for the fault would never strike."""
    others = ("*", CONNECTION) if field.name == "at" else (None,)
    if name in _EVENTS or name in others:
        return
    near = difflib.get_close_matches(str(name), _EVENTS, 1)
    meant = f"did you mean {near[0]!r}?" if near else "grok_rt.events.WIRE_TYPES has them all"
    raise ConfigError(f"{field.name}: no event of the server's is called {name!r}; {meant}")


@attrs.frozen
class Fault:
    """The root of them all."""


@attrs.frozen
class Refuse(Fault):
    """Handshakes, and tokens, are refused with an HTTP status.

    Attributes:
        status: such as 401, 403, 429 or 503.
        retry_after: seconds, for the header of that name; None for no such header.
        sessions: how many are refused, from the first; None: all.
    """

    status: int = 503
    retry_after: float | None = None
    sessions: int | None = None


@attrs.frozen
class ClockSkew(Fault):
    """The clock that stamps tokens is ahead of ours, or behind where it is negative.

    Attributes:
        seconds: by how much.
    """

    seconds: float = 3600.0


@attrs.frozen
class WrongName(Fault):
    """The certificate is for another host. Needs a server that makes its own certificate."""


@attrs.frozen
class ExpiredCertificate(Fault):
    """The certificate was good until yesterday. Needs a server that makes its own."""


@attrs.frozen
class SessionFault(Fault):
    """Something that strikes in a session, at an event of the server's.

    Attributes:
        at: the wire type of the event; ``*`` for any. One that the server has none of is refused.
        nth: the first such event that counts, from 1.
        times: how many of them, from that one on; None: each.
        sessions: how many sessions have it, from the first that opens; None: all.
    """

    at: str = attrs.field(default="*", kw_only=True, validator=_is_event)
    nth: int = attrs.field(default=1, kw_only=True, validator=attrs.validators.ge(1))
    times: int | None = attrs.field(default=None, kw_only=True)
    sessions: int | None = attrs.field(default=None, kw_only=True)


_BYTE: Any = attrs.validators.ge(0)


@attrs.frozen
class Drop(SessionFault):
    """The TCP connection ends, without a close frame.

    Attributes:
        byte: so many bytes from the beginning of the event's frame on still arrive; with
            ``at="connection"``, so many of all that the server says.
        reset: by a reset, as of a machine that crashed; else in order.
    """

    byte: int = attrs.field(default=0, validator=_BYTE)
    reset: bool = False


@attrs.frozen
class Stall(SessionFault):
    """A frame begins and does not go on: nothing more is said, and the connection stays.

    Attributes:
        byte: so many bytes still arrive, counted as in `Drop`.
    """

    byte: int = attrs.field(default=1, validator=_BYTE)


@attrs.frozen
class Silence(SessionFault):
    """From the event on nothing is said, not even a pong; what the client says is still taken."""


@attrs.frozen
class SlowReader(SessionFault):
    """The server takes what the client says slowly, so that the client's buffers fill up.

    Attributes:
        rate: bytes a second; 0: nothing more is taken.
    """

    rate: float = 1000.0


@attrs.frozen
class Close(SessionFault):
    """In place of the event comes a close frame.

    Attributes:
        code: its code.
        reason: its reason.
    """

    code: int = 1011
    reason: str = ""


@attrs.frozen
class Fragmented(SessionFault):
    """Messages come in fragments.

    Attributes:
        size: bytes of a fragment.
    """

    size: int = attrs.field(default=16, validator=attrs.validators.ge(1))


@attrs.frozen
class Huge(SessionFault):
    """Events are padded by a field nobody knows. Clients take 16 MiB, and no more.

    Attributes:
        size: bytes of the frame, at least.
    """

    size: int = 1 << 20


@attrs.frozen
class InvalidUtf8(SessionFault):
    """Before the event comes a text that is none."""


@attrs.frozen
class InvalidJson(SessionFault):
    """Before the event comes a text that breaks off in the middle of its JSON."""


@attrs.frozen
class StrangeEvent(SessionFault):
    """Before the event comes one of a type that nobody knows."""


@attrs.frozen
class StrangeFields(SessionFault):
    """Events have fields that nobody knows, also in the objects they hold."""


@attrs.frozen
class Duplicate(SessionFault):
    """Events come twice, as live transcripts and `input_audio_buffer.committed` do."""


@attrs.frozen
class Omit(SessionFault):
    """Events do not come: `session.updated`, seen live, or `response.done`."""


@attrs.frozen
class Delay(SessionFault):
    """Events come late, and with `until` in another order, as those around a user's turn do live.

    Attributes:
        seconds: by how much; of no account with `until`.
        until: the wire type of the event behind which they come.
    """

    seconds: float = 1.0
    until: str | None = attrs.field(default=None, validator=_is_event)


_EVERYWHERE = (
    Close, Delay, Drop, Duplicate, Fragmented, Huge, InvalidJson, InvalidUtf8,
    Omit, Silence, SlowReader, Stall, StrangeEvent, StrangeFields,
)  # fmt: skip


@attrs.frozen
class AtRandom(Fault):
    """Each session gets a fault of its own, drawn by `seed`: the same ones in each run.

    Attributes:
        seed: what is drawn.
        share: how many of the sessions have any, from 0 to 1.
    """

    seed: int = 0
    share: float = 1.0


def drawn(faults: Iterable[Fault], number: int) -> list[SessionFault]:
    """What session `number` (from 1) has to suffer."""
    suffered: list[SessionFault] = []
    for each in faults:
        if isinstance(each, AtRandom):
            suffered += _chance(each, number)
        elif isinstance(each, SessionFault) and _has_it(each.sessions, number):
            suffered.append(each)
    return suffered


def _has_it(sessions: int | None, number: int) -> bool:
    return sessions is None or number <= sessions


def _chance(lot: AtRandom, number: int) -> list[SessionFault]:
    dice = random.Random(f"{lot.seed}/{number}")  # noqa: S311 - no secret
    if dice.random() >= lot.share:
        return []
    kind = dice.choice(_EVERYWHERE)
    given: dict[str, Any] = {"nth": dice.randint(1, 30)}
    if kind in (Drop, Stall):
        given["byte"] = dice.randint(0, 200)
    if kind is Drop:
        given["reset"] = dice.random() < 0.5
    if kind is Close:
        given["code"] = dice.choice((1000, 1001, 1011, 1012, 1013, 4000))
    if kind is Delay:
        given["seconds"] = dice.uniform(0.05, 2.0)
    if kind in (Delay, Duplicate, Huge, InvalidJson, Omit, StrangeEvent):
        given["times"] = 1
    return [kind(**given)]


# --- from text -------------------------------------------------------------------------


def _word(kind: type[Fault]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


_KINDS: dict[str, type[Fault]] = {
    _word(kind): kind
    for kind in (*_EVERYWHERE, AtRandom, ClockSkew, ExpiredCertificate, Refuse, WrongName)
}


def as_faults(given: Fault | str | Iterable[Fault | str]) -> tuple[Fault, ...]:
    """Faults that may be given as their text.

    Raises:
        ConfigError: one is neither; or as `fault_of`.
    """
    made = []
    several: Iterable[Any] = [given] if isinstance(given, (str, Fault)) else given
    for each in several:
        if not isinstance(each, (str, Fault)):
            meant = f"; did you mean {each.__name__}()?" if each in _KINDS.values() else ""
            raise ConfigError(f"{each!r} is no fault of grok_rt.simulator.faults{meant}")
        made.append(fault_of(each) if isinstance(each, str) else each)
    return tuple(made)


def fault_of(text: str) -> Fault:
    """The fault that `text` says: ``drop``, ``drop:at=response.done,byte=20``.

    Raises:
        ConfigError: there is no such fault, or it has no such field, or that is no value for it.
    """
    word, _, rest = text.partition(":")
    fields: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"fault {text!r}: {pair!r} is no field=value")
        fields[name.strip()] = value.strip()
    return _made(word.strip(), fields, f"fault {text!r}")


def faults_of(tables: Iterable[Mapping[str, Any]]) -> list[Fault]:
    """The faults of a script file's ``[[fault]]`` tables, each with its ``kind``.

    Raises:
        ConfigError: as `fault_of`.
    """
    made = []
    for number, table in enumerate(tables, 1):
        where = f"fault {number}"
        if not isinstance(table, Mapping):
            raise ConfigError(f"{where} must be a table: write [[fault]] over it")
        fields = dict(table)
        made.append(_made(str(fields.pop("kind", "")), fields, where))
    return made


def _made(word: str, fields: Mapping[str, Any], where: str) -> Fault:
    kind = _KINDS.get(word)
    if kind is None:
        raise ConfigError(
            f"{where}: no fault is called {word!r}; there are {', '.join(sorted(_KINDS))}"
        )
    known = attrs.fields_dict(kind)
    for name in fields:
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ConfigError(f"{where}: {word} has no field {name!r}; {has}")
    given = {}
    for name, value in fields.items():
        try:
            given[name] = _value(value, str(known[name].type))
        except ValueError:
            raise ConfigError(f"{where}: {value!r} is no value for {name}") from None
    try:
        return kind(**given)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _value(value: Any, type: str) -> Any:
    """What was written, as what the field is; the annotations are these few."""
    if type.startswith("bool"):
        if str(value).lower() in ("true", "yes", "1", "false", "no", "0"):
            return str(value).lower() in ("true", "yes", "1")
        raise ValueError
    if type.endswith("| None") and value in ("", "none"):
        return None
    if type.startswith("str"):
        return str(value)
    return float(value) if type.startswith("float") else int(value)
