"""``Tensor`` for the annotations of files that do without torch until a function of theirs is called.

Importing torch takes seconds. Files with a registry do not import it, so that ``--help`` can list what there is, and a
wrong name is refused, at once.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = Any


def wide(x: Tensor) -> Tensor:
    """A scalar in float64, as Python's floats are, where the device has that."""
    import torch

    return x.float() if x.device.type == "mps" else x.to(torch.float64)


class Numbers(Mapping[str, float]):
    """Scalars by name, which stay on the device until one of them is looked at: a GPU that is asked for a number has to
    finish first. ``scalars`` are the tensors themselves."""

    def __init__(self, scalars: Mapping[str, Tensor]) -> None:
        self.scalars = scalars

    def __getitem__(self, name: str) -> float:
        return float(self.scalars[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.scalars)

    def __len__(self) -> int:
        return len(self.scalars)


__all__ = ["Numbers", "Tensor", "wide"]
