"""Every error a user can meet, with the exit code of the command line."""

from collections.abc import Callable
from typing import Any


class ImpastoError(Exception):
    """Something a user can understand and act on. Its text says what happened, where, and what to do.

    A `parameter` stands in backticks in it; the command line puts its flag there.
    """

    exit_code = 1


class UsageError(ImpastoError, ValueError):
    """An option or argument that makes no sense."""

    exit_code = 2


class InputError(ImpastoError):
    """A file that cannot be read as a picture, or written as one."""

    exit_code = 3


class LimitError(ImpastoError):
    """More pixels, memory or disk than there is, or than was allowed."""

    exit_code = 4


class DivergedError(ImpastoError):
    """The loss or its gradient stopped being a number."""

    exit_code = 5


class WeightsError(ImpastoError):
    """Network weights that are missing, damaged, or not what they should be."""

    exit_code = 6


def named(parameter: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What ``function`` gives; where it finds that its argument makes no sense, the error names the ``parameter``."""
    try:
        return function(*args, **options)
    except UsageError as error:
        raise UsageError(f"`{parameter}`: {error}") from error
