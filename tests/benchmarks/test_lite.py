"""The measure of the built-in network, on the network itself in VGG-19's place."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from impasto.network import registry

ROOT = Path(__file__).parents[2]


def test_a_network_removes_all_of_what_it_removes_itself(tmp_path):
    lite = registry.where("lite")
    small = ["--size", "64", "--steps", "4", "--pairs", "7", "--rounds", "1"]
    command = [sys.executable, "-m", "benchmarks.lite", "--weights", str(lite), "--out", str(tmp_path), *small]
    subprocess.run(command, cwd=ROOT, check=True)
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(results["pairs"]) == {"chelsea-swirl"}
    for pair in results["pairs"].values():
        assert pair["share"] == pytest.approx(1)
        assert 0 < pair["removed_by_vgg19"] < 1
    assert 0.7 < results["memory_ratio"] < 1.4
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.width > 600
