"""What the benchmarks of speed measure is the same work, and they run."""

import json
import subprocess
import sys
from pathlib import Path

import nets
import pytest
import torch

from benchmarks.speed import PlainLoop, operations
from impasto.assembly import objective_of
from impasto.settings import validated

ROOT = Path(__file__).parents[2]


def test_the_plain_loop_computes_the_same():
    network, settings = nets.tiny_network(), validated(preset="paper", size=64)
    image, photograph = torch.rand(2, 1, 3, 48, 64).unbind()
    painting = torch.rand(1, 3, 64, 32)
    plain, plain_gradient = PlainLoop(network, photograph, painting, settings).value_and_gradient(image)
    ours, gradient = objective_of(settings, network, photograph, painting).value_and_gradient(image)
    assert ours == pytest.approx(plain, rel=1e-4)
    torch.testing.assert_close(gradient, plain_gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()))


def test_operations_of_a_convolution_are_counted_as_in_its_formula():
    x, K = torch.rand(1, 3, 20, 30), torch.rand(7, 3, 3, 3)
    assert operations(lambda: torch.nn.functional.conv2d(x, K, padding=1)) == 2 * 20 * 30 * 7 * 3 * 9


def test_speed_and_start_up_are_measured(tmp_path):
    def told(*command: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    small = ["--networks", "lite", "--precisions", "float32", "--sizes", "64", "--rounds", "1", "--out", str(tmp_path)]
    told("benchmarks.speed", *small)
    measured = json.loads((tmp_path / "results.json").read_text())["64"]["lite float32"]
    assert 0 < measured["share_of_peak"] < 1.5
    assert measured["memory"] > 0
    assert "first picture of the full size" in told("benchmarks.startup", "--size", "64", "--rounds", "1")
