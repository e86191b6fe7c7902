"""Functions that the model may call: what they are, how they are found, how they are run.

The JSON Schema and the conversion of arguments come from the signature (`_schema`), the threads
from `_workers`. A tool runs in a daemon thread named ``grok-rt-tool-…``, never in the reader or
the pump, so a slow one delays nobody. Knows no client: whoever runs a call gets its `Outcome`.
"""

from __future__ import annotations

from grok_rt.tools._runner import Outcome, Runner
from grok_rt.tools._tool import (
    DEFAULT_TIMEOUT,
    RESERVED_NAMES,
    Tool,
    ToolBox,
    as_text,
    marked_tools,
    tool,
)
from grok_rt.tools._workers import cancelled

__all__ = [
    "DEFAULT_TIMEOUT",
    "RESERVED_NAMES",
    "Outcome",
    "Runner",
    "Tool",
    "ToolBox",
    "as_text",
    "cancelled",
    "marked_tools",
    "tool",
]
