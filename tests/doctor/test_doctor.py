"""The doctor's checks, against servers that are well and servers that are ill in every step."""

from __future__ import annotations

import contextlib
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from raw_peer import (
    Talk,
    answers,
    connect_proxy,
    listening,
    server_context,
    silent,
    trusting,
    upgraded,
)

from grok_rt.doctor import Finding, examine
from grok_rt.simulator import Script, Simulator

KEY = "xai-canary-91ab"
SOON = 1.5  # seconds in which nothing comes, and a loaded machine gets as far as there
NAMES = [
    *("python", "packages", "extras", "sound", "address", "key", "proxy", "dns", "tcp", "tls"),
    *("handshake", "first event", "round trip", "session.updated"),
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XAI_API_KEY", "GROK_RT_URL", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def found(url: str | None, **options: Any) -> dict[str, Finding]:
    """All findings by name; the key is in none of them."""
    options = {"api_key": KEY, "timeout": 5} | options
    findings = list(examine(url, **options))
    assert [finding.check for finding in findings] == NAMES
    assert KEY not in repr(findings)
    return {finding.check: finding for finding in findings}


def assert_ends_at(name: str, findings: dict[str, Finding]) -> Finding:
    """One check fails, with something to do about it; what rests upon it is spared."""
    bad = {name for name, finding in findings.items() if finding.status == "failed"}
    assert bad == {name}
    late = {name for name, finding in findings.items() if finding.status == "skipped"}
    assert late <= set(NAMES[NAMES.index(name) + 1 :])
    assert NAMES[-1] in {name, *late}
    return findings[name]


@contextlib.contextmanager
def at(talk: Talk, context: ssl.SSLContext | None = None) -> Iterator[str]:
    with listening(talk, context=context) as port:
        scheme = "ws" if context is None else "wss"
        yield f"{scheme}://localhost:{port}/v1/realtime"


# --- a server that is well -------------------------------------------------------------


def test_all_is_well() -> None:
    """Against the simulator every check is ok, or a note about extras or sound."""
    with Simulator(api_key=KEY, latency=0, pace=math.inf) as server:
        findings = found(server.url)
    assert {f.check for f in findings.values() if f.status != "ok"} <= {"extras", "sound"}
    assert "ms" in findings["round trip"].told
    assert findings["first event"].told == "session.created"
    assert all(finding.seconds >= 0 for finding in findings.values())


def test_tls_and_its_certificate() -> None:
    """Over TLS the version is told, and who vouches for the server."""
    with Simulator(ssl_context=server_context(), latency=0) as server:
        findings = found(server.url, ssl_context=trusting())
    assert findings["session.updated"].status == "ok"
    assert "TLSv1.3" in findings["tls"].told
    assert "trustme" in findings["tls"].told


def test_a_proxy_that_gives_way() -> None:
    """Through a proxy the proxy resolves and dials, and the rest is as ever."""
    asked: list[bytes] = []
    with (
        Simulator(latency=0) as server,
        listening(connect_proxy(asked)) as port,
    ):
        findings = found(server.url, proxy=f"http://127.0.0.1:{port}")
    assert findings["session.updated"].status == "ok"
    assert f"127.0.0.1:{port}" in findings["proxy"].told
    assert findings["dns"].told == findings["tcp"].told == "left to the proxy"
    assert len(asked) == 3  # to look at it, for TLS, for the session


def test_what_begins_is_announced() -> None:
    """Who watches hears the name of each check before it is made, and of none that is not."""
    begun: list[str] = []
    findings = found("nonsense", starting=begun.append)
    assert begun == [name for name in NAMES if findings[name].status != "skipped"]


# --- what is wrong on this side --------------------------------------------------------


@pytest.mark.parametrize("url", ["nonsense", "https://api.x.ai", "ws://api.x.ai/", "wss://:1"])
def test_an_address_that_cannot_be_used(url: str) -> None:
    """Nothing is dialled."""
    assert_ends_at("address", found(url))


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than here there is no session without one; the way is looked at all the same."""
    monkeypatch.setattr("grok_rt.doctor.way.resolve", _no_dns)
    findings = found("wss://api.example/v1", api_key=None)
    assert findings["dns"].status == "failed"
    assert findings["key"].status == "failed"
    assert "XAI_API_KEY" in findings["key"].advice


def test_no_key_for_a_server_on_this_machine() -> None:
    """It is asked without, and that is told."""
    with Simulator(latency=0) as server:
        findings = found(server.url, api_key=None)
    assert findings["key"].status == "note"
    assert findings["session.updated"].status == "ok"


@pytest.mark.parametrize(
    ("key", "status"),
    [("xai-abc", "ok"), ("sk-abc", "note"), ("Bearer xai-abc", "failed"), ("'xai'", "failed")],
)
def test_the_shape_of_a_key(key: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be a key fails, what does not look like xAI's is noted; none is shown."""
    monkeypatch.setattr("grok_rt.doctor.way.resolve", _no_dns)
    monkeypatch.setenv("XAI_API_KEY", key)
    findings = found("wss://api.x.ai/v1/realtime", api_key=None)
    assert findings["key"].status == status
    assert key not in repr(findings["key"])


@pytest.mark.parametrize(("key", "told"), [("x", "1 character"), ("xy", "2 characters")])
def test_the_length_of_a_key(key: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted in good English."""
    monkeypatch.setattr("grok_rt.doctor.way.resolve", _no_dns)
    findings = {each.check: each for each in examine("wss://api.example/v1", api_key=key)}
    assert findings["key"].told == f"api_key has {told}"


def _no_dns(*_: object) -> list[object]:
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


# --- what is wrong on the way ----------------------------------------------------------


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver's answer is told, and what to look at."""
    monkeypatch.setattr("grok_rt.doctor.way.resolve", _no_dns)
    finding = assert_ends_at("dns", found("wss://api.example/v1/realtime"))
    assert "unknown host" in finding.told
    assert finding.advice


def test_a_resolver_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline ends the wait for it."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [over.wait(30)])
    finding = assert_ends_at("dns", found("wss://api.example/v1/realtime", timeout=0.2))
    over.set()
    assert "DNS does not answer" in finding.told


def test_a_closed_port() -> None:
    """Refused is refused."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    finding = assert_ends_at("tcp", found(f"ws://127.0.0.1:{port}"))
    assert "refuses connections" in finding.told


def test_a_proxy_that_gives_no_way() -> None:
    """A proxy's refusal is the proxy's."""
    with listening(answers(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as port:
        url = f"http://user:canary-pass@127.0.0.1:{port}"
        findings = found("wss://api.x.ai/v1/realtime", proxy=url)
    finding = assert_ends_at("proxy", findings)
    assert "HTTP 403" in finding.told
    assert "canary-pass" not in repr(findings)


@pytest.mark.parametrize("talk", [silent, answers(b"\0garbage")], ids=["silent", "garbage"])
def test_a_proxy_that_is_none(talk: Talk) -> None:
    """Silence and garbage end the check, the first by the deadline."""
    with listening(talk) as port:
        findings = found("wss://api.x.ai/", proxy=f"http://127.0.0.1:{port}", timeout=SOON)
    assert_ends_at("proxy", findings)


@pytest.mark.parametrize(
    ("context", "told"),
    [
        (lambda: server_context("elsewhere.example"), "another name|not for|certificate"),
        (lambda: server_context(expired=True), "expired"),
    ],
    ids=["another name", "expired"],
)
def test_a_certificate_that_is_not_trusted(
    context: Callable[[], ssl.SSLContext], told: str
) -> None:
    """What is wrong with it is told."""
    with at(silent, context()) as url:
        finding = assert_ends_at("tls", found(url, ssl_context=trusting()))
    assert re.search(told, finding.told)
    assert finding.advice


def test_a_server_that_speaks_no_tls() -> None:
    """A plain server at a wss:// address."""
    with at(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        assert_ends_at("tls", found(url.replace("ws://", "wss://"), ssl_context=trusting()))


# --- what is wrong with the service ----------------------------------------------------


def test_a_wrong_key() -> None:
    """The refusal is told, without the key."""
    with Simulator(api_key="the right one") as server:
        finding = assert_ends_at("handshake", found(server.url))
    assert "HTTP 400" in finding.told
    assert "XAI_API_KEY" in finding.advice


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_a_refusal(status: int) -> None:
    """Each refusal has its advice."""
    with Simulator(refuse=status) as server:
        finding = assert_ends_at("handshake", found(server.url))
    assert f"HTTP {status}" in finding.told
    assert finding.advice


def upgrades(then: Callable[[socket.socket], object]) -> Talk:
    def talk(connection: socket.socket) -> None:
        upgraded(connection)
        then(connection)

    return talk


def says(frame: bytes) -> Talk:
    """Upgrade, say one frame, and be silent."""

    def then(connection: socket.socket) -> None:
        connection.sendall(frame)
        silent(connection)

    return upgrades(then)


def text(data: bytes) -> bytes:
    return bytes((0x81, len(data))) + data


ILL = {
    "silence": (upgrades(silent), "first event", "nothing came within 1.5 s"),
    "hangs up": (upgrades(lambda _: None), "first event", "hung up"),
    "a close frame": (says(b"\x88\x06\x03\xf3full"), "first event", r"\(1011\): full"),
    "garbage": (says(b"\xff\xff\xff\xff"), "first event", ""),
    "an error": (
        says(text(b'{"type":"error","error":{"type":"internal_error","message":"Ouch."}}')),
        "first event",
        "Ouch",
    ),
    "no pong": (says(text(b'{"type":"session.created"}')), "round trip", "nothing came"),
}


@pytest.mark.parametrize("ill", ILL)
def test_a_session_that_is_ill(ill: str) -> None:
    """Whatever the server does after the handshake, the check ends, and says what it saw."""
    talk, check, told = ILL[ill]
    with at(talk) as url:
        began = time.monotonic()
        finding = assert_ends_at(check, found(url, timeout=SOON))
        assert time.monotonic() - began < 10
    assert re.search(told, finding.told)


def frames(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """The first byte and the payload of each frame of a client's."""
    with connection.makefile("rb") as file:
        while head := file.read(2):
            size = head[1] & 0x7F
            if size == 126:
                size = int.from_bytes(file.read(2), "big")
            mask = file.read(4)
            yield head[0], bytes(byte ^ mask[at % 4] for at, byte in enumerate(file.read(size)))


def test_no_confirmation() -> None:
    """A configuration that is never confirmed is a note: sessions go on without, as seen live.

    A server that pings first is answered.
    """

    def pongs(connection: socket.socket) -> None:
        connection.sendall(b"\x89\x01?")
        for first, payload in frames(connection):
            if (first, payload) == (0x8A, b"?"):
                connection.sendall(text(b'{"type":"session.created","session":{}}'))
            elif first == 0x89:
                connection.sendall(bytes((0x8A, len(payload))) + payload)

    with at(upgrades(pongs)) as url:
        findings = found(url, timeout=SOON)
    assert findings["round trip"].status == "ok"
    assert findings["session.updated"].status == "note"
    assert findings["session.updated"].advice


def test_a_configuration_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's words are told."""
    from grok_rt.simulator import settings

    def refuse(*_: object) -> None:
        raise settings.Refused("no such voice")

    monkeypatch.setattr(settings.Settings, "update", refuse)
    with Simulator(Script(), latency=0) as server:
        finding = assert_ends_at("session.updated", found(server.url))
    assert "no such voice" in finding.told


def test_a_consumer_that_leaves() -> None:
    """Whoever stops listening leaves no connection open."""
    with Simulator(latency=0) as server:
        findings = examine(server.url, api_key=KEY)
        for finding in findings:
            if finding.check == "first event":
                break
        findings.close()  # type: ignore[attr-defined]
        deadline = time.monotonic() + 5
        while server._lines and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not server._lines
