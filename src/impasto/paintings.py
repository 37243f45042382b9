"""Several paintings: how much each counts in each layer."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from impasto.errors import UsageError

Thing = TypeVar("Thing")


def roles(paintings: Sequence[Thing]) -> dict[str, Thing]:
    """Each by what it is for: ``style``, ``style_2``, ``style_3``."""
    return {"style" if n == 1 else f"style_{n}": painting for n, painting in enumerate(paintings, 1)}


def shares(blend: Sequence[float | str] | None, layers: Mapping[str, float], count: int) -> list[dict[str, float]]:
    """w_l of ``count`` paintings: those of ``layers``, divided among them as ``blend`` says. Layers in which one does
    not count are left out.

    The first half of the layers, of five two, are fine, the others coarse. Minimising Σ_k b_k of the style losses
    blends what they compare: the minimum is at the mean of Gram matrices, at the barycentre of normal distributions.
    Raises UsageError where ``blend`` has another number of parts, or a layer is left without a painting.
    """
    parts = [1.0] * count if blend is None else list(blend)
    if len(parts) != count:
        raise UsageError(f"`blend`: {len(parts)} parts are said, and the paintings are {count}")
    found: list[dict[str, float]] = [{} for _ in parts]
    for n, (layer, weight) in enumerate(layers.items()):
        kind = "fine" if n < len(layers) // 2 else "coarse"
        here = [float(part == kind) if isinstance(part, str) else part for part in parts]
        if sum(here) == 0:
            raise UsageError(f"`blend`: no painting is left for {layer}, one of the {kind} layers")
        for of_painting, share in zip(found, here, strict=True):
            if share:
                of_painting[layer] = weight * share / sum(here)
    return found
