"""A painted picture, as it is handed out: to look at, to save, to go on with."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, cat

from impasto.images.arrays import levels, pil_of
from impasto.images.metadata import Origin


@runtime_checkable
class Writable(Protocol):
    """A file open for writing bytes."""

    def write(self, data: bytes, /) -> Any:
        """All of them."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A picture that was painted, and how.

    ``tensor`` is ``(1, 3, H, W)``, float32 in [0, 1], on the CPU. ``recipe`` is what it takes to paint it again, and
    ``origin`` what the photograph says of itself; both go into the file that ``save`` writes. ``alpha``
    ``(1, 1, H, W)`` is that of a transparent photograph. torch's functions and the tensor's own methods and attributes
    work on a picture as on its tensor, ``numpy`` excepted.
    """

    tensor: Float[Tensor, "1 3 h w"]
    recipe: Mapping[str, Any] | None = None
    origin: Origin | None = None
    alpha: Float[Tensor, "1 1 h w"] | None = None

    @property
    def channels(self) -> Float[Tensor, "1 c h w"]:
        """``tensor``, and ``alpha`` as a fourth channel where there is one."""
        return self.tensor if self.alpha is None else cat([self.tensor, self.alpha], dim=1)

    def pil(self) -> Image.Image:
        """An image of Pillow's, mode "RGB", or "RGBA" of a transparent photograph."""
        return pil_of(self.channels)

    def numpy(self) -> UInt8[np.ndarray, "h w c"]:
        """``(H, W, 3)``, or ``(H, W, 4)`` of a transparent photograph, sRGB from 0 to 255."""
        return levels(self.channels)

    def save(
        self,
        to: str | PathLike[str] | Writable,
        *,
        format: str | None = None,
        dpi: int | float | None = None,
        bits: int = 8,
        location: bool = False,
    ) -> None:
        """Write it, with its recipe, to a path, whole or not at all, or into a file open for writing bytes.

        ``format`` is PNG, JPEG, WebP or TIFF; without it the suffix says which. ``dpi`` is told to whoever prints it,
        by default the photograph's; its date, copyright and camera are kept, and with ``location`` also where it was
        taken (not in TIFF). TIFF may have 16 ``bits`` for each colour. JPEG has no transparency: there it is laid over
        white. Raises what ``impasto.write`` raises.
        """
        from impasto.images.files import write

        recipe, origin = self.recipe, self.origin
        write(self, to, recipe=recipe, origin=origin, location=location, format=format, dpi=dpi, bits=bits)

    def __repr__(self) -> str:
        height, width = self.tensor.shape[2:]
        return f"<impasto.Picture {width} x {height} px>"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.pil().save(buffer, "PNG")
        return buffer.getvalue()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __getitem__(self, at: Any) -> Tensor:
        return self.tensor[at]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.tensor, name)

    @classmethod
    def __torch_function__(cls, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """torch sees the tensor, in lists too."""
        return function(*map(as_tensor, args), **{name: as_tensor(value) for name, value in (kwargs or {}).items()})


def as_tensor(x: Any) -> Any:
    """A picture's tensor; of a list or a tuple those in it; anything else as it is."""
    if isinstance(x, Picture):
        return x.tensor
    return type(x)(map(as_tensor, x)) if type(x) in (list, tuple) else x
