"""A key or a token: its value is never shown by accident. Pure values."""

from __future__ import annotations

import time
from typing import NoReturn

import attrs

__all__ = ["Secret", "Token"]


class Secret:
    """Holds a string whose `repr`, `str` and format are ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "'***'"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied: it would leave this process")


def _hidden(value: str | Secret) -> Secret:
    return Secret(value) if isinstance(value, str) else value


@attrs.frozen(eq=False)
class Token:
    """An ephemeral client secret: who holds it can open sessions until it expires.

    Open sessions outlive it. It cannot join phone calls (`call_id`).

    Attributes:
        value: the secret; not shown by `repr`.
        expires_at: the second of Unix time, by the server's clock, from which it is of no use.
    """

    value: Secret = attrs.field(converter=_hidden)
    expires_at: int

    def reveal(self) -> str:
        """The secret itself: to hand it to the program that is to connect with it."""
        return self.value.reveal()

    def expired(self, now: float | None = None) -> bool:
        """Whether it is of no use any more.

        Args:
            now: seconds of Unix time; by default this machine's clock.
        """
        return (time.time() if now is None else now) >= self.expires_at
