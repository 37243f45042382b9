"""What reading a picture may cost, whoever it comes from."""

from dataclasses import asdict, dataclass

from impasto.errors import UsageError

BYTES_A_PIXEL = 16
"""Four channels of 32 bits."""

MANY = 10**15
"""More than any number of these that makes sense."""


@dataclass(frozen=True)
class Limits:
    """What may be read, looked at before it is decoded, or while it is. Raises UsageError for what is no limit."""

    pixels: int = 100_000_000
    """Of a picture, as it is and at its ``size``."""
    bytes: int | None = None
    """Of its pixels in memory, and of the file, which may have 64 MiB besides; None is 16 for each of ``pixels``."""
    frames: int = 1000
    """Pages of a file that are looked at for its picture."""
    seconds: float = 60.0
    """That a picture may take to be decoded."""

    def __post_init__(self) -> None:
        for name, given in asdict(self).items():
            kind = int | float if name == "seconds" else int
            is_right = isinstance(given, kind) and not isinstance(given, bool) and 0 < given < MANY
            if not is_right and (name, given) != ("bytes", None):
                raise UsageError(f"{name} of a picture are a number above 0")

    @property
    def most_bytes(self) -> int:
        """The ``bytes``."""
        return self.bytes or BYTES_A_PIXEL * self.pixels


UNSAID, NONE = Limits(), Limits(MANY - 1, MANY - 1, MANY - 1, 1e9)
"""Where nothing is said of them, and where there are none."""
