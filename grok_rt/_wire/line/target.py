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

WEBSOCKET = ("wss", "ws")  # the secure scheme and the plain one
HTTP = ("https", "http")

_OFFERS = "sec-websocket-protocol"
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
        _OFFERS,
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
    def parse(
        cls, url: str, *, allow_insecure: bool = False, schemes: tuple[str, str] = WEBSOCKET
    ) -> Target:
        """Check a URL of one of two schemes: the secure one, and the plain one.

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
        secure, plain = schemes
        if parts.scheme not in schemes:
            found = f" (not {parts.scheme}://)" if parts.netloc else ""
            raise ConfigError(
                f"url: it must begin with {secure}://, or {plain}:// on this machine{found}."
            )
        if not host:
            raise ConfigError("url: it has no host.")
        if port == 0:
            raise ConfigError("url: port 0 cannot be dialled.")
        if "@" in parts.netloc:
            raise ConfigError("url: credentials do not belong here; use api_key.")
        if "#" in url:
            raise ConfigError("url: there is no place for a fragment (#).")
        resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not resource.isascii():
            raise ConfigError("url: characters beyond ASCII must be percent-encoded.")
        if parts.scheme == plain and not allow_insecure and not is_loopback(host):
            raise ConfigError(
                f"url: {plain}:// would send the key to {host} unencrypted; "
                f"use {secure}:// (a program may say allow_insecure=True)."
            )
        is_secure = parts.scheme == secure
        return cls(is_secure, host, port or _default_port(secure=is_secure), resource)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        where = address(self.host, self.port)
        return where.removesuffix(f":{_default_port(secure=self.secure)}")

    def __str__(self) -> str:
        return address(self.host, self.port)


def address(host: str, port: int) -> str:
    """Write host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_offers(headers: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Take the subprotocols out of headers that carry them: the other headers, and the offers."""
    others = {name: value for name, value in headers.items() if name.lower() != _OFFERS}
    lists = [value for name, value in headers.items() if name.lower() == _OFFERS]
    return others, [offer.strip(" \t") for line in lists for offer in line.split(",")]


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
        if not all(map(can_be_offered, subprotocols)):
            raise ConfigError("subprotocols: one has characters that no header may carry.")
        lines.append(f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}")
    return lines


def can_be_offered(subprotocol: str) -> bool:
    """Whether it has only the characters that a list of subprotocols allows."""
    return _TOKEN.fullmatch(subprotocol) is not None


def credentials(headers: Mapping[str, str], subprotocols: Sequence[str]) -> list[str]:
    """Return what among these must never be seen."""
    secrets = [
        re.sub(r"^[A-Za-z]+ ", "", value)  # without "Bearer"
        for name, value in headers.items()
        if _SECRET.search(name)
    ]
    secrets += [
        offer.partition(".")[2]  # xai-client-secret.<token>
        for offer in subprotocols
        if not offer.startswith("openai-beta.")  # a version, which is in every URL as well
    ]
    return [secret for secret in secrets if secret]


def _default_port(*, secure: bool) -> int:
    return 443 if secure else 80


def is_loopback(host: str) -> bool:
    """Whether what goes to `host` stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
