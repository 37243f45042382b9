"""What a network sees of a place in a picture, and the sums over its positions that style is told by."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jaxtyping import Float

from impasto.losses import EVERYWHERE, gram
from impasto.tensors import Tensor, once

if TYPE_CHECKING:
    from impasto.disk import Disk


LEAST_SIDE = 64
"""px, of places that a picture is cut into: of smaller ones nearly all is margin."""


@dataclass(frozen=True)
class Place:
    """A part of a picture of ``height`` x ``width`` px: the ``rows`` and ``columns`` that count, in px, and those that
    are seen, with a margin around. The places of a picture count each of its pixels once.

    What counts begins on a multiple of the deepest layer's stride, what is seen begins and ends on one, or with the
    picture; the margin is no less than the deepest layer's receptive field.
    """

    height: int
    width: int
    rows: slice
    columns: slice
    seen_rows: slice
    seen_columns: slice

    @classmethod
    def whole(cls, height: int, width: int) -> "Place":
        """All of the picture."""
        rows, columns = slice(0, height), slice(0, width)
        return cls(height, width, rows, columns, rows, columns)

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the picture."""
        return self == Place.whole(self.height, self.width)

    def seen(self, stride: int = 1) -> tuple[slice, slice]:
        """The rows and columns that are seen, of the picture or of a map with this stride."""
        return _positions(self.seen_rows, 0, stride, self.height), _positions(self.seen_columns, 0, stride, self.width)

    @property
    def pixels(self) -> int:
        """Those that count."""
        return len(range(self.rows.start, self.rows.stop)) * len(range(self.columns.start, self.columns.stop))

    def in_picture(self, stride: int) -> tuple[slice, slice]:
        """The positions that count, of a layer with this stride, in its map of the whole picture."""
        return _positions(self.rows, 0, stride, self.height), _positions(self.columns, 0, stride, self.width)

    def in_sight(self, stride: int) -> tuple[slice, slice]:
        """The same positions in the layer's map of what is seen."""
        return (
            _positions(self.rows, self.seen_rows.start, stride, self.height),
            _positions(self.columns, self.seen_columns.start, stride, self.width),
        )


def _positions(counted: slice, origin: int, stride: int, end: int) -> slice:
    """``counted`` px as positions from ``origin`` on; the last place has what an odd size leaves over."""
    stop = None if counted.stop == end else (counted.stop - origin) // stride
    return slice((counted.start - origin) // stride, stop)


class Part:
    """A part of a map of the whole picture. Added up, the parts of all places are the map, ``whole`` ``(N, h_l, w_l)``:
    they are put into the first of them."""

    def __init__(
        self, values: Tensor, at: tuple[slice, slice], size: tuple[int, int], disk: "Disk | None" = None
    ) -> None:
        self.values, self.at, self.size, self.disk = values, at, size, disk

    @property
    def whole(self) -> Float[Tensor, "N h_l w_l"]:
        """The map, so far as there are parts of it."""
        if self.values.shape[1:] == self.size:
            return self.values
        if self.disk is None:
            whole = self.values.new_zeros(*self.size, len(self.values)).movedim(-1, 0)
        else:
            whole = self.disk.empty((len(self.values), *self.size), self.values.dtype, first_is_last=True)
        whole[:, *self.at] = self.values
        self.values, self.at = whole, EVERYWHERE
        return whole

    def __add__(self, other: "Part") -> "Part":
        self.whole[:, *other.at] = other.values
        return self


@dataclass(frozen=True)
class Readout:
    """R ``(N, N_own)``, by which a network's own filters make the features of another: F = R V; without it, V are the
    features. The same at all places: added up, it stays what it is."""

    matrix: Tensor | None = None

    def __add__(self, other: "Readout") -> "Readout":
        return self

    def of(self, sums: Float[Tensor, "N_own *n"]) -> Float[Tensor, "N *n"]:  # noqa: F821
        """R x: of sums of V those of F."""
        return sums if self.matrix is None else self.matrix.to(sums) @ sums

    def twice(self, G: Float[Tensor, "N_own N_own"]) -> Float[Tensor, "N N"]:
        """R G Rᵀ: of V Vᵀ F Fᵀ."""
        return G if self.matrix is None else self.of(self.of(G).T).T

    def back(self, U: Float[Tensor, "N r"]) -> Float[Tensor, "N_own r"]:
        """Rᵀ U: what V is to be multiplied by, for Uᵀ F."""
        return U if self.matrix is None else self.matrix.to(U).T @ U


@dataclass(frozen=True)
class Features:
    """F ``(N, M)`` of one layer: N filters at the M positions that count.

    ``activation`` ``(1, N′, h, w)`` is what the network gave, perhaps with a margin around what counts of ``place``
    (without one, all of it does); ``stride`` is the px between two positions. ``readout`` R ``(N, N′)`` makes the
    features where the network imitates another one: F = R V. Sums over positions are read out after summing: R F
    itself, large at the low layers, is only made by ``read`` and ``matrix``.

    ``guide`` ``(M,)`` are the roots of weights g_k from 0 to 1, where only a region counts: sums are Σ_k g_k F_k and so
    on, and M is Σ_k g_k. (All three are of √g_k F_k and √g_k as the network's precision has them: a covariance of
    weights that do not fit together has negative eigenvalues.)

    ``map_size`` is (h_l, w_l) of the layer's map of the whole picture; without it the activation is all of it. Maps of
    the whole picture lie on a ``disk``, if there is one.

    ``sum``, ``gram``, ``moments``, ``positions`` and ``samples`` add up: those of a picture are the sums of those of
    its places.
    """

    activation: Tensor
    readout: Tensor | None = None
    place: Place | None = None
    stride: int = 1
    guide: Tensor | None = None
    map_size: tuple[int, int] | None = None
    disk: "Disk | None" = None

    @property
    def counted(self) -> tuple[slice, slice]:
        """Rows and columns of the activation that count."""
        return self.place.in_sight(self.stride) if self.place else EVERYWHERE

    @property
    def in_picture(self) -> tuple[slice, slice]:
        """Rows and columns of the same positions in the map of the whole picture."""
        return self.place.in_picture(self.stride) if self.place else EVERYWHERE

    @property
    def pixels(self) -> int:
        """Those of the picture that count here."""
        assert self.place is not None
        return self.place.pixels

    @once
    def V(self) -> Float[Tensor, "N_own M"]:  # noqa: N802
        """The activation at every position that counts, in the order of memory that it has."""
        x = self.activation
        if x.stride(1) != 1:
            return x[..., *self.counted].flatten(2).squeeze(0)
        if self.place and not self.place.is_whole:
            from impasto.gradients import Inner

            x = Inner.apply(x, *self.counted)  # type: ignore[no-untyped-call]
        return x.movedim(1, -1).flatten(0, 2).T

    def guided(self, weights: Float[Tensor, "h_l w_l"]) -> "Features":
        """The same with ``weights`` g, of all positions in the picture."""
        return replace(self, guide=weights[self.in_picture].flatten().clamp_min(0).sqrt().to(self.activation.dtype))

    @property
    def at_half_size(self) -> "Features":
        """Of a map of half the size, whose positions are means of 2 x 2, or of what is there of them at the end."""
        from torch.nn.functional import avg_pool2d

        halved = partial(avg_pool2d, kernel_size=2, ceil_mode=True)
        guide = self.guide
        if guide is not None:
            size = self.activation[..., *self.counted].shape[2:]
            guide = halved(guide.square().view(1, 1, *size)).flatten().sqrt()
        return replace(self, activation=halved(self.activation), stride=2 * self.stride, guide=guide)

    @property
    def positions(self) -> Any:
        """M; a number, or with a guide a scalar."""
        return self.V.shape[1] if self.guide is None else precise(self.guide).square().sum()

    @once
    def weighted(self) -> Float[Tensor, "N_own M"]:
        """√g_k V_k."""
        return self.V if self.guide is None else self.V * self.guide

    @once
    def read(self) -> Float[Tensor, "N M"]:
        """F, in the network's precision."""
        return self.V if self.readout is None else (self.V.T @ self.readout.T).T

    def placed(self, values: Float[Tensor, "N M"]) -> Part:
        """What was made of F, at the positions that count, as a part of a map of the whole picture."""
        height, width = self.activation.shape[2:] if self.map_size is None else self.map_size
        rows, columns = self.in_picture if self.place and not self.place.is_whole else EVERYWHERE
        shape = (len(range(*rows.indices(height))), len(range(*columns.indices(width))))
        return Part(values.T.reshape(*shape, -1).movedim(-1, 0), (rows, columns), (height, width), self.disk)

    def back_in_sight(self, of_map: Float[Tensor, "1 N_own h_l w_l"]) -> Float[Tensor, "1 N_own h w"]:
        """What came back to the map of the whole picture, at the positions of it that are seen here and count."""
        if self.place is None or self.place.is_whole:
            return of_map
        b, N, h, w = self.activation.shape
        found = of_map.new_zeros(b, h, w, N).movedim(-1, 1)
        found[..., *self.counted] = of_map[..., *self.in_picture]
        return found

    @once
    def matrix(self) -> Float[Tensor, "N M"]:
        """F, in float32 at least."""
        return precise(self.read)

    @once
    def moments(self) -> tuple[Float[Tensor, " N_own"], Float[Tensor, "N_own N_own"]]:
        """Σ_k V_k and V Vᵀ, in float32 at least: what they say of F is for a ``Readout`` to tell."""
        from impasto.gradients import FirstAndSecondMoment

        if self.guide is not None:
            return self.own_sum, precise(gram(self.weighted))
        total, G = FirstAndSecondMoment.apply(self.V)  # type: ignore[no-untyped-call]
        return total, precise(G)

    @once
    def sum(self) -> Float[Tensor, " N"]:
        """Σ_k F_ik, in float32 at least."""
        return Readout(self.readout).of(self.own_sum)

    @once
    def own_sum(self) -> Float[Tensor, " N_own"]:
        """Σ_k V_k, in float32 at least."""
        from impasto.gradients import total

        if self.guide is None:
            return total(self.V)
        return precise(self.weighted) @ precise(self.guide)

    @once
    def gram(self) -> Float[Tensor, "N N"]:
        """F Fᵀ (equation 3), multiplied in the network's precision."""
        return gram_of(self.weighted, self.readout)

    def samples(self, most: int) -> tuple[Float[Tensor, "N_own K"], Float[Tensor, " K"]]:
        """V, in float32 at least, at some positions of the whole picture, ``most`` at most and evenly spread, and their
        weights g: 0 both for those that are at another place."""
        import torch

        h, w = self.map_size or self.activation.shape[2:]
        (top, below, _), (left, right, _) = (
            counted.indices(size) for counted, size in zip(self.in_picture, (h, w), strict=True)
        )
        count = min(most, h * w)
        at = torch.arange(count, device=self.V.device) * (h * w) // count
        i, j = at // w - top, at % w - left
        height, width = below - top, right - left
        here = precise(((i >= 0) & (i < height) & (j >= 0) & (j < width)).to(self.V.dtype))
        of_V = i.clamp(0, height - 1) * width + j.clamp(0, width - 1)
        g = here if self.guide is None else here * precise(self.guide[of_V]).square()
        return precise(self.V.index_select(1, of_V)) * here, g


def gram_of(V: Float[Tensor, "N M"], R: Float[Tensor, "N_other N"] | None) -> Float[Tensor, "N_other N_other"]:
    """The Gram matrix of the features R V, as R (V Vᵀ) Rᵀ; without R, that of V."""
    return Readout(R).twice(precise(gram(V)))


def precise(x: Tensor) -> Tensor:
    """``x`` in float32, if it is of a lower precision: losses are small differences of large numbers."""
    return x.float() if x.itemsize < 4 else x
