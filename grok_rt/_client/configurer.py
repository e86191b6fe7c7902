"""The session's configuration: said at every connect, and changed while it runs.

On the thread of whoever connects: the caller's, or the one that reconnects.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, NoReturn

from grok_rt import events
from grok_rt._client.settings import session_config
from grok_rt._numbers import timeout_of
from grok_rt._unset import UNSET
from grok_rt.errors import AudioError, DeadlineExceeded
from grok_rt.models import Resumption, SessionConfig, SessionUpdatePayload

if TYPE_CHECKING:
    from grok_rt._client.lifecycle import Lifecycle
    from grok_rt._client.tooling import Tooling
    from grok_rt._connection.connection import Connection
    from grok_rt._session.session import Session

__all__ = ["GrokConfigurer"]

log = logging.getLogger("grok_rt")

_UPDATE_TIMEOUT = 5.0


class GrokConfigurer:
    """What a client tells the server about the session."""

    config: SessionConfig
    _lifecycle: Lifecycle
    _session: Session
    _tooling: Tooling

    def update_session(
        self,
        config: SessionConfig | None = None,
        *,
        timeout: float = 5.0,
        **changes: NoReturn,
    ) -> None:
        """Change the running session; blocks until the server has confirmed. Works in handlers.

        Args:
            config: the new configuration; None sends the present one again, with the tools
                registered meanwhile.
            timeout: seconds to wait; without an answer a warning is logged.
            changes: none; who tries is told how a configuration is changed.

        Raises:
            ServerError: the server refused it; the earlier configuration stays.
            DeadlineExceeded: there was no connection in time.
            ConnectionClosed: the session has ended.
        """
        for keyword in changes:
            raise TypeError(_no_argument(keyword))
        wanted = self.config if config is None else config
        deadline = time.monotonic() + timeout_of(timeout, endless=False)

        def update(_: Connection) -> None:
            self._lifecycle.await_line(max(0.0, deadline - time.monotonic()))
            connection = self._lifecycle.open_connection()
            self._send_config(connection, wanted, max(0.0, deadline - time.monotonic()))

        self._lifecycle.through(update)
        self.config = wanted

    def _configure(self, connection: Connection, deadline: float) -> None:
        left = deadline - time.monotonic()
        self._send_config(connection, self.config, max(0.0, min(_UPDATE_TIMEOUT, left)))

    def _send_config(self, connection: Connection, config: SessionConfig, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        if not self._tooling.declaring.acquire(timeout=timeout):
            raise DeadlineExceeded(f"an earlier session.update has no answer after {timeout:.3g} s")
        try:
            self._declare(connection, config, max(0.0, deadline - time.monotonic()))
        finally:
            self._tooling.declaring.release()

    def _declare(self, connection: Connection, config: SessionConfig, timeout: float) -> None:
        config = session_config(config)
        config = config.with_tools(self._tooling.definitions(config))
        if self._lifecycle.policy is not None and config.resumption is UNSET:
            config = config.with_resumption()
        with contextlib.suppress(AudioError):  # compressed: nobody knows
            self._lifecycle.sound_rate = config.input_audio_format.bytes_per_second
        event = events.SessionUpdate(
            event_id=self._session.new_event_id(), session=config.to_update_payload()
        )
        if not connection.update_session(event, timeout):
            log.warning("no session.updated within %.2g s; going on without it", timeout)

    def _allow_resumption(self) -> None:
        """Say belatedly what `_send_config` would have said."""
        if self.config.resumption is UNSET:
            event_id = self._session.new_event_id()
            self._session.best_effort(event_id)  # without it the server forgets, and no more
            payload = SessionUpdatePayload(resumption=Resumption(enabled=True))
            update = events.SessionUpdate(event_id=event_id, session=payload)
            self._lifecycle.through(lambda connection: connection.send(update))

    def _tool_registered(self) -> None:
        if self._lifecycle.state == "open":
            self.update_session()


def _no_argument(keyword: str) -> str:
    text = f"GrokClient.update_session() takes a whole configuration, and no argument {keyword!r}"
    if hasattr(SessionConfig, f"with_{keyword}"):
        return f"{text}: update_session(client.config.with_{keyword}(…))"
    return f"{text}: update_session(SessionConfig(…))"
