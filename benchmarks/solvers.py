"""Solvers on the same objective: the loss that each ends at, its evaluations and its seconds.

    python -m benchmarks.solvers [--pair PHOTOGRAPH PAINTING ...] [--size 256] [--solvers adam lbfgs]

Each pair is painted with its default settings first, for the β that they find; then by each solver, with that β, in
turn. The loss is the sum of all terms of the best picture, as a part of the first solver's.
"""

import argparse
import time
from collections.abc import Sequence

import impasto
from impasto.facade import best_step

PAIRS = [
    ("sample:chelsea", "sample:swirl"),
    ("sample:coffee", "sample:wave"),
    ("sample:astronaut", "sample:composition"),
]


def painted(content: str, style: str, beta: float, solver: str, size: int) -> tuple[float, int, float]:
    """Loss, evaluations and seconds of a run."""
    began, evaluations = time.monotonic(), 0

    def count(step: impasto.Step) -> None:
        nonlocal evaluations
        evaluations = step.evaluations

    steps = impasto.stylize(content, style, size=size, style_weight=beta, solver=solver)
    best = best_step(steps, count)
    return best.loss, evaluations, time.monotonic() - began


def beta_of(content: str, style: str, size: int) -> float:
    """The β that the default settings find."""
    run = impasto.stylize(content, style, size=size)
    best_step(run)
    return run.of.settings.beta * run.multiple


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", nargs=2, action="append", metavar=("PHOTOGRAPH", "PAINTING"), help="any number")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--solvers", nargs="+", default=["adam", "lbfgs"])
    given = parser.parse_args(arguments)
    for content, style in given.pair or PAIRS:
        beta, least = beta_of(content, style, given.size), 0.0
        print(f"{content} as {style}, {given.size} px, beta {beta:.3g}", flush=True)
        for solver in given.solvers:
            loss, evaluations, seconds = painted(content, style, beta, solver, given.size)
            least = least or loss
            print(f"  {solver:8} {loss / least:.4f}  {evaluations:5} evaluations  {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
