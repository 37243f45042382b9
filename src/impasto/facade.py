"""The facade: pictures and settings in, an iterator of steps out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from torch import Tensor

from impasto.checkpoints import checkpoint_of, plan_in
from impasto.devices import memory, undisturbed
from impasto.errors import UsageError, named
from impasto.images.decoding import read_origin
from impasto.images.files import Source
from impasto.images.limits import MANY
from impasto.images.metadata import Origin
from impasto.images.picture import Picture
from impasto.images.sizes import MIN_SIDE, admit
from impasto.kept import Kept, held
from impasto.paintings import roles
from impasto.preparation import Before, OnPart, prepared
from impasto.recipe import files_read, recipe
from impasto.regions import Region
from impasto.running import Run
from impasto.settings import Options, Settings, validated
from impasto.solver import Step
from impasto.starts import Canvas
from impasto.tensors import without_threads_of_a_parent

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
    resume: str | PathLike[str] | None = None,
    **options: Unpack[Options],
) -> Run:
    """Paint the photograph ``content`` in the manner of the painting ``style``, or of several, step by step.

    Equation 7 is minimised (Gatys, Ecker and Bethge, arXiv 1508.06576). Options are the fields of ``Settings`` and
    ``strength``, by name or as ``settings``. Step 0 is the start; each step holds the picture so far, ``(1, 3, h, w)``
    in [0, 1], on the device of the run. ``regions`` are painted in the manner of paintings of their own, or not at all;
    the rest in that of ``style``. Of a transparent photograph what is there is painted, and steps and pictures have its
    alpha. ``on_part`` hears, of a picture that is looked at in places, how far an evaluation is. ``Run.save`` keeps
    where the run is in a file; the same call with ``resume``, that file, goes on from there, and on the same machine
    ends in the same picture, to the bit. Pictures are read and the network is loaded at the call, so that whatever is
    wrong shows at once.

    Raises at the call UsageError for options that make no sense, InputError for a picture that cannot be read, or a
    checkpoint that is damaged or of another run, LimitError for too large a picture or where memory is lacking,
    WeightsError for a network that cannot be had; on the way LimitError where memory is lacking, DivergedError where
    the loss is not a number.
    """
    chosen = settings if settings and not options else validated(settings, **options)
    sources = {"content": content, **by_role(style), **of_regions(regions)}
    return _begin("stylize", chosen, sources, regions=regions, on_part=on_part, resume=resume)


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
        without_threads_of_a_parent()
        with memory(), undisturbed():
            self.kept = Kept(self.settings)
        self._look_at(style)

    def _look_at(self, style: Sources) -> None:
        """Read the paintings."""
        self.styles: dict[str, Source] = {role: named(role, held, one) for role, one in by_role(style).items()}
        with memory(), undisturbed():
            for role, one in self.styles.items():
                self.kept.with_alpha(role, one)

    def with_style(self, style: Sources) -> "Painter":
        """The manner of another painting, or of several, by the network that is loaded. Raises what that does."""
        other = copy(self)
        other._look_at(style)
        return other

    def stylize(self, content: Source, *, regions: Sequence[Region] = (), before: Before | None = None) -> Run:
        """The steps to the photograph ``content`` in this manner, as ``impasto.stylize`` takes them. A frame of a film
        goes on from what was ``before``."""
        sources = {"content": content, **self.styles, **of_regions(regions)}
        return _begin("stylize", self.settings, sources, kept=self.kept, regions=regions, before=before)

    def recipe_of(self, content: Source) -> dict[str, Any]:
        """What ``stylize`` begins its recipe with, without doing it."""
        return recipe("stylize", self.settings, files_read(self.settings, content=content, **self.styles))

    def paint(self, content: Source, *, regions: Sequence[Region] = (), on_step: OnStep | None = None) -> Picture:
        """The picture of the best step, as ``impasto.paint`` gives it."""
        return best_of(self.stylize(content, regions=regions), on_step)

    def paint_many(self, contents: Iterable[Source]) -> Iterator[Picture]:
        """One picture after another, each painted when it is asked for."""
        return map(self.paint, contents)


def best_of(steps: Iterator[Step], on_step: OnStep | None = None) -> Picture:
    """The picture of ``best_step``."""
    return best_step(steps, on_step).picture


def best_step(steps: Iterator[Step], on_step: OnStep | None = None) -> Step:
    """The best of ``steps``, up to the one where ``on_step`` returns False."""
    best = next(steps)
    for step in chain([best], steps):
        best = step if step.best else best
        if on_step is not None and on_step(step) is False:
            break
    return best


def reconstruct_content(
    content: Source,
    settings: Settings | None = None,
    *,
    on_part: OnPart | None = None,
    resume: str | PathLike[str] | None = None,
    **options: Unpack[Options],
) -> Run:
    """Find the photograph again from what ``content_layers`` hold of it: L_content alone is minimised (equation 1).

    Figure 1 of the paper, content reconstructions. From white noise, unless ``init`` says otherwise; the rest as in
    ``stylize``.
    """
    return _begin(
        "reconstruct content", reconstructing(settings, options), {"content": content}, on_part=on_part, resume=resume
    )


def reconstruct_style(
    style: Source,
    settings: Settings | None = None,
    *,
    on_part: OnPart | None = None,
    resume: str | PathLike[str] | None = None,
    **options: Unpack[Options],
) -> Run:
    """Find a picture with the Gram matrices of ``style_layers`` that the painting has: L_style alone (equation 5).

    Figure 1 of the paper, style reconstructions, as large as the painting. From white noise, unless ``init`` says
    otherwise; the rest as in ``stylize``.
    """
    return _begin(
        "reconstruct style", reconstructing(settings, options), {"style": style}, on_part=on_part, resume=resume
    )


def texture(
    style: Source,
    width: int,
    height: int,
    settings: Settings | None = None,
    *,
    on_part: OnPart | None = None,
    resume: str | PathLike[str] | None = None,
    **options: Unpack[Options],
) -> Run:
    """New texture in the manner of ``style``, ``width`` x ``height`` px: L_style alone (equation 5), with the style
    loss and weights of ``stylize``, from faint noise unless ``init`` says otherwise.

    Gatys, Ecker and Bethge, *Texture Synthesis Using Convolutional Neural Networks* (arXiv 1505.07376), whose textures
    ``preset="paper", init="noise"`` makes. ``size`` is the long side at which the painting is read, and so says how
    coarse the texture is. Raises UsageError for a side of less than 16 px, LimitError for one beyond the
    ``limits``; the rest as in ``stylize``.
    """
    if max(width, height) >= MANY:
        raise UsageError("a texture is too large: `size` is of so many digits that it makes no sense")
    if min(width, height) < MIN_SIDE:
        raise UsageError(f"a texture of {width} x {height} px is too small: {MIN_SIDE} px is the least for a side")
    chosen = validated(settings or validated(init="faint"), **options)
    admit((width, height), "a texture", chosen.limits)
    about: dict[str, Any] = {"width": width, "height": height}
    return _begin("texture", chosen, {"style": style}, (height, width), on_part=on_part, resume=resume, **about)


def reconstructing(settings: Settings | None, options: Mapping[str, Any]) -> Settings:
    """``settings`` with these options changed; without settings, the paper's from white noise, at one size."""
    return validated(settings or validated(preset="paper", init="noise", scales=1), **options)


def _begin(  # noqa: PLR0913, PLR0917
    command: str,
    settings: Settings,
    sources: Mapping[str, Source],
    canvas: Canvas | None = None,
    kept: "Kept | None" = None,
    regions: Sequence[Region] = (),
    on_part: OnPart | None = None,
    resume: str | PathLike[str] | None = None,
    before: Before | None = None,
    **about: Any,
) -> Run:
    """The steps to a picture as large as ``canvas`` or the first of ``sources``: the photograph and the painting, by
    what they are for, or one of the two. ``command`` and what else is told ``about`` the run go into its recipe."""
    without_threads_of_a_parent()
    sources = {role: named(role, held, source) for role, source in sources.items()}
    plan = None if resume is None else plan_in(Path(resume))
    with memory(), undisturbed():
        kept = kept or Kept(settings)
        ready = prepared(settings, sources, canvas, kept, regions, on_part, plan, before)
    if regions:
        about["regions"] = [{"colour": region.colour} for region in regions]
    about |= {"size": [*ready.start.shape[:1:-1]], "machine": kept.machine | ready.plan.told}
    made_of = recipe(command, settings, files_read(settings, **sources), **about)
    checkpoint = None if resume is None else checkpoint_of(Path(resume), made_of, kept.device, ready.disk)
    return Run(ready, made_of, origin_of(sources.get("content"), settings), checkpoint)


def origin_of(photograph: Source | None, settings: Settings) -> Origin | None:
    """What the photograph says of itself, where it is one that can."""
    if isinstance(photograph, Picture):
        return photograph.origin
    if photograph is None or isinstance(photograph, np.ndarray | Tensor):
        return None
    return read_origin(photograph, limits=settings.limits)
