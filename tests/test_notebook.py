"""What values show in a notebook, and the notebook that shows it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grok_rt import Answer, AudioClip, Conversation, GrokClient, SessionConfig, Turn, events
from grok_rt.answer import Latency
from grok_rt.audio import OPUS, pcm16
from grok_rt.models import FunctionCall, Usage
from grok_rt.simulator import loopback

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"
SECOND = bytes(48000)
EVIL = "<img src=x onerror=alert(1)>"


def answer(**changes: Any) -> Answer:
    """A spoken answer with a call."""
    call = FunctionCall("call-1", "weather", '{"city": "Oslo"}')
    turns = (
        Turn("user", "How warm?", "u", 100.0, 102.0),
        Turn("assistant", "Let me look.", "a", 102.5, 102.6, audio=SECOND),
        Turn("tool", "3", "t", 102.6, 102.7, call=call),
        Turn("assistant", "Three.", "b", 102.8, 102.9, audio=SECOND * 2),
    )
    fields: dict[str, Any] = {
        "text": "Let me look. Three.",
        "audio": AudioClip(SECOND * 3, pcm16(24000)),
        "tool_calls": (call,),
        "usage": Usage(total_tokens=42),
        "latency": Latency(1.5, 1.9),
        "status": "completed",
        "interrupted": False,
        "turns": turns,
    }
    return Answer(**fields | changes)


def titles(page: str) -> list[str]:
    """What the spans of a drawing say when pointed at."""
    return re.findall(r"<title>(.*?)</title>", page)


def test_an_answer_shows_words_sound_and_times() -> None:
    """Its card has the words, a player, who could be heard when, and how long it took."""
    page = answer()._repr_html_()
    assert page.count("<audio") == 1
    for told in ("Let me look. Three.", "first sound <b>1.50 s", "all <b>1.90 s", "tokens <b>42"):
        assert told in page
    assert titles(page) == [
        "you: How warm? (0.0 s, 1.00 s)",
        "waited 1.50 s",
        "grok: Let me look. (2.5 s, 1.00 s)",
        "grok: Three. (3.5 s, 2.00 s)",
        "weather (2.6 s, 0.10 s)",
    ]


def test_an_answer_says_what_went_wrong() -> None:
    """An interrupted one, one that is not whole and one without a word say so."""
    page = answer(text="", status="incomplete", interrupted=True, usage=None)._repr_html_()
    assert "(no words)" in page
    assert "status <b>incomplete" in page
    assert "interrupted <b>yes" in page
    assert "tokens" not in page


def test_an_answer_without_sound_has_no_player() -> None:
    """Neither has one in a format that browsers cannot play, and both are drawn all the same."""
    silent = answer(audio=AudioClip(b"", pcm16()), latency=Latency(None, 1.0))
    opus = answer(audio=AudioClip(b"123", OPUS))
    for page in (silent._repr_html_(), opus._repr_html_()):
        assert "<audio" not in page
        assert "grok: Three." in page
    assert "<svg" not in answer(turns=(), audio=AudioClip(b""))._repr_html_()


def test_a_conversation_shows_its_turns() -> None:
    """Each turn with its speaker, calls with what they gave; what was cut off says so."""
    conversation = Conversation()
    assert "Nothing was said yet." in conversation._repr_html_()
    call = events.ResponseFunctionCallArgumentsDone(
        call_id="c", name="weather", arguments='{"city":"Oslo"}', response_id="r"
    )
    for now, event in enumerate(
        (
            events.InputAudioTranscriptionCompleted(item_id="u", transcript=EVIL),
            call,
            events.ResponseOutputAudioTranscriptDelta(delta="Well", item_id="a", response_id="r"),
            events.Interrupted("r", "a"),
        )
    ):
        conversation.feed(event, float(now))
    page = conversation._repr_html_()
    assert EVIL not in page
    assert "&lt;img src=x" in page
    assert "weather {&quot;city&quot;:&quot;Oslo&quot;}" in page
    assert "cut off" in page


def test_a_long_conversation_shows_its_end() -> None:
    """Of very many turns the last are shown, and how many there were before."""
    conversation = Conversation()
    for number in range(250):
        conversation.feed(
            events.InputAudioTranscriptionCompleted(item_id=f"u{number}", transcript=f"<{number}>"),
            float(number),
        )
    page = conversation._repr_html_()
    assert "50 turns before these" in page
    assert page.count("border-left") == 201


def test_a_client_shows_its_state_and_no_key() -> None:
    """Before, while and after it is open; its functions, voice and formats, never its key."""
    config = SessionConfig.telephony(voice="Eve").with_input_audio_format("audio/opus")
    client = GrokClient("xai-canary-key", config=config, transport=loopback())

    @client.tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return city

    pages = [client._repr_html_()]
    with client:
        pages.append(client._repr_html_())
    pages.append(client._repr_html_())
    for state, page in zip(("new", "open", "closed"), pages, strict=True):
        assert f"<b>GrokClient</b> {state}" in page
        assert "canary" not in page
        assert "functions <b>weather" in page
        assert "voice <b>Eve" in page
        assert "opus 24 kHz → pcmu 8 kHz" in page
    assert f"session <b>{client.session_id}" in pages[1]
    odd = GrokClient("key", config=SessionConfig.wideband())
    odd.config = odd.config.with_voice(EVIL)
    assert EVIL not in odd._repr_html_()


#: Executes a notebook as Jupyter does, in a process of its own: the sockets of a kernel's client
#: live as long as their process.
EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
folder = {"metadata": {"path": sys.argv[2]}}
nbclient.NotebookClient(notebook, timeout=50, kernel_name="python3", resources=folder).execute()
nbformat.write(notebook, sys.argv[2] + "/executed.ipynb")
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The cells of the quickstart, after they ran in a kernel whose event loop was running."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("notebook")
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(QUICKSTART), str(folder)],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells: list[dict[str, Any]]
    cells = json.loads((folder / "executed.ipynb").read_text("utf-8"))["cells"]
    return cells


def shown(cells: list[dict[str, Any]], last_line: str) -> str:
    """The HTML below the cell that ends in that line."""
    (cell,) = (c for c in cells if "".join(c["source"]).splitlines()[-1] == last_line)
    return "".join(cell["outputs"][0]["data"]["text/html"])


@pytest.mark.system
def test_the_quickstart_runs(executed: list[dict[str, Any]]) -> None:
    """Its blocking calls work inside a running event loop, and every value shows itself."""
    assert shown(executed, "grok.start()").count("<b>GrokClient</b> open") == 1
    assert "<audio" in shown(executed, "question")
    assert "The sky is blue because" in shown(executed, "answer")
    spoken = shown(executed, "spoken")
    assert "It is three degrees in Oslo" in spoken
    assert any(title.startswith("weather ") for title in titles(spoken))
    assert "Did you hear me well?" in shown(executed, "conversation")
    assert "<polygon" in shown(executed, 'Recording.open("quickstart-call").timeline()')
    assert "<b>GrokClient</b> closed" in shown(executed, "grok")


@pytest.mark.system
def test_the_quickstart_prints_no_trouble(executed: list[dict[str, Any]]) -> None:
    """No cell writes to stderr, and none shows an error."""
    outputs = [output for cell in executed for output in cell.get("outputs", ())]
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []


def test_the_quickstart_is_kept_clean() -> None:
    """What is kept has no outputs: they would be stale, and large."""
    cells = json.loads(QUICKSTART.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
