"""What asks a program to end, and what it does then. Only the command line touches signals."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130
"""The exit code of a program that was."""

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def leave(*_: Any) -> None:
    """End at once: there is nothing to be kept, and an exception would bring a traceback out of what is imported."""
    os.write(2, b"impasto: interrupted before there was a picture to keep\n")
    os._exit(INTERRUPTED)


def replaced(handler: Any, *old: Any) -> dict[Any, Any]:
    """Give every signal this handler that has one of the ``old``; those, by signal. What was ignored from the start, as
    by nohup, stays so."""
    return {number: signal.signal(number, handler) for number in SIGNALS if signal.getsignal(number) in old}


@contextmanager
def listening(handler: Any = signal.default_int_handler) -> Iterator[None]:
    """With a KeyboardInterrupt for every signal, instead of an end at once."""
    before = replaced(handler, leave, signal.default_int_handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
