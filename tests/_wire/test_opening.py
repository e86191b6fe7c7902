"""The address, the key and the headers, before anything is dialled."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import tokens
from grok_rt._secret import Secret, Token
from grok_rt._wire.opening import DEFAULT_MODEL, Opening
from grok_rt.errors import AuthenticationFailed, ConfigError

KEY = "xai-canary-5f2b"
WORDS = st.text(min_size=1, max_size=20)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    monkeypatch.delenv("GROK_RT_URL", raising=False)


def query(opening: Opening) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(opening.target()[0]).query))


def test_by_default_it_is_the_service_and_the_newest_model() -> None:
    """Nothing said, the service's own address and model are asked for."""
    url, headers = Opening(api_key=KEY).target()
    assert url == f"wss://api.x.ai/v1/realtime?model={DEFAULT_MODEL}"
    assert headers == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"model": DEFAULT_MODEL}),
        ({"model": "other"}, {"model": "other"}),
        ({"model": None}, {}),
        ({"reasoning": "none"}, {"model": DEFAULT_MODEL, "reasoning.effort": "none"}),
        ({"conversation_id": "c1"}, {"model": DEFAULT_MODEL, "conversation_id": "c1"}),
        ({"call_id": "k"}, {"call_id": "k"}),  # the model is then the call's
        ({"url": "wss://h/p?model=mine&x=1"}, {"model": "mine", "x": "1"}),
    ],
)
def test_what_the_address_asks_for(settings: dict[str, str], expected: dict[str, str]) -> None:
    """Each setting is one parameter; what the address says itself wins."""
    assert query(Opening(api_key=KEY, **settings)) == expected


@given(model=WORDS, conversation=WORDS)
def test_any_word_survives_the_address(model: str, conversation: str) -> None:
    """Whatever a parameter holds arrives as it was."""
    opening = Opening("wss://h/p", KEY, model, conversation)
    assert query(opening) == {"model": model, "conversation_id": conversation}


def test_an_unknown_effort_is_refused_at_once() -> None:
    """A typo is told before anything is dialled."""
    with pytest.raises(ConfigError, match="'hihg'"):
        Opening(reasoning="hihg")


def test_the_environment_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and key come from the environment where none are given, at each connect anew."""
    opening = Opening()
    for n in (1, 2):
        monkeypatch.setenv("XAI_API_KEY", f" {KEY}{n}\n")
        monkeypatch.setenv("GROK_RT_URL", f"ws://localhost:{n}/v1")
        url, headers = opening.target()
        assert url.startswith(f"ws://localhost:{n}/v1?")
        assert headers["Authorization"] == f"Bearer {KEY}{n}"


@pytest.mark.parametrize("url", ["nonsense", "ws://example.com", "wss://h/#f"])
def test_who_has_said_a_bad_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's is told by the variable's name, for sessions and for tokens."""
    for said, name in ((url, "url"), (None, "GROK_RT_URL")):
        monkeypatch.setenv("GROK_RT_URL", url)
        with pytest.raises(ConfigError, match=f"^{name}: "):
            Opening(said, KEY).dial(1, dead_after=None, on_wait=print)
        with pytest.raises(ConfigError, match=f"^{name}: "):
            tokens.create(KEY, url=said, timeout=1)


def test_a_callable_is_asked_each_time() -> None:
    """A fresh token for each connect; a `Secret` is as good as a string."""
    tokens = iter(["one", Secret("two")])
    opening = Opening(api_key=lambda: next(tokens))
    assert [opening.target()[1]["Authorization"] for _ in range(2)] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("key", [None, "", "  ", lambda: ""])
def test_without_a_key_it_says_where_to_get_one(key: object) -> None:
    """A missing key is `AuthenticationFailed` before anything is dialled, with what to do."""
    with pytest.raises(AuthenticationFailed, match=r"XAI_API_KEY.*console\.x\.ai") as caught:
        Opening(api_key=key).target()  # type: ignore[arg-type]
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("key", "oddity"),
    [
        (f"Bearer {KEY}", "begins with 'Bearer'"),
        (f"bearer\t{KEY}", "begins with 'Bearer'"),
        (f"'{KEY}'", "quotation marks"),
        (f'"{KEY}', "quotation marks"),
        (f"{KEY} {KEY}", "white space"),
        (f"{KEY}\r\nX: y", "white space"),
        (f"{KEY}ключ", "beyond ASCII"),
        (f"{KEY}\N{ZERO WIDTH SPACE}", "beyond ASCII or invisible"),
        (f"{KEY}\0", "invisible"),
        (f"wss://h/{KEY}", "address, which belongs to url="),
        (f"http://h/{KEY}", "address, which belongs to url="),
    ],
)
@pytest.mark.parametrize(
    "wrap", [str, Secret, lambda key: Token(key, 2**40), lambda key: lambda: key]
)
def test_a_key_that_cannot_be_one(key: str, oddity: str, wrap: Callable[[str], Any]) -> None:
    """Nothing is dialled: the sentence says what is odd, and does not show the key."""
    with pytest.raises(AuthenticationFailed, match=f"^api_key: .*{oddity}") as caught:
        Opening(api_key=wrap(key)).target()
    assert KEY not in str(caught.value)


def test_an_odd_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names where it came from."""
    monkeypatch.setenv("XAI_API_KEY", f"'{KEY}'")
    with pytest.raises(AuthenticationFailed, match=r"^XAI_API_KEY: it has quotation marks"):
        Opening().target()


def test_more_headers_go_along() -> None:
    """Headers of the user's are sent beside the key."""
    assert Opening(api_key=KEY, headers={"X-Trace": "7"}).target()[1]["X-Trace"] == "7"


@pytest.mark.parametrize("key", [KEY, Secret(KEY), lambda: KEY])
def test_the_key_is_not_shown(key: object) -> None:
    """No representation holds the key, and what holds it cannot be written to a file."""
    opening = Opening(api_key=key, headers={"X-Key": KEY}, proxy=f"http://u:{KEY}@p:1")  # type: ignore[arg-type]
    assert KEY not in f"{opening!r} {opening} {vars(Secret)}"
    if not callable(key):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(opening)


def test_a_secret_shows_nothing() -> None:
    """Its text is three stars; it is true if it holds anything."""
    secret = Secret(KEY)
    assert f"{secret} {secret!r} {secret}".count("***") == 3
    assert KEY not in f"{secret} {secret!r} {[secret]}"
    assert secret
    assert not Secret("")
