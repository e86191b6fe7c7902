"""A function that Grok may call: the schema comes from the signature."""

from __future__ import annotations

from typing import Literal

from grok_rt import GrokClient

grok = GrokClient()


@grok.tool(timeout=5)
def weather(city: str, unit: Literal["C", "F"] = "C") -> str:
    """Current weather for a city."""
    return f"3 °{unit} and sleet in {city}"


with grok:
    print(grok.ask("What is the weather in Oslo?", timeout=30).text)
