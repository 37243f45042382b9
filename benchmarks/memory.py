"""What memory an evaluation takes, and how it and the time grow with the picture, beside a peer's own program.

    python -m benchmarks.memory --weights vgg19.safetensors --checkout NEURAL_STYLE_PT --out DIR

``untiled``: pictures looked at as a whole, ours and the peer's; and ours with scarce memory, as a whole, in bfloat16
too, and in places. ``tiled``: large ones looked at in places, and how much longer these take. ``growth``: ours, both
ways, and the peer's at many sizes, with a plot.

Every measurement is a process of its own that makes two evaluations, in float32 if nothing else is said. It may use
``--memory`` GiB; where that is too little it is told how it died, and no larger picture of the kind is tried. ``peak``
is its most resident memory, ``beyond`` what of this came on top of what it held with torch imported and the network
loaded (MiB). Photographs are noise made small and enlarged, the painting is noise of 512 px. (torch is imported in the
functions, so that the peer's process has nothing of ours.)
"""

import argparse
import json
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .process import memory_in_use, memory_of_process

if TYPE_CHECKING:
    from torch import Tensor

    from impasto.disk import Disk
    from impasto.solver import Objective
    from impasto.tiling import Cut

Record = dict[str, Any]
"""One measurement: what was measured, and what it took."""

PAINTING = 512
"""px square."""

LOOKS = "paper", "default"
PEER = "neural-style-pt"

WANT_OF_MEMORY = "LimitError", "MemoryError", "allocate memory", "bad_alloc", "could not create", "could not execute"
"""In what a program says that ended for want of memory; the last two are oneDNN's."""


def alone(what: str, memory: float, **told: Any) -> Record:
    """What ``ALONE[what](**told)`` gives in a process of its own, of at most ``memory`` GiB; or how it died."""
    command = [sys.executable, "-m", "benchmarks.memory", "--alone", what, json.dumps(told), "--memory", str(memory)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return {"died": cause(done)} if done.returncode else json.loads(done.stdout.splitlines()[-1])


def cause(done: subprocess.CompletedProcess[str]) -> str:
    """What ended a process for want of memory: a signal, or what it said last. Raises RuntimeError for other ends."""
    if done.returncode < 0:
        return f"killed by {signal.Signals(-done.returncode).name}"
    for line in reversed(done.stderr.splitlines()):
        if any(words in line for words in WANT_OF_MEMORY):
            return line
    raise RuntimeError(done.stderr)


def noise(size: int, seed: int) -> "Tensor":
    """A picture ``size`` px square: noise made eight times smaller, and enlarged."""
    import torch

    small = torch.rand(1, 3, -(-size // 8), -(-size // 8), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, (size, size), mode="bilinear")


def pair(size: int) -> "tuple[Tensor, Tensor]":
    """The photograph and the painting."""
    return noise(size, 0), noise(PAINTING, 1)


def in_places(objective: "Objective", cut: "Cut", disk: "Disk | None" = None) -> "Objective":
    """``objective``, looking at places as they are ``cut``, or at the whole picture."""
    from impasto.tiling import InPlaces
    from impasto.views import Through

    if isinstance(objective, Through):
        return Through(in_places(objective.objective, cut, disk), objective.view)
    return InPlaces(objective, cut, disk=disk)


def evaluate(
    network: str,
    look: str,
    size: int,
    side: int | None,
    kept: bool,
    scarce: bool,
    weights: str | None,
    precision: str = "float32",
) -> Record:
    """impasto's evaluations in this ``precision``; freed memory is ``kept``, as in a run, or as in a run whose memory
    is ``scarce``; or left to glibc, as by the peer. What is looked at in places has the photograph's features on a
    disk, as a run of little memory does."""
    from impasto.assembly import network_of
    from impasto.cli.heap import ALL, LARGE, give_back_blocks, give_back_what_is_free, keep_freed_memory
    from impasto.devices import memory
    from impasto.disk import Disk
    from impasto.network.registry import cache
    from impasto.network.vgg import VGG
    from impasto.tiling import Cut

    from .speed import PRECISIONS, seen_by, settings_of

    settings = settings_of(network, size, weights, look)
    found = network_of(settings, precision=PRECISIONS[precision])
    assert isinstance(found, VGG)
    found.sparing = scarce
    held = memory_in_use()
    if kept:
        keep_freed_memory()
        if side or scarce:
            give_back_blocks(ALL if scarce else LARGE)
        give_back_what_is_free()
    with memory():
        photograph, painting = pair(size)
        disk, cut = Disk(cache()) if side else None, Cut(side)
        made = seen_by(settings, found, photograph, painting, cut, disk)
        objective = in_places(made, cut, disk)
        moments = []
        for _ in range(2):
            objective.value_and_gradient(photograph)
            moments.append(time.perf_counter())
    if cut.side != side:
        raise MemoryError(f"it went on in places of {cut.side} px")
    return taken(held, moments)


def compare(network: str, look: str, size: int, side: int, weights: str | None, rounds: int) -> Record:
    """How many times as long impasto's evaluation takes in places, both in turn in one process."""
    from impasto.assembly import network_of
    from impasto.cli.heap import keep_freed_memory
    from impasto.tiling import Cut

    from .speed import least_seconds, seen_by, settings_of

    keep_freed_memory()
    settings = settings_of(network, size, weights, look)
    photograph, painting = pair(size)
    made = seen_by(settings, network_of(settings), photograph, painting)
    objectives = {name: in_places(made, Cut(of)) for name, of in (("whole", None), ("places", side))}
    calls = {name: lambda of=of: of.value_and_gradient(photograph) for name, of in objectives.items()}
    seconds = least_seconds(calls, rounds)
    return {"seconds": seconds, "ratio": seconds["places"] / seconds["whole"]}


def prepare(checkout: str, folder: str, size: int, weights: str) -> Record:
    """The pair and the weights as files for the peer, and its command."""
    from impasto.images.files import write

    from .peers import STAND_IN, NeuralStylePt

    out = Path(folder)
    pictures = out / f"content-{size}.png", out / "style.png"
    for image, path in zip(pair(size), pictures, strict=True):
        write(image, path)
    command = NeuralStylePt(out, Path(weights), evaluations=1).command(Path(checkout), *pictures, size, out, "cpu")
    return {"command": [*command[1:], "-style_scale", str(PAINTING / size)], "stand_in": str(STAND_IN)}


def run(command: list[str], stand_in: str) -> Record:
    """The peer's own program. (Asked for one evaluation, it makes two.)"""
    sys.path[:0] = [str(Path(command[0]).parent), stand_in]
    import CaffeLoader
    from torch.optim.optimizer import register_optimizer_step_post_hook

    held, moments, load = [], [], CaffeLoader.loadCaffemodel

    def loaded(*args: Any) -> Any:
        found = load(*args)
        held.append(memory_in_use())
        return found

    CaffeLoader.loadCaffemodel = loaded
    register_optimizer_step_post_hook(lambda *_: moments.append(time.perf_counter()))
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")
    return taken(held[0], moments)


def taken(held: float, moments: list[float]) -> Record:
    """Memory, and the seconds of the second evaluation, from the moments when each was done."""
    peak = memory_of_process("VmHWM")
    return {"peak": peak, "beyond": peak - held, "seconds": moments[1] - moments[0]}


ALONE: dict[str, Callable[..., Record]] = {"evaluate": evaluate, "compare": compare, "prepare": prepare, "run": run}


def ours(args: argparse.Namespace, network: str, size: int, **said: Any) -> Record:
    """impasto at one size, as in a run, looking at the whole picture, unless it is ``said`` otherwise."""
    said = {"network": network, "size": size, "look": args.look, "side": None, "kept": True, "scarce": False} | said
    return {"program": "impasto", **said, **alone("evaluate", args.memory, **said, weights=args.weights)}


def theirs(args: argparse.Namespace, size: int) -> Record:
    """The peer at one size."""
    prepared = alone("prepare", args.memory, checkout=args.checkout, folder=args.out, size=size, weights=args.weights)
    return {"program": PEER, "network": "vgg19", "size": size, **alone("run", args.memory, **prepared)}


def untiled(args: argparse.Namespace) -> Iterator[Record]:
    for network, look, kept in product(args.networks, LOOKS, (True, False)):
        yield ours(args, network, args.untiled_size, look=look, kept=kept)
    for network, look, precision in product(args.networks, LOOKS, ("float32", "bfloat16")):
        yield ours(args, network, args.untiled_size, look=look, scarce=True, precision=precision)
    for network in args.networks:
        yield ours(args, network, args.untiled_size, side=args.scarce_side, scarce=True)
    if args.checkout:
        yield theirs(args, args.untiled_size)


def tiled(args: argparse.Namespace) -> Iterator[Record]:
    for network in args.networks:
        for size in args.tiled_sizes:
            yield ours(args, network, size, side=args.side)
        said = {"network": network, "look": args.look, "size": args.ratio_size, "side": args.side}
        told = alone("compare", args.memory, **said, weights=args.weights, rounds=args.rounds)
        yield {"program": "impasto", **said, **told}


def growth(args: argparse.Namespace) -> Iterator[Record]:
    for network in args.networks:
        whole = [size for size in args.growth_sizes if size <= args.most_untiled]
        parted = [size for size in args.growth_sizes if size > args.side]
        yield from while_it_lives(ours(args, network, size) for size in whole)
        yield from while_it_lives(ours(args, network, size, side=args.side) for size in parted)
    if args.checkout:
        yield from while_it_lives(theirs(args, size) for size in args.growth_sizes)


def while_it_lives(records: Iterable[Record]) -> Iterator[Record]:
    """Up to the first that tells of a death, and that one."""
    for record in records:
        yield record
        if "died" in record:
            return


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Record]]] = {
    "untiled": untiled,
    "tiled": tiled,
    "growth": growth,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="VGG-19's weights; without, those in the cache")
    parser.add_argument("--checkout", help=f"folder of the repository of {PEER}; without, it is left out")
    parser.add_argument("--networks", nargs="+", default=["lite", "vgg19"])
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS, help="what to measure (anew)")
    parser.add_argument("--untiled-size", type=int, default=1024, help="px square, as all sizes")
    parser.add_argument("--tiled-sizes", type=int, nargs="+", default=[4096, 8192])
    parser.add_argument("--ratio-size", type=int, default=2048, help="of what is looked at both ways")
    parser.add_argument("--growth-sizes", type=int, nargs="+", default=[512, 1024, 2048, 3072, 4096, 6000])
    parser.add_argument("--most-untiled", type=int, default=6000, help="size up to which growth looks at wholes")
    parser.add_argument("--side", type=int, default=1024, help="of places")
    parser.add_argument("--scarce-side", type=int, default=256, help="of places where memory is scarce")
    parser.add_argument("--look", choices=LOOKS, default="default", help="of tiled and growth")
    parser.add_argument("--rounds", type=int, default=4, help="evaluations of which the ratio takes the least")
    parser.add_argument("--memory", type=float, default=16, help="GiB that a measurement may use")
    parser.add_argument("--out", default="memory-benchmark")
    parser.add_argument("--alone", nargs=2, metavar=("WHAT", "JSON"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        resource.setrlimit(resource.RLIMIT_AS, (int(args.memory * 2**30),) * 2)
        what, told = args.alone
        print(json.dumps(ALONE[what](**json.loads(told))))
        return
    if args.checkout and not args.weights:
        parser.error("--checkout needs --weights, which the peer reads as well")
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    told = out / "results.json"
    before = json.loads(told.read_text()) if told.exists() else []
    records = [record for record in before if record["part"] not in args.parts]
    for part in args.parts:
        for record in PARTS[part](args):
            print(json.dumps({"part": part, **record}), flush=True)
            records.append({"part": part, **record})
            told.write_text(json.dumps(records, indent=1))
    if grown := [record for record in records if record["part"] == "growth"]:
        from .growth import draw

        draw(grown, args.memory, out)


if __name__ == "__main__":
    main()
