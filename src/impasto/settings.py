"""What a run can be told: frozen, validated settings with their defaults. Needs no torch.

What may be named is what the registries have at that moment.
"""

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Unpack

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from impasto.colours import COLOURS
from impasto.content import CONTENT_LOSSES, ContentLoss
from impasto.errors import UsageError
from impasto.features import LEAST_SIDE
from impasto.images.limits import MANY, Limits
from impasto.names import name_of
from impasto.network.edges import EDGES
from impasto.network.pooling import POOLINGS
from impasto.solver import SOLVERS, Annealed, Solver, solver_of
from impasto.style import STYLE_LOSSES, StyleLoss

CONTENT_LAYERS = {"conv4_2": 0.6, "conv3_2": 0.4}
"""The paper's conv4_2, by which distances are told (it comes first), and of what is finer as much as holds a face."""

STYLE_LAYERS = {"conv1_1": 0.45, "conv2_1": 0.3, "conv3_1": 0.18, "conv4_1": 0.05, "conv5_1": 0.003}
"""Falling, and the faster the deeper: what is deepest in the network puts its own forms into flat places."""

STYLE_LOSS = {"gaussian": 1.0}
STYLE_WEIGHT = 6e7
"""β where nothing is said of it, before it is set by how far the picture goes with it."""

DISTANCES = 0.12, 0.45, 0.8
"""How far from the photograph a picture goes at strength 0, 0.5 and 1: see ``balance.content_distance``."""

PRESETS: dict[str, dict[str, Any]] = tomllib.loads(files("impasto").joinpath("presets.toml").read_text("utf-8"))
"""Settings that go together, by the name that ``--preset`` takes, and what each is ``about``. The paper's: its losses,
its weights, its network."""

COARSEST = 128
"""The long side, in px, at which a picture is begun. The next are twice it, four times, and so on: a large picture
begins as a small one does."""

STEPS = {"draft": 16, "normal": 64, "fine": 192}
"""At the full size, by ``quality``, of a solver that wants to know."""

ENOUGH = {"draft": 0.03, "normal": 0.01, "fine": 0.003}
"""With ``steps="auto"``, any other ends when ten steps lower the loss by less than this part of it."""

MOST_STEPS, MOST_COARSE_STEPS = 1000, 150
"""Of that, at most: at the full size, and at each of the smaller ones."""

LEAST_STEPS = 8
"""At a size above ``full_steps_to``, unless fewer are asked for: after three a picture has coarse grain."""


class Frozen(dict[Any, Any]):
    """A mapping that stays as it is, and can be hashed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (dict(self),)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("settings do not change: make others, as Settings(…)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse


HEAVIEST = 1e15
"""With larger weights squares of gradients would be infinite in float32."""

Weight = Annotated[float, Field(ge=0, le=HEAVIEST, allow_inf_nan=False)]

Weights = Annotated[dict[str, Weight], Field(min_length=1, validate_default=True), AfterValidator(Frozen)]

Part = Weight | Literal["fine", "coarse"]


LONGEST = 200
"""Letters of what was given that a message repeats."""

MOST_TOLD = 10
"""Of what is wrong, how much is told."""


def said(given: Any, form: Callable[[Any], str] = repr) -> str:
    """What was given, as a message repeats it."""
    try:
        text = form(given)
    except (ValueError, RecursionError):  # Python writes out no number of more than 4300 digits
        return "what is too long to be written out"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _whole(given: Any) -> int | None:
    """The whole number, or its digits, that was given; None for anything else, and for one that is negative or too
    large to make sense."""
    if isinstance(given, str):
        return int(given) if re.fullmatch("[0-9]{1,15}", given) else None
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < MANY else None


def _steps(given: Any) -> int | str:
    if given == "auto":
        return "auto"
    if (steps := _whole(given)) is None:
        raise ValueError("steps are a number from 0 on, of 15 digits at most, or auto")
    return steps


UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _amount(given: Any) -> float:
    """The number that was given, or that a text such as 4GB says."""
    found = re.fullmatch(r"([0-9]{0,15}\.?[0-9]{1,15}(?:E[0-9]{1,2})?) ?([KMGT]?B?)", said(given, str).strip().upper())
    return float(found[1]) * UNITS[found[2] if found[2] in UNITS else found[2] + "B"] if found else 0.0


def _bytes(given: Any) -> int | None:
    if given is None:
        return None
    if (count := round(_amount(given))) < 1:
        raise ValueError("memory is a number of bytes, or such as 4GB or 500MB")
    return count


def _limits(given: Any) -> Limits:
    if isinstance(given, Limits):
        return given
    pairs = given.items() if isinstance(given, Mapping) else (part.split("=") for part in said(given, str).split(","))
    expected = "such as pixels=4e8,bytes=8GB,frames=1000,seconds=60 is expected"
    try:
        told = {said(name, str).strip(): _amount(number) for name, number in pairs}
    except ValueError:  # no pair
        raise ValueError(expected) from None
    whole: dict[str, Any] = {name: number if name == "seconds" else round(number) for name, number in told.items()}
    try:
        return Limits(**whole)
    except TypeError:  # no such limit
        raise ValueError(expected) from None


def _tile(given: Any) -> int | str:
    if given in ("auto", "off"):
        return str(given)
    if (side := _whole(given)) is None or side < LEAST_SIDE:
        raise ValueError(f"auto, off, or a number of px from {LEAST_SIDE} on is expected")
    return side


def _one_of(registry: Mapping[str, Any], kind: type | None = None) -> Callable[[Any], Any]:
    """A check that lets names of ``registry`` pass, and things of one's own that are of ``kind``."""

    def check(given: Any) -> Any:
        if given in registry if isinstance(given, str) else kind is not None and isinstance(given, kind):
            return given
        own = f", or a {kind.__name__} of your own" if kind else ""
        raise ValueError(f"one of {', '.join(registry)}{own} is expected")

    return check


def _style_losses(given: Any) -> dict[Any, float]:
    """A style loss, by name or one's own, or several with their weights."""
    check = _one_of(STYLE_LOSSES, StyleLoss)
    try:
        weights = given if isinstance(given, Mapping) else {given: 1.0}
    except TypeError:  # it has no hash
        weights = {said(given): 1.0}
    for style_loss, weight in weights.items():
        check(style_loss)
        if not isinstance(weight, int | float) or not 0 <= weight <= HEAVIEST:
            raise ValueError(f"a weight is a number from 0 to {HEAVIEST:g}, and {said(weight)} is not")
    if not weights:
        raise ValueError("at least one style loss is expected")
    return Frozen({style_loss: float(weight) for style_loss, weight in weights.items()})


def _by_name(weights: Mapping[Any, float]) -> dict[str, float]:
    return {name_of(style_loss): weight for style_loss, weight in weights.items()}


def _network(given: Any) -> Any:
    if not isinstance(given, str) and not (callable(given) and hasattr(given, "layers")):
        raise ValueError("a network's name is expected, or a Network of your own")
    return given


Named = PlainSerializer(name_of, when_used="json")
"""Something of one's own goes into a recipe by its name."""


class Settings(BaseModel):
    """Everything that decides what a run paints, but for the two pictures.

    ``preset`` names an entry of ``PRESETS``, whose settings hold where nothing else is said. Raises UsageError, a
    ValueError that names each option that is wrong, for what makes no sense.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __init__(self, /, **options: Unpack["Options"]) -> None:
        try:
            super().__init__(**options)
        except ValidationError as error:
            told = [_plainly(problem) for problem in error.errors()]
            more = [f"and {len(told) - MOST_TOLD} more"] if len(told) > MOST_TOLD else []
            raise UsageError("; ".join([*told[:MOST_TOLD], *more])) from None

    size: Annotated[int, Field(ge=16, lt=MANY)] = 512
    """Long side of the picture, and of the painting that its style is read from, in px."""
    steps: Annotated[int | Literal["auto"], PlainValidator(_steps)] = 64
    """Steps of the solver at the full size; "auto": as ``quality`` says."""
    coarse_steps: Annotated[float, Field(ge=0, le=100)] = 2.75
    """How many times as many are taken at each of the smaller sizes, where the large forms are decided."""
    full_steps_to: Annotated[int, Field(ge=16, lt=MANY)] = 1024
    """Long side, in px, up to which a size takes all these steps; larger ones take fewer, in inverse proportion, and
    ``LEAST_STEPS`` at least. What is left to be done there is fine, and soon done."""
    quality: Literal["draft", "normal", "fine"] | None = None
    """How many steps "auto" is: see ``STEPS``, and for L-BFGS ``ENOUGH``; None is "normal". Given without ``steps``, it
    means "auto"."""
    scales: Annotated[int, Field(ge=1, le=16)] = 16
    """How many sizes the picture is painted at, at most: see ``factors``."""
    content_weight: Weight = 1.0
    """α."""
    style_weight: Weight | Literal["auto"] = "auto"
    """β, at the default strength; "auto": such that the picture is as far from the photograph as ``strength`` says."""
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5
    """From 0 (a hint of the painting) to 1 (nearly all painting): how far the picture goes, see ``distance``; where
    ``style_weight`` is said, it is multiplied, see ``strengthening``."""
    tv_weight: Weight = 0.0
    """Weight of the total variation, which the paper does not have: off. 300 takes the grain out of a picture; more
    blurs."""
    excess_weight: Weight = 40.0
    """How much a picture is held to vary no more from pixel to pixel than its painting does, beside β: see
    ``style.excess``. The paper's: 0."""
    keep_lines: Weight = 0.0
    """How much the fine lines of the photograph, of faces and letters, are kept: see ``terms.Lines``. 0.3 is a touch, 1
    holds them; 3 and more for some grain."""
    content_layers: Weights = CONTENT_LAYERS
    """Layer to w_l. The paper's: conv4_2. Strength is told by the first."""
    style_layers: Weights = STYLE_LAYERS
    """Layer to w_l. The paper's: a fifth each."""
    edges: Annotated[str, PlainValidator(_one_of(EDGES))] = "mirrored"
    """What the network's convolutions see beyond the edges: a name of ``network.edges.EDGES``. The paper's: black."""
    smooth_chroma: bool = True
    """Whether colours are seen, and saved, without what alternates from pixel to pixel: see ``views``."""
    keep_grey: bool = True
    """Whether grey paintings make a grey picture; of recoloured ones, and where there is none, a grey photograph."""
    style_loss: Annotated[
        dict[Any, float], PlainValidator(_style_losses), PlainSerializer(_by_name, when_used="json")
    ] = Field(default=STYLE_LOSS, validate_default=True)
    """How manners are compared: names of ``style.STYLE_LOSSES``, or a ``StyleLoss`` of one's own; one, or several with
    weights, by which β is multiplied. The paper's: gram."""
    content_loss: Annotated[str | ContentLoss, PlainValidator(_one_of(CONTENT_LOSSES, ContentLoss)), Named] = "features"
    """How what is in the pictures is compared: a name of ``content.CONTENT_LOSSES``, or a ``ContentLoss`` of one's own.
    The paper's: features."""
    spectrum_weight: Weight = 0.0
    """Weight of the amplitudes of a painting's luminance, for what repeats itself: see ``losses.spectrum_loss``."""
    blend: Annotated[tuple[Part, ...] | None, Field(min_length=1)] = None
    """Of several paintings, how much each counts: numbers, or "fine" and "coarse" for one that counts in the low or the
    deep layers alone; all alike where it is not said."""
    stroke_size: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    """How large strokes are, against those of the painting as large as the picture. (A painting is not enlarged: a
    larger one than it is holds no more. But one of less than 384 px is, to so many, for a photograph: its strokes are
    dots.)"""
    colour: Annotated[str, PlainValidator(_one_of(COLOURS))] = "painting"
    """Whose colours: a name of ``colours.COLOURS``."""
    carried: Literal["inside", "simple", "all"] = "inside"
    """How a region's mask is carried to a layer: see ``regions.CARRIED``."""
    photoreal: bool = False
    """Whether edges and detail stay the photograph's, and only colours and light are painted: see
    ``views.AlongEdgesOf``."""
    tileable: bool = False
    """Whether the picture's edges join, left and right, top and bottom, so that it can be laid side by side without
    end: see ``network.endless``."""
    init: str = "content"
    """The first picture: a name of ``starts.STARTS``, or a file."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of the noise. Where the first picture is a photograph or painting, 0 leaves it as it is, and every other seed has
    colours land elsewhere: see ``starts.with_clouds``."""
    solver: Annotated[str | Solver, PlainValidator(_one_of(SOLVERS, Solver)), Named] = "adam"
    """A name of ``solver.SOLVERS``, or a ``Solver`` of one's own."""
    pooling: Annotated[str, PlainValidator(_one_of(POOLINGS))] = "average"
    """A name of ``network.pooling.POOLINGS``."""
    network: Annotated[Any, PlainValidator(_network), Named] = "lite"
    """A name of ``network.registry.NETWORKS``, or a ``Network`` of one's own."""
    weights: Path | None = None
    """A file to take instead of the network's own weights."""
    device: str = "auto"
    """"auto", "cpu", "cuda" or "mps"."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network. "auto" is bfloat16 where the device computes in it: twice as fast there, and as good."""
    memory: Annotated[int | None, PlainValidator(_bytes), Field(exclude=True)] = None
    """Bytes that a run may take, or text such as "4GB"; None is what is free. A picture that takes more is looked at in
    places, with the same result."""
    tile: Annotated[int | Literal["auto", "off"], PlainValidator(_tile)] = "auto"
    """The sides of these places in px, "off" for none, or "auto", as ``memory`` allows."""
    limits: Annotated[Limits, PlainValidator(_limits), Field(exclude=True)] = Limits()
    """What reading a picture may cost, or text such as "pixels=4e8,seconds=120"."""

    @property
    def factors(self) -> list[float]:
        """The sizes that the picture is painted at, as parts of its own: ``COARSEST`` px, doubled again and again while
        it is smaller by √2 at least, and the whole."""
        halves = int(math.log2(self.size / COARSEST) + 0.5)
        return [*(COARSEST * 2**n / self.size for n in range(halves)), 1.0][-self.scales :]

    def steps_at(self, factor: float) -> int:
        """Steps of the solver at one of ``factors``, at most."""
        if self.until_settled:
            return MOST_STEPS if factor == 1 else MOST_COARSE_STEPS
        steps = STEPS[self.quality or "normal"] if self.steps == "auto" else self.steps
        steps = steps if factor == 1 else int(steps * self.coarse_steps)
        part = min(1.0, self.full_steps_to / (self.size * factor))
        return max(min(steps, LEAST_STEPS), math.ceil(part * steps))

    @property
    def until_settled(self) -> bool:
        """Whether nobody knows before how many steps there will be."""
        return self.steps == "auto" and not isinstance(solver_of(self.solver), Annealed)

    def settled(self, losses: Sequence[float]) -> bool:
        """Whether, after steps that gave these ``losses`` at one size, more would not show."""
        if not self.until_settled or len(losses) <= 10:
            return False
        before, now = min(losses[:-10]), min(losses)
        return before - now <= ENOUGH[self.quality or "normal"] * now

    @property
    def steps_in_all(self) -> int:
        """At most, enlarging included."""
        return sum(map(self.steps_at, self.factors)) + len(self.factors) - 1

    @model_validator(mode="before")
    @classmethod
    def _quality_means_auto(cls, data: Any) -> Any:
        if not isinstance(data, dict) or data.get("quality") is None:
            return data
        if data.get("steps", "auto") != "auto":
            raise ValueError("`quality`: it says how many `steps` of auto there are, and goes with no number of them")
        return {"steps": "auto", **data}

    @model_validator(mode="before")
    @classmethod
    def _preset_is_others_in_short(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "preset" not in data:
            return data
        if data["preset"] is None:
            return {name: value for name, value in data.items() if name != "preset"}
        named = PRESETS.get(data["preset"]) if isinstance(data["preset"], str) else None
        if named is None:
            raise ValueError(f"`preset`: one of {', '.join(PRESETS)} is expected, not {said(data['preset'])}")
        auto = data.get("quality") is not None
        left_out = {"about", "steps"} if auto else {"about"}
        preset = {name: value for name, value in named.items() if name not in left_out}
        return preset | {name: value for name, value in data.items() if name != "preset"}

    @property
    def beta(self) -> float:
        """β, or where it begins."""
        if self.style_weight == "auto":
            return STYLE_WEIGHT * math.sqrt(self.strengthening)
        return self.style_weight * self.strengthening

    @property
    def distance(self) -> float | None:
        """How far the picture is to go from the photograph; None where β is said instead, or one of the two does not
        count."""
        if self.style_weight != "auto" or self.content_weight == 0:
            return None
        near, usual, far = DISTANCES
        return usual + 2 * (self.strength - 0.5) * (far - usual if self.strength > 0.5 else usual - near)

    @property
    def strengthening(self) -> float:
        """By how much β is multiplied: from 1/100 to 100, logarithmic, since that is how the eye takes it."""
        return float(10 ** (4 * (self.strength - 0.5)))


class Options(TypedDict, total=False):
    """The fields of ``Settings`` and ``preset``, as ``stylize`` and the like take them by name."""

    preset: str | None
    size: int
    steps: int | Literal["auto"]
    coarse_steps: float
    full_steps_to: int
    quality: Literal["draft", "normal", "fine"] | None
    scales: int
    content_weight: float
    style_weight: float | Literal["auto"]
    strength: float
    tv_weight: float
    excess_weight: float
    keep_lines: float
    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    edges: str
    smooth_chroma: bool
    keep_grey: bool
    style_loss: str | StyleLoss | Mapping[Any, float]
    content_loss: str | ContentLoss
    spectrum_weight: float
    blend: Sequence[float | Literal["fine", "coarse"]] | None
    stroke_size: float
    colour: str
    carried: Literal["inside", "simple", "all"]
    photoreal: bool
    tileable: bool
    init: str
    seed: int
    solver: str | Solver
    pooling: str
    network: Any
    weights: str | PathLike[str] | None
    device: str
    precision: Literal["auto", "float32", "bfloat16"]
    memory: int | str | None
    tile: int | Literal["auto", "off"]
    limits: Limits | str


def validated(base: Settings | None = None, **options: Any) -> Settings:
    """``base``, or the defaults, with these options changed, and what a ``preset`` among them says. Raises what
    ``Settings`` raises."""
    preset = options.get("preset")
    said = {*options, *(PRESETS.get(preset, {}) if isinstance(preset, str) else {})}
    before = {name: getattr(base, name) for name in base.model_fields_set - said} if base else {}
    if "quality" in said:
        before.pop("steps", None)
    if "steps" in said:
        before.pop("quality", None)
    return Settings(**{**before, **options})


def _plainly(problem: Any) -> str:
    option, *at = (said(part, str) for part in problem["loc"] or ("",))
    if problem["type"] == "extra_forbidden":
        like = get_close_matches(option, [*Settings.model_fields, "preset"], 1)
        return f"`{option}`: there is no such setting" + (f"; `{like[0]}` is one" if like else "")
    within = [part for part in at if not part.startswith(("constrained-", "literal["))]  # pydantic's words for unions
    reason = ": ".join([*within, problem["msg"].removeprefix("Value error, ")])
    return f"`{option}`: {reason}, not {said(problem['input'])}" if option else reason
