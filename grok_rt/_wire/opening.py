"""Where to connect, who we are, and by what: the address, its query, the key, the transport.

Values, and the environment; `dial` alone opens something. It asks for the key each time, so
that a key that is a callable can hand out fresh tokens.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args
from urllib.parse import parse_qs, quote, urlencode

import attrs

from grok_rt._secret import Secret, Token
from grok_rt._wire.line.target import can_be_offered
from grok_rt.errors import AuthenticationFailed, ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from grok_rt._wire.line.dialling import OnWait
    from grok_rt._wire.transport import Transport

__all__ = [
    "DEFAULT_MODEL",
    "ApiKey",
    "Auth",
    "Dialling",
    "Opening",
    "credential",
    "default_url",
    "naming",
]

DEFAULT_MODEL: Final = "grok-voice-latest"

ApiKey = Union[str, Secret, Token, "Callable[[], str | Secret | Token]"]
Auth = Literal["bearer", "subprotocol", "openai"]


def default_url() -> str:
    """Return where sessions are opened unless said otherwise."""
    return os.environ.get("GROK_RT_URL") or "wss://api.x.ai/v1/realtime"


@contextlib.contextmanager
def naming(url: str | None) -> Iterator[None]:
    """Let a bad address be told by the variable's name, where that is what `url` stands for."""
    try:
        yield
    except ConfigError as error:
        setting, _, wrong = str(error).partition(": ")
        if url or setting != "url":
            raise
        raise ConfigError(f"GROK_RT_URL: {wrong}") from None


def credential(api_key: ApiKey | None) -> Secret | Token:
    """Return the key or token to use now, asking the callable or the environment for it.

    Raises:
        AuthenticationFailed: there is none, or what there is cannot be one.
        ConfigError: it is no string.
    """
    key: Any = api_key() if callable(api_key) else api_key
    if key is None:
        key = os.environ.get("XAI_API_KEY", "")
    _check_key(key)
    value = (key if isinstance(key, str) else key.reveal()).strip()
    if not value:
        raise AuthenticationFailed(
            "There is no API key.",
            hint="Set XAI_API_KEY (a program may pass api_key=); keys are made at https://console.x.ai.",
        )
    if oddity := _oddity(value):
        source = "XAI_API_KEY" if api_key is None else "api_key"
        raise AuthenticationFailed(f"{source}: {oddity}.", hint="Give the key alone.")
    return key if isinstance(key, Token) else Secret(value)


def _check_key(key: object) -> None:
    if not isinstance(key, str | Secret | Token):
        raise ConfigError(
            "api_key: a string, a token, or a function that returns one, "
            f"not an object of type {type(key).__name__}."
        )


def _oddity(key: str) -> str:
    """What no key can be, in words that do not show it; empty: nothing."""
    if re.match(r"(wss?|https?)://", key, re.IGNORECASE):
        return "this is an address, which belongs to url="
    if re.match(r"bearer\s", key, re.IGNORECASE):
        return "it begins with 'Bearer', which is added on the way"
    if re.search(r"['\"`]", key):
        return "it has quotation marks in it"
    if re.search(r"\s", key):
        return "it has white space within"
    if not (key.isascii() and key.isprintable()):
        return "it has characters that no key has, beyond ASCII or invisible"
    return ""


def _hidden(api_key: ApiKey | None) -> ApiKey | None:
    return Secret(api_key) if isinstance(api_key, str) else api_key


def _check_text(setting: str, value: object) -> None:
    # Its type, and not its value, which may be a secret.
    if not isinstance(value, str):
        raise ConfigError(f"{setting}: a string, not an object of type {type(value).__name__}.")


def _copied(headers: object) -> Mapping[str, str]:
    if not isinstance(headers, Mapping):
        raise ConfigError(
            "headers: a mapping of names to values, "
            f"not an object of type {type(headers).__name__}."
        )
    for name, value in headers.items():
        _check_text("a name in headers", name)
        _check_text(f"headers[{name!r}]", value)
    return dict(headers)


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
        headers: more headers for the handshake; they go before ours of the same name.
        ssl_context: whom to trust, in place of the system's authorities.
        proxy: a proxy's URL; None: none; ``environment``: as its variables say.
        allow_insecure: permits ``ws://`` to a host that is not this machine.
        transport: makes the transport, in place of a WebSocket.
        auth: how the key or token is shown to the server. ``"bearer"``: in the header
            ``Authorization``. ``"subprotocol"``: a token, in ``Sec-WebSocket-Protocol``, as
            browsers must. ``"openai"``: the same, in the words of OpenAI's older protocol.
    """

    url: str | None = None
    api_key: ApiKey | None = attrs.field(default=None, converter=_hidden)
    model: str | None = DEFAULT_MODEL
    conversation_id: str | None = None
    call_id: str | None = None
    reasoning: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, converter=_copied)
    ssl_context: ssl.SSLContext | None = None
    proxy: str | None = attrs.field(default="environment", repr=False)
    allow_insecure: bool = False
    transport: Callable[[str, Mapping[str, str]], Transport] | None = None
    auth: Auth = "bearer"

    def __attrs_post_init__(self) -> None:
        for setting in ("url", "model", "conversation_id", "call_id", "proxy"):
            if (value := getattr(self, setting)) is not None:
                _check_text(setting, value)
        if self.api_key is not None and not callable(self.api_key):
            _check_key(self.api_key)
        if self.transport is not None and not callable(self.transport):
            raise ConfigError("transport: a function that takes an address and headers.")
        if self.reasoning not in (None, "high", "none"):
            raise ConfigError(f"reasoning is 'high' or 'none', not {self.reasoning!r}")
        if self.auth not in get_args(Auth):
            raise ConfigError(f"auth is one of {', '.join(get_args(Auth))}, not {self.auth!r}")

    def dial(
        self,
        timeout: float,
        *,
        dead_after: float | None,
        on_wait: OnWait,
    ) -> Transport:
        """Open the line; blocks up to `timeout` seconds, beside what a callable key takes.

        Raises:
            GrokError: as `target` and `WebSocketTransport.connect`, or as the factory likes.
        """
        deadline = time.monotonic() + timeout
        url, headers = self.target()
        if self.transport is not None:
            return self.transport(url, headers)
        from grok_rt._wire.transport import WebSocketTransport

        with naming(self.url):
            return WebSocketTransport.connect(
                url,
                headers,
                timeout=max(0.0, deadline - time.monotonic()),
                ssl_context=self.ssl_context,
                proxy=self.proxy,
                allow_insecure=self.allow_insecure,
                dead_after=dead_after,
                on_wait=on_wait,
            )

    def target(self) -> tuple[str, dict[str, str]]:
        """The address with its query, and the handshake's headers with the key.

        Raises:
            AuthenticationFailed: there is no key, or none that the server could take.
            ConfigError: the key is no string, or cannot be shown in the way that is asked for.
        """
        url = self._address()
        key = credential(self.api_key)
        if isinstance(key, Token):
            _refuse_useless(key, joins_call="call_id" in _names(url))
        name, value = self._shown(key.reveal())
        theirs = {header.lower() for header in self.headers}
        return url, ({} if name.lower() in theirs else {name: value}) | dict(self.headers)

    def _address(self) -> str:
        url = self.url or default_url()
        base, _, given = url.partition("?")
        wanted = {
            "model": self.model,
            "reasoning.effort": self.reasoning,
            "conversation_id": self.conversation_id,
            "call_id": self.call_id,
        }
        present = _names(url)
        if self.call_id is not None or "call_id" in present:
            del wanted["model"]
        added = {k: v for k, v in wanted.items() if v is not None and k not in present}
        query = "&".join(filter(None, (given, urlencode(added, quote_via=quote))))
        return f"{base}?{query}" if query else base

    def _shown(self, key: str) -> tuple[str, str]:
        """Return the header that shows the key."""
        if self.auth == "bearer":
            return "Authorization", f"Bearer {key}"
        if not can_be_offered(key):
            raise ConfigError(
                "api_key: it has characters that no subprotocol may carry; use auth='bearer'."
            )
        offers = (
            f"xai-client-secret.{key}"
            if self.auth == "subprotocol"
            else f"realtime, openai-insecure-api-key.{key}, openai-beta.realtime-v1"
        )
        return "Sec-WebSocket-Protocol", offers


class Dialling:
    """A line that one thread opens and another may cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], object] | None = None
        self._pid = os.getpid()
        self._is_cut = False

    def dial(self, opening: Opening, timeout: float, dead_after: float | None) -> Transport:
        """Open a line; see `Opening.dial`."""
        try:
            return opening.dial(timeout, dead_after=dead_after, on_wait=self.remember)
        finally:
            with self._lock:
                self._end = None

    def remember(self, end: Callable[[], object]) -> None:
        """Take note of what ends the wait that begins, which `cut` calls."""
        with self._lock:
            self._end = end
            self._pid = os.getpid()
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """End what is being opened, and whatever will be; but not what a parent process opens."""
        with self._lock:
            self._is_cut = True
            if self._end is not None and self._pid == os.getpid():
                with contextlib.suppress(OSError):
                    self._end()


def _refuse_useless(token: Token, *, joins_call: bool) -> None:
    if joins_call:
        raise AuthenticationFailed(
            "A token cannot join a phone call.", hint="Use the API key itself with call_id=."
        )
    if token.expired():
        ago = time.time() - token.expires_at
        raise AuthenticationFailed(
            f"The token expired {ago:.0f} s ago.",
            hint="Make a new one, or pass api_key=tokens.create to have one made at every "
            "connect; if it is new, check this machine's clock.",
        )


def _names(url: str) -> set[str]:
    """Return the names in the query of a URL."""
    return set(parse_qs(url.partition("?")[2], keep_blank_values=True))
