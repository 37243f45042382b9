"""``impasto reconstruct`` and ``impasto texture``: what they make, what they say, what they refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import impasto as library
from impasto.cli import app
from impasto.settings import validated


@pytest.fixture
def quick(tiny):
    """Options of a run that takes no time."""
    return ["--weights", tiny, "--steps", 2, "--device", "cpu"]


def here():
    return sorted(path.name for path in Path.cwd().iterdir())


def commands(photograph, painting):
    return {
        "content": (["reconstruct", "content", photograph, "--size", 32], "photograph-conv4_2.png", (32, 27)),
        "style": (["reconstruct", "style", painting, "--size", 32], "painting-style-conv5_1.png", (26, 32)),
        "texture": (["texture", painting, "--size", "50x21"], "painting-50x21.png", (50, 21)),
    }


@pytest.mark.parametrize("name", ["content", "style", "texture"])
def test_a_picture_is_made_and_named_after_what_it_shows(impasto, photograph, painting, quick, name):
    arguments, out, size = commands(photograph, painting)[name]
    told = impasto(*arguments, *quick)
    assert (told.code, told.out) == (0, "")
    assert here() == [out]
    with Image.open(out) as picture:
        assert picture.size == size


@pytest.mark.parametrize("name", ["content", "style", "texture"])
def test_json_and_silence(impasto, photograph, painting, quick, name):
    arguments, _, _ = commands(photograph, painting)[name]
    told = impasto(*arguments, *quick, "--json", "-o", "a.png")
    _, *steps, saved, _ = map(json.loads, told.out.splitlines())
    count = 15 if name == "texture" else 3  # at three sizes, 5 steps at each but the last
    assert [step["step"] for step in steps] == list(range(count))
    assert set(saved["terms"]) == {"content": {"content"}, "style": {"style"}, "texture": {"style", "excess"}}[name]
    told = impasto(*arguments, *quick, "--quiet", "-o", "b.png")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


AGAIN = {
    "reconstruct content": lambda inputs, settings, _: library.reconstruct_content(inputs["content"], settings),
    "reconstruct style": lambda inputs, settings, _: library.reconstruct_style(inputs["style"], settings),
    "texture": lambda inputs, settings, recipe: library.texture(
        inputs["style"], recipe["width"], recipe["height"], settings
    ),
}


@pytest.mark.parametrize("name", ["content", "style", "texture"])
def test_a_picture_can_be_made_again_from_its_recipe(impasto, photograph, painting, quick, name):
    arguments, _, _ = commands(photograph, painting)[name]
    assert impasto(*arguments, *quick, "--seed", 3, "-o", "out.png").code == 0
    recipe = json.loads(impasto("recipe", "out.png").out)
    inputs = {role: photograph.parent / file["file"] for role, file in recipe["inputs"].items()}
    settings = validated(**{**recipe["settings"], "weights": inputs["weights"]})
    steps = AGAIN[recipe["command"]](inputs, settings, recipe)
    library.write(max(steps, key=lambda step: step.merit).image, "again.png")
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in ("out.png", "again.png")]
    np.testing.assert_array_equal(*pictures)


def test_layers_reach_the_loss(impasto, photograph, painting, quick):
    told = impasto("reconstruct", "content", photograph, "--layer", "conv2_2", *quick)
    assert told.code == 0
    assert here() == ["photograph-conv2_2.png"]
    recipe = json.loads(impasto("recipe", "photograph-conv2_2.png").out)
    assert recipe["settings"]["content_layers"] == {"conv2_2": 1.0}
    assert impasto("reconstruct", "style", painting, "--layers", "conv1_1,conv2_1", *quick).code == 0
    recipe = json.loads(impasto("recipe", "painting-style-conv2_1.png").out)
    assert recipe["settings"]["style_layers"] == {"conv1_1": 0.5, "conv2_1": 0.5}
    assert recipe["settings"]["init"] == "noise"


BAD = {
    "reconstruct content PHOTO --layer conv6_1": (2, "no layer 'conv6_1'"),
    "reconstruct content PHOTO --layer conv1_1=x": (2, "--layer: 'x' is not a number"),
    "reconstruct content PHOTO --init style": (2, "no 'style' to start from"),
    "reconstruct content nowhere.png": (3, "'nowhere.png' does not exist"),
    "reconstruct style PHOTO --layers ,": (2, "--layers: ','"),
    "reconstruct style PHOTO --steps -1": (2, "steps"),
    "reconstruct style PHOTO --init content": (2, "no 'content' to start from"),
    "reconstruct style PHOTO -o out.gif": (2, "out.gif"),
    "reconstruct style PHOTO --limits pixels=100": (4, "--limits"),
    "reconstruct picture PHOTO": (2, "picture"),
    "texture PHOTO": (2, "--size"),
    "texture PHOTO --size 512": (2, "--size: '512' should be WIDTHxHEIGHT"),
    "texture PHOTO --size 0x512": (2, "too small"),
    "texture PHOTO --size 40x40 --painting-size 3": (2, "size"),
    "texture nowhere.png --size 40x40": (3, "'nowhere.png' does not exist"),
}


@pytest.mark.parametrize("command", BAD)
def test_what_is_wrong_is_told_and_nothing_written(impasto, photograph, quick, command):
    code, reason = BAD[command]
    arguments = [photograph if word == "PHOTO" else word for word in command.split()]
    refused = impasto(*arguments, *(quick if "--steps" not in command else quick[:2]))
    assert refused.code == code
    assert reason in refused.err
    assert refused.out == ""
    assert here() == []


def test_the_defaults_that_the_help_states_are_those_of_the_settings():
    papers, own = validated(preset="paper", init="noise"), validated(init="faint")
    group = typer.main.get_command(app)
    of_commands = [(command, papers) for command in group.commands["reconstruct"].commands.values()]
    for command, defaults in (*of_commands, (group.commands["texture"], own)):
        stated = {parameter.name: parameter.show_default for parameter in command.params}
        stated["size"] = stated.get("painting_size", stated["size"])
        for name in ("size", "steps", "seed", "tv_weight"):
            assert float(stated[name]) == getattr(defaults, name)
        for name in ("init", "solver", "network", "pooling", "device"):
            assert stated[name] == getattr(defaults, name)
