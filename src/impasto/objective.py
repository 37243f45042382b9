"""What is minimised: frozen targets and weights, and the value and gradient of the paper's total loss.

L_total(p, a, x) = α L_content(p, x) + β L_style(a, x)                             (equation 7)
L_style(a, x)    = Σ_l w_l E_l                                                     (equation 5)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.losses import content_loss, gram, style_loss, total_variation
from impasto.network.vgg import VGG

PAPER_PIXELS = 512 * 512
"""The size at which the content and total variation terms are those of the paper; see ``WholeImage``."""

Terms = dict[str, float]
"""The named terms of the loss, weighted: the loss is their sum."""


@runtime_checkable
class Objective(Protocol):
    """Anything that can be minimised over an image."""

    def value_and_gradient(self, image: Float[Tensor, "1 3 h w"]) -> tuple[Terms, Float[Tensor, "1 3 h w"]]:
        """The weighted terms, whose sum is the loss, and the gradient of that sum with respect to ``image``."""
        ...


@dataclass(frozen=True)
class StyleTarget:
    """What one layer should show: the painting's Gram matrix A ``(N, N)``, summed over M_a positions."""

    A: Tensor
    M_a: int

    def loss(self, G: Float[Tensor, "N N"], M: int) -> Float[Tensor, ""]:
        """E_l of an image's Gram matrix, summed over M positions."""
        return style_loss(G, self.A, M, self.M_a)


@dataclass(frozen=True)
class WholeImage:
    """The paper's objective, computed over the whole image at once.

    ``content`` holds P for each content layer and ``style`` the painting's Gram matrices; ``content_layers`` and
    ``style_layers`` hold w_l; ``content_weight`` is α and ``style_weight`` is β. A term without layers, or of weight 0,
    is left out.

    Departures from the paper. Sums over pixels are taken per 512 x 512 pixels: L_content and the total variation of an
    h x w image are multiplied by 512² / (h w), so that α/β means at every size what it means in the paper at
    512 x 512. (E_l is a mean over positions already.) Several content layers are allowed: L_content =
    Σ_l w_l L_content^l. A total variation term exists, and is off unless ``tv_weight`` says otherwise.
    """

    network: VGG
    content: Mapping[str, Tensor]
    style: Mapping[str, StyleTarget]
    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    content_weight: float
    style_weight: float
    tv_weight: float = 0.0

    def value_and_gradient(self, image: Float[Tensor, "1 3 h w"]) -> tuple[Terms, Float[Tensor, "1 3 h w"]]:
        x = image.detach().requires_grad_(True)
        terms, gradient = self._through_the_network(x) if self.layers else ({}, torch.zeros_like(image))
        if self.tv_weight:
            variation = self.tv_weight * area_factor(x) * total_variation(x)
            terms["tv"] = float(variation.detach())
            gradient = gradient + torch.autograd.grad(variation, x)[0]
        return terms, gradient

    @property
    def layers(self) -> set[str]:
        """Those that a term of some weight needs."""
        return {
            *(self.content_layers if self.content_weight else ()),
            *(self.style_layers if self.style_weight else ()),
        }

    def losses(self, layer: str, F: Float[Tensor, "N M"], area: float) -> dict[str, Tensor]:
        """What one layer adds to the terms of equation 7, from its activations F."""
        losses = {}
        if self.content_weight and layer in self.content_layers:
            L_content = content_loss(precise(self.network.link(layer).read(F)), precise(self.content[layer]))
            losses["content"] = self.content_weight * area * self.content_layers[layer] * L_content
        if self.style_weight and layer in self.style_layers:
            E = self.style[layer].loss(gram_of(self.network, layer, F), F.shape[1])
            losses["style"] = self.style_weight * self.style_layers[layer] * E
        return losses

    def _through_the_network(self, x: Float[Tensor, "1 3 h w"]) -> tuple[Terms, Float[Tensor, "1 3 h w"]]:
        """The terms that need the network, and their gradient.

        Every layer's loss is differentiated on its own, and joins the gradient that comes from deeper layers when that
        gets there: a layer's activations and their gradient, large at the low layers, are never there at once with all
        others'.
        """
        activations = self.network(x, self.layers)
        seen = {layer: activation.detach().requires_grad_(True) for layer, activation in activations.items()}
        losses = {
            layer: self.losses(layer, activation.flatten(2).squeeze(0), area_factor(x))
            for layer, activation in seen.items()
        }
        terms: Terms = {}
        for of_layer in losses.values():
            for name, loss in of_layer.items():
                terms[name] = terms.get(name, 0.0) + float(loss.detach())

        def own_gradient(layer: str) -> Tensor:
            gradient: Tensor = torch.autograd.grad(list(losses.pop(layer).values()), seen.pop(layer))[0]
            return gradient

        *others, deepest = activations
        for layer in others:
            activations.pop(layer).register_hook(lambda deeper, layer=layer: own_gradient(layer).add_(deeper))
        (gradient,) = torch.autograd.grad(activations.pop(deepest), x, own_gradient(deepest))
        return terms, gradient


def area_factor(x: Float[Tensor, "1 3 h w"]) -> float:
    """What sums over pixels are multiplied by, to be those of a picture of 512 x 512."""
    return PAPER_PIXELS / (x.shape[2] * x.shape[3])


@torch.no_grad()
def content_targets(network: VGG, photograph: Float[Tensor, "1 3 h w"], layers: Iterable[str]) -> dict[str, Tensor]:
    """P: the photograph's features ``{layer: (N_l, M_l)}``."""
    return network.features(photograph, set(layers))


@torch.no_grad()
def style_targets(network: VGG, painting: Float[Tensor, "1 3 h w"], layers: Iterable[str]) -> dict[str, StyleTarget]:
    """A: the painting's Gram matrices ``{layer: (N_l, N_l)}``, with the number of positions each was summed over."""
    targets = {}
    for layer, activation in network(painting, set(layers)).items():
        F = activation.flatten(2).squeeze(0)
        targets[layer] = StyleTarget(gram_of(network, layer, F), F.shape[1])
    return targets


def gram_of(network: VGG, layer: str, F: Float[Tensor, "N M"]) -> Float[Tensor, "N_other N_other"]:
    """The Gram matrix of the features R F as R (F Fᵀ) Rᵀ: R F itself, large at the low layers, is never made."""
    R = network.link(layer).readout
    G = precise(gram(F))
    return G if R is None else precise(R) @ G @ precise(R).T


def precise(x: Tensor) -> Tensor:
    """``x`` in float32, if it is of a lower precision: losses are small differences of large numbers."""
    return x.float() if x.itemsize < torch.float32.itemsize else x
