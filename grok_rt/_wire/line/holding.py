"""Receiving what is there without letting go of the interpreter.

Python lets other threads go on in each call that may wait, as `recv` may; where one of them
computes, it keeps the interpreter for 5 ms then (`sys.getswitchinterval`). Who has waited for
something to come has waited for the interpreter already: to fetch it must not cost that again.
"""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["take_into"]


def take_into(descriptor: int, buffer: memoryview, /) -> int:
    """Receive what is there, 0 at the end; -1: it cannot be had like this, perhaps by waiting."""
    if _recv is None or not buffer:
        return -1
    return _recv(descriptor, _byref(_first_of(buffer)), len(buffer), socket.MSG_DONTWAIT)


def _c_library() -> Callable[..., int] | None:
    """The system's own `recv`, called as a function of Python's is; None where there is none."""
    if not hasattr(socket, "MSG_DONTWAIT"):
        return None
    try:
        recv = ctypes.PyDLL(None).recv
    except (AttributeError, OSError, TypeError):
        return None
    recv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    recv.restype = ctypes.c_ssize_t
    return recv


_recv = _c_library()
_byref = ctypes.byref
_first_of = ctypes.c_char.from_buffer
