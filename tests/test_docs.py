"""Whatever the documentation shows, runs.

Each ```` ```python ```` block is executed on its own, against a simulator that `GROK_RT_URL` makes
the default server, in an empty folder. What a block takes for granted stands before it, unseen by
the reader, in the comment `<!-- setup: ... -->`; a comment of that kind at the head of a document,
before any text but its title, holds for all its blocks. Each example is run likewise, as a program.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("[!.]*/**/*.md"))]
DESIGN = (ROOT / "docs" / "design.md").read_text("utf-8")
# Who talks needs devices: that one is run by tests/devices/test_real_sound.py.
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "talk.py")

PIECE = re.compile(
    r"<!-- setup:(?P<setup>.*?)-->|^(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=fence)\s*$",
    re.DOTALL | re.MULTILINE,
)
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")


class Block(NamedTuple):
    """A piece of code in a document, and what must stand before it."""

    path: Path
    line: int
    setup: str
    code: str


def blocks(path: Path) -> Iterator[Block]:
    """Find the Python blocks of a document, each with its setup."""
    text = path.read_text("utf-8")
    common = setup = ""
    for piece in PIECE.finditer(text):
        if piece["setup"] is not None:
            hidden = textwrap.dedent(piece["setup"]).strip("\n") + "\n"
            if text[: piece.start()].count("\n") <= 2:
                common = hidden
            else:
                setup = hidden
        else:
            language = piece["info"].strip()
            if language.startswith(("python", "py")):
                assert language == "python", f"{path.name}: a `{language}` block is not run"
                line = text[: piece.start("code")].count("\n")
                yield Block(path, line, common + setup, piece["code"])
            setup = ""


def anchors(path: Path) -> set[str]:
    """Name the headings of a document as links name them."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Make a simulator the server of whoever asks for none, in an empty folder."""
    from grok_rt.simulator import Simulator

    with Simulator() as server:
        monkeypatch.setenv("GROK_RT_URL", server.url)
        monkeypatch.setenv("XAI_API_KEY", "test")
        monkeypatch.chdir(tmp_path)
        yield


ALL_BLOCKS = [block for path in DOCS if path.exists() for block in blocks(path)]


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("block", ALL_BLOCKS, ids=lambda b: f"{b.path.name}:{b.line}")
def test_a_block_runs(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who copies a block into a file gets a program that works."""
    program = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", program)
    exec(compile(block.setup, "<setup>", "exec", dont_inherit=True), vars(program))
    code = "\n" * block.line + block.code  # so that a traceback names the line of the document
    exec(compile(code, str(block.path), "exec", dont_inherit=True), vars(program))


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(path: Path) -> None:
    """An example needs no arguments, ends by itself, and reports success."""
    done = subprocess.run(
        [sys.executable, str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Each relative link names a file that exists, and a heading that is there."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.finditer(text):
        target = (path.parent / link["path"]) if link["path"] else path
        assert target.exists(), link[0]
        if link["anchor"] and target.suffix == ".md":
            assert link["anchor"] in anchors(target), link[0]


@pytest.mark.parametrize("about", ["grok.ask(", "grok.stream(", "@grok.tool", "(GrokClient):"])
def test_the_readme_shows_it_in_ten_lines(about: str) -> None:
    """A question, a stream, a tool, a subclass: ten lines each, imports and blank lines counted."""
    block = next(block for block in blocks(ROOT / "README.md") if about in block.code)
    assert len(block.code.splitlines()) <= 10


def test_the_drawing_of_the_house_is_true() -> None:
    """Each file that `docs/design.md` draws is there, but the planned ones, which are not."""
    drawing = re.search(r"^grok_rt/\n(.*?)^tests/", DESIGN, re.DOTALL | re.MULTILINE)
    assert drawing is not None
    for names, planned in re.findall(
        r"^  ((?:\w[\w.]*/?(?: |$))+) *(\(planned\))?", drawing[1], re.MULTILINE
    ):
        for name in names.split():
            assert (ROOT / "grok_rt" / name).exists() is not bool(planned), name


def test_the_verbs_are_there() -> None:
    """Each verb that `docs/design.md` lists can be called, but the planned ones, which cannot."""
    from grok_rt import GrokClient

    cells = re.findall(r"^\| (`\w+\(.*?) \|", DESIGN, re.MULTILINE)
    verbs = {verb: "planned" in cell for cell in cells for verb in re.findall(r"`(\w+)\(", cell)}
    assert "ask" in verbs
    assert {
        verb for verb, planned in verbs.items() if hasattr(GrokClient, verb) is planned
    } == set()
