"""What is agreed on: the prices, what a call may cost, and what a meter shows. Plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import attrs

from grok_rt._numbers import is_number
from grok_rt.models._limits import refuse

__all__ = ["PRICES", "Budget", "Prices", "Reading"]


@attrs.frozen(kw_only=True)
class Prices:
    """What the service takes, in USD.

    Attributes:
        as_of: the day on which somebody looked.
        per_minute: of a session, by the model's name; a model that is not here costs as much as
            the dearest that is.
        per_text_item: for each item that is put into the conversation, but for function results
            and sound.
        per_server_tool_call: for each search, and each call of an MCP tool; the service has a
            price for them that is not known here.
    """

    as_of: date
    per_minute: Mapping[str, float] = attrs.field(hash=False)
    per_text_item: float = 0.0
    per_server_tool_call: float = 0.0

    def minute_of(self, model: str | None) -> float:
        """The price of a minute with that model."""
        return self.per_minute.get(model or "", max(self.per_minute.values(), default=0.0))


PRICES = Prices(
    as_of=date(2026, 10, 1),
    per_minute={"grok-voice-think-fast-1.0": 0.05, "grok-voice-think-fast-2.0": 0.08},
    per_text_item=0.004,
)
"""The prices that the service published, when somebody looked last."""


@attrs.frozen(kw_only=True)
class Budget:
    """What a call may cost: at the first of these limits it is ended.

    Attributes:
        usd: money, by the meter's prices.
        minutes: that the service takes money for.
        tokens: both ways.
        warn_at: the share of a limit at which `events.BudgetLow` tells; None: never.

    Raises:
        ConfigError: no limit at all, or one that is none.
    """

    usd: float | None = None
    minutes: float | None = None
    tokens: int | None = None
    warn_at: float | None = 0.8

    def __attrs_post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ("usd", "minutes", "tokens"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and value > 0):
                refuse(f"Budget.{name}", value, "None, or a number above 0")
        if self.warn_at is not None and not (is_number(self.warn_at) and 0 < self.warn_at < 1):
            refuse("Budget.warn_at", self.warn_at, "None, or a share between 0 and 1")
        if not list(self.limits()):
            refuse("Budget", self, "given a limit, as in Budget(usd=0.50)")

    def limits(self) -> Iterator[tuple[str, float]]:
        """Each limit there is, with its name."""
        for name in ("usd", "minutes", "tokens"):
            if (value := getattr(self, name)) is not None:
                yield name, value


@attrs.frozen(kw_only=True)
class Reading:
    """What a meter shows at one moment: all that this client has used so far.

    Attributes:
        usd: what it costs.
        minutes: that the service takes money for. With `server_vad` those of the session, in
            manual mode those of the sound; the service says how many after each response, and
            what has come since is added by our own clock.
        input_tokens: of all responses; the service does not count instructions and history.
        output_tokens: likewise.
        audio_in: seconds of the user's sound that were handed over.
        audio_out: seconds of Grok's voice that came.
        text_items: put into the conversation, each at a price.
        tool_calls: of functions of the client's.
        server_tool_calls: searches, and calls of MCP tools, that the server ran.
    """

    usd: float = 0.0
    minutes: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    audio_in: float = 0.0
    audio_out: float = 0.0
    text_items: int = 0
    tool_calls: int = 0
    server_tool_calls: int = 0

    @property
    def tokens(self) -> int:
        """Both ways."""
        return self.input_tokens + self.output_tokens

    def __str__(self) -> str:
        return f"${self.usd:.3f}: {self.minutes:.2f} minutes, {self.tokens} tokens"
