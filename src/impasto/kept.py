"""What the runs with the same settings have in common: networks, pictures that were read, and what was seen of them."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.assembly import network_of
from impasto.devices import device_of, precisions_of
from impasto.errors import named
from impasto.features import Place
from impasto.images.decoding import NamedBytes, Readable
from impasto.images.files import Source, read, read_with_alpha
from impasto.network.protocol import Network
from impasto.objective import style_targets
from impasto.recipe import reading
from impasto.settings import Settings
from impasto.style import StyleLoss

MOST_SEEN = 64
"""Targets that are kept: those of a painting at a size, by a network. Where colours are the photograph's, each
photograph has its own."""


class Kept:
    """What the runs with the same settings have in common: networks by precision, and what was seen of the painting."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.device = settings, device_of(settings.device)
        self.precisions = precisions_of(settings.precision, self.device, settings.network)
        self.network = cache(lambda precision: network_of(settings, self.device, precision))
        self.paintings: dict[str, tuple[Source, tuple[Tensor, Tensor | None]]] = {}
        self.seen: dict[Any, dict[str, Any]] = {}

    @property
    def machine(self) -> dict[str, Any]:
        """What the same settings may paint a little otherwise with: rounding differs."""
        if self.device.type == "cuda":
            kind = torch.cuda.get_device_name(self.device)
        else:
            kind = torch.backends.cpu.get_cpu_capability()
        precisions = [str(precision).removeprefix("torch.") for precision in self.precisions]
        return {"device": str(self.device), "kind": kind, "precision": precisions, "threads": torch.get_num_threads()}

    def pictures(self, sources: Mapping[str, Source]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Those of a run by what they are for; and the alpha of transparent ones, where a photograph is painted.
        Elsewhere these are over white."""
        is_painted = "content" in sources and len(sources) > 1
        found = {
            role: self.with_alpha(role, of) if is_painted else (self.picture(role, of), None)
            for role, of in sources.items()
        }
        alphas = {role: alpha for role, (_, alpha) in found.items() if alpha is not None}
        return {role: image for role, (image, _) in found.items()}, alphas

    def picture(self, role: str, source: Source) -> Float[Tensor, "1 3 h w"]:
        """A picture at the size of the run, and the run's own, over white; a mask at its own size."""
        image: Tensor = named(role, read, source, **reading(self.settings, role))
        return image.to(self.device, copy=True)

    def with_alpha(self, role: str, source: Source) -> tuple[Tensor, Tensor | None]:
        """The same, and its alpha where it is transparent; paintings are read once."""
        if role.endswith("mask"):
            return self.picture(role, source), None
        if role in self.paintings and self.paintings[role][0] is source:
            return self.paintings[role][1]
        image, alpha = named(role, read_with_alpha, source, **reading(self.settings, role))
        found = image.to(self.device, copy=True), None if alpha is None else alpha.to(self.device)
        if role != "content":
            self.paintings[role] = source, found
        return found

    def targets(
        self,
        network: Network,
        painting: Tensor,
        layers: Collection[str],
        style_loss: StyleLoss,
        guides: Mapping[str, Tensor] | None = None,
        places: Sequence[Place] = (),
    ) -> dict[str, Any]:
        """``style_targets``; a painting at one size is looked at once with each network and style loss."""
        pixels = [painting, *(guides or {}).values()]
        digests = tuple(hashlib.sha256(of.contiguous().cpu().numpy().data).digest() for of in pixels)
        at = id(network), digests, tuple(layers), id(style_loss)
        found = self.seen.pop(at, None)
        if found is None:
            found = style_targets(network, painting, layers, style_loss, guides, places)
        self.seen[at] = found  # the latest at the end
        for oldest in list(self.seen)[:-MOST_SEEN]:
            self.seen.pop(oldest, None)
        return found


def held(source: Source) -> Source:
    """``source``; of an open file what is left of it, so that it can be read twice, under the same name. Raises
    UsageError where it is open as text."""
    return NamedBytes.of(source) if isinstance(source, Readable) else source


def picture(source: Source, settings: Settings) -> Float[Tensor, "1 3 h w"]:
    """The picture at the size of the run: its long side is ``settings.size`` px. Raises what ``read`` does."""
    return read(source, size=settings.size, limits=settings.limits)
