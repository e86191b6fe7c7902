"""In a server or a notebook: `start()` pumps in a thread, the program goes on."""

from __future__ import annotations

from grok_rt import GrokClient, events

grok = GrokClient()
sound = bytearray()


@grok.on_audio
def play(event: events.AudioDelta) -> None:
    """Collect the sound; a real program would hand it to its player."""
    sound.extend(event.audio)


grok.start()
with grok.expect(events.ResponseDone, timeout=30):
    grok.send_user_text("Tell me a joke.")
    grok.request_response()
grok.close()
print(f"{len(sound)} bytes of sound")
