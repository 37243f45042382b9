"""Everything there is to measure on a GPU, in one call of a few minutes.

    python -m benchmarks.gpu --weights vgg19.safetensors --out DIR

In turn: how near a GPU's loss and gradient are to float32 on the CPU; whole runs; a run at 8192 px with 40 GB; the
losses that bfloat16, and L-BFGS as it is replayed, end at, beside float32 and the plain solver; an evaluation by
network and size. ``benchmarks.race --device cuda`` races a peer.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as nnf

from impasto import Step, pyramid, stylize
from impasto.facade import device_of
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
    for step in stylize(*PAIR, device=device, **options):
        first.setdefault(max(step.image.shape[2:]), time.perf_counter() - began)
    whole = time.perf_counter() - began
    memory = torch.cuda.max_memory_reserved() / 2**30 if device == "cuda" else float("nan")
    told = {name: value.name if isinstance(value, Path) else value for name, value in options.items()}
    print(
        f"{told}: {step.seconds:.2f} s of optimisation, {whole:.2f} s in all, {step.evaluations} evaluations, "
        f"loss {step.loss:.4e}, {memory:.1f} GiB; first pictures after "
        + ", ".join(f"{at:.2f} ({size} px)" for size, at in first.items()),
        flush=True,
    )
    return step


@contextmanager
def plain() -> Iterator[None]:
    """Without kernels and recordings of our own."""
    at_its_best, available = pyramid.at_its_best, kernels.available
    pyramid.at_its_best, kernels.available = (lambda solver, _: solver), (lambda: False)  # type: ignore[assignment]
    try:
        yield
    finally:
        pyramid.at_its_best, kernels.available = at_its_best, available


@contextmanager
def card_of(size: int) -> Iterator[None]:
    """With so many bytes of the GPU free, and no more."""
    torch.cuda.empty_cache()
    rest = torch.empty(max(0, torch.cuda.mem_get_info()[0] - size), dtype=torch.uint8, device="cuda")
    yield
    del rest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="VGG-19's weights; without, those in the cache")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--steps", type=int, help="of every run, instead of the default")
    parser.add_argument("--out", type=Path, default=Path("gpu-benchmark"))
    args = parser.parse_args()
    device, steps = device_of(args.device).type, {"steps": args.steps} if args.steps else {}
    args.out.mkdir(parents=True, exist_ok=True)
    networks: dict[str, dict[str, Any]] = {"lite": {}, "vgg19": {"network": "vgg19", "weights": args.weights}}
    if device == "cuda":
        print(torch.cuda.get_device_name(), f"torch {torch.__version__}, kernels: {kernels.available()}")

    print("\nBeside float32 on the CPU, 203 px")
    for network in networks:
        for look in ("default", "paper"):
            errors(network, args.weights, device, look)

    print("\nRuns; the first of all makes the programs of the kernels, where they are not kept from before")
    for _ in range(3):
        write(run(device, size=args.sizes[0], **steps).image.cpu(), args.out / "small.png")
    for options in ({"preset": "paper"}, networks["vgg19"]):
        for _ in range(2):
            run(device, size=args.sizes[0], **options, **steps)
    for size in args.sizes[1:]:
        write(run(device, size=size, **steps).image.cpu(), args.out / f"{size}.png")
    if device == "cuda":
        with card_of(CARD):
            write(run(device, size=8192, steps=20, coarse_steps=1).image.cpu(), args.out / "8192.png")

    print("\nWhere they end, at one size")
    for precision in ("bfloat16", "float32"):
        run(device, size=args.sizes[0], scales=1, precision=precision, **steps)
    with plain():
        run(device, size=args.sizes[0], scales=1, precision="float32", **steps)

    for look in ("paper", "default"):
        for size in args.sizes[:1] + args.sizes[2:]:
            kinds = [(network, "bfloat16") for network in networks]
            print(f"\nAn evaluation, {look}" + table(size, measure(kinds, size, args.weights, 5, device, look)))


if __name__ == "__main__":
    main()
