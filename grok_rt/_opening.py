"""Where to connect, who we are, and by what: the address, its query, the key, the transport.

Values, and the environment; `dial` alone opens something. It asks for the key each time, so
that a key that is a callable can hand out fresh tokens.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Union
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

from grok_rt._secret import Secret
from grok_rt.errors import AuthenticationFailed, ConfigError

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping

    from grok_rt._transport import Transport

__all__ = ["DEFAULT_MODEL", "DEFAULT_URL", "ApiKey", "Opening"]

DEFAULT_URL = "wss://api.x.ai/v1/realtime"
DEFAULT_MODEL = "grok-voice-latest"

ApiKey = Union[str, Secret, "Callable[[], str | Secret]"]


def _hidden(key: ApiKey | None) -> Secret | Callable[[], str | Secret] | None:
    return Secret(key) if isinstance(key, str) else key


@attrs.frozen
class Opening:
    """How to open a session.

    Attributes:
        url: the endpoint; None: `GROK_RT_URL` from the environment, else xAI's.
        api_key: a key, a token, or a callable that is asked at every connect; None:
            `XAI_API_KEY` from the environment.
        model: sent as a query parameter; the server replaces unknown ones in silence.
        conversation_id: an earlier conversation to resume.
        call_id: a phone call to join; the model is then the call's.
        reasoning: the reasoning effort, ``high`` or ``none``.
        headers: more headers for the handshake.
        ssl_context: whom to trust, in place of the system's authorities.
        proxy: a proxy's URL; None: none; ``environment``: as its variables say.
        allow_insecure: permits ``ws://`` to a host that is not this machine.
        transport: makes the transport, in place of a WebSocket.
    """

    url: str | None = None
    api_key: Secret | Callable[[], str | Secret] | None = attrs.field(
        default=None, converter=_hidden
    )
    model: str | None = DEFAULT_MODEL
    conversation_id: str | None = None
    call_id: str | None = None
    reasoning: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    ssl_context: ssl.SSLContext | None = None
    proxy: str | None = attrs.field(default="environment", repr=False)
    allow_insecure: bool = False
    transport: Callable[[str, Mapping[str, str]], Transport] | None = None

    def __attrs_post_init__(self) -> None:
        if self.reasoning not in (None, "high", "none"):
            raise ConfigError(f"reasoning is 'high' or 'none', not {self.reasoning!r}")

    def dial(self, timeout: float, *, on_socket: Callable[[socket.socket], None]) -> Transport:
        """Open the line; blocks up to `timeout` seconds.

        Raises:
            GrokError: as `target` and `WebSocketTransport.connect`, or as the factory likes.
        """
        url, headers = self.target()
        if self.transport is not None:
            return self.transport(url, headers)
        from grok_rt._transport import WebSocketTransport

        return WebSocketTransport.connect(
            url,
            headers,
            timeout=timeout,
            ssl_context=self.ssl_context,
            proxy=self.proxy,
            allow_insecure=self.allow_insecure,
            on_socket=on_socket,
        )

    def target(self) -> tuple[str, dict[str, str]]:
        """The address with its query, and the handshake's headers with the key.

        Raises:
            AuthenticationFailed: there is no key.
        """
        return self._address(), {"Authorization": f"Bearer {self._key()}", **self.headers}

    def _address(self) -> str:
        parts = urlsplit(self.url or os.environ.get("GROK_RT_URL") or DEFAULT_URL)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        wanted = {
            "model": None if self.call_id else self.model,
            "reasoning.effort": self.reasoning,
            "conversation_id": self.conversation_id,
            "call_id": self.call_id,
        }
        query = {**{k: v for k, v in wanted.items() if v is not None}, **query}
        return urlunsplit(parts._replace(query=urlencode(query), fragment=""))

    def _key(self) -> str:
        key = self.api_key() if callable(self.api_key) else self.api_key
        if key is None:
            key = os.environ.get("XAI_API_KEY", "")
        value = key.reveal() if isinstance(key, Secret) else key
        if not value.strip():
            raise AuthenticationFailed(
                "no API key:",
                hint="set XAI_API_KEY, or pass api_key=; keys are made at console.x.ai.",
            )
        return value.strip()
