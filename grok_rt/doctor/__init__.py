"""Whether a session can be opened from here; and if not, where it ends and what to do about it.

One check after the other, from Python to the session's first words, by the parts that sessions
are made of (`way`) on what is installed (`machine`). Each has a deadline; one that failed spares
those that rest upon it. Runs in the caller's thread, prints nothing, and keeps the key to itself.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from grok_rt._wire.line.proxy import ENVIRONMENT
from grok_rt._wire.opening import DEFAULT_MODEL, ApiKey, default_url
from grok_rt.doctor import machine
from grok_rt.doctor.findings import Finding, Note, Trouble
from grok_rt.doctor.way import Way
from grok_rt.errors import ConnectFailed, GrokError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

__all__ = ["TIMEOUT", "Finding", "examine"]

TIMEOUT: Final = 10.0  # seconds for each check


def examine(
    url: str | None = None,
    *,
    api_key: ApiKey | None = None,
    model: str | None = DEFAULT_MODEL,
    timeout: float = TIMEOUT,
    proxy: str | None = ENVIRONMENT,
    ssl_context: ssl.SSLContext | None = None,
    starting: Callable[[str], object] = lambda _: None,
) -> Iterator[Finding]:
    """Yield the findings, as they are made; blocks for `timeout` seconds each at most.

    Args:
        url: the endpoint; None: `GROK_RT_URL` from the environment, else xAI's.
        api_key: as for the client.
        model: the same.
        timeout: seconds for each check.
        proxy: as for the client.
        ssl_context: the same.
        starting: called with the name of each check that begins.
    """
    way = Way(
        url or default_url(), api_key, model, timeout=timeout, proxy=proxy, ssl_context=ssl_context
    )
    checks: tuple[tuple[str, tuple[str, ...], Callable[[], str | Note]], ...] = (
        # its name, those it rests upon, and itself
        ("python", (), machine.python),
        ("packages", (), machine.packages),
        ("extras", (), machine.extras),
        ("sound", (), machine.sound),
        ("address", (), way.address),
        ("key", ("address",), way.key),
        ("proxy", ("address",), way.proxy),
        ("dns", ("proxy",), way.dns),
        ("tcp", ("dns",), way.tcp),
        ("tls", ("tcp",), way.tls),
        ("handshake", ("key", "tls"), way.handshake),
        ("first event", ("handshake",), way.first_event),
        ("round trip", ("first event",), way.round_trip),
        ("session.updated", ("round trip",), way.session_updated),
    )
    missing: set[str] = set()
    try:
        for name, needs, check in checks:
            lacking = [each for each in needs if each in missing]
            if lacking:
                finding = Finding(name, "skipped", f"for want of {' and '.join(lacking)}")
            else:
                starting(name)
                finding = _made(name, check)
            if finding.status in ("failed", "skipped"):
                missing.add(name)
            yield finding
    finally:
        way.leave()


def _made(name: str, check: Callable[[], str | Note]) -> Finding:
    began = time.monotonic()
    try:
        found = check()
    except Trouble as trouble:
        told, advice = trouble.told, trouble.advice
    except ConnectFailed as error:
        told, advice = error.message, error.hint
    except GrokError as error:
        told, advice = str(error), ""
    else:
        taken = time.monotonic() - began
        if isinstance(found, str):
            return Finding(name, "ok", found, seconds=taken)
        return Finding(name, "note", found.told, found.advice, taken)
    return Finding(name, "failed", told, advice, time.monotonic() - began)
