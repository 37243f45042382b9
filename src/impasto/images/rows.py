"""Large pictures a few rows at a time, so that what is made on the way stays small."""

from collections.abc import Iterator

ROWS = 64
"""Of 20,000 px, as floats, these take 15 MB."""


def rows_of(height: int) -> Iterator[slice]:
    """The rows of a picture, so many at a time, from the top."""
    return (slice(top, top + ROWS) for top in range(0, height, ROWS))
