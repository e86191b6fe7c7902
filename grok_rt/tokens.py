"""Ephemeral client secrets: tokens that open sessions in the place of the API key, for a while.

A server that has the key makes them for programs that must not have it. One HTTP request for each,
by the way that sessions go too: the same proxies and certificates, one deadline for everything,
no redirects. Runs in the caller's thread.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

from grok_rt._numbers import timeout_of
from grok_rt._secret import Token
from grok_rt._wire.line import open_line
from grok_rt._wire.line.http import BODY_PATIENCE, Answer, NotHTTP, read_answer, read_head
from grok_rt._wire.line.refusals import Purpose, refused, unreachable
from grok_rt._wire.line.target import HTTP, WEBSOCKET, Target, check_headers, credentials
from grok_rt._wire.opening import ApiKey, credential, default_url, naming
from grok_rt.errors import AuthenticationFailed, ConfigError, ConnectFailed

if TYPE_CHECKING:
    import ssl

__all__ = ["LIFETIMES", "Token", "create"]

_TOKEN: Final = Purpose(
    "make", "a token", "an HTTP server", "https://api.x.ai/v1/realtime/client_secrets"
)
LIFETIMES: Final = range(1, 3601)  # seconds that a token may live


def create(
    api_key: ApiKey | None = None,
    *,
    expires_after: int = 600,
    url: str | None = None,
    timeout: float = 10.0,
    proxy: str | None = "environment",
    ssl_context: ssl.SSLContext | None = None,
    allow_insecure: bool = False,
) -> Token:
    """Have the service make a token; blocks for `timeout` seconds at most.

    Args:
        api_key: the key, or a callable that returns it; by default `XAI_API_KEY` from the
            environment.
        expires_after: seconds until the token opens no more sessions, 1 to 3600.
        url: where tokens are made, or the ``wss://`` address of the sessions they are for; by
            default `GROK_RT_URL` from the environment, else xAI's.
        timeout: seconds for everything: DNS, dialling, proxy, TLS, the whole answer.
        proxy: a proxy's URL; None: no proxy; by default the environment's.
        ssl_context: for private certificates.
        allow_insecure: permits ``http://`` to a host that is not this machine.

    Raises:
        AuthenticationFailed: there is no key, or the service does not take it.
        RateLimited: too many requests.
        ConnectFailed: nothing answered in time, or not with a token.
        ConfigError: a lifetime, an address, a key or a proxy that cannot be used; nothing
            was sent.
        MissingExtra: a SOCKS proxy needs python-socks.
    """
    if expires_after not in LIFETIMES:
        raise ConfigError(f"expires_after: 1 to 3600 whole seconds, not {expires_after!r}.")
    expires_after = int(expires_after)
    deadline = time.monotonic() + timeout_of(timeout, endless=False)
    with naming(url):
        target = Target.parse(_endpoint(url), allow_insecure=allow_insecure, schemes=HTTP)
    key = credential(api_key)
    if isinstance(key, Token):
        raise AuthenticationFailed(
            "A token cannot make another token.", hint="Use the API key itself."
        )
    headers = {
        "Authorization": f"Bearer {key.reveal()}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "grok_rt",
    }
    body = json.dumps({"expires_after": {"seconds": expires_after}}).encode()
    request = _request(target, check_headers(headers, ()), body)
    line = open_line(
        target,
        timeout=max(0.0, deadline - time.monotonic()),
        proxy=proxy,
        ssl_context=ssl_context,
        purpose=_TOKEN,
    )
    server = str(target)
    with contextlib.closing(line.raw):
        try:
            line.stream.sendall(request)
            head = read_head(line.stream)
        except (OSError, NotHTTP) as error:
            raise unreachable(error, server=server, timeout=timeout, purpose=_TOKEN) from error
        made = 200 <= head.status < 300
        if not made:
            line.wire.hurry(BODY_PATIENCE)
        answer = read_answer(head, line.stream)
    if not made:
        raise refused(*answer, server=server, secrets=credentials(headers, ()), purpose=_TOKEN)
    token = _token(answer, expires_after)
    if token is not None:
        return token
    if time.monotonic() >= deadline:  # it was cut short
        raise unreachable(TimeoutError(), server=server, timeout=timeout, purpose=_TOKEN)
    raise ConnectFailed(
        f"{server} answered without a token.",
        status=answer.status,
        hint=f"Check the URL: the default is {_TOKEN.url}.",
    )


def _endpoint(url: str | None) -> str:
    """Return where tokens are made, from its own address or that of the sessions."""
    url = url or default_url()
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in WEBSOCKET:
        return url
    scheme = HTTP[WEBSOCKET.index(scheme.lower())]
    return f"{scheme}://{rest.partition('?')[0].rstrip('/')}/client_secrets"


def _request(target: Target, lines: list[str], body: bytes) -> bytes:
    head = [
        f"POST {target.resource} HTTP/1.1",
        f"Host: {target.authority}",
        *lines,
        f"Content-Length: {len(body)}",
        "Connection: close",
        "\r\n",
    ]
    return "\r\n".join(head).encode("latin-1") + body


def _token(answer: Answer, expires_after: int) -> Token | None:
    """Read a token out of an answer; None if there is none in it."""
    data = _parsed(answer.body)
    for found in (data, data.get("client_secret")):  # OpenAI's older shape is the second
        if not isinstance(found, dict):
            continue
        value, expires_at = found.get("value"), found.get("expires_at")
        if isinstance(value, str) and value.strip():
            if type(expires_at) is not int:  # as was asked for, then
                expires_at = int(time.time()) + expires_after
            return Token(value.strip(), expires_at)
    return None


def _parsed(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; an empty one if there is none."""
    with contextlib.suppress(ValueError, RecursionError):
        data = json.loads(body)
        if isinstance(data, dict):
            return data
    return {}
