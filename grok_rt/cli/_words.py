"""What the library says to who writes a program, in the words of the command line."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["in_our_words"]

#: What only a program can do, and what is done here in its place.
_OURS: Final = (
    (r" \(a program may [^)]*\)", ""),
    (r", or in a program by ssl_context=\S*\)", ""),
    (r"\bbelongs to url=", "belongs to --url"),
    (r"; use api_key\b", "; set XAI_API_KEY"),
    (r"; say name=…", "; give it a `def` of such a name"),
    (r"\bmake a new client\b", "give the command again"),
    (r"\btoken may have expired\b", "token may have expired: `grok-rt token` makes another"),
)


def in_our_words(text: str, url: str | None = None) -> str:
    """The same sentence, for who has options and the environment only.

    Args:
        text: the sentence.
        url: what `--url` says; without it, a bad address is the environment's.
    """
    text = re.sub(r"^(failed: address: )?url: ", rf"\1{'--url' if url else 'GROK_RT_URL'}: ", text)
    for theirs, ours in _OURS:
        text = re.sub(theirs, ours, text)
    return text
