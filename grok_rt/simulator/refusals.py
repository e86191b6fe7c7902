"""The door: who is let in, and the HTTP refusals of everybody else."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence

import attrs

from grok_rt.simulator.mint import PREFIX, Mint

__all__ = ["Refusal"]

_SECRET_PROTOCOL = "xai-client-secret."  # noqa: S105 - a prefix, no secret
_LEGACY_PROTOCOL = "openai-insecure-api-key."

# xAI's bodies say the description of a gRPC status.
_CODES = {
    400: "Client specified an invalid argument",
    401: "The request does not have valid authentication credentials for the operation",
    403: "The caller does not have permission to execute the specified operation",
    404: "Some requested entity was not found",
    429: "Some resource has been exhausted",
    500: "Internal error",
    503: "The service is currently unavailable",
}


@attrs.frozen
class Refusal:
    """An HTTP answer in place of a session.

    Attributes:
        status: the HTTP status.
        message: prose, for the body's ``error``.
        retry_after: seconds, for the header of that name; None for no such header.
    """

    status: int
    message: str = "Refused by the simulator."
    retry_after: float | None = None

    @property
    def reason(self) -> str:
        """The phrase beside the status."""
        return http.client.responses.get(self.status, "Refused")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        headers = {"Content-Type": "application/json"}
        if self.retry_after is not None:
            headers["Retry-After"] = f"{self.retry_after:g}"
        return headers

    @property
    def body(self) -> bytes:
        """The body: two strings, as xAI's REST service answers, not OpenAI's object."""
        code = _CODES.get(self.status, "Unknown error")
        return json.dumps({"code": code, "error": self.message}).encode()


def as_refusal(refuse: int | Refusal | None) -> Refusal | None:
    """A status alone is a refusal too."""
    return Refusal(refuse) if isinstance(refuse, int) else refuse


def admit(
    headers: Mapping[str, str],
    api_key: str | None,
    mint: Mint | None = None,
    *,
    key_only: bool = False,
) -> Refusal | None:
    """None for who may come in.

    Args:
        headers: of the request, any case.
        api_key: the only key that is good; None for any.
        mint: whose tokens are as good; None where there are no tokens.
        key_only: tokens are not enough: a call is to be joined, or a token made.
    """
    given = {name.lower(): value for name, value in headers.items()}
    key = _credential(given.get("authorization", ""), offered(given))
    if key is None:
        return Refusal(401, "No credentials were provided.")
    if mint is not None and key.startswith(PREFIX):
        if key_only:
            return Refusal(403, "This takes the API key itself, not an ephemeral token.")
        if not mint.honours(key):
            return Refusal(401, "The ephemeral token has expired, or is none of ours.")
        return None
    if api_key is not None and key != api_key:
        shown = f"{key[:2]}***{key[-2:]}" if len(key) > 8 else "***"
        return Refusal(400, f"Incorrect API key provided: {shown}.")
    return None


def too_many(open_now: int, most: int | None) -> Refusal | None:
    """None while another session may be opened."""
    if most is None or open_now < most:
        return None
    return Refusal(429, f"Too many concurrent sessions: at most {most} at once.")


def offered(headers: Mapping[str, str]) -> list[str]:
    """The subprotocols of a request whose header names are in lower case."""
    protocols = headers.get("sec-websocket-protocol", "").split(",")
    return [protocol.strip() for protocol in protocols if protocol.strip()]


def chosen(protocols: Sequence[str]) -> str | None:
    """The subprotocol the 101 names: the token's own, or of the legacy list the first."""
    for protocol in protocols:
        if not protocol.startswith(_LEGACY_PROTOCOL):
            return protocol
    return None


def _credential(authorization: str, protocols: Sequence[str]) -> str | None:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for protocol in protocols:
        for prefix in (_SECRET_PROTOCOL, _LEGACY_PROTOCOL):
            if protocol.startswith(prefix) and len(protocol) > len(prefix):
                return protocol[len(prefix) :]
    return None
