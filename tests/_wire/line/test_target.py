"""URL and headers: what is wrong is said before anything is sent, and no value is quoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt._wire.line.target import (
    HTTP,
    Target,
    address,
    check_headers,
    credentials,
    is_loopback,
    split_offers,
)
from grok_rt.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("wss://api.x.ai/v1/realtime", Target(True, "api.x.ai", 443, "/v1/realtime"), "api.x.ai"),
        ("WSS://API.x.ai", Target(True, "api.x.ai", 443, "/"), "api.x.ai"),
        ("wss://h:8443/?model=a%20b", Target(True, "h", 8443, "/?model=a%20b"), "h:8443"),
        ("wss://h:80/p", Target(True, "h", 80, "/p"), "h:80"),
        ("wss://bücher.example/", Target(True, "xn--bcher-kva.example", 443, "/"), None),
        ("ws://127.0.0.1:9/p", Target(False, "127.0.0.1", 9, "/p"), "127.0.0.1:9"),
        ("ws://[::1]:9/p", Target(False, "::1", 9, "/p"), "[::1]:9"),
        ("wss://[2001:db8::1]/p", Target(True, "2001:db8::1", 443, "/p"), "[2001:db8::1]"),
        ("ws://localhost/p", Target(False, "localhost", 80, "/p"), "localhost"),
    ],
)
def test_a_good_url_is_taken_apart(url: str, target: Target, authority: str | None) -> None:
    """Names, addresses, ports, paths and queries end up where they belong."""
    assert Target.parse(url) == target
    assert target.authority == (authority or target.host)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://api.x.ai/v1", "wss://"),
        ("api.x.ai/v1", "wss://"),
        ("", "white space"),
        ("wss://", "host"),
        ("wss:///path", "host"),
        ("wss://h:0/", "port 0"),
        ("wss://h:70000/", "port"),
        ("wss://h:hunter2/", "port"),
        ("wss://[::1/", "host"),
        ("wss://.../", "host"),
        ("wss://" + "a" * 64 + ".example/", "host"),
        ("wss://me:hunter2@h/", "credentials"),
        ("wss://h/#part", "fragment"),
        ("wss://h/#", "fragment"),
        ("wss://h/a b", "white space"),
        ("wss://h/\r\nX: y", "white space"),
        ("wss://h/\x7f", "control"),
        ("wss://h/ä", "ASCII"),
        ("wss://h/?q=ä", "ASCII"),
        ("ws://api.x.ai/v1", "unencrypted"),
        ("ws://127.0.0.1.example.org/", "unencrypted"),
        ("ws://192.168.1.2/", "unencrypted"),
    ],
)
def test_a_bad_url_is_refused(url: str, word: str) -> None:
    """Each fault has its own sentence, which quotes no credential."""
    with pytest.raises(ConfigError, match=word) as caught:
        Target.parse(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("https://api.x.ai/v1", Target(True, "api.x.ai", 443, "/v1"), "api.x.ai"),
        ("http://localhost:9/v1?a=b", Target(False, "localhost", 9, "/v1?a=b"), "localhost:9"),
        ("http://[::1]/", Target(False, "::1", 80, "/"), "[::1]"),
    ],
)
def test_other_schemes_are_taken_where_asked_for(url: str, target: Target, authority: str) -> None:
    """A place for plain HTTP is taken apart like one for sessions."""
    assert Target.parse(url, schemes=HTTP) == target
    assert target.authority == authority


@pytest.mark.parametrize(
    ("url", "word"), [("wss://h/", "https://"), ("http://api.x.ai/", "http://.*https://")]
)
def test_other_schemes_have_their_own_sentences(url: str, word: str) -> None:
    """What is wrong is said with the schemes that would be right."""
    with pytest.raises(ConfigError, match=word):
        Target.parse(url, schemes=HTTP)


def test_plain_text_leaves_this_machine_on_demand_only() -> None:
    """`allow_insecure` opens ws:// to anywhere."""
    assert not Target.parse("ws://api.x.ai/v1", allow_insecure=True).secure


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("grok.localhost", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("mylocalhost", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_loopback_is_what_cannot_leave(host: str, expected: bool) -> None:
    """Names under localhost and the addresses of the loopback, and nothing else."""
    assert is_loopback(host) is expected
    assert str(Target(True, host, 1, "/")) == address(host, 1)


def test_headers_become_lines() -> None:
    """Headers and offered subprotocols go out as they are."""
    assert check_headers({"A-b": "c d", "X": "\xe4"}, ("realtime", "xai-client-secret.t0k")) == [
        "A-b: c d",
        "X: \xe4",
        "Sec-WebSocket-Protocol: realtime, xai-client-secret.t0k",
    ]


@pytest.mark.parametrize(
    ("headers", "subprotocols", "word"),
    [
        ({"X": "hunter2\r\nX-Injected: yes"}, (), "line breaks"),
        ({"X": "hunter2\nY"}, (), "line breaks"),
        ({"X": "hunter2\0"}, (), "control"),
        ({"X": "hunter2 €"}, (), "Latin-1"),
        ({"X: y\r\nZ": "1"}, (), "name"),
        ({"": "1"}, (), "name"),
        ({"Ä": "1"}, (), "name"),
        ({"Host": "evil"}, (), "handshake"),
        ({"sec-websocket-key": "a"}, (), "handshake"),
        ({}, ("a b",), "subprotocols"),
        ({}, ("hunter2\r\n",), "subprotocols"),
        ({}, ("",), "subprotocols"),
    ],
)
def test_a_bad_header_is_refused(
    headers: dict[str, str], subprotocols: tuple[str, ...], word: str
) -> None:
    """No value can begin a line of its own, and none is quoted."""
    with pytest.raises(ConfigError, match=word) as caught:
        check_headers(headers, subprotocols)
    assert "hunter2" not in str(caught.value)


@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_no_header_begins_a_line(headers: dict[str, str]) -> None:
    """Whatever is asked for, each header is one line of Latin-1, or a ConfigError."""
    try:
        lines = check_headers(headers, ())
    except ConfigError:
        return
    assert len(lines) == len(headers)
    assert all("\r" not in line and "\n" not in line for line in lines)
    "".join(lines).encode("latin-1")


def test_credentials_are_known_wherever_they_stand() -> None:
    """Keys, tokens and cookies are secrets; what the world may know is not."""
    headers = {"Authorization": "Bearer k1", "X-Api-Key": "k2", "Cookie": "a=b; c=d", "Accept": "x"}
    assert credentials(headers, ("realtime", "xai-client-secret.t1", "odd.")) == [
        "k1",
        "k2",
        "a=b; c=d",
        "t1",
    ]


def test_offers_are_taken_out_of_the_headers() -> None:
    """Subprotocols may come as a header, in any case and list; no other header is touched."""
    headers = {"X": "y", "sec-WebSocket-Protocol": "realtime,  xai-client-secret.t0k"}
    assert split_offers(headers) == ({"X": "y"}, ["realtime", "xai-client-secret.t0k"])
    assert split_offers({"X": "a, b"}) == ({"X": "a, b"}, [])


def test_a_version_in_an_offer_is_no_secret() -> None:
    """The older protocol's list hides its key, and not a word of the address."""
    offers = ["realtime", "openai-insecure-api-key.k3y", "openai-beta.realtime-v1"]
    assert credentials({}, offers) == ["k3y"]
