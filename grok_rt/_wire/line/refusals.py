"""Why no session could be opened: an HTTP refusal, or an exception, as one typed error.

Pure: values in, `ConnectFailed` out, each with a sentence that says what happened and a hint that
says what to do. Credentials never get into a message, not even when the server quotes them.
"""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from grok_rt.errors import AuthenticationFailed, ConnectFailed, RateLimited

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Purpose(NamedTuple):
    """What a connection is for, in the words of a sentence about its failure."""

    verb: str
    noun: str
    peer: str
    url: str  # where it is found by default

    @property
    def plain(self) -> str:
        """The scheme without TLS."""
        return self.url.partition("s://")[0] + "://"


SESSION: Final = Purpose("open", "the session", "a WebSocket server", "wss://api.x.ai/v1/realtime")

_LONGEST = 300  # characters of the server's own text that a message quotes

_CHECK_KEY: Final = (
    "Check the API key (XAI_API_KEY) at https://console.x.ai; an ephemeral token may have expired."
)
_CHECK_NETWORK: Final = "Check the network, the firewall and the proxy settings."
_TRY_LATER: Final = "The service has a problem; try again later."

_HINTS: Final = {
    401: _CHECK_KEY,
    403: "The key, or its team, has no access to the voice API: see https://console.x.ai.",
}
_OF_OTHER_PLACES: Final = frozenset((200, 404, 405, 426))

# OpenSSL's X509_V_ERR numbers
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_UNKNOWN_ISSUERS: Final = frozenset((2, 18, 19, 20, 21))
_WRONG_NAMES: Final = frozenset((62, 63, 64))


def refused(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    server: str,
    secrets: Iterable[str] = (),
    purpose: Purpose = SESSION,
) -> ConnectFailed:
    """Return the error for an HTTP answer that is not the one hoped for.

    Args:
        status: the HTTP status.
        headers: of the answer, with keys in lower case.
        body: in any shape: xAI's JSON, OpenAI's, text, or nothing of use.
        server: what to call the server.
        secrets: the credentials that were sent; masked wherever the server quotes them.
        purpose: what the connection was for.
    """
    code, said = _said(body)
    # Seen live: a wrong key is a 400, told from other bad requests by the sentence alone.
    wrong_key = status == 400 and "api key" in said.lower()
    secrets = tuple(secrets)
    code = mask(code, secrets) if code else None
    said = mask(said, secrets)
    request_id = headers.get("x-request-id")
    request_id = mask(_clean(request_id), secrets) if request_id else None

    message = f"{server} refused {purpose.noun}: HTTP {status}"
    if said or code:
        message += f", {said or code}"
    message = message if message.endswith((".", "!", "?")) else message + "."
    retry_after = _seconds(headers.get("retry-after"))
    if status == 429:
        wait = f"wait {retry_after:g} s" if retry_after is not None else "wait a little"
        hint = f"Too many sessions or requests: {wait}, or close a session."
    elif 300 <= status < 400:
        hint = "Redirects are not followed, for the key must not travel: use the final URL."
    elif status >= 500:
        hint = _TRY_LATER
    elif status in _OF_OTHER_PLACES:
        hint = _check_url(purpose)
    else:
        hint = _CHECK_KEY if wrong_key else _HINTS.get(status, "")
    kind: type[ConnectFailed] = RateLimited if status == 429 else ConnectFailed
    if wrong_key or status in (401, 403):
        kind = AuthenticationFailed
    return kind(
        message,
        status=status,
        code=code,
        hint=hint,
        request_id=request_id,
        retry_after=retry_after,
    )


def unreachable(
    error: BaseException,
    *,
    server: str,
    timeout: float,
    purpose: Purpose = SESSION,
    other: str = "",
) -> ConnectFailed:
    """Return the error for an exception met between resolving and the last byte of the answer.

    Args:
        error: the exception.
        server: what to call the server.
        timeout: seconds that it had.
        purpose: what the connection was for.
        other: the scheme that a server which hangs up here may speak instead.
    """
    hung_up = _CHECK_NETWORK + (f" Perhaps the server speaks {other}." if other else "")
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return ConnectFailed(
                f"{server} could not be resolved: DNS does not answer.",
                hint="Check the network.",
            )
        return ConnectFailed(
            f"{server} is an unknown host.", hint="Check its spelling, and the network's DNS."
        )
    if isinstance(error, ssl.SSLError):
        return _untrusted(error, server, hung_up)
    if isinstance(error, TimeoutError):
        return ConnectFailed(
            f"{server} did not {purpose.verb} {purpose.noun} within {round(timeout, 2):g} s.",
            hint=_CHECK_NETWORK,
        )
    if isinstance(error, ConnectionRefusedError):
        return ConnectFailed(
            f"{server} refuses connections.", hint="Check host and port, and that it is running."
        )
    if isinstance(error, ConnectionError):
        return ConnectFailed(f"{server} closed the connection before it answered.", hint=hung_up)
    if isinstance(error, OSError):
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL):
            return ConnectFailed(
                f"{server} cannot be reached: there is no route.", hint="Check the network."
            )
        why = f": {error.strerror}" if error.strerror else ""
        return ConnectFailed(f"{server} cannot be reached{why}.", hint=_CHECK_NETWORK)
    return ConnectFailed(
        f"{server} did not answer as {purpose.peer} does.", hint=_check_url(purpose)
    )


def mask(text: str, secrets: Iterable[str]) -> str:
    """Replace in `text` every secret, and every beginning, end or long part of one, by stars.

    Servers quote keys in part: "Incorrect API key provided: xai-ab…yz".
    """
    hidden = bytearray(len(text))
    for secret in secrets:
        shortest, longest = min(4, len(secret)), min(12, len(secret))
        for size in range(max(1, shortest), longest + 1):
            pieces = {secret[:size], secret[-size:]}
            if size == longest:
                pieces.update(secret[at : at + size] for at in range(len(secret) - size))
            for at in range(len(text) - size + 1):
                if text[at : at + size] in pieces:
                    hidden[at : at + size] = b"\1" * size
    shown = "".join("\0" if hide else char for hide, char in zip(hidden, text, strict=True))
    return re.sub("\0+", "***", shown)


def _untrusted(error: ssl.SSLError, server: str, hung_up: str) -> ConnectFailed:
    """Return the error for a TLS handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        host = server.rpartition(":")[0]
        if error.verify_code in _WRONG_NAMES:
            what, hint = f"it is not for {host}", "Check the host of the URL."
        elif error.verify_code == _EXPIRED:
            what, hint = "it has expired", "Check this machine's clock; else the server must act."
        elif error.verify_code == _NOT_YET_VALID:
            what, hint = "it is not valid yet", "Check this machine's clock."
        elif error.verify_code in _UNKNOWN_ISSUERS:
            what = "its issuer is not known here"
            hint = (
                "Behind a proxy that inspects TLS, trust its CA: by SSL_CERT_FILE, or "
                "in a program by ssl_context=ssl.create_default_context(cafile=...)."
            )
        else:
            what, hint = error.verify_message, "Check the certificate of the server."
        return ConnectFailed(f"{server} has a certificate that is not trusted: {what}.", hint=hint)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ConnectFailed(f"{server} closed during the TLS handshake.", hint=hung_up)
    reason = getattr(error, "reason", None)  # not there unless OpenSSL itself raised it
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return ConnectFailed(
            f"{server} does not speak TLS.", hint="Check the port; plain servers are ws://."
        )
    why = f": {reason.replace('_', ' ').lower()}" if reason else ""
    return ConnectFailed(f"{server} failed in the TLS handshake{why}.", hint=_CHECK_NETWORK)


def _check_url(purpose: Purpose) -> str:
    return f"Check the URL: the default is {purpose.url}."


def _said(body: bytes) -> tuple[str | None, str]:
    """Return the server's code and sentence out of a refusal's body."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
        return None, "" if text.lstrip().startswith("<") else _clean(text)  # no HTML in a sentence
    code = said = None
    if isinstance(data, dict):
        code, said = data.get("code"), data.get("error")  # xAI's shape
        if isinstance(said, dict):  # OpenAI's
            code, said = said.get("code") or said.get("type"), said.get("message")
        said = said or data.get("message") or data.get("detail")
    return (
        _clean(code) if isinstance(code, str) and code else None,
        _clean(said) if isinstance(said, str) else "",
    )


def _clean(text: str) -> str:
    """Make one short printable line of a stranger's text."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _seconds(retry_after: str | None) -> float | None:
    """Return a Retry-After header's seconds, given as such or as a date."""
    if retry_after is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", retry_after.strip()):
        return float(retry_after)

    from email.utils import mktime_tz, parsedate_tz

    date = parsedate_tz(retry_after)
    try:
        return None if date is None else max(0.0, mktime_tz(date) - time.time())
    except (ValueError, OverflowError):
        return None
