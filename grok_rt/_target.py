"""What a connection is asked for: the URL and the headers, checked before anything is sent.

Pure: text in, `Target` and header lines out, or a `ConfigError` that says what is wrong and never
quotes a value, for values may be secrets.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from grok_rt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PORTS = {"wss": 443, "ws": 80}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_SECRET = re.compile(r"auth|cookie|key|secret|token", re.IGNORECASE)

# The handshake's own; two of one kind would leave it to the server which one counts.
_OURS = frozenset(
    (
        "connection",
        "content-length",
        "host",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    )
)


@attrs.frozen
class Target:
    """Where a URL leads."""

    secure: bool
    host: str
    port: int
    resource: str

    @classmethod
    def parse(cls, url: str, *, allow_insecure: bool = False) -> Target:
        """Check a ``wss://`` or ``ws://`` URL.

        Raises:
            ConfigError: it cannot be used.
        """
        if not re.fullmatch(r"[^\x00-\x20\x7f]+", url):
            raise ConfigError("url: white space and control characters must be percent-encoded.")
        try:
            parts = urlsplit(url)
            port = parts.port
            host = (parts.hostname or "").encode("idna").decode()
        except ValueError:
            raise ConfigError("url: the host or the port cannot be read.") from None
        default = _PORTS.get(parts.scheme)
        if default is None:
            raise ConfigError(
                f"url: it must begin with wss:// (not {parts.scheme or 'nothing'}://)."
            )
        if not host:
            raise ConfigError("url: it has no host.")
        if port == 0:
            raise ConfigError("url: port 0 cannot be dialled.")
        if "@" in parts.netloc:
            raise ConfigError("url: credentials do not belong here; use api_key.")
        if "#" in url:
            raise ConfigError("url: a WebSocket URL has no fragment (#).")
        resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not resource.isascii():
            raise ConfigError("url: characters beyond ASCII must be percent-encoded.")
        if parts.scheme == "ws" and not allow_insecure and not is_loopback(host):
            raise ConfigError(
                f"url: ws:// would send the key to {host} unencrypted; "
                "use wss://, or allow_insecure=True."
            )
        return cls(parts.scheme == "wss", host, port or default, resource)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        where = address(self.host, self.port)
        return where.removesuffix(f":{_PORTS['wss' if self.secure else 'ws']}")

    def __str__(self) -> str:
        return address(self.host, self.port)


def address(host: str, port: int) -> str:
    """Write host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_headers(headers: Mapping[str, str], subprotocols: Sequence[str]) -> list[str]:
    """Return the lines to send for `headers` and `subprotocols`.

    Raises:
        ConfigError: a name is no token, a value could begin a line of its own or is no Latin-1,
            or the header is the handshake's own.
    """
    lines = []
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ConfigError(f"headers: {name!r} is no name of a header.")
        if name.lower() in _OURS:
            raise ConfigError(f"headers: {name} is set by the handshake itself.")
        if not _VALUE.fullmatch(value):
            raise ConfigError(
                f"headers: the value of {name} has line breaks, control characters "
                "or characters beyond Latin-1."
            )
        lines.append(f"{name}: {value}")
    if subprotocols:
        if not all(map(_TOKEN.fullmatch, subprotocols)):
            raise ConfigError("subprotocols: one has characters that no header may carry.")
        lines.append(f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}")
    return lines


def credentials(headers: Mapping[str, str], subprotocols: Sequence[str]) -> list[str]:
    """Return what among these must never be seen."""
    secrets = [
        re.sub(r"^[A-Za-z]+ ", "", value)  # without "Bearer"
        for name, value in headers.items()
        if _SECRET.search(name)
    ]
    secrets += [offer.partition(".")[2] for offer in subprotocols]  # xai-client-secret.<token>
    return [secret for secret in secrets if secret]


def is_loopback(host: str) -> bool:
    """Whether what goes to `host` stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
