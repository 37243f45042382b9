"""The places of a picture that is too large to be looked at as a whole, and what memory a run takes.

Sums over places are those of the whole picture, whatever these are, so memory decides how it is cut, and nothing else.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.disk import Disk
from impasto.errors import LimitError, UsageError
from impasto.features import LEAST_SIDE, Place
from impasto.network.protocol import Network
from impasto.network.vgg import VGG
from impasto.objective import TotalLoss
from impasto.tensors import is_lack_of_memory

STRIDE, MARGIN = 16, 80
"""px, of conv5_1, the paper's deepest layer: between two of its positions, and no less than how far these see."""

PIXEL = 12
"""Bytes of one: three floats."""

BORDER = "pool3"
"""What lies deeper has places of its own: see ``TotalLoss``. Half of the work is there, and a tenth of the memory."""


def places_of(height: int, width: int, side: int, stride: int = STRIDE, margin: int = MARGIN) -> Iterator[Place]:
    """Parts of ``side`` x ``side`` px at most, all about as large, with a margin around. Every part begins on a
    multiple of ``stride``."""
    for rows in parts(height, side, stride):
        for columns in parts(width, side, stride):
            seen = (around(of, size, stride, margin) for of, size in ((rows, height), (columns, width)))
            yield Place(height, width, rows, columns, *seen)


def parts(size: int, side: int, stride: int) -> list[slice]:
    """``size`` px in as few parts as there can be."""
    count = -(-size // side)
    part = -(-size // (count * stride)) * stride
    return [slice(start, min(start + part, size)) for start in range(0, size, part)]


def around(counted: slice, size: int, stride: int, margin: int) -> slice:
    """``counted`` px with the margin."""
    stop = counted.stop + margin
    return slice(max(0, counted.start - margin), size if stop + stride > size else stop)


@dataclass
class Cut:
    """How the pictures of a run are cut: into places of ``side`` x ``side`` px at most, or not at all."""

    side: int | None = None

    def places(self, network: Network, layers: Collection[str], height: int, width: int) -> Sequence[Place]:
        """Those in which a picture is looked at for these layers; none where it is looked at as a whole."""
        if self.side is None or not isinstance(network, VGG):
            return ()
        stride, margin = seen_around(network, layers)
        if height * width <= (self.side + 2 * margin) ** 2:
            return ()
        return tuple(places_of(height, width, max(stride, self.side // stride * stride), stride, margin))

    def of(self, objective: TotalLoss, height: int, width: int) -> TotalLoss:
        """``objective`` as it looks at a picture of this size. Beyond ``BORDER``, where activations are few, places are
        twice as large."""
        if self.side is None or not self.places(*seen_by(objective), height, width):
            return spared(objective, height, width)
        return parted(objective, BORDER, self, Cut(2 * self.side), height, width)

    def finer(self, height: int, width: int) -> bool:
        """Whether a picture of this size can be cut further, which then it is."""
        side = max(height, width) if self.side is None else self.side
        self.side = max(LEAST_SIDE, side // 2)
        return self.side < side


WHOLE = Cut()
"""Pictures are looked at as a whole."""

SPARED = Cut(256)
"""Where memory is to be spared, that is up to ``SPARED_UP_TO``: the largest maps of all, and a tenth of the work."""

SPARED_UP_TO = "pool1"


def spared(objective: TotalLoss, height: int, width: int) -> TotalLoss:
    """``objective`` of a whole picture, whose largest maps are never there as a whole, if its network is to be
    ``sparing``."""
    if not isinstance(objective.network, VGG) or not objective.network.sparing:
        return objective
    found = parted(objective, SPARED_UP_TO, SPARED, WHOLE, height, width)
    return found if found.deeper is not None and found.places else objective


def parted(objective: TotalLoss, border: str, here: Cut, beyond: Cut, height: int, width: int) -> TotalLoss:
    """``objective`` cut as ``here`` up to ``border``, and as ``beyond`` from there on."""
    found = objective.parted(border)
    if found.deeper is not None:
        deeper = beyond.places(*seen_by(found.deeper), height, width)
        found = replace(found, deeper=replace(found.deeper, places=deeper or [Place.whole(height, width)]))
    return replace(found, places=here.places(*seen_by(found), height, width))


def seen_by(objective: TotalLoss) -> tuple[Network, Collection[str]]:
    """The network, and the layers of it that are looked at."""
    return objective.network, objective.layers


def seen_around(network: VGG, layers: Collection[str]) -> tuple[int, int]:
    """The stride of the deepest of ``layers``, and how far its positions see beyond their own px, as a multiple of it;
    no less than what terms that look at pixels want."""
    strides, reach = network.strides, network.reach
    stride = max([STRIDE, *(strides[layer] for layer in layers if layer in strides)])
    far = max([1, *(reach[layer] for layer in layers if layer in reach)])
    return stride, -(-far // stride) * stride


@dataclass(frozen=True)
class InPlaces:
    """``objective`` at the places that memory leaves: where it runs out on the way, these get smaller, and the
    evaluation begins anew. ``told`` is called after each place with what part of an evaluation is done."""

    objective: TotalLoss
    cut: Cut
    told: Callable[[float], object] | None = None
    disk: Disk | None = None

    def value_and_gradient(
        self, image: Float[Tensor, "1 3 h w"]
    ) -> tuple[Mapping[str, float], Float[Tensor, "1 3 h w"]]:
        height, width = image.shape[2:]
        while True:
            objective = self.cut.of(self.objective, height, width)
            try:
                return self.heard(objective).value_and_gradient(image)
            except (MemoryError, RuntimeError) as error:
                if not is_lack_of_memory(error) or not self.can_be_cut(height, width):
                    raise
            if image.is_cuda:
                torch.cuda.empty_cache()

    def can_be_cut(self, height: int, width: int) -> bool:
        """Whether there can be more places in a picture of this size than there are, which from now on there are."""
        count = self.count(height, width)
        while self.count(height, width) <= count:
            if not self.cut.finer(height, width):
                return False
        return True

    def count(self, height: int, width: int) -> int:
        """Of the places of a picture of this size; of a whole 0."""
        return len(self.cut.places(*seen_by(self.objective), height, width))

    def heard(self, objective: TotalLoss) -> TotalLoss:
        """``objective``, which tells of its places."""
        deeper = None if objective.deeper is None else replace(objective.deeper, told=lambda _: self.rest())
        return replace(objective, told=self.after_place, deeper=deeper)

    def after_place(self, part: float) -> None:
        """So much of an evaluation is done."""
        self.rest()
        if self.told is not None:
            self.told(part)

    def rest(self) -> None:
        """A place is done."""
        if self.disk is not None:
            self.disk.rest()


@dataclass(frozen=True)
class Plan:
    """How a run is done within its memory: the ``sides`` of places at each of its sizes, the last the largest, None
    where the picture is whole; whether L-BFGS's pairs and, of places, the photograph's features are ``on_disk``; what
    the last size takes, ``bytes`` of memory and of a ``disk``; and whether memory is ``scarce``, and worth time."""

    sides: tuple[int | None, ...]
    on_disk: bool
    bytes: int
    disk: int = 0
    scarce: bool = False

    @property
    def side(self) -> int | None:
        """At the last size."""
        return self.sides[-1]

    @property
    def told(self) -> dict[str, Any]:
        """What is not as usual: it decides the rounding."""
        places = {} if self.side is None else {"tile": self.side, "tiles": [*self.sides]}
        said = {"on_disk": self.on_disk, "scarce": self.scarce}
        return places | {name: True for name, so in said.items() if so}


@dataclass(frozen=True)
class Needs:
    """What a run of ``height`` x ``width`` px takes on a CPU: a model of its peak.

    ``layers`` are those that are looked at, ``kept`` those whose features are kept as maps, ``history`` the pairs of
    the solver, ``maps`` how many numbers for each pixel masks and what views keep are. Each of ``regions`` has features
    of its own, weighted.
    """

    network: Network
    layers: Collection[str]
    kept: Collection[str]
    height: int
    width: int
    history: int
    maps: float = 0.0
    regions: int = 0

    @property
    def pixels(self) -> int:
        return self.height * self.width

    def seen(self, side: int | None) -> int:
        """Pixels of a place, with its margin, at most."""
        if side is None or not isinstance(self.network, VGG):
            return self.pixels
        return min(self.pixels, (side + 2 * seen_around(self.network, self.layers)[1]) ** 2)

    def evaluation(self, side: int | None) -> int:
        """What looking at a place takes: the activations, some of them twice, and of smaller blocks what lies idle."""
        if side is None or not isinstance(self.network, VGG):
            return round(AT_ONCE * 4 * self.numbers * self.pixels)
        if not (beyond := self.beyond):
            return round(AT_ONCE_IN_PLACES * 4 * self.numbers * self.seen(side))
        here = replace(self, layers=[*set(self.layers).difference(beyond), BORDER])
        deeper = replace(self, network=self.network.after(BORDER), layers=beyond)
        in_places = here.seen(side) * here.numbers + deeper.seen(2 * side) * deeper.numbers
        maps = 2 * numbers_of(self.network, BORDER) * self.pixels
        return round(4 * (AT_ONCE_IN_PLACES * in_places + maps))

    @property
    def numbers(self) -> float:
        """For each pixel, that a network gives, and that are made of them for regions."""
        of_regions = 0.0
        if self.regions and isinstance(self.network, VGG):
            of_regions = self.regions * sum(numbers_of(self.network, layer) for layer in self.layers)
        return activations(self.network, self.layers) + of_regions

    @property
    def beyond(self) -> list[str]:
        """Layers deeper than ``BORDER``."""
        if not isinstance(self.network, VGG) or BORDER not in self.network.chain:
            return []
        return [layer for layer in self.layers if layer in self.network.after(BORDER).chain]

    @property
    def pictures(self) -> int:
        """Pictures, gradients and what is made of them on the way."""
        return round((PICTURES * PIXEL + 4 * self.maps) * self.pixels)

    @property
    def targets(self) -> int:
        """The photograph's features."""
        return round(4 * features(self.network, self.kept) * self.pixels)

    @property
    def pairs(self) -> int:
        """Of the solver."""
        return 2 * PIXEL * self.history * self.pixels

    def total(self, side: int | None, *, on_disk: bool) -> int:
        """All of it. The features of a whole picture are never on a disk."""
        kept = (0 if on_disk and side else self.targets) + (0 if on_disk else self.pairs)
        return PROGRAM + self.evaluation(side) + self.pictures + kept

    def disk(self, side: int | None) -> int:
        """Bytes there of what may be on a disk; pairs in bfloat16."""
        return (self.targets if side else 0) + self.pairs // 2


COMPILED = 100 * 2**20
"""Bytes of addresses, at most, that oneDNN takes for the code that it compiles: where it finds none it ends the
program, without an exception."""

PROGRAM = 450 * 2**20
"""Bytes, of Python, torch, a network and what convolutions want besides."""

SCARCE = 2 * 10**9
"""Bytes: a run that has less gives back all that it can at once, keeps no more than it has to, and takes longer."""

AT_ONCE, AT_ONCE_IN_PLACES = 1.1, 3.0
"""What an evaluation takes of all its activations, in float32: 0.63 to 1.01 were measured (in bfloat16 0.36 to 0.8),
and in places up to 2.9."""

PICTURES = 14
"""As large as the picture, that are there at once: 12.5 to 13.5 were, with L-BFGS."""

SIDES = (4096, 3072, 2048, 1792, 1536, 1280, 1024, 896, 768, 640, 512, 384, 256, LEAST_SIDE)
"""px, of places, the largest of which memory allows is taken."""

SMALL = 768
"""px: with places no larger than that, margins cost more than reading from a disk does."""


def planned(needs: Sequence[Needs], memory: int, tile: str | int = "auto") -> Plan:
    """How a run is done in so much ``memory``, from what it ``needs`` at each of its sizes, the last the largest: the
    picture whole, else in places as large as can be, and the solver's pairs there too; or else these on disk, rather
    than in ``SMALL`` places.

    ``tile`` is the side of places, "off" for none, or "auto". Raises LimitError where memory is too small for any.
    """
    *smaller, last = needs
    if isinstance(tile, int) and not isinstance(last.network, VGG):
        raise UsageError("`tile` is for networks whose layers are known, and this one is of your own")
    sides: Sequence[int | None] = (None, *SIDES) if isinstance(last.network, VGG) and tile != "off" else (None,)
    if isinstance(tile, int):
        sides = (tile,)
    ways = sorted(((side, on_disk) for side in sides for on_disk in (False, True)), key=dearness)
    side, on_disk = next((way for way in ways if last.total(way[0], on_disk=way[1]) <= memory), ways[-1])
    total = last.total(side, on_disk=on_disk)
    if total > memory and tile == "auto":
        raise LimitError(
            f"not enough memory: a picture of {last.width} x {last.height} px takes {gigabytes(total)} at least, and "
            f"there are {gigabytes(memory)}: paint a smaller one, or say with `memory` (and ulimit -v, where that is "
            "set) that more may be taken"
        )  # whoever says how has the last word
    of_smaller = [
        next((side for side in sides if of.total(side, on_disk=on_disk) <= memory), sides[-1]) for of in smaller
    ]
    return Plan((*of_smaller, side), on_disk, total, last.disk(side) if on_disk else 0, memory < SCARCE)


def dearness(way: tuple[int | None, bool]) -> tuple[int, bool]:
    """By which ways are sorted, of places of some side with a disk or without: the quicker the less."""
    side, on_disk = way
    return 0 if side is None else 1 if side > SMALL else 2, on_disk


FORWARD = 0.4
"""Of an evaluation, what is looking alone."""


HERE, AROUND, DEEPER, AROUND_DEEPER = 0.65, 32, 0.35, 48
"""Of an evaluation, what layers up to ``BORDER`` take, and px of margin around places of these; and the same of those
beyond it, of the default."""


def effort(height: int, width: int, side: int | None = None) -> float:
    """Pixels that are looked at in an evaluation in places of ``side`` px, once there and back, or as much as that."""
    if side is None or height * width <= (side + 2 * MARGIN) ** 2:
        return float(height * width)
    here = looked_at(height, width, side, AROUND)
    return HERE * here + DEEPER * looked_at(height, width, 2 * side, AROUND_DEEPER)


def looked_at(height: int, width: int, side: int, margin: int) -> float:
    """The same, in places with such a margin."""
    if height * width <= (side + 2 * margin) ** 2:
        return float(height * width)
    seen = [
        len(range(place.seen_rows.start, place.seen_rows.stop))
        * len(range(place.seen_columns.start, place.seen_columns.stop))
        for place in places_of(height, width, max(STRIDE, side // STRIDE * STRIDE), margin=margin)
    ]
    return sum(seen) + FORWARD * sum(seen[:-1])


def gigabytes(count: int) -> str:
    """As people say it."""
    return f"{count / 1e9:.1f} GB"


def activations(network: Network, layers: Collection[str]) -> float:
    """Numbers for each pixel that a network gives on its way to ``layers``; of one that is not known, VGG-19's."""
    if not isinstance(network, VGG):
        return 290.0
    chain = [layer for layer in network.until(layers) if layer in network.convolutions]
    return sum(numbers_of(network, layer) for layer in chain)


def numbers_of(network: VGG, layer: str) -> float:
    """Numbers for each pixel that a layer gives."""
    filters = [network.link(of).filters for of in network.until([layer]) if of in network.convolutions]
    return filters[-1] / network.strides[layer] ** 2


def features(network: Network, layers: Collection[str]) -> float:
    """Numbers for each pixel that the features of ``layers`` are."""
    if not isinstance(network, VGG):
        return 32.0 * len(layers)
    readouts = network.readouts
    found = 0.0
    for layer in layers:
        read = len(readouts[layer]) / network.strides[layer] ** 2 if layer in readouts else None
        found += numbers_of(network, layer) if read is None else read
    return found


def bytes_of(network: VGG, pixels: int) -> int:
    """About what an evaluation needs on a GPU: every activation, and as much again for what is made of them on the
    way."""
    strides, kept = network.strides, 0.0
    for layer in network.convolutions:
        kept += network.link(layer).filters * network.link(layer).weight.itemsize / strides[layer] ** 2
    return round(2 * kept * pixels)
