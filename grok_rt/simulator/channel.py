"""What the parts of a session share: its time, its way out, its ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from grok_rt.simulator.agenda import Agenda
    from grok_rt.simulator.shapes import Wire


@attrs.frozen
class Channel:
    """One session's.

    Attributes:
        agenda: the session's time.
        send: takes each message that goes out, now.
        send_sound: takes sound that goes out in a frame of its own.
        new_id: makes ids.
        unix_ms: the wall clock at a time of the agenda.
    """

    agenda: Agenda
    send: Callable[[Wire], None]
    send_sound: Callable[[bytes], None]
    new_id: Callable[[], str]
    unix_ms: Callable[[float], int]
