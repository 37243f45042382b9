"""The facade: pictures and settings in, an iterator of steps out."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from typing import Any, Unpack

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from impasto.balance import Dial, content_distance
from impasto.colours import COLOURS
from impasto.content import CONTENT_LOSSES
from impasto.disk import Disk
from impasto.errors import LimitError, UsageError
from impasto.features import Place
from impasto.images.decoding import NamedBytes, Readable, read_origin
from impasto.images.files import Source, read, read_with_alpha
from impasto.images.joining import joined
from impasto.images.metadata import Origin
from impasto.images.picture import Picture
from impasto.images.resizing import resized, scaled, scaled_size
from impasto.images.sizes import MIN_SIDE
from impasto.images.transparency import there
from impasto.losses import laplacian, luminance, spectrum
from impasto.network.endless import Endless
from impasto.network.protocol import Network, by_its_name
from impasto.network.registry import cache as cache_of_networks
from impasto.network.registry import load_network
from impasto.network.vgg import VGG
from impasto.objective import TotalLoss, content_targets, style_targets
from impasto.paintings import roles, shares
from impasto.pyramid import ObjectivesAt, coarse_to_fine
from impasto.recipe import files_read, reading, recipe
from impasto.regions import Guides, Mask, Painted, Region, fitted, guides, mask_in, rest_of
from impasto.settings import Options, Settings, validated
from impasto.solver import LBFGS, Objective, Step, solver_of
from impasto.starts import STARTS, Canvas, start_from, with_clouds
from impasto.style import STYLE_LOSSES, StyleLoss
from impasto.tensors import free_memory, is_lack_of_memory
from impasto.terms import CELL, Content, Lines, Spectrum, Style, Term, Variation
from impasto.tiling import SIDES, WHOLE, Cut, InPlaces, Needs, Plan, bytes_of, planned
from impasto.views import (
    AlongEdgesOf,
    Continued,
    LeftAsItIs,
    Through,
    View,
    WithColoursOf,
    WithLabOf,
    as_it_is,
    grey,
    is_grey,
    smooth_chroma,
)

LINES_WEIGHT = 3e4
"""Of ``terms.Lines`` where ``keep_lines`` is 1."""

SPECTRUM_WEIGHT = 1e4
"""Of ``terms.Spectrum`` where ``spectrum_weight`` is 1."""

NOTHING = 1e-3
"""Part of a picture that regions may leave without anything being painted there."""

OnPart = Callable[[float], object]
"""Called, where a picture is looked at in places, after each with what part of an evaluation is done."""

OnStep = Callable[[Step], object]
"""Called with every step of a run; False stops it."""


Sources = Source | list[Source] | tuple[Source, ...]
"""One or several."""


def stylize(
    content: Source,
    style: Sources,
    settings: Settings | None = None,
    *,
    regions: Sequence[Region] = (),
    on_part: OnPart | None = None,
    **options: Unpack[Options],
) -> Iterator[Step]:
    """Paint the photograph ``content`` in the manner of the painting ``style``, or of several, step by step.

    Equation 7 is minimised (Gatys, Ecker and Bethge, arXiv 1508.06576). Options are the fields of ``Settings`` and
    ``strength``, by name or as ``settings``. Step 0 is the start; each step holds the picture so far, ``(1, 3, h, w)``
    in [0, 1], on the device of the run. ``regions`` are painted in the manner of paintings of their own, or not at all;
    the rest in that of ``style``. Of a transparent photograph what is there is painted, and steps and pictures have its
    alpha. ``on_part`` hears, of a picture that is looked at in places, how far an evaluation is. Pictures are read and
    the network is loaded at the call, so that whatever is wrong shows at once.

    Raises at the call UsageError for options that make no sense, InputError for a picture that cannot be read,
    LimitError for too large a one or where memory is lacking, WeightsError for a network that cannot be had; on the way
    LimitError where memory is lacking, DivergedError where the loss is not a number.
    """
    chosen = settings if settings and not options else validated(settings, **options)
    sources = {"content": content, **by_role(style), **of_regions(regions)}
    return _begin("stylize", chosen, sources, regions=regions, on_part=on_part)


def paint(
    content: Source,
    style: Sources,
    settings: Settings | None = None,
    *,
    regions: Sequence[Region] = (),
    on_step: OnStep | None = None,
    **options: Unpack[Options],
) -> Picture:
    """The picture of ``stylize``, of its best step. ``on_step`` is called with every step; where it returns False, that
    is the last. Raises what ``stylize`` raises."""
    return best_of(stylize(content, style, settings, regions=regions, **options), on_step)


def by_role(style: Sources) -> dict[str, Source]:
    """Paintings by what they are for: ``style``, ``style_2`` and so on. Raises UsageError where there is none."""
    if not isinstance(style, list | tuple):
        return {"style": style}
    if not style:
        raise UsageError("`style`: at least one painting is wanted")
    return roles(style)


def of_regions(regions: Sequence[Region]) -> dict[str, Source]:
    """The pictures of regions by what they are for: ``region_1_mask``, ``region_1_style``, ``region_1_style_mask``."""
    parts = ("mask", "style", "style_mask")
    found = {f"region_{n}_{part}": getattr(region, part) for n, region in enumerate(regions, 1) for part in parts}
    return {role: source for role, source in found.items() if source is not None}


class Painter:
    """The manner of a painting, or of several, for many photographs: the network is loaded, and they measured, once.

    ``style``, ``settings`` and options are those of ``stylize``, and raise what they raise there, at the call.
    """

    def __init__(self, style: Sources, settings: Settings | None = None, **options: Unpack[Options]) -> None:
        self.settings = validated(settings, **options)
        self.styles: dict[str, Source] = {role: named(role, held, one) for role, one in by_role(style).items()}
        without_threads_of_a_parent()
        with memory(), undisturbed():
            self.kept = Kept(self.settings)
            for role, one in self.styles.items():
                self.kept.with_alpha(role, one)

    def stylize(self, content: Source, *, regions: Sequence[Region] = ()) -> Iterator[Step]:
        """The steps to the photograph ``content`` in this manner, as ``impasto.stylize`` takes them."""
        sources = {"content": content, **self.styles, **of_regions(regions)}
        return _begin("stylize", self.settings, sources, kept=self.kept, regions=regions)

    def paint(self, content: Source, *, regions: Sequence[Region] = (), on_step: OnStep | None = None) -> Picture:
        """The picture of the best step, as ``impasto.paint`` gives it."""
        return best_of(self.stylize(content, regions=regions), on_step)

    def paint_many(self, contents: Iterable[Source]) -> Iterator[Picture]:
        """One picture after another, each painted when it is asked for."""
        return map(self.paint, contents)


def best_of(steps: Iterator[Step], on_step: OnStep | None = None) -> Picture:
    """The picture of the best of ``steps``, up to the one where ``on_step`` returns False."""
    best = next(steps)
    for step in chain([best], steps):
        best = step if step.best else best
        if on_step is not None and on_step(step) is False:
            break
    return best.picture


def reconstruct_content(
    content: Source, settings: Settings | None = None, *, on_part: OnPart | None = None, **options: Unpack[Options]
) -> Iterator[Step]:
    """Find the photograph again from what ``content_layers`` hold of it: L_content alone is minimised (equation 1).

    Figure 1 of the paper, content reconstructions. From white noise, unless ``init`` says otherwise; the rest as in
    ``stylize``.
    """
    return _begin("reconstruct content", reconstructing(settings, options), {"content": content}, on_part=on_part)


def reconstruct_style(
    style: Source, settings: Settings | None = None, *, on_part: OnPart | None = None, **options: Unpack[Options]
) -> Iterator[Step]:
    """Find a picture with the Gram matrices of ``style_layers`` that the painting has: L_style alone (equation 5).

    Figure 1 of the paper, style reconstructions, as large as the painting. From white noise, unless ``init`` says
    otherwise; the rest as in ``stylize``.
    """
    return _begin("reconstruct style", reconstructing(settings, options), {"style": style}, on_part=on_part)


def texture(
    style: Source,
    width: int,
    height: int,
    settings: Settings | None = None,
    *,
    on_part: OnPart | None = None,
    **options: Unpack[Options],
) -> Iterator[Step]:
    """New texture in the manner of ``style``, ``width`` x ``height`` px: L_style alone (equation 5), with the style
    loss and weights of ``stylize``, from faint noise unless ``init`` says otherwise.

    Gatys, Ecker and Bethge, *Texture Synthesis Using Convolutional Neural Networks* (arXiv 1505.07376), whose textures
    ``preset="paper", init="noise"`` makes. ``size`` is the long side at which the painting is read, and so says how
    coarse the texture is. Raises UsageError for a side of less than 16 px; the rest as in ``stylize``.
    """
    if min(width, height) < MIN_SIDE:
        raise UsageError(f"a texture of {width} x {height} px is too small: {MIN_SIDE} px is the least for a side")
    chosen = validated(settings or validated(init="faint"), **options)
    about: dict[str, Any] = {"width": width, "height": height}
    return _begin("texture", chosen, {"style": style}, (height, width), on_part=on_part, **about)


def reconstructing(settings: Settings | None, options: Mapping[str, Any]) -> Settings:
    """``settings`` with these options changed; without settings, the paper's from white noise, at one size."""
    return validated(settings or validated(preset="paper", init="noise", scales=1), **options)


def _begin(
    command: str,
    settings: Settings,
    sources: Mapping[str, Source],
    canvas: Canvas | None = None,
    kept: "Kept | None" = None,
    regions: Sequence[Region] = (),
    on_part: OnPart | None = None,
    **about: Any,
) -> Iterator[Step]:
    """The steps to a picture as large as ``canvas`` or the first of ``sources``: the photograph and the painting, by
    what they are for, or one of the two. ``command`` and what else is told ``about`` the run go into its recipe."""
    without_threads_of_a_parent()
    sources = {role: named(role, held, source) for role, source in sources.items()}
    with memory(), undisturbed():
        kept = kept or Kept(settings)
        prepared = _prepared(settings, sources, canvas, kept, regions, on_part)
    if regions:
        about["regions"] = [{"colour": region.colour} for region in regions]
    about |= {"size": [*prepared.start.shape[:1:-1]], "machine": kept.machine | prepared.plan.told}
    made_of = recipe(command, settings, files_read(settings, **sources), **about)
    return _steps(prepared, made_of=made_of, origin=origin_of(sources.get("content"), settings))


def origin_of(photograph: Source | None, settings: Settings) -> Origin | None:
    """What the photograph says of itself, where it is one that can."""
    if isinstance(photograph, Picture):
        return photograph.origin
    if photograph is None or isinstance(photograph, np.ndarray | Tensor):
        return None
    return read_origin(photograph, max_pixels=settings.max_pixels)


process = os.getpid()
"""Where torch's threads are, if there are any."""


def without_threads_of_a_parent() -> None:
    """In a forked process GNU's OpenMP waits without end for threads that are its parent's: one thread does without."""
    global process  # noqa: PLW0603
    if process != os.getpid():
        process = os.getpid()
        torch.set_num_threads(1)


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
        if at not in self.seen:
            self.seen[at] = style_targets(network, painting, layers, style_loss, guides, places)
        return self.seen[at]


def held(source: Source) -> Source:
    """``source``; of an open file what is left of it, so that it can be read twice, under the same name. Raises
    UsageError where it is open as text."""
    return NamedBytes.of(source) if isinstance(source, Readable) else source


@dataclass(frozen=True)
class Prepared:
    """What ``coarse_to_fine`` wants: the objectives, the ``start`` and the settings; the ``view`` of what the solver
    moves; the ``dial`` of β; the ``alpha`` of a transparent photograph; and how all this fits into memory."""

    objectives_at: ObjectivesAt
    start: Tensor
    settings: Settings
    view: View
    dial: Dial | None
    alpha: Tensor | None
    plan: Plan


def _prepared(
    settings: Settings,
    sources: Mapping[str, Source],
    canvas: Canvas | None,
    kept: Kept,
    regions: Sequence[Region] = (),
    on_part: OnPart | None = None,
) -> Prepared:
    refuse_nonsense(settings, sources, regions)
    device, network_in = kept.device, kept.network
    pictures, alphas = kept.pictures(sources)
    counted = {role: there(alpha) for role, alpha in alphas.items()}
    precisions = kept.precisions
    settings = with_names_of(network_in(precisions[0]), settings)
    masks = {role: pictures.pop(role) for role in list(pictures) if role.endswith("mask")}
    shares(settings.blend, settings.style_layers, sum(role.startswith("style") for role in pictures) or 1)
    if settings.tileable and "content" in pictures:
        pictures["content"] = joined(pictures["content"])
    height, width = canvas or next(iter(pictures.values())).shape[2:]
    plan = plan_of(
        settings, network_in(precisions[0]), height, width, device, maps=3.0 * len(pictures) - 3 + len(masks)
    )
    cut, disk = plan.cut, Disk(cache_of_networks()) if plan.on_disk else None
    if isinstance(solver := solver_of(settings.solver), LBFGS) and disk is not None:
        settings = settings.model_copy(update={"solver": replace(solver, disk=disk)})
    start, view = first_picture(settings, pictures, (height, width)).to(device), view_of(settings, pictures)
    whole = masks_at(height, width, regions, masks)
    if left := [mask for mask, region in zip(whole, regions, strict=True) if region.style is None]:
        view = LeftAsItIs(view, pictures["content"], torch.stack(left).amax(dim=0))
    if "content" in counted:
        view = Continued(view, counted["content"])
    pictures = coloured(settings, pictures, counted.get("content"))
    scored: View = grey if COLOURS[settings.colour].kept else as_it_is

    @cache
    def distance_at(height: int, width: int) -> Callable[[Tensor], float]:
        network, photograph = network_in(precisions[0]), resized(pictures["content"], height, width)
        layer, guide = next(iter(settings.content_layers)), None
        if "content" in counted:
            guide = guides(network, resized(counted["content"], height, width), [layer]).of_layer[layer]
        return content_distance(network, layer, photograph, guide)

    def distance(image: Tensor) -> float:
        return distance_at(*image.shape[2:])(scored(view(image)))

    has_both = "content" in pictures and len(pictures) > 1
    dial = Dial(distance, device) if settings.distance is not None and has_both else None
    multiple = 1.0 if dial is None else dial.multiple

    def objectives_at(factor: float) -> Iterator[Objective]:
        if device.type == "cuda":
            with torch.no_grad():
                view(scaled(start, factor))  # what views keep of a size is made here, and not while it is recorded
        sizes = {role: settings.size * (1.0 if role == "content" else settings.stroke_size) for role in pictures}
        small = {role: at_size(picture, sizes[role] * factor) for role, picture in pictures.items()}
        counts = {role: at_size(weight, sizes[role] * factor) for role, weight in counted.items()}
        for precision in precisions:
            photograph, paintings = small.get("content"), [of for role, of in small.items() if role.startswith("style")]
            painted = [] if photograph is None else painted_regions(regions, masks, small, counts)
            total = objective_of(
                *(settings, network_in(precision), photograph, paintings, multiple, kept.targets, painted, counts),
                cut=cut,
                disk=disk if factor == 1 else None,
            )
            if settings.spectrum_weight:
                spectra = spectrum_term(settings, paintings, *scaled_size(start, factor))
                total = replace(total, terms=[*total.terms, spectra])
            objective: Objective = InPlaces(total, cut, on_part, disk)
            for seen in (scored, view):
                objective = objective if seen is as_it_is else Through(objective, seen)
            yield objective

    return Prepared(objectives_at, start, settings, view, dial, alphas.get("content"), plan)


def foreseen(settings: Settings, width: int, height: int, pictures: int = 2) -> Plan:
    """How a run of so many pictures would fit into memory. Raises what ``stylize`` raises."""
    kept = Kept(settings)
    network = kept.network(kept.precisions[0])
    return plan_of(with_names_of(network, settings), network, height, width, kept.device, maps=3.0 * pictures - 3)


def plan_of(settings: Settings, network: Network, height: int, width: int, device: torch.device, maps: float) -> Plan:
    """How a run of this size fits into memory: what the settings allow of it, or nine tenths of what is free; on a GPU
    two fifths of that for an evaluation. Raises LimitError where it does not."""
    memory = settings.memory or round(0.9 * free_memory(device))
    layers = {**settings.content_layers, **settings.style_layers}
    history = getattr(solver_of(settings.solver), "history", 2)
    needs = Needs(network, layers, settings.content_layers, height, width, history, maps)
    if device.type != "cuda" or settings.tile != "auto":
        return planned(needs, memory, "off" if settings.tileable else settings.tile)
    if not isinstance(network, VGG) or settings.tileable:
        return Plan(None, False, memory)
    fitting = (side for side in (None, *SIDES) if bytes_of(network, needs.seen(side)) <= 0.4 * memory)
    return Plan(next(fitting, None), False, memory)


def refuse_nonsense(settings: Settings, sources: Mapping[str, Source], regions: Sequence[Region]) -> None:
    """Raise UsageError for settings that say nothing about such a run, or two things that do not go together."""
    usual = Settings()
    of_a_photograph, of_a_painting = ("keep_lines", "photoreal"), ("stroke_size", "spectrum_weight", "blend")
    has_painting = any(role.startswith("style") for role in sources)
    for names, given, what in (
        (of_a_photograph, "content" in sources, "photograph"),
        (of_a_painting, has_painting, "painting"),
    ):
        for name in names:
            if not given and getattr(settings, name) != getattr(usual, name):
                raise UsageError(f"`{name}` needs a {what}, and there is none")
    if settings.tileable and not isinstance(settings.network, str | VGG):
        raise UsageError(
            "`tileable` has to know how far a network sees: it goes with VGG and `lite`, not with your own"
        )
    if settings.tileable and settings.photoreal:
        raise UsageError("`photoreal` looks at the picture in windows that end at its edges: `tileable` does without")
    if regions and settings.spectrum_weight:
        raise UsageError("`spectrum_weight` is of whole pictures, and does not go with `regions`")
    if settings.carried != usual.carried and not regions:
        raise UsageError("`carried` says how masks are carried, and there are no `regions`")
    if settings.tileable and isinstance(settings.tile, int):
        raise UsageError("`tile` cuts pictures, and one whose edges join, as `tileable` asks for, is seen as a whole")
    if settings.photoreal and settings.keep_lines:
        raise UsageError("`photoreal` keeps every line of the photograph: `keep_lines` has nothing to do")


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


def coloured(settings: Settings, pictures: Mapping[str, Tensor], here: Mask | None = None) -> dict[str, Tensor]:
    """``pictures`` as they are looked at, with the colours that are asked for; of the photograph's those count that are
    ``here``. Raises UsageError where there is no photograph to have any from."""
    colours, photograph = COLOURS[settings.colour], pictures.get("content")
    if settings.colour == "painting":
        return dict(pictures)
    if photograph is None:
        raise UsageError(f"`colour`: '{settings.colour}' takes colours from a photograph, and there is none")
    pixels = photograph if here is None else photograph.flatten(2)[..., here.flatten() > 0].unsqueeze(2)
    paintings = {role: colours.painting(of, pixels) for role, of in pictures.items() if role != "content"}
    found = {"content": photograph, **paintings}
    return {role: grey(of) for role, of in found.items()} if colours.kept else found


def view_of(settings: Settings, pictures: Mapping[str, Tensor]) -> View:
    """What is scored and saved of the image that the solver moves."""
    smooth = partial(smooth_chroma, edges="circular") if settings.tileable else smooth_chroma
    view: View = smooth if settings.smooth_chroma else as_it_is
    kept = COLOURS[settings.colour].kept
    if kept in ("chroma", "lab") and "content" in pictures:
        view = WithLabOf(pictures["content"]) if kept == "lab" else WithColoursOf(pictures["content"])
    elif kept or (settings.keep_grey and all(map(is_grey, pictures.values()))):
        view = grey
    return AlongEdgesOf(view, pictures["content"]) if settings.photoreal else view


def at_size(picture: Float[Tensor, "1 c h w"], size: float) -> Float[Tensor, "1 c h2 w2"]:
    """``picture`` with a long side of ``size`` px, or as it is where it has no more."""
    return scaled(picture, min(1.0, size / max(picture.shape[2:])))


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
            guides(of_picture, rest_of([region.mask for region in regions]), settings.style_layers, settings.carried)
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
        counted = [] if mask is None else [guides(network, mask, layers, settings.carried).of_layer]
        for of, weight in style_losses_of(settings).items() if layers else ():
            target = targets(network, painting, layers, of, *counted)
            terms.append(Style(of, target, layers, beta * weight, multiple=multiple, guides=of_layer))
    return terms


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
    where = guides(of_picture, region.mask, settings.style_layers, settings.carried)
    alone = settings.model_copy(update={"blend": None})
    targets = partial(in_places, style_targets, cut)
    return style_terms(alone, network, [region.painting], multiple, targets, where, [region.of_painting])


def style_losses_of(settings: Settings) -> dict[StyleLoss, float]:
    """Those of a run, with their weights; what has a weight of 0 is left out."""
    return {
        STYLE_LOSSES[of] if isinstance(of, str) else of: weight for of, weight in settings.style_loss.items() if weight
    }


def picture(source: Source, settings: Settings) -> Float[Tensor, "1 3 h w"]:
    """The picture at the size of the run: its long side is ``settings.size`` px. Raises what ``read`` does."""
    return read(source, size=settings.size, max_pixels=settings.max_pixels)


def named(parameter: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What ``function`` gives; where it finds that its argument makes no sense, the error names the ``parameter``."""
    try:
        return function(*args, **options)
    except UsageError as error:
        raise UsageError(f"`{parameter}`: {error}") from error


def first_picture(settings: Settings, pictures: Mapping[str, Tensor], canvas: Canvas) -> Float[Tensor, "1 3 h w"]:
    """Where the solver starts, as large as ``canvas``: a start by its name, or a file, stretched to fit. Raises
    UsageError for a start from a picture that this run does not have, InputError for a file that cannot be read."""
    if settings.init in STARTS:
        return start_from(settings.init, pictures, canvas, settings.seed)
    return with_clouds(resized(read(settings.init, **reading(settings, "init")), *canvas), settings.seed)


def device_of(name: str) -> torch.device:
    """The device of that name; "auto" is the fastest there is. Raises UsageError for one that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, available in there.items() if available))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or not there.get(device.type, False):
        raise UsageError(
            f"`device`: '{name}' is not there; this machine has: {', '.join(d for d in there if there[d])}"
        )
    return device


def precisions_of(name: str, device: torch.device, network: str | Network = "lite") -> list[torch.dtype]:
    """The network's precision; "auto" is bfloat16 where ``device`` computes in it natively, and float32 where that
    finds no lower loss any more. Only of our own networks is it known that they paint as well in bfloat16."""
    if name == "auto":
        both = isinstance(network, str | VGG) and computes_bfloat16(device)
        return [torch.bfloat16, torch.float32] if both else [torch.float32]
    return [torch.float32 if name == "float32" else torch.bfloat16]


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: GPUs since Ampere, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # from torch 2.11 on
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


@contextmanager
def undisturbed() -> Iterator[None]:
    """With gradients and without autocast, whatever the caller has set for his own work."""
    with (
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


@contextmanager
def memory() -> Iterator[None]:
    """Lack of memory, however torch says it, becomes a LimitError that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_lack_of_memory(error):
            raise LimitError(
                "not enough memory for a picture of this size: choose a smaller `size`, or less `memory`"
            ) from error
        raise


def _steps(of: Prepared, *, made_of: Mapping[str, Any], origin: Origin | None) -> Iterator[Step]:
    settings, view, alpha = of.settings, of.view, of.alpha
    total = None if settings.steps == "auto" else settings.steps_in_all
    most: tuple[int, bool, float] | None = None
    course = coarse_to_fine(of.objectives_at, of.start, settings, of.dial)
    while True:
        with memory(), undisturbed():
            step = next(course, None)
            if step is None:
                return
            seen = view(step.image)
            image = seen.clone() if seen is step.image else seen  # whoever gets it may write into it
            if alpha is not None:
                image = image * (resized(alpha, *image.shape[2:]) > 0)
                step = replace(step, alpha=alpha.clone())
            best = most is None or step.merit >= most
            most = step.merit if best else most
            step = replace(step, image=image, total=total, best=best, recipe=made_of, origin=origin)
        yield step
