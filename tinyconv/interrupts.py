"""Ctrl-C at a moment when it does no harm.

Python raises `KeyboardInterrupt` between any two operations of the main thread, also between the two halves of a change
that is only right as a whole. In a block of `held` it waits:

    with held():
        weights += ...          Ctrl-C here...
        iterations += 1
                                ...raises KeyboardInterrupt here
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["held"]


@contextmanager
def held() -> Iterator[None]:
    """Ctrl-C waits until the block is done; a second one does not. Decorates functions too."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield  # nothing is raised here then
        return
    came: list[Any] = []

    def wait(*signal_and_frame: Any) -> None:
        came.append(signal_and_frame)
        if len(came) > 1:
            handler(*signal_and_frame)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if came:
        handler(*came[0])
