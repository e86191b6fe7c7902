"""One question, one spoken answer. Needs XAI_API_KEY, or GROK_RT_URL of a simulator."""

from __future__ import annotations

from grok_rt import GrokClient

with GrokClient() as grok:
    answer = grok.ask("Why is the sky blue?", timeout=30)
    print(answer.text)
    answer.audio.save("answer.wav")
