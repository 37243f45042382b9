"""``impasto compare``: its numbers by hand, and what it says of recipes."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.cli.compare import differences


@pytest.fixture
def two(impasto):
    """Two pictures of 40 x 30 px, a.png and b.png, as arrays."""
    random = np.random.default_rng(0)
    a = random.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    b = np.clip(a.astype(int) + random.integers(-20, 21, a.shape), 0, 255).astype(np.uint8)
    for name, picture in (("a.png", a), ("b.png", b)):
        Image.fromarray(picture).save(name)
    return a.astype(float), b.astype(float)


def told_of(impasto, *arguments):
    told = impasto("compare", *arguments, "--json")
    assert (told.code, told.err) == (0, "")
    return json.loads(told.out)


def test_the_numbers_by_hand(impasto, two):
    a, b = two
    told = told_of(impasto, "a.png", "b.png")
    assert told["mean"] == pytest.approx(np.abs(a - b).mean())
    assert told["largest"] == np.abs(a - b).max()
    assert told["psnr"] == pytest.approx(20 * math.log10(255) - 10 * math.log10(((a - b) ** 2).mean()))
    light = [0.299 * of[..., 0] + 0.587 * of[..., 1] + 0.114 * of[..., 2] for of in two]
    assert told["luminance"] == pytest.approx(np.abs(light[0] - light[1]).mean(), rel=1e-4)
    colours = [of - y[..., None] for of, y in zip(two, light, strict=True)]
    assert told["chroma"] == pytest.approx(np.abs(colours[0] - colours[1]).mean(), rel=1e-4)
    assert told["ssim"] == pytest.approx(similarity(a, b), rel=1e-6)
    assert (told["a"]["size"], told["b"]["size"], told["resized"]) == ([40, 30], [40, 30], False)


def similarity(a, b):
    """Wang et al. 2004, in windows of 7 x 7 px that lie within, mean over places and channels."""
    x, y = (np.lib.stride_tricks.sliding_window_view(of, (7, 7), axis=(0, 1)) for of in (a, b))
    mean_x, mean_y = x.mean(axis=(-1, -2)), y.mean(axis=(-1, -2))
    of_x, of_y = x.var(axis=(-1, -2), ddof=1), y.var(axis=(-1, -2), ddof=1)
    both = ((x * y).mean(axis=(-1, -2)) - mean_x * mean_y) * 49 / 48
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return ((2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (of_x + of_y + c2))).mean()


def test_of_a_picture_and_itself(impasto, two):
    told = told_of(impasto, "a.png", "a.png")
    assert [told[name] for name in ("mean", "largest", "luminance", "chroma", "psnr", "ssim")] == [0, 0, 0, 0, None, 1]
    assert "PSNR                   equal" in impasto("compare", "a.png", "a.png").out


def test_luminance_alone_and_chroma_alone(impasto):
    for name, colour in (("grey", (100, 100, 100)), ("light", (130, 130, 130)), ("red", (168, 71, 71))):
        Image.new("RGB", (20, 20), colour).save(f"{name}.png")
    told = told_of(impasto, "grey.png", "light.png")
    assert (told["luminance"], told["chroma"], told["mean"]) == pytest.approx((30, 0, 30), abs=1e-4)
    told = told_of(impasto, "grey.png", "red.png")  # 0.299 · 68 − 0.701 · 29 = 0.003
    assert told["luminance"] == pytest.approx(0.003, abs=1e-3)
    assert told["chroma"] == pytest.approx((68 + 29 + 29) / 3, abs=0.01)


def test_another_size_is_told(impasto, two):
    Image.new("RGB", (20, 20), (10, 20, 30)).save("a20.png")
    Image.new("RGB", (64, 32), (10, 20, 33)).save("b64.png")
    told = told_of(impasto, "a20.png", "b64.png")
    assert (told["b"]["size"], told["resized"], told["mean"], told["largest"]) == ([64, 32], True, 1, 3)
    words = impasto("compare", "a20.png", "b64.png").out
    assert "A  a20.png, 20 x 20 px\nB  b64.png, 64 x 32 px\nB is compared at the size of A, 20 x 20 px\n" in words


def test_what_differs_between_recipes(impasto, photograph, painting, tiny):
    small = ["--weights", tiny, "--size", 32, "--steps", 2, "--device", "cpu", "-q"]
    assert impasto(photograph, painting, *small, "-o", "a.png").code == 0
    assert impasto(photograph, painting, *small, "-o", "same.png").code == 0
    changed = ["--style-layers", "conv1_1=0.5", "--seed", 4]
    assert impasto(painting, painting, *small, *changed, "-o", "b.jpg").code == 0
    assert impasto(photograph, painting, *small, "--no-recipe", "-o", "none.png").code == 0
    words = impasto("compare", "a.png", "same.png").out.splitlines()
    assert words[-1] == "the same recipe"
    assert words[2].split() == ["difference", "0.00", "of", "255", "on", "average,", "0", "at", "most"]
    found = [line for line in impasto("compare", "a.png", "b.jpg").out.splitlines() if " | " in line]
    content, seed, layers, size = sorted(found)
    assert content.startswith("inputs.content: photograph.png (")
    assert "| painting.png (" in content
    assert seed == "settings.seed: 0 | 4"
    assert layers.startswith('settings.style_layers: {"conv1_1": 0.45, "conv2_1"')
    assert layers.endswith(' | {"conv1_1": 0.5}')
    assert size.startswith("size: [32, 27] | ")
    words = impasto("compare", "none.png", "a.png").out.splitlines()
    assert words[-1] == "'none.png' has no recipe"
    assert told_of(impasto, "none.png", "a.png")["differences"] is None
    assert told_of(impasto, "a.png", "same.png")["differences"] == []


def test_what_one_recipe_does_not_say():
    a = {"torch": "2", "settings": {"size": 32}, "inputs": {"style": {"file": "a"}}, "evaluations": 3}
    b = {"settings": {"size": 32, "hue": 1}, "inputs": {}, "evaluations": 5, "regions": [{"colour": None}]}
    assert differences(a, b) == [
        {"what": "torch", "a": "2", "b": None},
        {"what": "inputs.style", "a": {"file": "a"}, "b": None},
        {"what": "settings.hue", "a": None, "b": 1},
        {"what": "regions", "a": None, "b": [{"colour": None}]},
    ]


def test_both_side_by_side(impasto):
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (40, 30), colour).save(name)
    assert impasto("compare", "a.png", "b.png", "--out", "sheet.png").code == 0
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 80
        assert 30 < sheet.height < 60
        left, right = (sheet.getpixel((x, sheet.height // 2)) for x in (sheet.width // 4, 3 * sheet.width // 4))
    assert (left, right) == ((255, 0, 0), (0, 0, 255))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a.png", "none.png"], 3, "'none.png' does not exist"),
        (["text.png", "a.png"], 3, "not a picture"),
        (["a.png"], 2, "Missing argument"),
        (["a.png", "b.png", "-o", "a.png"], 2, "the same file as the input"),
        (["a.png", "b.png", "-o", "sheet"], 2, "end it with .png"),
    ],
)
def test_what_is_refused(impasto, two, arguments, code, words):
    Path("text.png").write_bytes(b"dear diary\n" * 20)
    before = Path("a.png").read_bytes()
    refused = impasto("compare", *arguments)
    assert (refused.code, refused.out) == (code, "")
    assert words in refused.err
    assert Path("a.png").read_bytes() == before
