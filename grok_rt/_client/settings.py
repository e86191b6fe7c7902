"""A client's own settings, checked where they are given: one sentence, no surprise later.

`models._limits` has the service's bounds and the sentence that all refusals share; the
address, its headers and the key are `Opening`'s. Pure checks, on the caller's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grok_rt._client.reconnect import Reconnect
from grok_rt._numbers import is_number
from grok_rt.models import SessionConfig
from grok_rt.models._limits import refuse, whole

if TYPE_CHECKING:
    from grok_rt._connection.liveness import Limits

__all__ = ["check_times", "reconnect_policy", "session_config"]

#: Seconds; what is longer overflows the timeouts of some system, and means "never".
_LONGEST = 1_000_000


def check_times(limits: Limits, open_timeout: float) -> None:
    """Refuse what is no time, and times that cannot work together.

    Raises:
        ConfigError: it names the setting, and what is allowed.
    """
    _seconds("open_timeout", open_timeout)
    for field in ("close_timeout", "send_timeout", "stall_timeout"):
        _seconds(field, getattr(limits, field))
    ping, dead = limits.ping_interval, limits.dead_after
    for field, pause in {"ping_interval": ping, "dead_after": dead}.items():
        if pause is not None:
            _seconds(field, pause, "None, or a number of seconds")
            if not pause:
                refuse(field, pause, "None, or more than no time")
    if ping is not None and dead is not None and dead <= ping:
        refuse("dead_after", dead, f"longer than ping_interval, which is {ping:g}")
    whole("max_backlog", limits.max_backlog, 1)


def session_config(config: object) -> SessionConfig:
    """Return `config`, if it is one.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(config, SessionConfig):
        refuse("config", config, "a SessionConfig, such as SessionConfig(voice='Ara')")
    return config


def reconnect_policy(reconnect: object) -> Reconnect | None:
    """Return the policy that is meant; None: do not reconnect.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(reconnect, Reconnect):
        return reconnect
    if reconnect is not None and not isinstance(reconnect, bool):
        refuse("reconnect", reconnect, "a Reconnect(...), True, False or None")
    return Reconnect() if reconnect else None


def _seconds(field: str, value: object, what: str = "a number of seconds") -> None:
    if not (is_number(value) and 0 <= value <= _LONGEST):
        refuse(field, value, f"{what} from 0 to {_LONGEST}")
