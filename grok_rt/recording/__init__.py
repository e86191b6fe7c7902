"""A conversation in a folder: `record` writes it, `Recording.open` reads it.

The folder holds

``events.jsonl``
    one JSON object a line. The first is the head: ``{"grok_rt": version, "recording": 1, "began":
    ISO time, "rate": of audio.wav, "input": format, "output": format, "keep_audio": bool}``. Each
    other is ``{"t": seconds since the beginning, "from": "client" | "server" | "local", "event":
    the message as it was on the wire}``, in the order in which things happened. Where sound was
    left out, ``"elided"`` is how many bytes it had. ``"lost": n`` says that n events are missing
    here. Keys and tokens are not in it. The last line may be cut off.
``audio.wav``
    16-bit stereo on the same clock: the caller left, Grok right. Grok's sound lies where it would
    be heard: behind what still plays, and no further than to an interruption.
``report.html``
    one page for the eyes; written at the end, and again by `Recording.write_report`.

Both files are good at any moment: what was recorded before the process was killed can be read.
No device and no client of its own. What passes is only noted on the threads of the connection;
all the work is done by a thread of the recorder's, ``grok-rt-recorder``.
"""

from __future__ import annotations

from grok_rt.recording._reader import Recorded, Recording
from grok_rt.recording._recorder import Recorder, record

__all__ = ["Recorded", "Recorder", "Recording", "record"]
