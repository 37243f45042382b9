"""``--dry-run``: what a run would take, before it takes it."""

import json
from pathlib import Path

import pytest

RUNS = {
    "stylize": ["stylize", "PHOTO", "PAINTING", "--size", 700],
    "texture": ["texture", "PAINTING", "--size", "700x525"],
    "content": ["reconstruct", "content", "PHOTO", "--size", 700],
    "style": ["reconstruct", "style", "PAINTING", "--size", 700],
}


@pytest.fixture
def dry(impasto, photograph, painting, tiny):
    """A dry run of that name, with more options."""

    def run(name, *options):
        pictures = {"PHOTO": photograph, "PAINTING": painting}
        return impasto(*(pictures.get(of, of) for of in RUNS[name]), "--weights", tiny, "--dry-run", *options)

    return run


@pytest.mark.parametrize("name", RUNS)
def test_it_tells_sizes_time_and_memory_and_writes_nothing(dry, name):
    before = {*Path.cwd().iterdir()}
    told = dry(name)
    assert told.code == 0
    plan, time, memory = told.out.splitlines()
    width = 36 if name == "style" else 700  # a painting is never enlarged
    assert plan.startswith(f"{width} x ")
    assert f"steps at {width} px" in plan
    assert time.startswith("time: about ")
    assert memory.startswith("memory: about 0.")
    assert {*Path.cwd().iterdir()} == before


def test_more_steps_take_longer_in_proportion(dry):
    few, many = (
        json.loads(dry("stylize", "--json", "--steps", steps, "--coarse-steps", 1, "--scales", 1).out)
        for steps in (400, 40_000)
    )
    assert (few["event"], few["size"][0], few["disk"]) == ("plan", 700, 0)
    assert 25 < many["seconds"] / max(few["seconds"], 1) < 400  # both from trials of their own


def test_what_does_not_fit_into_memory_is_told(dry):
    told = dry("stylize", "--memory", "1MB")
    assert told.code == 4
    assert "px takes 0." in told.err


def test_little_memory_is_places_and_files(dry):
    plan = json.loads(dry("stylize", "--json", "--size", 3000, "--memory", "2GB").out)
    assert plan["machine"]["tile"] < 3000
    assert plan["machine"]["on_disk"]
    assert plan["memory"] < 2e9
    assert plan["disk"] > 0


def test_a_painting_of_a_region_counts(dry, photograph, painting, tmp_path):
    from PIL import Image

    with Image.open(photograph) as picture:
        width, height = picture.size
    Image.new("L", (width, height), 255).save(tmp_path / "mask.png")
    left, painted = (
        json.loads(dry("stylize", "--json", "--size", 3000, "--tile", "off", "--region", region).out)["memory"]
        for region in (f"{tmp_path / 'mask.png'}=keep", f"{tmp_path / 'mask.png'}={painting}")
    )
    assert painted - left == 3 * 4 * 3000 * round(3000 * height / width)
