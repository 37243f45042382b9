"""All that a run needs before its first step: pictures, masks, views, objectives, and a plan that memory allows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.assembly import masks_at, objective_of, painted_regions, spectrum_term, with_names_of
from impasto.balance import Dial, content_distance
from impasto.colours import COLOURS
from impasto.disk import Disk
from impasto.errors import UsageError
from impasto.images.files import Source, read
from impasto.images.joining import joined
from impasto.images.resizing import resized, scaled, scaled_size
from impasto.images.transparency import there
from impasto.kept import Kept
from impasto.network.protocol import Network
from impasto.network.registry import cache as cache_of_networks
from impasto.network.vgg import VGG
from impasto.paintings import shares
from impasto.pyramid import ObjectivesAt
from impasto.recipe import reading
from impasto.regions import Mask, Region, guides
from impasto.settings import Settings
from impasto.solver import LBFGS, Annealed, Objective, solver_of
from impasto.starts import STARTS, Canvas, start_from, with_clouds
from impasto.tensors import free_memory, space_left
from impasto.terms import Temporal, Term
from impasto.tiling import COMPILED, PROGRAM, SIDES, Cut, InPlaces, Needs, Plan, bytes_of, planned
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

OnPart = Callable[[float], object]
"""Called, where a picture is looked at in places, after each with what part of an evaluation is done."""


@dataclass(frozen=True)
class Prepared:
    """What ``CoarseToFine`` wants: the objectives, the ``start`` and the settings; the ``view`` of what the solver
    moves; the ``dial`` of β; the ``alpha`` of a transparent photograph; and how all this fits into memory, with a
    ``disk``."""

    objectives_at: ObjectivesAt
    start: Tensor
    settings: Settings
    view: View
    dial: Dial | None
    alpha: Tensor | None
    plan: Plan
    disk: Disk | None = None


@dataclass(frozen=True)
class Before:
    """What a frame of a film goes on from: ``picture`` ``(1, 3, h, w)``, with which it begins and to which it is held,
    with ``weight``, where ``guide`` ``(1, 1, h, w)`` counts. It takes so many ``steps``, at its full size alone, with
    the β of the settings times ``multiple``."""

    picture: Tensor
    guide: Tensor
    weight: float
    steps: int
    multiple: float = 1.0

    def settings_of(self, settings: Settings) -> Settings:
        """What ``settings`` are for such a frame: with all its steps at any size. A solver that is annealed begins with
        steps too large for a picture that is nearly done: L-BFGS takes its place."""
        alone = {"scales": 1, "full_steps_to": settings.size}
        solver = "lbfgs" if isinstance(solver_of(settings.solver), Annealed) else settings.solver
        return settings.model_copy(update={**alone, "steps": self.steps, "solver": solver})

    def term(self, device: torch.device) -> Temporal:
        """What holds it there."""
        return Temporal(self.picture.to(device), self.guide.to(device), self.weight)


def prepared(
    settings: Settings,
    sources: Mapping[str, Source],
    canvas: Canvas | None,
    kept: Kept,
    regions: Sequence[Region] = (),
    on_part: OnPart | None = None,
    plan: Plan | None = None,
    before: Before | None = None,
) -> Prepared:
    """What a run from ``sources`` wants, pictures by what they are for, by a ``plan`` that there may be already. Raises
    what ``stylize`` raises at the call."""
    refuse_nonsense(settings, sources, regions)
    settings = settings if before is None else before.settings_of(settings)
    device, network_in, precisions = kept.device, kept.network, kept.precisions
    pictures, alphas = kept.pictures(sources)
    counted = {role: there(alpha) for role, alpha in alphas.items()}
    settings = with_names_of(network_in(precisions[0]), settings)
    masks = {role: pictures.pop(role) for role in list(pictures) if role.endswith("mask")}
    shares(settings.blend, settings.style_layers, sum(role.startswith("style") for role in pictures) or 1)
    if settings.tileable and "content" in pictures:
        pictures["content"] = joined(pictures["content"])
    height, width = canvas or next(iter(pictures.values())).shape[2:]
    network, maps = network_in(precisions[0]), maps_of([*pictures, *masks])
    plan = plan or plan_of(settings, network, height, width, device, maps, len(regions))
    if isinstance(network, VGG):
        network.sparing = plan.scarce
    disk = Disk(cache_of_networks()) if plan.on_disk else None
    if isinstance(solver := solver_of(settings.solver), LBFGS) and disk is not None:
        settings = settings.model_copy(update={"solver": replace(solver, disk=disk)})
    start, view = first_picture(settings, pictures, (height, width), before).to(device), view_of(settings, pictures)
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
    dial = Dial(distance, device) if settings.distance is not None and has_both and before is None else None
    multiple = dial.multiple if dial is not None else 1.0 if before is None else before.multiple

    def objectives_at(factor: float) -> Iterator[Objective]:
        if device.type == "cuda":
            with torch.no_grad():
                view(scaled(start, factor))  # what views keep of a size is made here, and not while it is recorded
        small, counts = (at_factor(factor, settings, of, "content" in pictures) for of in (pictures, counted))
        cut = Cut(plan.sides[settings.factors.index(factor)])
        for precision in precisions:
            photograph, paintings = small.get("content"), [of for role, of in small.items() if role.startswith("style")]
            painted = [] if photograph is None else painted_regions(regions, masks, small, counts)
            total = objective_of(
                *(settings, network_in(precision), photograph, paintings, multiple, kept.targets, painted, counts),
                cut=cut,
                disk=disk,
            )
            more = further_terms(settings, paintings, scaled_size(start, factor), before)
            total = replace(total, terms=[*total.terms, *more])
            objective: Objective = InPlaces(total, cut, on_part, disk)
            for seen in (scored, view):
                objective = objective if seen is as_it_is else Through(objective, seen)
            yield objective

    return Prepared(objectives_at, start, settings, view, dial, alphas.get("content"), plan, disk)


def further_terms(
    settings: Settings, paintings: Sequence[Tensor], size: tuple[int, int], before: Before | None
) -> list[Term]:
    """Those that look at no layer, of a picture of this height and width, and of a frame of a film."""
    terms: list[Term] = [] if before is None else [before.term(paintings[0].device)]
    return [*terms, spectrum_term(settings, paintings, *size)] if settings.spectrum_weight else terms


def foreseen(
    settings: Settings, width: int, height: int, roles: Sequence[str] = ("content", "style"), regions: int = 0
) -> Plan:
    """How a run of pictures for these ``roles`` would fit into memory. Raises what ``stylize`` raises."""
    kept = Kept(settings)
    network = kept.network(kept.precisions[0])
    return plan_of(with_names_of(network, settings), network, height, width, kept.device, maps_of(roles), regions)


def maps_of(roles: Sequence[str]) -> float:
    """Numbers for each pixel of what pictures for these ``roles``, and masks, keep beside the one that is painted."""
    masks = sum(role.endswith("mask") for role in roles)
    return 3.0 * (len(roles) - masks - 1) + masks


def plan_of(
    settings: Settings,
    network: Network,
    height: int,
    width: int,
    device: torch.device,
    maps: float,
    regions: int,
) -> Plan:
    """How a run of this size fits into memory: what the settings allow of it, or nine tenths of what is free, and no
    more than the process may take; on a GPU two fifths of that for an evaluation. Raises LimitError where it does not.
    """
    memory = min(settings.memory or round(0.9 * free_memory(device)), PROGRAM + space_left() - COMPILED)
    layers = {**settings.content_layers, **settings.style_layers}
    history = getattr(solver_of(settings.solver), "history", 2)
    needs = [
        Needs(
            network=network,
            layers=layers,
            kept=settings.content_layers,
            height=round(height * part),
            width=round(width * part),
            history=history,
            maps=maps,
            regions=regions,
        )
        for part in settings.factors
    ]
    if device.type != "cuda" or settings.tile != "auto":
        return planned(needs, memory, "off" if settings.tileable else settings.tile)
    if not isinstance(network, VGG) or settings.tileable:
        return Plan((None,) * len(needs), False, memory)
    sides = (None, *SIDES)
    fitting = [next((side for side in sides if bytes_of(network, of.seen(side)) <= 0.4 * memory), None) for of in needs]
    return Plan(tuple(fitting), False, memory)


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
    """What is scored and saved of the image that the solver moves: grey where the paintings are, since colours are
    theirs, or where all pictures are."""
    smooth = partial(smooth_chroma, edges="circular") if settings.tileable else smooth_chroma
    view: View = smooth if settings.smooth_chroma else as_it_is
    kept = COLOURS[settings.colour].kept
    if kept in ("chroma", "lab") and "content" in pictures:
        view = WithLabOf(pictures["content"]) if kept == "lab" else WithColoursOf(pictures["content"])
    elif kept or (settings.keep_grey and all(map(is_grey, whose_colours(settings, pictures)))):
        view = grey
    return AlongEdgesOf(view, pictures["content"]) if settings.photoreal else view


def whose_colours(settings: Settings, pictures: Mapping[str, Tensor]) -> list[Tensor]:
    """The pictures that the colours of a picture come from."""
    paintings = [of for role, of in pictures.items() if role != "content"]
    return paintings if paintings and settings.colour == "painting" else list(pictures.values())


LEAST_PAINTING = 384
"""px that a smaller painting is enlarged to at most for a photograph. The strokes of a thumbnail are 3 to 5 px: as they
are, they cover a picture with scales. Those of a larger painting are strokes, and would only be blurred."""


def at_factor(factor: float, settings: Settings, pictures: Mapping[str, Tensor], enlarge: bool) -> dict[str, Tensor]:
    """``pictures``, or masks of them, as they are looked at while the picture is painted at ``factor`` of its size:
    paintings as large as their strokes want them, or as they are where they are smaller; ``enlarge`` a thumbnail."""
    found = {}
    for role, picture in pictures.items():
        own, is_painting = max(picture.shape[2:]), role != "content"
        size = settings.size * factor * (settings.stroke_size if is_painting else 1)
        most = max(own, LEAST_PAINTING) if is_painting and enlarge else own
        found[role] = scaled(picture, min(size, most) / own)
    return found


def first_picture(
    settings: Settings, pictures: Mapping[str, Tensor], canvas: Canvas, before: Before | None = None
) -> Float[Tensor, "1 3 h w"]:
    """Where the solver starts, as large as ``canvas``: a start by its name, or a file, stretched to fit, or what there
    was ``before``. Raises UsageError for a start from a picture that this run does not have, InputError for a file that
    cannot be read."""
    if before is not None:
        return before.picture
    if settings.init in STARTS:
        return start_from(settings.init, pictures, canvas, settings.seed)
    return with_clouds(resized(read(settings.init, **reading(settings, "init")), *canvas), settings.seed)
