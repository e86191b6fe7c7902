"""Events as frames of the line, and frames as events: text, or bare sound where it was agreed.

Pure; between the codec, which knows no frames, and the connection, which knows no JSON.
"""

from __future__ import annotations

from grok_rt import events
from grok_rt._wire import codec
from grok_rt._wire.framing import BINARY, TEXT, Frame
from grok_rt.errors import RemoteProtocolError

__all__ = ["frame_of", "heard", "said", "sound_frame"]


def frame_of(event: events.Event) -> Frame:
    """A client event on its way out.

    Raises:
        LocalProtocolError: it cannot be encoded.
    """
    return Frame(TEXT, codec.encode(event))


def sound_frame(pcm: bytes, *, bare: bool) -> Frame:
    """Sound on its way out, with no event object in between; `bare` for the binary transport."""
    return Frame(BINARY, bytes(pcm)) if bare else Frame(TEXT, codec.encode_append(pcm))


def said(frame: Frame) -> events.Event:
    """The client event that a data frame of ours was made of."""
    if frame.opcode == BINARY:
        return events.InputAudioBufferAppend(frame.data)
    return codec.decode(frame.data)


def heard(data: bytes, *, alone: bool = False) -> events.Event:
    """The event in a text frame of the server's; `Malformed` if there is none."""
    try:
        return codec.decode(data, alone=alone)
    except RemoteProtocolError as error:
        return events.Malformed(data=data, error=error)
