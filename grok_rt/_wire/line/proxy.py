"""The way through a proxy: which one to use, and the tunnel through it.

HTTP CONNECT is done here; SOCKS is python-socks' (the ``proxy`` extra), on the socket that was
dialled here, so that the deadline holds. Runs in the thread that connects. A proxy's credentials
are in no message and no ``repr``.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import attrs

from grok_rt._wire.line.http import NotHTTP, read_head
from grok_rt._wire.line.target import address, is_loopback
from grok_rt._wire.tls import TLSSocket, default_context
from grok_rt.errors import ConfigError, ConnectFailed, MissingExtra

if TYPE_CHECKING:
    from grok_rt._wire.line.dialling import DeadlineSocket
    from grok_rt._wire.tls import Stream

ENVIRONMENT = "environment"

_PORTS = {
    "http": 80,
    "https": 443,
    "socks4": 1080,
    "socks4a": 1080,
    "socks5": 1080,
    "socks5h": 1080,
}
_HINT = "Check the proxy settings, or bypass it: by NO_PROXY, in a program by proxy=None."


@attrs.frozen
class Proxy:
    """Where a proxy is, and who we are to it."""

    scheme: str
    host: str
    port: int
    username: str = attrs.field(default="", repr=False)
    password: str = attrs.field(default="", repr=False)

    def __str__(self) -> str:
        return f"The proxy {address(self.host, self.port)}"


def choose(proxy: str | None, *, host: str, port: int, secure: bool) -> Proxy | None:
    """Return the proxy on the way to a host, if there is one.

    Args:
        proxy: its URL; None to go directly; "environment" to do as ``https_proxy`` (for wss),
            ``http_proxy`` (for ws), ``all_proxy`` and ``no_proxy`` say, this machine excepted.
        host: where we want to go.
        port: the same.
        secure: whether it is wss.

    Raises:
        ConfigError: `proxy` is no URL of a proxy.
    """
    if proxy is None:
        return None
    if proxy != ENVIRONMENT:
        return _parse(proxy)

    if is_loopback(host):  # a proxy could not mean this machine
        return None

    from urllib.request import getproxies_environment, proxy_bypass

    settings = getproxies_environment()
    found = settings.get("https" if secure else "http") or settings.get("all")
    if not found or proxy_bypass(host) or proxy_bypass(address(host, port)):
        return None
    return _parse(found)


def tunnel(wire: DeadlineSocket, proxy: Proxy, host: str, port: int) -> Stream:
    """Ask the proxy at the other end of `wire` for a way to a host, and return that way.

    Raises:
        ConnectFailed: the proxy refuses.
        MissingExtra: SOCKS needs python-socks.
        OSError: the proxy cannot be reached any more.
    """
    if proxy.scheme.startswith("socks"):
        _ask_socks(wire, proxy, host, port)
        return wire
    stream: Stream = wire
    if proxy.scheme == "https":
        stream = TLSSocket(wire, default_context(), proxy.host)
        stream.handshake()
    _ask_http(stream, proxy, host, port)
    return stream


def _parse(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:  # its text may quote the URL, and so the password
        raise ConfigError("proxy: its URL cannot be read.") from None
    if parts.scheme not in _PORTS:
        raise ConfigError(f"proxy: its URL must begin with one of {', '.join(sorted(_PORTS))}.")
    if not host:
        raise ConfigError("proxy: its URL has no host.")
    return Proxy(
        parts.scheme,
        host,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def _ask_http(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    where = address(host, port)
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.username or proxy.password:
        credentials = f"{proxy.username}:{proxy.password}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(credentials).decode()}")
    stream.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    try:
        head = read_head(stream)
    except NotHTTP:
        raise ConnectFailed(f"{proxy} does not speak HTTP.", hint=_HINT) from None
    if head.status == 407:
        raise ConnectFailed(
            f"{proxy} wants other credentials.",
            status=407,
            hint="Check the user name and the password in the proxy's URL.",
        )
    if not 200 <= head.status < 300:
        raise ConnectFailed(
            f"{proxy} gives no way to {where}: HTTP {head.status}.", status=head.status, hint=_HINT
        )
    if head.rest:  # the server may not speak before we do
        raise ConnectFailed(f"{proxy} speaks out of turn.", hint=_HINT)


def _ask_socks(wire: DeadlineSocket, proxy: Proxy, host: str, port: int) -> None:
    try:
        from python_socks import ProxyType
        from python_socks.sync import Proxy as SocksProxy
    except ImportError:
        raise MissingExtra("python-socks", "proxy", "A SOCKS proxy") from None

    class Dialled:
        """The "proxy before the proxy": hands over the socket that is connected already."""

        def connect(self, **_: object) -> DeadlineSocket:
            return wire

    kind = ProxyType.SOCKS4 if proxy.scheme.startswith("socks4") else ProxyType.SOCKS5
    before: Any = Dialled()
    socks = SocksProxy(
        kind,
        proxy.host,
        proxy.port,
        proxy.username or None,
        proxy.password or None,
        rdns=True,  # the proxy resolves: our resolver may not know the name, and could hang
        forward=before,
    )
    try:
        socks.connect(host, port)
    except OSError:
        raise
    except Exception as error:  # a ProxyError, or whatever garbage makes of its parser
        why = str(error).rstrip(".") or type(error).__name__
        raise ConnectFailed(
            f"{proxy} gives no way to {address(host, port)}: {why}.", hint=_HINT
        ) from error
