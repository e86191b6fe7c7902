"""Scripts in files: every word of `Script`, and mistakes with their place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from grok_rt.errors import ConfigError, MissingExtra
from grok_rt.simulator import Script, faults
from grok_rt.simulator.script_file import read_script

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11) and not __import__("importlib").util.find_spec("tomli"),
    reason="Python 3.10 reads no TOML without tomli",
)


def read(tmp_path: Path, text: str) -> tuple[Script, list[faults.Fault]]:
    file = tmp_path / "call.toml"
    file.write_text(text, "utf-8")
    return read_script(file)


def test_a_whole_call(tmp_path: Path) -> None:
    """A file is the very script that the methods of those names make."""
    script, known = read(
        tmp_path,
        """
        [[step]]
        hears = "How warm is it?"
        [[step]]
        says = "Let me look."
        [[step]]
        calls = "weather"
        with = { city = "Oslo", days = 2 }
        [[step]]
        searches = "Oslo"
        by = "x_keyword_search"
        [[step]]
        then = true
        [[step]]
        says = "It is {output}."
        [[fault]]
        kind = "omit"
        at = "session.updated"
        sessions = 1
        """,
    )
    meant = Script().hears("How warm is it?").says("Let me look.")
    meant = meant.calls("weather", city="Oslo", days=2).searches("Oslo", by="x_keyword_search")
    assert script.play() == meant.then().says("It is {output}.").play()
    assert known == [faults.Omit(at="session.updated", sessions=1)]


def test_an_empty_file(tmp_path: Path) -> None:
    """A file without a step is the script that tells the truth."""
    script, known = read(tmp_path, "")
    assert script.play() == Script().play()
    assert known == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[step]\n", "call.toml: "),
        ("title = 1", "`title` means nothing here"),
        ('[[step]]\nsays = "a"\n[[step]]\nsings = "b"', "step 2: `sings` means nothing here"),
        ("fault = 1", r"fault must be written \[\[fault\]\]"),
        ('[[fault]]\nkind = "sneeze"', "fault 1: no fault is called 'sneeze'"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    """A mistake is told with the file, the step, and what is wrong there."""
    with pytest.raises(ConfigError, match=said) as wrong:
        read(tmp_path, text)
    assert str(tmp_path / "call.toml") in str(wrong.value)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there, or is no text, is told by its name."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        read_script(tmp_path / "nowhere.toml")
    (tmp_path / "sound.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"sound\.toml: .*utf-8"):
        read_script(tmp_path / "sound.toml")


def test_an_old_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python reads no TOML, the sentence says what to install."""
    for name in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match="needs tomli: pip install"):
        read(tmp_path, "")
