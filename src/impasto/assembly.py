"""What settings ask for, put together: the network, and the objective with its terms (equation 7)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from impasto.content import CONTENT_LOSSES
from impasto.disk import Disk
from impasto.errors import UsageError, named
from impasto.losses import laplacian, luminance, spectrum
from impasto.network.endless import Endless
from impasto.network.protocol import Network, by_its_name
from impasto.network.registry import load_network
from impasto.network.vgg import VGG
from impasto.objective import TotalLoss, content_targets, style_targets
from impasto.paintings import roles, shares
from impasto.regions import Guides, Mask, Painted, Region, fitted, guides, mask_in, rest_of
from impasto.settings import Settings
from impasto.style import EXCESS, STYLE_LOSSES, StyleLoss
from impasto.terms import CELL, PIXELS, Content, Lines, Spectrum, Style, Term, Variation
from impasto.tiling import WHOLE, Cut

LINES_WEIGHT = 3e4
"""Of ``terms.Lines`` where ``keep_lines`` is 1."""


SPECTRUM_WEIGHT = 1e4
"""Of ``terms.Spectrum`` where ``spectrum_weight`` is 1."""


NOTHING = 1e-3
"""Part of a picture that regions may leave without anything being painted there."""


def masks_at(height: int, width: int, regions: Sequence[Region], masks: Mapping[str, Tensor]) -> list[Mask]:
    """The masks of ``regions`` at this size. Raises UsageError for what is no mask of such a picture."""

    def mask_of(mask: Tensor, colour: str | None) -> Mask:
        return fitted(mask_in(mask, colour), height, width)

    roles_of_masks = (f"region_{n}_mask" for n in range(1, len(regions) + 1))
    return [named(role, mask_of, masks[role], of.colour) for role, of in zip(roles_of_masks, regions, strict=True)]


def painted_regions(
    regions: Sequence[Region], masks: Mapping[str, Tensor], pictures: Mapping[str, Tensor], counts: Mapping[str, Mask]
) -> list[Painted]:
    """``regions`` at one size, that of ``pictures``, where these count: those of transparent ones not everywhere. What
    is transparent of the photograph is a region that is left as it is."""
    found, here = [], counts.get("content")
    height, width = pictures["content"].shape[2:]
    for n, mask in enumerate(masks_at(height, width, regions, masks), 1):
        painting, of_painting = pictures.get(f"region_{n}_style"), masks.get(f"region_{n}_style_mask")
        if painting is not None and of_painting is not None:
            of_painting = named(f"region_{n}_style_mask", fitted, mask_in(of_painting), *painting.shape[2:])
        of_painting = both(of_painting, counts.get(f"region_{n}_style"))
        region = mask if here is None else mask * here
        found.append(Painted(region, painting if region.any() else None, of_painting))
    return found if here is None else [*found, Painted(1 - here)]


def both(mask: Mask | None, other: Mask | None) -> Mask | None:
    """What two masks have, or the one that there is."""
    return mask if other is None else other if mask is None else mask * other


def network_of(
    settings: Settings, device: torch.device | None = None, precision: torch.dtype = torch.float32
) -> Network:
    """The network of a run: the one of that name, or a copy of the caller's own, so that his stays as it is."""
    network = settings.network
    if settings.weights is not None and not isinstance(network, str):
        raise UsageError("`weights` are for a network that is named; a network of your own has its own")
    if isinstance(network, str):
        network = load_network(network, weights=settings.weights, pooling=settings.pooling, edges=settings.edges)
    elif isinstance(network, nn.Module):
        network = deepcopy(network).requires_grad_(False).eval()
        if isinstance(network, VGG):
            network.edges = settings.edges
    if isinstance(network, VGG) and device is not None and device.type == "cuda":
        network = network.widened()
    if isinstance(network, nn.Module):
        network = network.to(device, precision)
    assert isinstance(network, Network)
    return network


def with_names_of(network: Network, settings: Settings) -> Settings:
    """``settings`` with the network's own names of its layers. Raises UsageError for one that it does not have."""
    names = "content_layers", "style_layers"
    layers = {name: named(name, by_its_name, getattr(settings, name), network) for name in names}
    return settings.model_copy(update=layers)


def objective_of(  # noqa: PLR0913
    settings: Settings,
    network: Network,
    photograph: Tensor | None = None,
    painting: Tensor | Sequence[Tensor] | None = None,
    multiple: float | Tensor = 1.0,
    targets: Callable[..., dict[str, Any]] = style_targets,
    regions: Sequence[Painted] = (),
    counts: Mapping[str, Mask] = {},
    *,
    cut: Cut = WHOLE,
    disk: Disk | None = None,
) -> TotalLoss:
    """The objective for a photograph and a painting, or several; without one of the two, or with a weight of 0, its
    term is left out. β is that of the settings times ``multiple``; ``targets`` are a painting's, as ``style_targets``
    finds them. ``regions`` have paintings of their own, or are left as they are; ``painting`` is that of the rest.
    ``counts`` is what is there of transparent pictures, by what they are for. Pictures are looked at as they are
    ``cut``, and maps of features may lie on a ``disk``."""
    targets = partial(in_places, targets, cut)
    paintings = [painting] if isinstance(painting, Tensor) else painting or []
    edges, of_picture = "replicate", network
    if settings.tileable:
        assert isinstance(network, VGG)
        edges, of_picture = "circular", Endless(network)
    terms: list[Term] = []
    if photograph is not None and settings.content_weight:
        terms.append(content_term(settings, of_picture, photograph, counts.get("content"), cut, disk))
    if paintings and settings.style_weight:
        rest = (
            guides(of_picture, rest_of([region.mask for region in regions]), guided(settings), settings.carried)
            if regions
            else None
        )
        if rest is None or rest.part > NOTHING:
            of_paintings = [counts.get(role) for role in roles(paintings)]
            terms += style_terms(settings, network, paintings, multiple, targets, rest, of_paintings)
        terms += [
            term
            for region in regions
            if region.painting is not None
            for term in style_terms_of_region(settings, network, of_picture, region, multiple, cut)
        ]
    if photograph is not None and settings.keep_lines:
        target = laplacian(photograph, CELL, edges)
        terms.append(Lines(target, LINES_WEIGHT * settings.keep_lines, edges=edges))
    if settings.tv_weight:
        terms.append(Variation(settings.tv_weight, edges=edges))
    return TotalLoss(of_picture, terms)


def in_places(
    targets: Callable[..., dict[str, Any]],
    cut: Cut,
    network: Network,
    painting: Tensor,
    layers: Collection[str],
    style_loss: StyleLoss,
    guides: Mapping[str, Tensor] | None = None,
) -> dict[str, Any]:
    """``targets`` of a painting that is looked at as it is ``cut``."""
    return targets(network, painting, layers, style_loss, guides, cut.places(network, layers, *painting.shape[2:]))


def spectrum_term(settings: Settings, paintings: Sequence[Tensor], height: int, width: int) -> Spectrum:
    """That of paintings, on average, for a picture of this size."""
    powers = torch.stack([spectrum(luminance(of), height, width).square() for of in paintings])
    return Spectrum(powers.mean(dim=0).sqrt(), SPECTRUM_WEIGHT * settings.spectrum_weight)


def content_term(
    settings: Settings,
    network: Network,
    photograph: Tensor,
    here: Mask | None = None,
    cut: Cut = WHOLE,
    disk: Disk | None = None,
) -> Content:
    """That of a photograph, of which perhaps not all is ``here``."""
    layers, of = settings.content_layers, settings.content_loss
    of = CONTENT_LOSSES[of] if isinstance(of, str) else of
    inside = None if here is None else guides(network, here, layers).of_layer
    places = cut.places(network, layers, *photograph.shape[2:])
    targets = content_targets(network, photograph, layers, of, inside, places, disk)
    return Content(targets, layers, settings.content_weight, of, guides=inside)


def style_terms(
    settings: Settings,
    network: Network,
    paintings: Sequence[Tensor],
    multiple: float | Tensor = 1.0,
    targets: Callable[..., dict[str, Any]] = style_targets,
    where: Guides | None = None,
    of_paintings: Sequence[Mask | None] = (),
) -> list[Style]:
    """One for each painting and style loss; where only a region counts, as strong for each of its pixels. A painting
    may have a mask of what counts of it."""
    layers_of = shares(settings.blend, settings.style_layers, len(paintings))
    of_layer, beta = (None, settings.beta) if where is None else (where.of_layer, settings.beta * where.part)
    terms = []
    for painting, layers, mask in zip(paintings, layers_of, of_paintings or [None] * len(paintings), strict=True):
        counted = [] if mask is None else [guides(network, mask, guided(settings), settings.carried).of_layer]
        for of, weight in style_losses_of(settings).items() if layers else ():
            target = targets(network, painting, layers, of, *counted)
            terms.append(Style(of, target, layers, beta * weight, multiple=multiple, guides=of_layer))
        if pixels := pixels_of(settings, layers):
            target = targets(network, painting, pixels, EXCESS["replicate"], *counted)
            of, weight = EXCESS["circular" if settings.tileable else "replicate"], settings.excess_weight
            terms.append(Style(of, target, pixels, beta * weight, "excess", multiple, of_layer))
    return terms


def guided(settings: Settings) -> list[str]:
    """What a region's mask is carried to."""
    return [*settings.style_layers, *([PIXELS] if settings.excess_weight else [])]


def pixels_of(settings: Settings, layers: Mapping[str, float]) -> dict[str, float]:
    """How much a painting that counts so much in these ``layers`` counts for the pixels: as in the finest one."""
    finest, whole = next(iter(settings.style_layers.items()))
    part = layers.get(finest, 0.0) / whole if whole else 0.0
    return {PIXELS: part} if part and settings.excess_weight else {}


def style_terms_of_region(
    settings: Settings,
    network: Network,
    of_picture: Network,
    region: Painted,
    multiple: float | Tensor = 1.0,
    cut: Cut = WHOLE,
) -> list[Style]:
    """Those of a region's own painting, which ``network`` sees; ``of_picture`` is the one that sees the picture."""
    assert region.painting is not None
    where = guides(of_picture, region.mask, guided(settings), settings.carried)
    alone = settings.model_copy(update={"blend": None})
    targets = partial(in_places, style_targets, cut)
    return style_terms(alone, network, [region.painting], multiple, targets, where, [region.of_painting])


def style_losses_of(settings: Settings) -> dict[StyleLoss, float]:
    """Those of a run, with their weights; what has a weight of 0 is left out."""
    return {
        STYLE_LOSSES[of] if isinstance(of, str) else of: weight for of, weight in settings.style_loss.items() if weight
    }
