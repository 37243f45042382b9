"""What is minimised: the paper's total loss, its value and its gradient, over a picture and its places.

L_total(p, a, x) = α L_content(p, x) + β L_style(a, x)                             (equation 7)
L_style(a, x)    = Σ_l w_l E_l                                                     (equation 5)
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.content import CONTENT_LOSSES, ContentLoss
from impasto.disk import Disk
from impasto.features import Features, Place
from impasto.network.kernels import together
from impasto.network.protocol import Network, Pullback
from impasto.network.vgg import VGG
from impasto.style import StyleLoss, Sums, as_it_is
from impasto.tensors import Numbers, once, side_by_side, wide
from impasto.terms import PIXELS, Term, of

Anything = TypeVar("Anything")

SumsOfTerms = dict[str, dict[int, Sums]]
"""What is summed over places, by layer, and by a term's number among the terms."""

DEEPER = -1
"""In the place of a term's number: the map that is looked at further."""


@dataclass(frozen=True)
class TotalLoss:
    """The paper's objective, equation 7: the sum of ``terms``, of what ``network`` sees at the ``places`` of a picture.

    Without ``places`` the picture is one place. Every term's statistic is summed over the places; its loss, and the
    loss's gradient D with respect to the sums, follow from the sums alone; and D then goes back from each place to its
    pixels. What the last place saw is kept until then; the others are looked at a second time.

    What lies ``deeper`` than a layer, the ``border``, may be an objective of its own: its picture is that layer's map,
    which the places add up to, and its gradient is the map's. The map is small, so its places can be large or all of
    it; and those of the picture need no more of a margin than the border sees.
    """

    network: Network
    terms: Sequence[Term]
    places: Sequence[Place] = ()
    told: Callable[[float], object] | None = None
    """Called, where there are several places, after each with what part of the evaluation is done."""
    border: str | None = None
    deeper: "TotalLoss | None" = None

    def value_and_gradient(self, image: Float[Tensor, "1 C h w"]) -> tuple[Numbers, Float[Tensor, "1 C h w"]]:
        *before, last = self.places or [Place.whole(*image.shape[2:])]
        stride = stride_of(self.network)
        with torch.no_grad():
            sums = added(self.tell(n, Sight(self, image, place).sums) for n, place in enumerate(before, 1))
        sight = Sight(self, image, last)
        values, D = self.losses(added([sums, sight.sums]))
        if not before:
            return Numbers(values), sight.gradient(D)
        gradient = torch.zeros_like(image)
        gradient[..., *last.seen(stride)] = sight.gradient(dict(D))
        for n, place in enumerate(before):
            own = Sight(self, image, place).gradient(dict(D))
            gradient[..., *place.seen(stride)] += self.tell(len(before) + 3 + 2 * n, own)
        return Numbers(values), gradient

    def parted(self, border: str) -> "TotalLoss":
        """The same, with what lies deeper than ``border`` an objective of its own, if a term looks there."""
        if not isinstance(self.network, VGG) or border not in self.network.chain:
            return self
        rest = self.network.after(border)
        if self.layers.isdisjoint(rest.chain):
            return self
        deeper = TotalLoss(rest, of(self.terms, rest.chain))
        here = of(self.terms, {PIXELS, *self.network.chain}.difference(rest.chain))
        return replace(self, terms=here, border=border, deeper=deeper)

    def tell(self, done: int, what: Anything) -> Anything:
        """``what``, after so many thirds of the work of a place."""
        if self.told is not None:
            self.told(done / (3 * len(self.places)))
        return what

    @once
    def layers(self) -> set[str]:
        """Those of the network that a term looks at."""
        looked_at = {layer for term in self.terms for layer in term.layers} - {PIXELS}
        return looked_at if self.border is None else looked_at | {self.border}

    def statistics(self, layer: str, F: Features) -> dict[int, Sums]:
        """What the terms take of one layer, by their number among the terms; and what goes deeper."""
        found = {at: term.statistic(layer, F) for at, term in enumerate(self.terms) if layer in term.layers}
        return found | ({DEEPER: (F.placed(F.V.detach()),)} if layer == self.border else {})

    def losses(self, sums: SumsOfTerms) -> tuple[dict[str, Tensor], SumsOfTerms]:
        """The terms by name, and the gradient of their sum with respect to ``sums``."""
        values: dict[str, Tensor] = {}
        D: SumsOfTerms = {}
        losses: list[tuple[str, Tensor]] = []
        if self.deeper is not None and self.border is not None:
            (part,) = sums[self.border].pop(DEEPER)
            found, of_map = self.deeper.value_and_gradient(part.whole[None])
            losses.extend(found.scalars.items())
        with side_by_side(device_of(sums)) as branch:
            for layer, of_layer in sums.items():
                D[layer] = {}
                for at, s in of_layer.items():
                    with branch():
                        leaf = rebuilt(s, [x.detach().requires_grad_(True) if is_summed(x) else x for x in s])
                        loss = self.terms[at].loss(layer, leaf)
                        D[layer][at] = torch.autograd.grad(loss, list(filter(is_summed, leaf)), materialize_grads=True)
                        losses.append((self.terms[at].name, wide(loss.detach())))
        if self.border is not None:
            D[self.border][DEEPER] = (of_map,)
        for name, value in losses:
            values[name] = values.get(name, 0.0) + value
        return values, D


class Sight:
    """What the network sees of one place, with the way back to its pixels.

    Every layer's statistics are differentiated on their own, and join the gradient that comes from deeper layers when
    that gets there: a layer's activations and their gradient, large at the low layers, are never there at once with all
    others'.
    """

    def __init__(self, objective: TotalLoss, image: Float[Tensor, "1 C h w"], place: Place) -> None:
        self.x = image[..., *place.seen(stride_of(objective.network))].detach().requires_grad_(True)
        activations, self.pullback = looked(objective.network, self.x, objective.layers)
        all_seen = {**activations, PIXELS: self.x}
        self.seen = {layer: x.detach().requires_grad_(True) for layer, x in all_seen.items()}
        features = features_of(objective.network, self.seen, place)
        self.sums = {layer: objective.statistics(layer, F) for layer, F in features.items()}
        self.at_border = features[objective.border] if objective.border else None

    def gradient(self, D: SumsOfTerms) -> Float[Tensor, "1 C h w"]:
        """That of the loss with respect to the place's pixels, from D, that with respect to the sums. Uses up both D
        and what was seen."""
        gradient = None if self.pullback is None else self.pullback(lambda layer: self.own_gradient(layer, D))
        if self.sums[PIXELS]:
            own = self.own_gradient(PIXELS, D)
            gradient = own if gradient is None else gradient + own
        return torch.zeros_like(self.x) if gradient is None else gradient

    def own_gradient(self, layer: str, D: SumsOfTerms) -> Tensor:
        """With respect to what is seen in a layer, of that layer's sums."""
        of_layer, of_terms, seen = self.sums.pop(layer), D.pop(layer), self.seen.pop(layer)
        deeper = None
        if of_layer.pop(DEEPER, None) is not None and self.at_border is not None:
            deeper = self.at_border.back_in_sight(*of_terms[DEEPER])
            of_terms = {at: of_term for at, of_term in of_terms.items() if at != DEEPER}
        sums = [x for s in of_layer.values() for x in s if is_summed(x)]
        gradients = [d for of_term in of_terms.values() for d in of_term]
        pairs = [(x, d) for x, d in zip(sums, gradients, strict=True) if x.requires_grad]
        if not pairs:
            return torch.zeros_like(seen) if deeper is None else deeper
        own = torch.autograd.grad([x for x, _ in pairs], seen, [d for _, d in pairs])[0]
        return together(own, deeper)


def features_of(network: Network, seen: Mapping[str, Tensor], place: Place) -> dict[str, Features]:
    """What is seen at a place in each layer, as features of the picture."""
    readouts, strides = getattr(network, "readouts", {}), getattr(network, "strides", {})
    return {
        layer: Features(
            *(x, readouts.get(layer), place, strides.get(layer, 1)),
            map_size=None if place.is_whole else map_size(network, layer, place),
        )
        for layer, x in seen.items()
    }


def stride_of(network: Network) -> int:
    """px between two positions of what it looks at."""
    return getattr(network, "stride", 1)


def map_size(network: Network, layer: str, place: Place) -> tuple[int, int]:
    """h_l and w_l of the picture that ``place`` is of, in a chain that knows."""
    if layer == PIXELS:
        return place.height, place.width
    assert isinstance(network, VGG)
    return network.map_size(layer, place.height, place.width)


def looked(network: Network, x: Tensor, layers: Collection[str]) -> tuple[Mapping[str, Tensor], Pullback | None]:
    """The activations of ``layers``, and, where there are gradients, the way back to x: the network's own, or
    autograd's."""
    if not layers:
        return {}, None
    if not torch.is_grad_enabled():
        return network(x, layers), None
    if hasattr(network, "look"):
        found: tuple[Mapping[str, Tensor], Pullback] = network.look(x, layers)
        return found
    activations = dict(network(x, layers))
    held = dict(activations)

    def pullback(own: Callable[[str], Tensor]) -> Tensor:
        heads = heads_of(held)
        for layer in [layer for layer in held if layer not in heads]:
            held.pop(layer).register_hook(lambda deeper, layer=layer: together(own(layer), deeper))  # type: ignore[no-untyped-call]
        return torch.autograd.grad([held.pop(layer) for layer in heads], x, [own(layer) for layer in heads])[0]

    return activations, pullback


def heads_of(activations: Mapping[str, Tensor]) -> list[str]:
    """The layers from which the way back to the image leads through all others; in a chain, the deepest alone."""
    passed: set[Any] = set()
    for activation in activations.values():
        ahead = [activation.grad_fn]
        while ahead:
            for node, _ in ahead.pop().next_functions:  # type: ignore[union-attr]
                if node is not None and node not in passed:
                    passed.add(node)
                    ahead.append(node)
    return [layer for layer, activation in activations.items() if activation.grad_fn not in passed]


def added(sums: Iterable[SumsOfTerms]) -> SumsOfTerms:
    """Those of all places together."""
    total: SumsOfTerms = {}
    for of_place in sums:
        for layer, of_layer in of_place.items():
            for at, s in of_layer.items():
                before = total.setdefault(layer, {}).get(at)
                total[layer][at] = s if before is None else rebuilt(s, [x + y for x, y in zip(before, s, strict=True)])
    return total


def is_summed(x: Any) -> bool:
    """Whether a part of a statistic has a gradient; a number of positions has none."""
    return isinstance(x, Tensor) and x.is_floating_point()


def device_of(sums: SumsOfTerms) -> torch.device:
    """Where the sums are."""
    tensors = (x for of_layer in sums.values() for s in of_layer.values() for x in s if isinstance(x, Tensor))
    return next((x.device for x in tensors), torch.device("cpu"))


def rebuilt(like: Sums, parts: Iterable[Any]) -> Sums:
    """``parts`` as a tuple of the same kind, named or not."""
    return like._make(parts) if hasattr(like, "_make") else tuple(parts)


def content_targets(
    network: Network,
    photograph: Float[Tensor, "1 3 h w"],
    layers: Collection[str],
    content_loss: ContentLoss = CONTENT_LOSSES["features"],
    guides: Mapping[str, Tensor] | None = None,
    places: Sequence[Place] = (),
    disk: Disk | None = None,
) -> dict[str, Any]:
    """What the content loss keeps of the photograph, or of what ``guides`` leave of it: the paper's, its features P as
    maps. It is looked at in ``places``, or as a whole; maps may lie on a ``disk``."""
    return targets(network, photograph, layers, content_loss, guides, places, disk)


def style_targets(
    network: Network,
    painting: Float[Tensor, "1 3 h w"],
    layers: Collection[str],
    style_loss: StyleLoss,
    guides: Mapping[str, Tensor] | None = None,
    places: Sequence[Place] = (),
) -> dict[str, Any]:
    """A: the painting's statistics, or those of what ``guides`` leave of it, or what the style loss makes of them. It
    is looked at in ``places``, or as a whole."""
    return targets(network, painting, layers, style_loss, guides, places)


def seen(network: Network, image: Float[Tensor, "1 3 h w"], layers: Collection[str]) -> dict[str, Features]:
    """What the network sees of a whole picture."""
    return features_of(network, network(image, set(layers)), Place.whole(*image.shape[2:]))


@torch.no_grad()
def targets(
    network: Network,
    image: Float[Tensor, "1 3 h w"],
    layers: Collection[str],
    of: ContentLoss | StyleLoss,
    guides: Mapping[str, Tensor] | None,
    places: Sequence[Place],
    disk: Disk | None = None,
) -> dict[str, Any]:
    """What a loss makes of the statistics of a picture, or of what ``guides`` leave of it."""

    def sums_at(place: Place) -> SumsOfTerms:
        view = image[..., *place.seen()]
        of_network = set(layers) - {PIXELS}
        seen = {**(network(view, of_network) if of_network else {}), **({PIXELS: view} if PIXELS in layers else {})}
        found = features_of(network, seen, place)
        guided = found if guides is None else {layer: F.guided(guides[layer]) for layer, F in found.items()}
        if disk is not None:
            disk.rest()
            guided = {layer: replace(F, disk=disk) for layer, F in guided.items()}
        return {layer: {0: of.statistic(F)} for layer, F in guided.items()}

    sums = added(map(sums_at, places or [Place.whole(*image.shape[2:])]))
    target = getattr(of, "target", as_it_is)
    return {layer: target(of_layer[0]) for layer, of_layer in sums.items()}
