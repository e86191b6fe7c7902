"""Refusals and exceptions as typed errors: each with a sentence, a hint, and no secret."""

from __future__ import annotations

import email.utils
import errno
import json
import os
import socket
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt._wire.line.refusals import SESSION, Purpose, mask, refused, unreachable
from grok_rt.errors import AuthenticationFailed, ConnectFailed, RateLimited

KEY = "xai-Zq8sW2pL9vB4nM7kT1rY6uE3"


def refusal(status: int, body: object = b"", **headers: str) -> ConnectFailed:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refused(status, named, data, server="api.x.ai:443", secrets=[KEY])


INVALID = "Client specified an invalid argument"


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "said", "hint"),
    [
        (401, b"", AuthenticationFailed, None, "401", "XAI_API_KEY"),
        (403, {"code": "no", "error": "team"}, AuthenticationFailed, "no", "team", "access"),
        (
            400,
            {"code": INVALID, "error": "Incorrect API key provided: xa***E3."},
            AuthenticationFailed,
            INVALID,
            "Incorrect API key provided",
            "XAI_API_KEY",
        ),
        (400, {"code": INVALID, "error": "bad model"}, ConnectFailed, INVALID, "bad model", ""),
        (400, b"Incorrect API key", AuthenticationFailed, None, "Incorrect", "XAI_API_KEY"),
        (
            401,
            {"error": {"message": "Expired.", "type": "auth", "code": "expired"}},
            AuthenticationFailed,
            "expired",
            "Expired.",
            "token",
        ),
        (
            404,
            {"error": {"message": "?", "type": "not_found", "code": None}},
            ConnectFailed,
            "not_found",
            "?",
            "URL",
        ),
        (404, b"<html>nginx</html>", ConnectFailed, None, "HTTP 404.", "URL"),
        (200, b"<!doctype html>", ConnectFailed, None, "HTTP 200", "URL"),
        (302, b"", ConnectFailed, None, "302", "not followed"),
        (
            429,
            {"code": "exhausted", "error": "Slow down"},
            RateLimited,
            "exhausted",
            "Slow",
            "wait",
        ),
        (503, {"message": "unavailable"}, ConnectFailed, None, "unavailable", "later"),
        (500, {"detail": ["x"]}, ConnectFailed, None, "500", "later"),
        (500, {"code": 7, "error": 8}, ConnectFailed, None, "500", "later"),
        (500, ["list"], ConnectFailed, None, "500", "later"),
        (500, b"[" * 100_000, ConnectFailed, None, "500", "later"),
        (418, {"code": "teapot"}, ConnectFailed, "teapot", "teapot", ""),
        (500, b"\xff\xfe\x00bad", ConnectFailed, None, "bad", "later"),
    ],
)
def test_a_refusal_is_typed(
    status: int, body: object, kind: type[ConnectFailed], code: str | None, said: str, hint: str
) -> None:
    """Status and body, in whatever shape, decide class, code, sentence and hint."""
    error = refusal(status, body, x_request_id="req-1")
    assert type(error) is kind
    assert error.status == status
    assert error.code == code
    assert error.request_id == "req-1"
    assert said in error.message
    assert hint in error.hint
    assert str(error).startswith("api.x.ai:443 ")


def test_a_wrong_key_is_known_by_the_sentence_as_it_came() -> None:
    """What is masked in it, for it happens to be in the key too, does not hide what it says."""
    error = refused(400, {}, b"Incorrect API key", server="s", secrets=["my own API key"])
    assert isinstance(error, AuthenticationFailed)


def test_a_quoted_text_is_one_short_line() -> None:
    """A server cannot fill the log, nor begin a line in it."""
    message = refusal(500, {"error": "a\r\nERROR forged\x1b[31m " + "long " * 500}).message
    assert len(message) < 400
    assert message.isprintable()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3), ("0.5", 0.5), (" 7 ", 7), ("-3", None), ("soon", None), ("9" * 400, None)],
)
def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    """Seconds are taken; nonsense is as good as no header."""
    error = refusal(429, retry_after=header)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds
    assert refusal(503, retry_after=header).retry_after == seconds
    assert refusal(429).retry_after is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(("ahead", "seconds"), [(30, 30), (-30, 0)])
def test_retry_after_as_a_date(ahead: int, seconds: int) -> None:
    """An HTTP date is turned into seconds from now, never below zero."""
    error = refusal(429, retry_after=email.utils.formatdate(time.time() + ahead, usegmt=True))
    assert isinstance(error, RateLimited)
    assert error.retry_after == pytest.approx(seconds, abs=2)


def test_an_impossible_date_is_no_date() -> None:
    """A date that no calendar has does not raise."""
    error = refusal(429, retry_after="Sun, 99 Nov 99999999999 08:49:37 GMT")
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


@given(st.integers(0, 27), st.integers(0, 27), st.text(max_size=20), st.text(max_size=20))
def test_no_part_of_a_key_is_quoted(start: int, stop: int, before: str, after: str) -> None:
    """Beginnings and ends of four characters, and any dozen within, are masked in all places."""
    quoted = f"{before}{KEY}{after} {KEY[:start]}… …{KEY[stop:]} {KEY[6:-6]}"
    error = refusal(400, {"code": quoted, "error": f"API key {quoted}"}, x_request_id=quoted)
    for text in (str(error), error.code or "", error.request_id or ""):
        assert KEY[:4] not in text
        assert KEY[-4:] not in text
        assert not any(KEY[at : at + 12] in text for at in range(len(KEY) - 11))


def test_ordinary_words_stay() -> None:
    """A token that is made of words does not blot them out where they mean nothing."""
    secret = "xai-realtime-client-secret-9f8e7d6c5b4a"
    assert mask("client secret expired", [secret]) == "client secret expired"
    assert mask(f"<{secret}> expired", [secret]) == "<***> expired"
    assert mask("the key k is bad", ["k"]) == "the ***ey *** is bad"


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    error.verify_message = "in OpenSSL's words"
    return error


def tls_error(kind: type[ssl.SSLError], reason: str | None = None) -> ssl.SSLError:
    error = kind(1, "failed")
    error.reason = reason  # type: ignore[assignment]
    return error


REASONS = [
    (socket.gaierror(socket.EAI_NONAME, "x"), "unknown host"),
    (socket.gaierror(socket.EAI_AGAIN, "x"), "DNS does not answer"),
    (TimeoutError(), "within 3 s"),
    (ConnectionRefusedError(), "refuses connections"),
    (ConnectionResetError(), "closed the connection"),
    (BrokenPipeError(), "closed the connection"),
    (OSError(errno.ENETUNREACH, "x"), "no route"),
    (OSError(errno.EHOSTUNREACH, "x"), "no route"),
    (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "Too many open files"),
    (OSError(), "cannot be reached."),
    (certificate_error(62), "not for api.x.ai"),
    (certificate_error(64), "not for api.x.ai"),
    (certificate_error(10), "expired"),
    (certificate_error(9), "not valid yet"),
    (certificate_error(18), "issuer"),
    (certificate_error(19), "issuer"),
    (certificate_error(20), "issuer"),
    (certificate_error(23), "in OpenSSL's words"),
    (tls_error(ssl.SSLEOFError), "closed during the TLS"),
    (tls_error(ssl.SSLZeroReturnError), "closed during the TLS"),
    (tls_error(ssl.SSLError, "WRONG_VERSION_NUMBER"), "does not speak TLS"),
    (tls_error(ssl.SSLError, "NO_CIPHERS_AVAILABLE"), "no ciphers available"),
    (tls_error(ssl.SSLError), "failed in the TLS handshake."),
    (ValueError("secret"), "did not answer as a WebSocket server"),
]


@pytest.mark.parametrize(("error", "words"), REASONS)
def test_an_exception_becomes_a_sentence(error: Exception, words: str) -> None:
    """Each way to fail has its own sentence, and a hint that says what to do."""
    failed = unreachable(error, server="api.x.ai:443", timeout=3)
    assert words in failed.message
    assert failed.message.endswith(".")
    assert failed.hint.endswith(".")
    assert failed.status is None
    assert "secret" not in str(failed)


def test_the_scheme_without_tls() -> None:
    """It is the one of the same kind."""
    assert SESSION.plain == "ws://"
    assert Purpose("make", "a token", "an HTTP server", "https://h/tokens").plain == "http://"


def test_a_sentence_says_what_for() -> None:
    """Where something else than a session was wanted, the sentence and the hint say so."""
    purpose = Purpose("make", "a token", "an HTTP server", "https://h/tokens")
    told = refused(404, {}, b"", server="h:443", purpose=purpose)
    assert str(told).startswith("h:443 refused a token: HTTP 404.")
    assert "https://h/tokens" in told.hint
    late = unreachable(TimeoutError(), server="h:443", timeout=3, purpose=purpose)
    assert late.message == "h:443 did not make a token within 3 s."
    other = unreachable(ValueError(), server="h:443", timeout=3, purpose=purpose)
    assert other.message == "h:443 did not answer as an HTTP server does."
    assert "https://h/tokens" in other.hint
