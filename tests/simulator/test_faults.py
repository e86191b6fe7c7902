"""The vocabulary of faults: what each word may say, how it is read, and what a seed draws."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from grok_rt.errors import ConfigError
from grok_rt.events import WIRE_TYPES, ServerEvent
from grok_rt.simulator import faults
from grok_rt.simulator.faults import as_faults, drawn, fault_of, faults_of

WORDS = {
    "at-random": faults.AtRandom(),
    "clock-skew": faults.ClockSkew(),
    "close": faults.Close(),
    "delay": faults.Delay(),
    "drop": faults.Drop(),
    "duplicate": faults.Duplicate(),
    "expired-certificate": faults.ExpiredCertificate(),
    "fragmented": faults.Fragmented(),
    "huge": faults.Huge(),
    "invalid-json": faults.InvalidJson(),
    "invalid-utf8": faults.InvalidUtf8(),
    "omit": faults.Omit(),
    "refuse": faults.Refuse(),
    "silence": faults.Silence(),
    "slow-reader": faults.SlowReader(),
    "stall": faults.Stall(),
    "strange-event": faults.StrangeEvent(),
    "strange-fields": faults.StrangeFields(),
    "wrong-name": faults.WrongName(),
}


@pytest.mark.parametrize("word", WORDS)
def test_words(word: str) -> None:
    """Each fault has its word, on the command line and in a file, and values of its own."""
    assert fault_of(word) == WORDS[word]
    assert faults_of([{"kind": word}]) == [WORDS[word]]


def test_every_word_is_here() -> None:
    """The table above has them all, and `__all__` too."""
    kinds = {type(each).__name__ for each in WORDS.values()}
    public = {name for name in faults.__all__ if isinstance(getattr(faults, name), type)}
    assert kinds == public - {"Fault", "SessionFault"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("drop:at=response.done,byte=20", faults.Drop(20, at="response.done")),
        ("drop:reset=yes,nth=3", faults.Drop(reset=True, nth=3)),
        ("delay:seconds=0.5,times=1", faults.Delay(0.5, times=1)),
        ("delay:until=response.created", faults.Delay(until="response.created")),
        ("refuse:status=429,retry_after=2", faults.Refuse(429, retry_after=2)),
        ("omit:at=session.updated,sessions=none", faults.Omit(at="session.updated")),
        ("at-random:seed=7,share=0.5", faults.AtRandom(7, 0.5)),
    ],
)
def test_text(text: str, meant: faults.Fault) -> None:
    """A fault on the command line has its fields behind a colon."""
    assert fault_of(text) == meant


def test_tables() -> None:
    """In a file the values are TOML's own."""
    tables = [{"kind": "close", "code": 1013, "reason": "later", "sessions": 1}]
    assert faults_of(tables) == [faults.Close(1013, "later", sessions=1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sneeze", "no fault is called 'sneeze'; there are at-random, clock-skew"),
        ("drop:bite=1", "drop has no field 'bite'; it has at, nth, times, sessions, byte, reset"),
        ("wrong-name:at=x", "wrong-name has no field 'at'; it has none"),
        ("drop:byte=many", "'many' is no value for byte"),
        ("drop:reset=perhaps", "'perhaps' is no value for reset"),
        ("drop:byte", "'byte' is no field=value"),
        ("drop:nth=0", "'nth' must be >= 1"),
        ("close:at=response.dnoe", "at: no event of the server's is called 'response.dnoe'; did"),
        ("close:at=response.dnoe", "did you mean 'response.done'?"),
        ("close:at=nonsense", "called 'nonsense'; grok_rt.events.WIRE_TYPES has them all"),
        ("omit:at=session.update", "did you mean 'session.updated'?"),
        ("delay:until=response.dnoe", "until: no event of the server's is called"),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    """A mistake is told with its place and what would be right."""
    with pytest.raises(ConfigError) as wrong:
        fault_of(text)
    assert said in str(wrong.value)
    assert text in str(wrong.value)


def test_an_event_that_never_comes() -> None:
    """A fault that could not strike is refused where it is made; each of the server's may be."""
    with pytest.raises(ConfigError, match=r"did you mean 'response\.done'\?"):
        faults.Close(1013, at="response.dnoe")
    for name, event in WIRE_TYPES.items():
        if issubclass(event, ServerEvent):
            assert faults.Delay(at=name, until=name).at == name


def test_mistakes_in_a_file() -> None:
    """A table that is none, or has no kind, is told by its number."""
    with pytest.raises(ConfigError, match="fault 2: no fault is called ''"):
        faults_of([{"kind": "drop"}, {}])
    with pytest.raises(ConfigError, match="fault 1 must be a table"):
        faults_of(["drop"])  # type: ignore[list-item]


def test_who_suffers() -> None:
    """The first `sessions` sessions have a fault; what is not a session's own is left out."""
    first, each = faults.Drop(sessions=1), faults.Omit()
    known = [first, each, faults.Refuse(), faults.ClockSkew()]
    assert drawn(known, 1) == [first, each]
    assert drawn(known, 2) == [each]


def test_chance_has_a_seed() -> None:
    """One seed draws the same faults in each run, of every kind, and each can be told apart."""
    lot = [faults.AtRandom(3)]
    once = [drawn(lot, number) for number in range(1, 300)]
    assert once == [drawn(lot, number) for number in range(1, 300)]
    assert once != [drawn([faults.AtRandom(4)], number) for number in range(1, 300)]
    kinds = {type(fault).__name__ for (fault,) in once}
    assert kinds == {
        type(each).__name__ for each in WORDS.values() if isinstance(each, faults.SessionFault)
    }
    spared = [drawn([faults.AtRandom(3, share=0.25)], number) for number in range(400)]
    assert 50 < sum(map(bool, spared)) < 150


def test_values_are_frozen() -> None:
    """What was scripted is what happens."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        faults.Drop().byte = 3  # type: ignore[misc]


def test_the_page_has_them_all() -> None:
    """The documentation lists each fault by both its names."""
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")
    listed = re.findall(r"^\| `([\w-]+)` \| `(\w+)\(", page, re.MULTILINE)
    assert dict(listed) == {word: type(each).__name__ for word, each in WORDS.items()}


def test_given_as_values_or_as_text() -> None:
    """Where faults are taken their text will do, one needs no list, and what is none is refused."""
    assert as_faults(["drop:byte=3", faults.Omit()]) == (faults.Drop(3), faults.Omit())
    assert as_faults("omit") == as_faults(faults.Omit()) == (faults.Omit(),)
    for wrong, said in ((faults.Omit, r"did you mean Omit\(\)\?"), (503, "503 is no fault")):
        with pytest.raises(ConfigError, match=said):
            as_faults([wrong])  # type: ignore[list-item]
