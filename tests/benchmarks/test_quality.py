"""What is told of pictures' quality, on pictures of which it is known; and the whole command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks.quality import edges, grain, style_at

ROOT = Path(__file__).parents[2]


def test_grain_is_colour_that_alternates_and_not_luminance():
    alternating = torch.tensor([0.3, 0.7]).repeat(32).expand(1, 1, 64, 64)
    slow = (0.5 + 0.2 * torch.sin(torch.arange(64) / 8)).expand(1, 1, 64, 64)
    still = torch.full((1, 1, 64, 64), 0.5)
    of_colour = grain(torch.cat([alternating, still, still], dim=1))
    assert of_colour > 0.02
    assert grain(alternating.expand(1, 3, 64, 64)) < 0.1 * of_colour
    assert grain(torch.cat([slow, still, still], dim=1)) < 0.1 * of_colour


def test_a_frame_shows_at_the_edges():
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, 1)
    assert edges(smooth) < 1.5
    framed = smooth.clone()
    framed[..., 0] = 0
    assert edges(framed) > 2 * edges(smooth)


def test_two_programs_are_compared_as_far_from_the_photograph():
    """By hand: 0.7 is two thirds of the way from 0.6 to 0.75."""
    ours = [{"content": 0.75, "style": 0.3}, {"content": 0.6, "style": 0.36}]
    assert style_at(0.7, ours) == pytest.approx(0.32)
    assert style_at(0.5, ours) == pytest.approx(0.36)
    assert style_at(0.9, ours) == pytest.approx(0.3)


def test_one_command_paints_measures_and_shows(tmp_path):
    (tmp_path / "judge.py").write_text(
        "def judge(result, content, style, size):\n    return {'style': 0.25, 'content': 0.5}\n"
    )
    for name, colour in (("photo", 90), ("red", 200), ("blue", 30)):
        Image.effect_noise((40, 40), colour).convert("RGB").save(tmp_path / f"{name}.png")
    (tmp_path / "peer").mkdir()
    Image.new("RGB", (40, 40), "grey").save(tmp_path / "peer" / "photo-red.png")
    command = [sys.executable, "-m", "benchmarks.quality", str(tmp_path / "photo.png"), "--styles"]
    command += [str(tmp_path / "red.png"), str(tmp_path / "blue.png"), "--judge", str(tmp_path / "judge.py")]
    command += ["--peer", str(tmp_path / "peer"), "--size", "40", "--option", "steps=2", "--out", str(tmp_path / "out")]
    command += ["--strengths", "0.7"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    results = json.loads((tmp_path / "out" / "results.json").read_text())["pairs"]
    assert {name: set(of) for name, of in results.items()} == {
        "photo-red": {"impasto", "at 0.7", "peer"},
        "photo-blue": {"impasto", "at 0.7"},
    }
    assert all(of["impasto"]["style"] == pytest.approx(0.25) for of in results.values())
    assert "impasto: content distance 0.500 ± 0.000" in told
    assert "on average 1.00 times" in told
    with Image.open(tmp_path / "out" / "sheet.jpg") as sheet:
        assert sheet.width == 2000
    before = (tmp_path / "out" / "photo-red.png").stat().st_mtime_ns
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "out" / "photo-red.png").stat().st_mtime_ns == before
