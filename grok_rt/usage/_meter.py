"""`Meter`: counts what one client uses, over all its connections.

The reader shows it what the server says, callers what they send, and the writer, whose waiting is
the clock, asks whether the budget is spent. Its own lock lets any thread read.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs

from grok_rt import events
from grok_rt._unset import UNSET
from grok_rt.audio import AudioFormat, pcm16
from grok_rt.errors import AudioError
from grok_rt.models import Usage
from grok_rt.models._limits import refuse
from grok_rt.models._wire import Maybe
from grok_rt.models.tools import RESERVED_NAMES
from grok_rt.usage._terms import PRICES, Budget, Reading

__all__ = ["Meter"]

_OPUS_PACKET = 0.02  # seconds: what one usually holds; its bytes do not tell
_NOTHING = 1e-9  # sums of fractions are never quite what they should be
_COUNTED = ("input_tokens", "output_tokens", "text_items", "tool_calls", "server_tool_calls")
_REMEMBERED = 100  # calls that are not counted again when their item comes


@attrs.define(eq=False)
class _Sound:
    """Sound one way: bytes, which only grow, so that the reader can count them without a lock."""

    size: int = 0
    rate: int | None = pcm16().bytes_per_second  # None: compressed, and `size` tells nothing
    _seconds: float = 0.0  # of what came before `_mark`
    _mark: int = 0

    @property
    def seconds(self) -> float:
        size = self.size - self._mark
        return self._seconds + (0.0 if self.rate is None else size / self.rate)

    def change(self, form: AudioFormat) -> None:
        """From now on a second weighs something else."""
        self._seconds, self._mark = self.seconds, self.size
        try:
            self.rate = form.bytes_per_second
        except AudioError:
            self.rate = None

    def add_packet(self, told_ms: Maybe[float] = UNSET) -> None:
        self._seconds += told_ms / 1000 if told_ms else _OPUS_PACKET


class Meter:
    """Counts what one client uses, over all its connections.

    Attributes:
        prices: by which `Reading.usd` is reckoned; may be replaced at any time.
        budget: what ends the call; None: nothing.

    Args:
        budget: see above.
        resumes: the id of an earlier conversation; what that has cost is not counted.
        clock: seconds.

    Raises:
        ConfigError: the budget is none.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        resumes: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if budget is not None and not isinstance(budget, Budget):
            refuse("budget", budget, "a Budget, such as Budget(usd=0.50)")
        self.prices = PRICES
        self.budget = budget
        self._clock = clock
        self._lock = threading.Lock()
        self._count = dict.fromkeys(_COUNTED, 0)
        self._in, self._out = _Sound(), _Sound()
        self._model: str | None = None
        self._calls: deque[str] = deque(maxlen=_REMEMBERED)
        self._warned: set[str] = set()
        self._is_spent = False
        # Seconds that cost money: those until `_since`, and what has come since then.
        self._settled = 0.0
        self._since: float | None = None  # None: there is no line
        self._sound_before = 0.0  # seconds of sound until then
        self._by_the_clock = False  # turn detection is off until the session is configured
        # The service counts by conversation: where ours began, and what it had counted then.
        self._conversation: str | None = None
        self._resumes = resumes
        self._began_at = 0.0
        self._before: float | None = 0.0  # None: it will tell
        self._books: dict[type[events.Event], Callable[[Any, float], None]] = {
            events.SessionCreated: self._created,
            events.SessionUpdated: self._created,
            events.ConversationCreated: self._begin,
            events.ResponseDone: self._charge,
            events.ResponseFunctionCallArgumentsDone: self._call,
            events.ResponseOutputItemDone: self._item,
            events.ResponseMcpCallCompleted: self._mcp_call,
        }
        #: What the server says that counts, besides sound; nothing else need be shown to it.
        self.hears = frozenset(self._books)

    def __repr__(self) -> str:
        return f"<Meter {self.read()}>"

    def read(self) -> Reading:
        """What it shows now. Any thread; never blocks."""
        with self._lock:
            return self._reading(self._clock())

    # what the connection shows it

    def received(self, event: events.Event, now: float) -> None:
        """The server has said something, at `now` seconds; only `hears` counts."""
        with self._lock:
            if self._since is None:
                self._since = now
            if (book := self._books.get(type(event))) is not None:
                book(event, now)

    def sent(self, event: events.ClientEvent) -> None:
        """The client has said something."""
        if isinstance(event, events.InputAudioBufferAppend):
            self.said(len(event.audio))
            return
        with self._lock:
            if isinstance(event, events.SessionUpdate):
                self._configure(event)
            elif isinstance(event, events.ConversationItemCreate):
                parts = event.item.content or ()
                is_sound = bool(parts) and all(p.type in ("input_audio", "audio") for p in parts)
                if event.item.type != "function_call_output" and not is_sound:
                    self._count["text_items"] += 1

    def said(self, size: int) -> None:
        """The user's sound: so many bytes; fewer than none, if some were dropped after all."""
        with self._lock:
            if self._in.rate is None:
                self._in.add_packet()
            self._in.size += size

    def heard(self, event: events.AudioDelta) -> None:
        """Grok's sound; by the reader alone, for here is no lock: it comes often."""
        if self._out.rate is None:
            self._out.add_packet(event.audio_duration_ms)
        self._out.size += len(event.audio)

    def hung_up(self, now: float) -> None:
        """The line is gone, and time costs nothing."""
        with self._lock:
            self._settle(now)
            self._since = None

    # the budget

    def next_check(self) -> float | None:
        """When the budget may be low or spent next; None: only something said can change that."""
        with self._lock:
            if self.budget is None or self._is_spent or self._since is None:
                return None
            now = self._clock()
            reading = self._reading(now)
            moments = [self._reached(now, reading, *limit) for limit in self.budget.limits()]
            return min((moment for moment in moments if moment is not None), default=None)

    def check(self, now: float) -> list[events.LocalEvent]:
        """What is to be told about the budget at `now` seconds; each thing is told once."""
        told: list[events.LocalEvent] = []
        with self._lock:
            if self.budget is None or self._is_spent:
                return told
            reading = self._reading(now)
            for name, limit in self.budget.limits():
                spent: float = getattr(reading, name)
                if spent >= limit - _NOTHING:
                    self._is_spent = True
                    return [events.BudgetSpent(of=name, spent=spent, limit=limit)]
                if spent >= self._warning(name, limit) - _NOTHING:
                    self._warned.add(name)
                    told.append(events.BudgetLow(of=name, spent=spent, limit=limit))
        return told

    # inside: all of it requires holding the lock

    def _reading(self, now: float) -> Reading:
        minutes = self._billable(now) / 60
        count, prices = self._count, self.prices
        usd = (
            minutes * prices.minute_of(self._model)
            + count["text_items"] * prices.per_text_item
            + count["server_tool_calls"] * prices.per_server_tool_call
        )
        return Reading(
            usd=usd,
            minutes=minutes,
            audio_in=self._in.seconds,
            audio_out=self._out.seconds,
            **count,
        )

    def _billable(self, now: float) -> float:
        if self._since is None:
            return self._settled
        if self._by_the_clock:
            return self._settled + max(0.0, now - self._since)
        return self._settled + self._in.seconds + self._out.seconds - self._sound_before

    def _settle(self, now: float, seconds: float | None = None) -> None:
        self._settled = self._billable(now) if seconds is None else seconds
        self._sound_before = self._in.seconds + self._out.seconds
        if self._since is not None:
            self._since = now

    def _created(self, event: events.SessionCreated | events.SessionUpdated, _now: float) -> None:
        # An update echoes what was asked for, which need not be what was resolved.
        if isinstance(event, events.SessionCreated) or self._model is None:
            self._model = event.session.model or self._model

    def _begin(self, event: events.ConversationCreated, now: float) -> None:
        name = event.conversation.id or None
        if name == self._conversation is not None:
            return  # resumed: the service goes on counting
        self._conversation = name
        self._settle(now)
        self._began_at = self._settled
        self._before = None if name == self._resumes is not None else 0.0
        self._resumes = None

    def _charge(self, event: events.ResponseDone, now: float) -> None:
        usage = event.total_usage or Usage()
        self._count["input_tokens"] += usage.input_tokens or 0
        self._count["output_tokens"] += usage.output_tokens or 0
        total = usage.billable_audio_seconds
        if total is None or total is UNSET:
            return  # it was not always there
        ours = self._billable(now) - self._began_at
        if self._before is None:
            self._before = max(0.0, total - ours)
        if not 0 <= ours - (total - self._before) < 1:  # it tells whole seconds
            self._settle(now, self._began_at + total - self._before)

    def _configure(self, event: events.SessionUpdate) -> None:
        session = event.session
        if session.audio:
            for sound, way in ((self._in, session.audio.input), (self._out, session.audio.output)):
                if way and way.format:
                    sound.change(way.format)
        if session.turn_detection is not UNSET:
            self._settle(self._clock())
            detection = session.turn_detection
            self._by_the_clock = bool(detection and detection.type)

    def _call(self, event: events.ResponseFunctionCallArgumentsDone, _now: float) -> None:
        self._called(event.call_id, event.name)

    def _item(self, event: events.ResponseOutputItemDone, _now: float) -> None:
        if event.item.type == "function_call":
            self._called(event.item.call_id or "", event.item.name or "")

    def _called(self, call_id: str, name: str) -> None:
        """Some calls come as an event, some as an item, most as both."""
        if call_id not in self._calls:
            self._calls.append(call_id)
            self._count["server_tool_calls" if name in RESERVED_NAMES else "tool_calls"] += 1

    def _mcp_call(self, _event: events.ResponseMcpCallCompleted, _now: float) -> None:
        self._count["server_tool_calls"] += 1

    def _warning(self, name: str, limit: float) -> float:
        share = None if self.budget is None or name in self._warned else self.budget.warn_at
        return limit if share is None else limit * share

    def _reached(self, now: float, reading: Reading, name: str, limit: float) -> float | None:
        left = self._warning(name, limit) - getattr(reading, name)
        if left <= _NOTHING:
            return self._since  # at once: a moment that is over whatever the caller's clock says
        if not self._by_the_clock or name == "tokens":
            return None
        per_minute = 1.0 if name == "minutes" else self.prices.minute_of(self._model)
        return now + left / per_minute * 60 if per_minute else None
