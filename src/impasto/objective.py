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
        terms = self.terms(x)
        if not terms:
            return {}, torch.zeros_like(image)
        (gradient,) = torch.autograd.grad(total(terms.values()), x)
        return {name: float(term.detach()) for name, term in terms.items()}, gradient

    def terms(self, x: Float[Tensor, "1 3 h w"]) -> dict[str, Tensor]:
        """The weighted terms of equation 7, as scalars that autograd can follow."""
        alpha, beta = self.content_weight, self.style_weight
        per_size = PAPER_PIXELS / (x.shape[2] * x.shape[3])
        content = self.content_layers if alpha else {}
        style = self.style_layers if beta else {}
        activations = self.network(x, {*content, *style})
        F = {layer: activation.flatten(2).squeeze(0) for layer, activation in activations.items()}
        terms: dict[str, Tensor] = {}
        if content:
            L_content = total(
                w * content_loss(self.network.link(layer).read(F[layer]), self.content[layer])
                for layer, w in content.items()
            )
            terms["content"] = alpha * per_size * L_content
        if style:
            G = {layer: gram_of(self.network, layer, F[layer]) for layer in style}
            L_style = total(w * self.style[layer].loss(G[layer], F[layer].shape[1]) for layer, w in style.items())
            terms["style"] = beta * L_style
        if self.tv_weight:
            terms["tv"] = self.tv_weight * per_size * total_variation(x)
        return terms


def total(values: Iterable[Tensor]) -> Tensor:
    """Their sum."""
    return torch.stack(list(values)).sum()


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
    return gram(F) if R is None else R @ gram(F) @ R.T
