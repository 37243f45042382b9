"""What one evaluation of the loss and its gradient takes, by network, size and precision.

    python -m benchmarks.speed --weights vgg19.safetensors --out DIR

Seconds (the least of some, all in turn in one process), floating-point operations (counted), their rate, its share of
what the machine reaches in products of large matrices of the same precision, and memory; beside a plain autograd loop
that computes the same in float32.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as nnf
from torch.utils._python_dispatch import TorchDispatchMode

from impasto.assembly import network_of, objective_of
from impasto.cli.heap import keep_freed_memory
from impasto.devices import computes_bfloat16, device_of
from impasto.disk import Disk
from impasto.network.protocol import Network
from impasto.network.registry import load_network
from impasto.network.vgg import VGG
from impasto.preparation import view_of
from impasto.replay import captured
from impasto.settings import Settings, validated
from impasto.solver import Objective
from impasto.tiling import WHOLE, Cut
from impasto.views import Through, as_it_is

from .process import memory_of_process

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PLAIN = "plain"
"""Not a network: VGG-19 in a plain loop."""


class PlainLoop:
    """The paper's objective with VGG-19 as one would first write it: float32, autograd through everything."""

    def __init__(self, network: VGG, photograph: Tensor, painting: Tensor, settings: Settings) -> None:
        self.settings, self.preprocessing = settings, network.preprocessing
        self.weights = {name: value.contiguous() for name, value in network.weights().items()}
        self.P = self.features(photograph)["conv4_2"].detach()
        self.A = {layer: (F @ F.T / F.shape[1]).detach() for layer, F in self.features(painting).items()}

    def features(self, image: Tensor) -> dict[str, Tensor]:
        x, found = self.preprocessing(image), {}
        for name in self.weights:
            if not name.endswith(".weight"):
                continue
            layer = name.removesuffix(".weight")
            if layer.endswith("_1") and layer != "conv1_1":
                x = nnf.avg_pool2d(x, 2)
            x = nnf.relu(nnf.conv2d(x, self.weights[name], self.weights[f"{layer}.bias"], padding=1))
            found[layer] = x.flatten(2).squeeze(0)
            if layer == "conv5_1":
                break
        return found

    def value_and_gradient(self, image: Tensor) -> tuple[dict[str, float], Tensor]:
        x = image.detach().requires_grad_(True)
        F = self.features(x)
        area = 512 * 512 / (x.shape[2] * x.shape[3])
        content = self.settings.content_weight * area * (F["conv4_2"] - self.P).square().sum() / 2
        style = torch.zeros((), device=x.device)
        for layer, w in self.settings.style_layers.items():
            G = F[layer] @ F[layer].T / F[layer].shape[1]
            style = style + w * (G - self.A[layer]).square().sum() / (4 * len(G) ** 2)
        style = self.settings.style_weight * style
        (gradient,) = torch.autograd.grad(content + style, x)
        return {"content": float(content.detach()), "style": float(style.detach())}, gradient


def usual_precision() -> str:
    """That of a run on this CPU."""
    return "bfloat16" if computes_bfloat16(torch.device("cpu")) else "float32"


def objective(
    network: str, precision: str, size: int, weights: Path | None, device: str, look: str = "paper"
) -> tuple[Objective, Tensor]:
    """For a photograph and a painting of noise, ``size`` px square, and that photograph."""
    photograph, painting = (
        torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(i)).to(device) for i in (0, 1)
    )
    settings = settings_of(network, size, weights, look)
    if network == PLAIN:
        found = load_network("vgg19", weights=weights).to(device, PRECISIONS[precision])
        return PlainLoop(found, photograph, painting, settings), photograph
    found = network_of(settings, torch.device(device), PRECISIONS[precision])
    return seen_by(settings, found, photograph, painting), photograph


def settings_of(network: str, size: int, weights: str | Path | None, look: str) -> Settings:
    """Those of a run with the paper's look, or the default one."""
    return validated(
        preset="paper" if look == "paper" else None,
        size=size,
        network="vgg19" if network == PLAIN else network,
        weights=None if network == "lite" else weights,
    )


def seen_by(
    settings: Settings,
    network: Network,
    photograph: Tensor,
    painting: Tensor,
    cut: Cut = WHOLE,
    disk: Disk | None = None,
) -> Objective:
    """The objective for these pictures, through the view that the settings ask for; its targets as they are ``cut``, on
    a ``disk`` if there is one."""
    view = view_of(settings, {"content": photograph, "style": painting})
    made = objective_of(settings, network, photograph, painting, cut=cut, disk=disk)
    return made if view is as_it_is else Through(made, view)


def least_seconds(calls: dict[str, Callable[[], object]], rounds: int, device: str = "cpu") -> dict[str, float]:
    """Of each call, all in this process and in turn: the machine is as busy for one as for the other."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(2 + rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - began)
    return {name: min(each[2:]) for name, each in seconds.items()}


def operations(call: Callable[[], object]) -> int:
    """Floating-point operations of products and convolutions, a multiplication and an addition being two."""
    with Operations() as counted:
        call()
    return counted.total


def operations_of(network: str, size: int, weights: Path | None) -> float:
    """Those of an evaluation of the paper's loss: counted at 256 px on the CPU, where torch does them all, and in
    proportion to the pixels."""
    counted, photograph = objective(network, "float32", 256, weights, "cpu")
    return operations(lambda: counted.value_and_gradient(photograph)) * (size / 256) ** 2


class Operations(TorchDispatchMode):
    """Counts by torch's own formulas. (Its FlopCounterMode does not bear autograd.grad.)"""

    def __init__(self) -> None:
        from torch.utils.flop_counter import flop_registry  # which brings Triton along: 50 MB

        super().__init__()
        self.registry, self.total = flop_registry, 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        if (count := self.registry.get(operator.overloadpacket)) is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def peak(precision: str, device: str, rounds: int) -> float:
    """Operations a second in the product of two 4096 x 4096 matrices."""
    A = torch.rand(4096, 4096, device=device).to(PRECISIONS[precision])
    return 2 * 4096**3 / least_seconds({"product": lambda: A @ A}, rounds, device)["product"]


def memory_of(network: str, size: int, weights: Path | None, precision: str) -> dict[str, float]:
    """``measure_memory`` in a process of its own, which gives back at once what is free: what is measured is needed,
    and not kept by malloc."""
    command = [sys.executable, "-m", "benchmarks.speed", "--memory-of", network, precision, str(size)]
    command += ["--weights", str(weights)] if weights else []
    changes = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}
    done = subprocess.run(command, check=True, capture_output=True, env=os.environ | changes)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure_memory(network: str, precision: str, size: int, weights: Path | None) -> dict[str, float]:
    """MiB that network, targets and evaluations add to a process that has painted something small before, and the peak
    of the whole process."""
    small, photograph = objective("lite", precision, 64, None, "cpu")
    small.value_and_gradient(photograph)
    idle = memory_of_process("VmRSS")
    measured, photograph = objective(network, precision, size, weights, "cpu")
    for _ in range(3):
        measured.value_and_gradient(photograph)
    most = memory_of_process("VmHWM")
    return {"memory": most - idle, "process": most}


def measure(
    kinds: list[tuple[str, str]], size: int, weights: Path | None, rounds: int, device: str, look: str = "paper"
) -> dict[str, dict[str, float]]:
    """Of every (network, precision): what its evaluations take at one size; on a GPU as they are in a run, replayed."""
    calls: dict[str, Callable[[], object]] = {}
    asked: dict[str, Callable[[], object]] = {}
    for network, precision in kinds:
        evaluated, photograph = objective(network, precision, size, weights, device, look)
        name = f"{network} {precision}"
        asked[name] = calls[name] = lambda e=evaluated, p=photograph: e.value_and_gradient(p)
        if device == "cuda" and network != PLAIN:
            calls[name]()
            calls[name] = captured(calls[name])
    seconds = least_seconds(calls, rounds, device)
    peaks = {precision: peak(precision, device, rounds) for precision in {precision for _, precision in kinds}}
    found = {}
    for network, precision in kinds:
        name = f"{network} {precision}"
        flop = operations_of(network, size, weights)
        found[name] = {
            "seconds": seconds[name],
            "gflop": flop / 1e9,
            "gflop_per_second": flop / seconds[name] / 1e9,
            "peak_gflop_per_second": peaks[precision] / 1e9,
            "share_of_peak": flop / seconds[name] / peaks[precision],
        }
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            asked[name]()
            found[name]["memory"] = torch.cuda.max_memory_allocated() / 2**20
        else:
            found[name] |= memory_of(network, size, weights, precision)
    return found


def table(size: int, results: dict[str, dict[str, float]]) -> str:
    """What was measured at one size, as text."""
    lines = [f"\n{size} px", f"{'':18}{'ms':>9}{'GFLOP':>8}{'GFLOP/s':>9}{'peak':>8}{'of peak':>9}{'MiB':>7}"]
    for name, of in results.items():
        rates = f"{of['gflop_per_second']:9.0f}{of['peak_gflop_per_second']:8.0f}{of['share_of_peak']:9.2f}"
        lines.append(f"{name:18}{1000 * of['seconds']:9.2f}{of['gflop']:8.0f}{rates}{of['memory']:7.0f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="VGG-19's weights; without, those in the cache")
    parser.add_argument("--networks", nargs="+", default=[PLAIN, "vgg19", "lite"])
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="px square")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--look", choices=("paper", "default"), default="paper", help="whose loss is evaluated")
    parser.add_argument("--out", type=Path, default=Path("speed-benchmark"))
    parser.add_argument("--memory-of", nargs=3, metavar=("NETWORK", "PRECISION", "SIZE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        network, precision, size = args.memory_of
        print(json.dumps(measure_memory(network, precision, int(size), args.weights)))
        return
    keep_freed_memory()
    device = device_of(args.device).type
    if device == "cuda":
        print(torch.cuda.get_device_name(), f"torch {torch.__version__}")
    kinds = [(network, "float32") for network in args.networks if network == PLAIN]
    kinds += [(network, precision) for network in args.networks if network != PLAIN for precision in args.precisions]
    results = {}
    for size in args.sizes:
        results[size] = measure(kinds, size, args.weights, args.rounds, device, args.look)
        print(table(size, results[size]))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
