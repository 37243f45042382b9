"""``impasto presets``: a list, and a sheet."""

import json

from PIL import Image

from impasto.settings import PRESETS


def test_presets_are_listed(impasto):
    told = impasto("presets")
    assert told.code == 0
    assert all(f"\n{name} " in f"\n{told.out}" and preset["about"] in told.out for name, preset in PRESETS.items())
    assert json.loads(impasto("presets", "--json").out) == PRESETS


def test_presets_are_shown_on_a_pair(impasto, photograph, painting, monkeypatch):
    few = {name: {**PRESETS[name], "steps": 1, "scales": 1} for name in ("paper", "ink")}
    monkeypatch.setattr("impasto.settings.PRESETS", few)
    told = impasto("presets", photograph, painting, "--size", 32, "-o", "sheet.png")
    assert (told.code, told.out.split()) == (0, ["default", "paper", "ink", "sheet.png"])
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 64
        assert sheet.height > 64
    assert "name a painting, too" in impasto("presets", photograph).err
    assert impasto("presets", "none.jpg", painting).code == 3
