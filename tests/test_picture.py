"""What is painted: a picture to look at, to save and to go on with; a painter that keeps what it knows; steps."""

import hashlib
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto import assembly, kept
from impasto.errors import UsageError
from impasto.images.decoding import read_recipe

SMALL = {"size": 48, "steps": 6, "coarse_steps": 1, "scales": 2}

TWO_SIZES = {**SMALL, "size": 192}


def soft(seed, height=40, width=48):
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def picture():
    return impasto.paint(soft(1), soft(2), **SMALL)


def expected(picture):
    return (picture.tensor[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def test_every_form_shows_the_same(picture, tmp_path):
    pixels = expected(picture)
    assert (picture.pil().mode, picture.pil().size) == ("RGB", (48, 40))
    picture.save(tmp_path / "x.png")
    for form in (picture.pil(), picture.numpy(), np.asarray(picture), Image.open(tmp_path / "x.png")):
        np.testing.assert_array_equal(np.asarray(form), pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture._repr_png_()))), pixels)
    assert repr(picture) == "<impasto.Picture 48 x 40 px>"


def test_it_goes_where_a_tensor_went(picture, tmp_path):
    tensor = picture.tensor
    assert picture.shape == (1, 3, 40, 48)
    assert torch.equal(picture, tensor)
    assert torch.equal(picture[0, 0], tensor[0, 0])
    assert torch.equal(torch.cat([picture, tensor]), torch.cat([tensor, tensor]))
    assert torch.equal(tensor - picture, torch.zeros_like(tensor))
    assert torch.equal(picture.mean(dim=(2, 3)), tensor.mean(dim=(2, 3)))
    assert torch.equal(impasto.read(picture), tensor)
    impasto.write(picture, tmp_path / "x.png")
    assert next(impasto.stylize(picture, picture, **SMALL)).image.shape == picture.shape
    with pytest.raises(AttributeError, match="nowhere"):
        _ = picture.nowhere


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_what_is_saved_carries_recipe_and_resolution(picture, tmp_path, suffix):
    picture.save(tmp_path / f"x{suffix}", dpi=300)
    assert read_recipe(tmp_path / f"x{suffix}") == picture.recipe
    with Image.open(tmp_path / f"x{suffix}") as saved:
        dpi = saved.getexif().get(282) if suffix == ".webp" else saved.info["dpi"][0]
        assert float(dpi) == pytest.approx(300, abs=0.01)
        assert 0x010E not in saved.getexif()  # ImageDescription, which Windows shows as the title


def test_it_is_saved_into_an_open_file(picture, tmp_path):
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(buffer)), expected(picture))
    assert read_recipe(buffer.getvalue()) == picture.recipe
    with (tmp_path / "x.webp").open("wb") as file:
        picture.save(file)
    with Image.open(tmp_path / "x.webp") as saved:
        assert saved.format == "WEBP"
    with pytest.raises(UsageError, match="'<file>' does not say what kind"):
        picture.save(io.BytesIO())
    with pytest.raises(UsageError, match=r"^`format`: one of png, jpg, .* not 'exr'"):
        picture.save(tmp_path / "x.png", format="exr")


def test_the_recipe_paints_it_again(picture):
    told = json.loads(json.dumps(picture.recipe))
    assert told["command"] == "stylize"
    again = impasto.paint(soft(1), soft(2), impasto.Settings(**told["settings"]))
    assert torch.equal(again.tensor, picture.tensor)
    assert again.recipe == picture.recipe
    assert told["inputs"]["content"] == {"file": None, "sha256": hashlib.sha256(soft(1).numpy().tobytes()).hexdigest()}


def test_the_recipe_names_files_without_their_folders(picture, tmp_path):
    picture.save(tmp_path / "photograph.png", format="png")
    data = (tmp_path / "photograph.png").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    with (tmp_path / "photograph.png").open("rb") as file:
        for source in (tmp_path / "photograph.png", str(tmp_path / "photograph.png"), file):
            told = impasto.paint(source, "sample:wave", **SMALL).recipe["inputs"]
            assert told["content"] == {"file": "photograph.png", "sha256": digest}
            assert told["style"]["file"] == "sample:wave"
    assert impasto.paint(data, "sample:wave", **SMALL).recipe["inputs"]["content"] == {"file": None, "sha256": digest}


def test_steps_know_where_they_are():
    steps = list(impasto.stylize(soft(1), soft(2), **SMALL))
    assert {step.total for step in steps} == {steps[-1].index}
    assert steps[-1].size == (48, 40)
    best = [step for step in steps if step.best][-1]
    assert best.merit == max(step.merit for step in steps)
    assert best.picture.recipe["step"] == best.index
    assert next(impasto.stylize(soft(1), soft(2), size=48, steps="auto", solver="lbfgs")).total is None


def test_on_step_sees_all_and_stops_a_run():
    seen = []
    impasto.paint(soft(1), soft(2), **TWO_SIZES, on_step=seen.append)
    assert [step.index for step in seen] == list(range(seen[-1].total + 1))
    stopped = impasto.paint(soft(1), soft(2), **TWO_SIZES, on_step=lambda step: step.index < 2)
    assert stopped.recipe["step"] <= 2
    assert stopped.shape == (1, 3, 107, 128)


class Counted:
    """``function``, and how often it was called."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args, **options):
        self.calls += 1
        return self.function(*args, **options)


def test_a_painter_loads_and_measures_once(monkeypatch):
    homes = {"load_network": assembly, "style_targets": kept}
    counted = {name: Counted(getattr(home, name)) for name, home in homes.items()}
    for name, function in counted.items():
        monkeypatch.setattr(homes[name], name, function)
    painter = impasto.Painter("sample:wave", **TWO_SIZES, precision="float32")
    first = painter.paint("sample:chelsea")
    calls = {name: function.calls for name, function in counted.items()}
    assert calls == {"load_network": 1, "style_targets": 4}  # for each size the features, and the pixels
    second = painter.paint(soft(3))
    third, fourth = painter.paint_many(["sample:chelsea", soft(3)])
    assert {name: function.calls for name, function in counted.items()} == calls
    assert torch.equal(third.tensor, first.tensor)
    assert torch.equal(fourth.tensor, second.tensor)
    alone = impasto.paint("sample:chelsea", "sample:wave", **TWO_SIZES, precision="float32")
    assert torch.equal(first.tensor, alone.tensor)
    assert first.recipe["inputs"]["style"]["file"] == "sample:wave"


def test_what_a_painter_keeps_does_not_grow_with_every_photograph(monkeypatch):
    """Though each has its own colours, and with them a painting of its own to be measured."""
    monkeypatch.setattr(kept, "MOST_SEEN", 3)
    options = {**SMALL, "precision": "float32", "colour": "matched"}
    painter, photographs = impasto.Painter("sample:wave", **options), [soft(seed) for seed in (3, 4, 5)]
    pictures = list(painter.paint_many(photographs))
    assert len(painter.kept.seen) == 3
    for photograph, picture in zip(photographs, pictures, strict=True):
        assert torch.equal(picture.tensor, impasto.paint(photograph, "sample:wave", **options).tensor)


def test_a_painter_says_at_once_what_is_wrong():
    with pytest.raises(impasto.ImpastoError, match=r"nowhere\.jpg"):
        impasto.Painter("nowhere.jpg")
    with pytest.raises(UsageError, match="strength"):
        impasto.Painter("sample:wave", strength=7)


def test_a_painter_takes_a_network_of_ones_own():
    network = impasto.load_network()
    picture = impasto.Painter(soft(2), **SMALL, network=network, precision="float32").paint(soft(1))
    assert picture.shape == (1, 3, 40, 48)


def test_a_painting_in_an_open_file_is_painted_twice(picture):
    file = io.BytesIO()
    picture.save(file, format="png")
    file.seek(0)
    painter = impasto.Painter(file, **SMALL)
    assert torch.equal(painter.paint(soft(1)).tensor, painter.paint(soft(1)).tensor)


def test_the_api_can_be_found():
    assert set(impasto.__all__) <= set(dir(impasto))
    program = "import impasto; help(impasto)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert all(name in told for name in ("Painter", "paint(", "stylize("))
