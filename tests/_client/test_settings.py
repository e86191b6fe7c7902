"""A client's own settings: what is no setting is refused where it is given, by its name."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grok_rt import GrokClient, SessionConfig
from grok_rt.errors import ConfigError

TIMES = ("open_timeout", "close_timeout", "send_timeout", "stall_timeout")
PAUSES = ("ping_interval", "dead_after")
SECRET = "hunter2"
NO_TIMES = (
    st.sampled_from(["5", "", b"5", True, math.nan, math.inf, -math.inf, 1e9, [], object()])
    | st.floats(max_value=-1e-9)
    | st.integers(max_value=-1)
)


@given(st.sampled_from((*TIMES, *PAUSES)), NO_TIMES)
def test_what_is_no_time_is_refused(name: str, value: Any) -> None:
    """Text, a negative number, one that is none, one too large for a clock: each by its name."""
    with pytest.raises(ConfigError, match=f"^{name} must be "):
        GrokClient(**{name: value})


@pytest.mark.parametrize("name", TIMES)
def test_a_time_may_be_zero_but_not_absent(name: str) -> None:
    """No waiting at all can be meant; no limit cannot, for every wait has one."""
    GrokClient(**{name: 0})
    with pytest.raises(ConfigError, match=name):
        GrokClient(**{name: None})


@pytest.mark.parametrize("name", PAUSES)
def test_a_pause_may_be_absent_but_not_zero(name: str) -> None:
    """None is never; no pause between pings would be nothing but pings."""
    GrokClient(**{name: None})
    with pytest.raises(ConfigError, match=name):
        GrokClient(**{name: 0})


@pytest.mark.parametrize("dead_after", [1, 5, 5.0])
def test_a_server_has_the_time_to_answer_a_ping(dead_after: float) -> None:
    """A server that counts as dead before it was pinged is refused, unless nobody pings."""
    with pytest.raises(ConfigError, match=r"dead_after must be longer than ping_interval.* 5"):
        GrokClient(ping_interval=5, dead_after=dead_after)
    GrokClient(ping_interval=None, dead_after=dead_after)


@pytest.mark.parametrize("backlog", ["64", None, 0, -1, 1.5, True])
def test_a_backlog_is_a_number_of_bytes(backlog: Any) -> None:
    """A whole number, and not none."""
    with pytest.raises(ConfigError, match="max_backlog must be a whole number"):
        GrokClient(max_backlog=backlog)


NO_CONFIGS = [{"voice": "Ara"}, "Ara", SessionConfig, ("Ara",), 5]


@pytest.mark.parametrize("config", NO_CONFIGS, ids=repr)
def test_what_is_no_config_is_refused(config: Any) -> None:
    """As an argument, and as a class's attribute: when the client is made."""

    class Receptionist(GrokClient):
        pass

    Receptionist.config = config
    for make in (lambda: GrokClient(config=config), Receptionist):
        with pytest.raises(ConfigError, match="config must be a SessionConfig, such as"):
            make()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"url": 5}, "url: a string, not an object of type int"),
        ({"model": 5}, "model: a string"),
        ({"conversation_id": b"c"}, "conversation_id: a string, not an object of type bytes"),
        ({"call_id": 5}, "call_id: a string"),
        ({"proxy": [SECRET]}, "proxy: a string, not an object of type list"),
        ({"headers": SECRET}, "headers: a mapping of names to values, not an object of type str"),
        ({"headers": [("X", SECRET)]}, "headers: a mapping"),
        ({"headers": {"X": SECRET.encode()}}, r"headers\['X'\]: a string"),
        ({"headers": {5: SECRET}}, "a name in headers: a string"),
        ({"transport": SECRET}, "transport: a function"),
    ],
    ids=str,
)
def test_what_is_no_address_is_refused(settings: dict[str, Any], sentence: str) -> None:
    """By its type, when the client is made; the value may be a secret, and is not shown."""
    with pytest.raises(ConfigError, match=sentence) as caught:
        GrokClient(**settings)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("foo", r"url: it must begin with wss://, or ws:// on this machine\.$"),
        ("localhost:8080/v1", r"url: it must begin with wss://, or ws:// on this machine\.$"),
        ("https://h/", r"with wss://, or ws:// on this machine \(not https://\)\.$"),
    ],
)
def test_an_address_of_another_kind(url: str, sentence: str) -> None:
    """The sentence says what it must begin with, and what it does if that is a scheme."""
    with pytest.raises(ConfigError, match=sentence):
        GrokClient("key", url=url).connect()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"extra": [1]}, "extra must be a mapping"),
        ({"tools": 5}, "tools must be a sequence of GrokToolDefinition"),
        ({"tools": "weather"}, "tools must be a sequence of GrokToolDefinition"),
        ({"tools": {"name": "weather"}}, "tools must be a sequence of GrokToolDefinition"),
    ],
    ids=str,
)
def test_a_config_of_wrong_kinds(settings: dict[str, Any], sentence: str) -> None:
    """A config that could not be written is refused where it is made."""
    with pytest.raises(ConfigError, match=sentence):
        SessionConfig(**settings)
