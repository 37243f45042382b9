"""Everything there is to measure on a GPU, in one call of a few minutes.

    python -m benchmarks.gpu --weights vgg19.safetensors --out DIR

In turn: how near a GPU's loss and gradient are to float32 on the CPU; whole runs; a run at 8192 px with 40 GB; the
losses that bfloat16, and solvers as they are replayed, end at, beside float32 and the plain solver; an evaluation by
network and size; what the painter's controls take; the kernels of an evaluation. ``--parts`` chooses among these.
``benchmarks.race --device cuda`` races a peer.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as nnf

from impasto import Region, Step, pyramid, stylize
from impasto.devices import device_of
from impasto.images.files import write
from impasto.network import kernels

from .speed import measure, objective, table

PAIR = "sample:chelsea", "sample:swirl"
CARD = 40 * 10**9
"""Bytes, of the card that the largest picture is to fit in."""


def errors(network: str, weights: Path | None, device: str, look: str) -> None:
    """The value and the gradient beside those of float32 on the CPU."""
    values, gradients = {}, {}
    for where, precision in (("cpu", "float32"), (device, "float32"), (device, "bfloat16")):
        evaluated, photograph = objective(network, precision, 203, weights, where, look)
        terms, gradient = evaluated.value_and_gradient(smooth(photograph).to(where))
        values[where, precision], gradients[where, precision] = dict(terms), gradient.cpu().double()
    wanted, by = gradients["cpu", "float32"], values["cpu", "float32"]
    for (where, precision), found in list(gradients.items())[1:]:
        ratios = ", ".join(f"{name} {value / by[name]:.5f}" for name, value in values[where, precision].items())
        error = float((found - wanted).norm() / wanted.norm())
        print(f"{network:6}{look:8}{precision:9} gradient {error:.1e}  {ratios}")


def smooth(image: Tensor) -> Tensor:
    """Noise without its finest detail: another picture than the photograph."""
    return nnf.avg_pool2d(nnf.pad(image, (2, 2, 2, 2), mode="replicate"), 5, 1)


def run(device: str, **options: Any) -> Step:
    """A run, with the seconds of its parts."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    began, first = time.perf_counter(), {}
    content, style = PAIR[0], options.pop("paintings", PAIR[1])
    for step in stylize(content, style, device=device, **options):
        first.setdefault(max(step.image.shape[2:]), time.perf_counter() - began)
    whole = time.perf_counter() - began
    memory = torch.cuda.max_memory_reserved() / 2**30 if device == "cuda" else float("nan")
    told = {
        name: value.name if isinstance(value, Path) else value for name, value in options.items() if name != "regions"
    }
    print(
        f"{told}: {step.seconds:.2f} s of optimisation, {whole:.2f} s in all, {step.evaluations} evaluations, "
        f"loss {step.loss:.4e}, {memory:.1f} GiB; first pictures after "
        + ", ".join(f"{at:.2f} ({size} px)" for size, at in first.items()),
        flush=True,
    )
    return step


def controls(device: str, size: int, **options: Any) -> None:
    """Runs with the painter's controls."""
    left = torch.zeros(1, 3, 300, 451)  # chelsea's size
    left[..., :225] = 1
    regions = Region(left, "sample:wave"), Region(1 - left, "sample:mosaic")
    two = ["sample:swirl", "sample:wave"]
    for each in (
        {"paintings": two, "blend": (2.0, 1.0)},
        {"paintings": two, "blend": ("fine", "coarse")},
        {"stroke_size": 2.0},
        {"colour": "photo"},
        {"colour": "recoloured"},
        {"regions": regions},
    ):
        run(device, size=size, **each, **options)


def kernels_of(network: str, size: int, weights: Path | None, look: str, most: int = 30) -> None:
    """The kernels of an evaluation, by what they take."""
    evaluated, photograph = objective(network, "bfloat16", size, weights, "cuda", look)
    for _ in range(3):
        evaluated.value_and_gradient(photograph)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiled:
        evaluated.value_and_gradient(photograph)
        torch.cuda.synchronize()
    rows = sorted(profiled.key_averages(), key=lambda row: -row.device_time_total)
    print(f"\n{network}, {look}, {size} px: {sum(row.device_time_total for row in rows) / 1000:.2f} ms of kernels")
    for row in rows[:most]:
        print(f"{row.device_time_total / 1000:8.3f} ms {row.count:4} x {row.key[:110]}")


@contextmanager
def plain() -> Iterator[None]:
    """Without kernels and recordings of our own."""
    ours = pyramid.at_its_best, pyramid.as_asked, kernels.available
    pyramid.at_its_best = lambda solver, _: solver  # type: ignore[assignment]
    pyramid.as_asked = lambda objective, *_: objective  # type: ignore[assignment]
    kernels.available = lambda: False  # type: ignore[assignment]
    try:
        yield
    finally:
        pyramid.at_its_best, pyramid.as_asked, kernels.available = ours


@contextmanager
def card_of(size: int) -> Iterator[None]:
    """With so many bytes of the GPU free, and no more."""
    torch.cuda.empty_cache()
    rest = torch.empty(max(0, torch.cuda.mem_get_info()[0] - size), dtype=torch.uint8, device="cuda")
    yield
    del rest


@dataclass(frozen=True)
class Bench:
    """What was asked for."""

    weights: Path | None
    device: str
    sizes: list[int]
    steps: dict[str, int]
    out: Path

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """By name, the options that choose it."""
        return {"lite": {}, "vgg19": {"network": "vgg19", "weights": self.weights}}

    def exactness(self) -> None:
        """Beside float32 on the CPU, 203 px."""
        for network in self.networks:
            for look in ("default", "paper"):
                errors(network, self.weights, self.device, look)

    def runs(self) -> None:
        """Whole runs; the first of all makes the programs of the kernels, where they are not kept from before."""
        for _ in range(3):
            write(run(self.device, size=self.sizes[0], **self.steps).image.cpu(), self.out / "small.png")
        for options in ({"preset": "paper"}, self.networks["vgg19"]):
            for _ in range(2):
                run(self.device, size=self.sizes[0], **options, **self.steps)
        for size in self.sizes[1:]:
            write(run(self.device, size=size, **self.steps).image.cpu(), self.out / f"{size}.png")

    def largest(self) -> None:
        """8192 px with 40 GB."""
        if self.device == "cuda":
            with card_of(CARD):
                picture = run(self.device, size=8192, steps=20, coarse_steps=1).image.cpu()
            write(picture, self.out / "8192.png")

    def ends(self) -> None:
        """Where runs of one size end."""
        at_once = {"size": self.sizes[0], "scales": 1, **self.steps}
        for precision in ("bfloat16", "float32"):
            run(self.device, precision=precision, **at_once)
        with plain():
            run(self.device, precision="float32", **at_once)

    def controls(self) -> None:
        """The painter's controls."""
        for options in self.networks.values():
            controls(self.device, self.sizes[0], **options, **self.steps)

    def evaluations(self) -> None:
        """An evaluation."""
        kinds = [(network, "bfloat16") for network in self.networks]
        for look in ("paper", "default"):
            for size in self.sizes[:1] + self.sizes[2:]:
                print(f"\n{look}" + table(size, measure(kinds, size, self.weights, 5, self.device, look)))

    def kernels(self) -> None:
        """The kernels of an evaluation."""
        for network, size, look in product(self.networks, (128, 512, 2048), ("paper", "default")):
            if self.device == "cuda":
                kernels_of(network, size, self.weights, look)


PARTS = [name for name, of in vars(Bench).items() if callable(of) and not name.startswith("_")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="VGG-19's weights; without, those in the cache")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--steps", type=int, help="of every run, instead of the default")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--out", type=Path, default=Path("gpu-benchmark"))
    args = parser.parse_args()
    steps = {"steps": args.steps} if args.steps else {}
    bench = Bench(args.weights, device_of(args.device).type, args.sizes, steps, args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    if bench.device == "cuda":
        print(torch.cuda.get_device_name(), f"torch {torch.__version__}, kernels: {kernels.available()}")
    for part in args.parts:
        measured = getattr(bench, part)
        print("\n" + measured.__doc__, flush=True)
        measured()


if __name__ == "__main__":
    main()
