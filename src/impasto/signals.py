"""What asks a program to end, and what it does then. Only the command line touches signals.

It is imported before anything else, and imports next to nothing: until then Ctrl-C brings a traceback.
"""

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTERRUPTED = 130
"""The exit code of a program that was."""

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def leave(*_: object) -> None:
    """End at once: there is nothing to be kept, and an exception would bring a traceback out of what is imported."""
    os.write(2, b"impasto: interrupted before there was a picture to keep\n")
    os._exit(INTERRUPTED)


def replaced(handler: "Any", *old: object) -> "dict[Any, Any]":
    """Give every signal this handler that has one of the ``old``; those, by signal. What was ignored from the start, as
    by nohup, stays so."""
    return {number: signal.signal(number, handler) for number in SIGNALS if signal.getsignal(number) in old}


class Listening:
    """With a KeyboardInterrupt for every signal, or another ``handler``, instead of an end at once."""

    def __init__(self, handler: "Any" = signal.default_int_handler) -> None:
        self.handler = handler

    def __enter__(self) -> None:
        self.before = replaced(self.handler, leave, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        for number, old in self.before.items():
            signal.signal(number, old)
