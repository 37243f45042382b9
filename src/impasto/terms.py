"""The terms of equation 7, all of one shape: a statistic that adds up over places, and a loss of the sum.

A term looks at some layers of the network, or at the picture itself, which is layer ``PIXELS``. Of every place of a
picture it takes a statistic; the loss is one of the statistics' sum. The whole picture is the case of one place.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float

from impasto.content import CONTENT_LOSSES, ContentLoss
from impasto.features import Features
from impasto.losses import PAPER_PIXELS, laplacian, luminance, spectrum_loss, total_variation
from impasto.style import StyleLoss, Sums
from impasto.tensors import Tensor

PIXELS = "pixels"
"""The picture itself, for terms that look at no layer of the network."""


@runtime_checkable
class Term(Protocol):
    """A part of the loss."""

    @property
    def name(self) -> str:
        """Under which its loss is told."""
        ...

    @property
    def layers(self) -> Mapping[str, float]:
        """Layers with their weights w_l."""
        ...

    def statistic(self, layer: str, F: Features, /) -> Sums:
        """Tensors and numbers that add up over places. F is what is seen at one of them."""
        ...

    def loss(self, layer: str, sums: Any, /) -> Tensor:
        """The weighted loss, a scalar, of one layer's sums over all places."""
        ...


@dataclass(frozen=True)
class Of:
    """What ``term`` says of some of its layers."""

    term: Term
    layers: Mapping[str, float]

    @property
    def name(self) -> str:
        return self.term.name

    def statistic(self, layer: str, F: Features) -> Sums:
        return self.term.statistic(layer, F)

    def loss(self, layer: str, sums: Any) -> Tensor:
        return self.term.loss(layer, sums)


def of(terms: Iterable[Term], layers: Collection[str]) -> list[Term]:
    """What ``terms`` say of these layers; those that say nothing of them are left out."""
    parts = [Of(term, {layer: w for layer, w in term.layers.items() if layer in layers}) for term in terms]
    return [part for part in parts if part.layers]


@dataclass(frozen=True)
class Content:
    """α Σ_l w_l L_content^l (equation 1, or another content loss), per 512 x 512 pixels; the paper has one layer.

    ``targets`` are what the content loss keeps of the photograph in each layer: the paper's P ``(N_l, h_l, w_l)``.
    ``guides`` weigh the positions, as in ``Style``.
    """

    targets: Mapping[str, Any]
    layers: Mapping[str, float]
    weight: float
    of: ContentLoss = CONTENT_LOSSES["features"]
    name: str = "content"
    guides: Mapping[str, Tensor] | None = None

    def statistic(self, layer: str, F: Features) -> Sums:
        F = F if self.guides is None else F.guided(self.guides[layer])
        return self.of.compared(F, self.targets[layer])

    def loss(self, layer: str, sums: Any) -> Float[Tensor, ""]:
        return self.weight * self.layers[layer] * self.of.total(sums, self.targets[layer])


@dataclass(frozen=True)
class Style:
    """β Σ_l w_l E_l (equation 5), with E_l of equation 4 or another style loss.

    ``targets`` are the painting's sums in each layer, or what the style loss makes of them. β is ``weight`` times
    ``multiple``, which may be changed while the picture is painted: see ``balance.py``. ``guides`` weigh the positions
    of each layer, ``(h_l, w_l)``, where only a region counts.
    """

    of: StyleLoss
    targets: Mapping[str, Any]
    layers: Mapping[str, float]
    weight: float
    name: str = "style"
    multiple: float | Tensor = 1.0
    guides: Mapping[str, Tensor] | None = None

    def statistic(self, layer: str, F: Features) -> Sums:
        return self.of.statistic(F if self.guides is None else F.guided(self.guides[layer]))

    def loss(self, layer: str, sums: Any) -> Float[Tensor, ""]:
        weighted: Tensor = self.weight * self.layers[layer] * self.of.loss(sums, self.targets[layer])
        return weighted * self.multiple


class OfPixels:
    """What terms have in common that are sums over the picture itself: a weight, per 512 x 512 pixels."""

    weight: float

    @property
    def layers(self) -> Mapping[str, float]:
        return {PIXELS: 1.0}

    def loss(self, layer: str, sums: Any) -> Float[Tensor, ""]:  # noqa: ARG002
        total, pixels = sums
        return self.weight * (PAPER_PIXELS / pixels) * total  # type: ignore[no-any-return]


CELL = 4
"""px, of the cells in which lines are looked for. They fit into places, which begin on multiples of 16."""


@dataclass(frozen=True)
class Lines(OfPixels):
    """½ Σ (D − D_p)², D the Laplacian of the picture and D_p that of the photograph, per 512 x 512 pixels: keeps the
    fine lines of faces and letters. Not in the paper; see ``losses.laplacian``. ``target`` is D_p ``(1, 1, h_c, w_c)``.
    ``edges`` say what is beyond them.
    """

    target: Tensor
    weight: float
    name: str = "lines"
    edges: str = "replicate"

    def statistic(self, layer: str, F: Features) -> Sums:  # noqa: ARG002
        cells = replace(F, stride=CELL)
        difference = (
            laplacian(F.activation, CELL, self.edges)[..., *cells.counted] - self.target[..., *cells.in_picture]
        )
        return difference.square().sum() / 2, F.pixels


@dataclass(frozen=True)
class Variation(OfPixels):
    """The total variation, per 512 x 512 pixels. Not in the paper. ``edges`` say what is beyond them."""

    weight: float
    name: str = "tv"
    edges: str = "replicate"

    def statistic(self, layer: str, F: Features) -> Sums:  # noqa: ARG002
        return total_variation(F.activation, F.counted, self.edges), F.pixels


@dataclass(frozen=True)
class Temporal(OfPixels):
    """½ Σ c (x − w)², per 512 x 512 pixels: keeps a frame of a film as ``target``, w ``(1, 3, h, w)``, is, which is the
    frame before it where that has moved to. ``guide``, c ``(1, 1, h, w)``, is 0 where that cannot be known. Ruder,
    Dosovitskiy and Brox, *Artistic style transfer for videos* (arXiv 1604.08610), L_temporal; not in the paper.
    """

    target: Tensor
    guide: Tensor
    weight: float
    name: str = "temporal"

    def statistic(self, layer: str, F: Features) -> Sums:  # noqa: ARG002
        w, c = (of[..., *F.in_picture] for of in (self.target, self.guide))
        return (c * (F.activation[..., *F.counted] - w).square()).sum() / 2, F.pixels


@dataclass(frozen=True)
class Spectrum(OfPixels):
    """How far the picture's amplitudes are from a painting's, ``target``, per 512 x 512 pixels: see
    ``losses.spectrum_loss``. Not in the paper. A place's statistic is its luminance, with 0 around it."""

    target: Tensor
    weight: float
    name: str = "spectrum"

    def statistic(self, layer: str, F: Features) -> Sums:  # noqa: ARG002
        Y = luminance(F.activation)[..., *F.counted]
        if F.map_size is None:
            return Y, F.pixels
        whole = Y.new_zeros(1, 1, *F.map_size)
        whole[..., *F.in_picture] = Y
        return whole, F.pixels

    def loss(self, layer: str, sums: Any) -> Float[Tensor, ""]:
        Y, pixels = sums
        return super().loss(layer, (spectrum_loss(Y, self.target), pixels))
