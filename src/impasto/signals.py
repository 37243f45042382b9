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


HELD: "set[str]" = set()
"""Files that go when the program ends, however early, unless another process's number is in them."""


def leave(*_: object) -> None:
    """End at once: there is nothing to be kept, and an exception would bring a traceback out of what is imported."""
    for file in HELD:
        try:  # contextlib may not be there yet, nor pathlib
            with open(file) as opened:  # noqa: PTH123
                own = opened.read() in ("", str(os.getpid()))  # another's, if it was about to be seen that it is there
            if own:
                os.unlink(file)  # noqa: PTH108
        except OSError:  # it is left behind, and removed by whoever comes next
            pass
    os.write(2, b"impasto: interrupted, and nothing more is kept\n")
    os._exit(INTERRUPTED)


def replaced(handler: "Any", *old: object) -> "dict[Any, Any]":
    """Give every signal this handler that has one of the ``old``; those, by signal. What was ignored from the start, as
    by nohup, stays so."""
    return {number: signal.signal(number, handler) for number in SIGNALS if signal.getsignal(number) in old}


class Listening:
    """While there is something to be kept: the first signal is a KeyboardInterrupt, and those after it are not heard,
    nor is any once it is ``over``. What was ``asked`` may be lost on its way, in code that passes no exception on.

    Where something was asked the program ends, and it stays so."""

    def __init__(self) -> None:
        self.asked = self.over = False

    def __call__(self, *_: object) -> None:
        if not (self.asked or self.over):
            self.asked = True
            raise KeyboardInterrupt

    def __enter__(self) -> "Listening":
        self.before = replaced(self, leave, signal.default_int_handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number, old in self.before.items() if not self.asked else ():
            signal.signal(number, old)
