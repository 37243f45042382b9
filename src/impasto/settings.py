"""What a run can be told: frozen, validated settings with their defaults. Needs no torch.

What may be named is what the registries have at that moment.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError, model_validator

from impasto.errors import UsageError
from impasto.images.decoding import MAX_PIXELS
from impasto.names import name_of
from impasto.network.pooling import POOLINGS
from impasto.solver import SOLVERS, Solver
from impasto.style import STYLE_LOSSES, StyleLoss

CONTENT_LAYERS = {"conv4_2": 1.0}
STYLE_LAYERS = {"conv1_1": 0.2, "conv2_1": 0.2, "conv3_1": 0.2, "conv4_1": 0.2, "conv5_1": 0.2}
STYLE_LOSS = {"gram": 1.0}
STYLE_WEIGHT = 1e8
COARSEST = 96
"""The least long side, in px, at which a picture is begun."""

ENOUGH = {"draft": 0.03, "normal": 0.01, "fine": 0.003}
"""With ``steps="auto"``, the solver ends when ten steps lower the loss by less than this part of it."""

MOST_STEPS, MOST_COARSE_STEPS = 1000, 40
"""With ``steps="auto"``, at most: at the full size, and at each of the smaller ones."""

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _steps(steps: Any) -> int | str:
    if steps == "auto":
        return "auto"
    if not isinstance(steps, int | str) or not str(steps).isdecimal():
        raise ValueError("steps are a number from 0 on, or auto")
    return int(steps)


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
    weights = given if isinstance(given, Mapping) else {given: 1.0}
    for style_loss, weight in weights.items():
        check(style_loss)
        if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise ValueError(f"a weight is a number from 0 on, and {weight!r} is not")
    if not weights:
        raise ValueError("at least one style loss is expected")
    return {style_loss: float(weight) for style_loss, weight in weights.items()}


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

    ``strength``, from 0 to 1, may stand in for ``style_weight``: see ``style_weight_of``. The paper's own are
    ``content_layers``, ``style_layers``, ``style_loss`` and ``pooling``. Raises pydantic's ValidationError, a
    ValueError, for what makes no sense; ``validated`` makes a UsageError of it, as ``stylize`` does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    size: Annotated[int, Field(ge=16)] = 512
    """Long side of the picture, and of the painting that its style is read from, in px."""
    steps: Annotated[int | Literal["auto"], PlainValidator(_steps)] = 150
    """Steps of the solver at the full size; "auto": until more would not show, see ``quality``."""
    quality: Literal["draft", "normal", "fine"] = "normal"
    """When "auto" ends: see ``ENOUGH``. Given without ``steps``, it means "auto"."""
    scales: Annotated[int, Field(ge=1, le=16)] = 3
    """How many sizes the picture is painted at, each twice the one before; sizes below ``COARSEST`` are left out."""
    content_weight: Weight = 1.0
    """α."""
    style_weight: Weight = STYLE_WEIGHT
    """β."""
    tv_weight: Weight = 0.0
    """Weight of the total variation, which the paper does not have: off. 300 takes the grain out of a picture; more
    blurs."""
    content_layers: dict[str, Weight] = Field(default=CONTENT_LAYERS, min_length=1)
    """Layer to w_l. The paper's: conv4_2."""
    style_layers: dict[str, Weight] = Field(default=STYLE_LAYERS, min_length=1)
    """Layer to w_l. The paper's: a fifth each."""
    style_loss: Annotated[
        dict[Any, float], PlainValidator(_style_losses), PlainSerializer(_by_name, when_used="json")
    ] = Field(default=STYLE_LOSS, validate_default=True)
    """How manners are compared: names of ``style.STYLE_LOSSES``, or a ``StyleLoss`` of one's own; one, or several with
    weights, by which β is multiplied. The paper's: gram."""
    init: str = "content"
    """The first picture: a name of ``starts.STARTS``, or a file."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of the noise."""
    solver: Annotated[str | Solver, PlainValidator(_one_of(SOLVERS, Solver)), Named] = "lbfgs"
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
    max_pixels: Annotated[int, Field(gt=0)] = MAX_PIXELS
    """Largest input picture that is decoded."""

    @property
    def factors(self) -> list[float]:
        """The sizes that the picture is painted at, as parts of its own: 1/4, 1/2, 1."""
        return [0.5**halvings for halvings in reversed(range(self.scales)) if self._large_enough(0.5**halvings)]

    def _large_enough(self, factor: float) -> bool:
        return factor == 1 or self.size * factor >= COARSEST

    def steps_at(self, factor: float) -> int:
        """Steps of the solver at one of ``factors``, at most: a quarter suffices where only large forms are decided."""
        if self.steps == "auto":
            return MOST_STEPS if factor == 1 else MOST_COARSE_STEPS
        return self.steps if factor == 1 else self.steps // 4

    def settled(self, losses: Sequence[float]) -> bool:
        """Whether, after steps that gave these ``losses`` at one size, more would not show."""
        if self.steps != "auto" or len(losses) <= 10:
            return False
        before, now = min(losses[:-10]), min(losses)
        return before - now <= ENOUGH[self.quality] * now

    @property
    def steps_in_all(self) -> int:
        """At most, enlarging included."""
        return sum(map(self.steps_at, self.factors)) + len(self.factors) - 1

    @model_validator(mode="before")
    @classmethod
    def _quality_means_auto(cls, data: Any) -> Any:
        if isinstance(data, dict) and "quality" in data:
            return {"steps": "auto", **data}
        return data

    @model_validator(mode="before")
    @classmethod
    def _strength_is_a_style_weight(cls, data: Any) -> Any:
        if isinstance(data, dict) and "strength" in data:
            data = dict(data)
            strength = data.pop("strength")
            if "style_weight" in data or "content_weight" in data:
                raise ValueError("strength and style_weight or content_weight say the same thing twice; give one")
            try:
                data["style_weight"] = style_weight_of(float(strength))
            except (TypeError, ValueError):
                raise ValueError(f"strength goes from 0 to 1; {strength!r} does not") from None
        return data


def style_weight_of(strength: float) -> float:
    """β for a strength from 0 (a hint of the painting) to 1 (nearly all painting); 0.5 is the default.

    Logarithmic, since that is how the eye takes it: from 1/100 to 100 times the default.
    """
    if not 0 <= strength <= 1:
        raise ValueError("strength goes from 0 to 1")
    return float(STYLE_WEIGHT * 10 ** (4 * (strength - 0.5)))


def validated(base: Settings | None = None, **options: Any) -> Settings:
    """``base``, or the defaults, with these options changed. Raises UsageError, naming each option that is wrong."""
    before = {name: getattr(base, name) for name in base.model_fields_set} if base else {}
    if "strength" in options:  # says anew what these said
        before = {name: value for name, value in before.items() if name not in ("style_weight", "content_weight")}
    if "quality" in options:
        before.pop("steps", None)
    try:
        return Settings(**{**before, **options})
    except ValidationError as error:
        raise UsageError("; ".join(_plainly(problem) for problem in error.errors())) from None


def _plainly(problem: Any) -> str:
    option = ".".join(map(str, problem["loc"]))
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{option}: {reason}, not {problem['input']!r}" if option else reason
