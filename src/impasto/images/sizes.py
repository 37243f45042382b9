"""The sizes that pictures are brought to, and those that are refused."""

from itertools import count

from impasto.errors import InputError, LimitError
from impasto.images.limits import Limits

MIN_SIDE = 16
"""px. The network's four poolings halve a picture four times; below this nothing would be left of it."""

NEEDED = f"the network's four poolings need at least {MIN_SIDE} px on each side"


def admit(size: tuple[int, int], what: str, limits: Limits) -> None:
    """Raise LimitError for a picture, called ``what``, of more pixels than ``limits`` say; InputError for one with a
    side below ``MIN_SIDE``."""
    width, height = size
    if width * height > limits.pixels:
        raise LimitError(
            f"{what} is too large at {width} x {height} px: more than {limits.pixels:,} pixels; "
            "shrink it, or allow more pixels by `limits`"
        )
    if min(size) < MIN_SIDE:
        raise InputError(f"{what} is too small at {width} x {height} px: {NEEDED}")


def admitted(
    own: tuple[int, int], what: str, size: int | None, *, enlarge: bool, short_side: int, limits: Limits
) -> tuple[int, int]:
    """Width and height that a picture, called ``what``, is brought to: see ``decode``, which raises what this does."""
    admit(own, what, limits)
    target = width, height = fit(own, size, enlarge, short_side)
    if width * height > limits.pixels:
        raise LimitError(
            f"{what} would be {width} x {height} px at `size` {size}: more than {limits.pixels:,} pixels; "
            "choose a smaller `size`, or allow more pixels by `limits`"
        )
    if min(target) < MIN_SIDE:
        raise InputError(
            f"{what} is {own[0]} x {own[1]} px, and would be too small at {width} x {height} px: {NEEDED}; "
            f"the least `size` for it is {least_size(own)}"
        )
    return target


def fit(size: tuple[int, int], long_side: int | None, enlarge: bool, short_side: int = 0) -> tuple[int, int]:
    """Width and height with this long side, or as they are where it would only enlarge and is not to. The long side is
    larger where the short one would have fewer px than ``short_side``."""
    if long_side is None or (max(size) <= long_side and not enlarge):
        return size
    scale = max(long_side / max(size), short_side / min(size))
    return round(size[0] * scale), round(size[1] * scale)


def least_size(own: tuple[int, int]) -> int:
    """The least long side at which no side is below ``MIN_SIDE``."""
    about = int((MIN_SIDE - 0.5) * max(own) / min(own))
    return next(size for size in count(about - 1) if min(fit(own, size, enlarge=True)) >= MIN_SIDE)
