"""How time and memory grow with the picture, and what the start of a run saves.

    python -m benchmarks.scaling --weights vgg19.safetensors --out DIR

First an evaluation at several sizes, per million pixels. Then one pair painted from noise and from the photograph, at
the full size alone and coarse to fine, each for as many steps: the seconds until it reached the loss at which the run
from noise at the full size alone ended. Small sizes count in the time, and only pictures of the full size in the
losses.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from impasto import stylize
from impasto.cli.heap import keep_freed_memory
from impasto.solver import Step

from .speed import measure, usual_precision

STARTS = {
    "noise": {"init": "noise", "scales": 1},
    "noise, coarse to fine": {"init": "noise", "scales": 3},
    "photograph": {"init": "content", "scales": 1},
    "photograph, coarse to fine": {"init": "content", "scales": 3},
}


def growth(networks: list[str], sizes: list[int], weights: Path | None, rounds: int) -> dict[str, Any]:
    """By network and size: seconds, MiB, and both per million pixels."""
    precision = usual_precision()
    found = {}
    for size in sizes:
        measured = measure([(network, precision) for network in networks], size, weights, rounds, "cpu")
        for network in networks:
            of, megapixels = measured[f"{network} {precision}"], size**2 / 1e6
            found[f"{network} {size}"] = {
                "seconds": of["seconds"],
                "memory": of["memory"],
                "seconds_per_megapixel": of["seconds"] / megapixels,
                "memory_per_megapixel": of["memory"] / megapixels,
            }
    return found


def course(content: str, style: str, size: int, **options: Any) -> list[Step]:
    """The steps at the full size."""
    steps = list(stylize(content, style, preset="paper", size=size, **options))
    return [step for step in steps if step.image.shape == steps[-1].image.shape]


def starts(content: str, style: str, size: int, **options: Any) -> dict[str, Any]:
    """By start: the last loss, and what it took to get to that of the first start."""
    courses = {name: course(content, style, size, **options, **start) for name, start in STARTS.items()}
    aim = min(step.loss for step in next(iter(courses.values())))
    found = {}
    for name, steps in courses.items():
        there = next((step for step in steps if step.loss <= aim), None)
        found[name] = {
            "loss": min(step.loss for step in steps),
            "seconds": steps[-1].seconds,
            "seconds_to_aim": there.seconds if there else None,
            "evaluations_to_aim": there.evaluations if there else None,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="VGG-19's weights; without, those in the cache")
    parser.add_argument("--networks", nargs="+", default=["lite", "vgg19"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 768, 1024], help="px square")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--content", default="sample:chelsea")
    parser.add_argument("--style", default="sample:swirl")
    parser.add_argument("--size", type=int, default=384, help="of the pair, long side in px")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("scaling-benchmark"))
    args = parser.parse_args()
    keep_freed_memory()
    results = {"growth": growth(args.networks, args.sizes, args.weights, args.rounds)}
    for network in args.networks:
        weights = None if network == "lite" else args.weights
        options = {"network": network, "weights": weights, "steps": args.steps}
        results[f"starts, {network}"] = starts(args.content, args.style, args.size, **options)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "results.json").write_text(json.dumps(results, indent=1))
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
