"""The paper's figures: that they show what the paper shows, and that a run that was stopped goes on."""

import csv
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from impasto.figures import panels as engine
from impasto.figures.measures import LAYERS, measures
from impasto.figures.panels import Panel
from impasto.figures.paper import PAINTINGS, RATIOS, Subject, figure_1, figure_3, figures_named
from impasto.images.files import read
from impasto.settings import Settings, validated

SIZE, STEPS = 64, 26


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Figures 1 and 3 with the built-in network, small."""
    return tmp_path_factory.mktemp("figures")


@pytest.fixture(scope="module")
def subject():
    return Subject(
        "sample:chelsea", ("sample:swirl", "sample:composition"), validated(preset="paper", size=SIZE, steps=STEPS)
    )


@pytest.fixture(scope="module")
def records(folder, subject):
    """What is known of every panel of Figures 1 and 3, by name."""
    panels = [panel for make in (figure_1, figure_3) for row in make(subject).grid for panel in row]
    for _ in engine.paint(panels, folder):
        pass
    return {panel.name: engine.painted(panel, folder).record for panel in panels}


def test_the_deeper_the_layer_the_less_of_the_photograph_comes_back(records):
    errors = [records[f"figure1-content-{layer}"]["pixel_error"] for layer in LAYERS]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1] / 3


def test_every_layer_added_brings_its_own_style(records):
    """The Gram matrix of a layer is off until the layer is in the set, and far nearer from then on."""
    for count, layer in enumerate(LAYERS[1:], 1):
        without = records[f"figure1-style-{LAYERS[count - 1]}"]["style_error"][layer]
        within = records[f"figure1-style-{layer}"]["style_error"][layer]
        assert within < without / 2, layer


def test_style_gives_way_to_content_as_the_ratio_grows(records):
    for layer in LAYERS:
        content, style = (
            [records[f"figure3-{layer}-{ratio:.0e}"]["terms"][term] for ratio in RATIOS]
            for term in ("content", "style")
        )
        assert content[-1] < 0.9 * content[0], layer
        assert style[-1] > style[0], layer


def test_numbers_are_those_of_the_picture_that_was_saved(records, folder, subject):
    name = "figure3-conv5_1-1e-03"
    found = measures(subject.settings, read(folder / f"{name}.png"), subject.photograph, subject.paintings[-1])
    for kind in ("content_error", "style_error"):
        for layer in LAYERS:  # 8 bits are all that is saved
            assert found[kind][layer] == pytest.approx(records[name][kind][layer], rel=0.1, abs=1e-3)


def test_a_picture_misses_nothing_of_itself():
    settings = Settings(size=SIZE)
    image = read("sample:wave", size=SIZE)
    found = measures(settings, image, "sample:wave", "sample:wave")
    assert found["pixel_error"] == 0
    assert set(found["content_error"].values()) == set(found["style_error"].values()) == {0.0}
    other = measures(settings, image, painting="sample:mosaic")
    assert min(other["style_error"].values()) > 0.01


def test_what_is_there_is_not_painted_again(records, folder, subject):
    panels = [panel for row in figure_1(subject).grid for panel in row]
    assert list(engine.paint(panels, folder)) == []


def one_panel(steps: int) -> Panel:
    return Panel("x", "content", Settings(size=32, steps=steps, init="noise"), "sample:coffee")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of ``one_panel(1)``, by name."""
    folder = tmp_path_factory.mktemp("panel")
    list(engine.paint([one_panel(1)], folder))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def with_fields(data: bytes, **fields) -> bytes:
    return json.dumps(json.loads(data) | fields).encode()


HARM = {
    "no picture": ("x.png", lambda _: None),
    "an empty picture": ("x.png", lambda _: b""),
    "half the picture": ("x.png", lambda data: data[: len(data) // 2]),
    "a picture without its last byte": ("x.png", lambda data: data[:-1]),
    "a picture with another bit": ("x.png", lambda data: data[:-50] + bytes([data[-50] ^ 1]) + data[-49:]),
    "no numbers": ("x.json", lambda _: None),
    "empty numbers": ("x.json", lambda _: b""),
    "half the numbers": ("x.json", lambda data: data[: len(data) // 2]),
    "numbers that are deep": ("x.json", lambda _: b"[" * 10**6),
    "numbers that are not UTF-8": ("x.json", lambda data: data.replace(b"content", b"\xff\xfe")),
    "a list": ("x.json", lambda data: b"[" + data + b"]"),
    "no recipe": ("x.json", lambda _: b"{}"),
    "a long number": ("x.json", lambda _: b"1" * 10**4),
    "terms of another type": ("x.json", lambda data: with_fields(data, terms=5)),
    "errors of another type": ("x.json", lambda data: with_fields(data, content_error=[])),
    "deep terms": (
        "x.json",
        lambda data: data.replace(b'"terms": {', b'"terms": {"a": ' + b"[" * 900 + b"]" * 900 + b","),
    ),
    "another digest": ("x.json", lambda data: with_fields(data, digest="0" * 64)),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_panel_is_painted_again(tmp_path, whole, harm):
    name, changed = HARM[harm]
    for file, data in whole.items():
        left = changed(data) if file == name else data
        if left is not None:
            (tmp_path / file).write_bytes(left)
    panel = one_panel(1)
    assert engine.painted(panel, tmp_path) is None
    assert [at.step.index for at in engine.paint([panel], tmp_path)] == [0, 1]
    assert engine.painted(panel, tmp_path)
    assert (tmp_path / "x.png").read_bytes() == whole["x.png"]


def test_a_panel_made_otherwise_is_painted_again(tmp_path, whole):
    for file, data in whole.items():
        (tmp_path / file).write_bytes(data)
    assert engine.painted(one_panel(1), tmp_path)
    assert engine.painted(one_panel(2), tmp_path) is None
    assert [at.step.index for at in engine.paint([one_panel(2)], tmp_path)] == [0, 1, 2]


def test_a_picture_of_other_settings_is_not_taken_for_that_of_the_numbers_beside_it(tmp_path, whole):
    """As a run leaves it that was killed after it had written the picture."""
    list(engine.paint([one_panel(2)], tmp_path))
    (tmp_path / "x.json").write_bytes(whole["x.json"])
    assert engine.painted(one_panel(1), tmp_path) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_in_the_place_of_numbers_is_not_waited_for(tmp_path, whole):
    (tmp_path / "x.png").write_bytes(whole["x.png"])
    os.mkfifo(tmp_path / "x.json")
    assert engine.painted(one_panel(1), tmp_path) is None


def test_names_are_no_two_alike():
    subject = Subject("sample:chelsea", PAINTINGS, validated(preset="paper"))
    panels = [panel for make in figures_named("all") for row in make(subject).grid for panel in row]
    assert len({panel.name for panel in panels}) == len(panels)


def test_a_run_goes_on_from_damaged_panels(impasto, quick):
    made = ("figures", "2", "--out", "made", "--style", "sample:wave", *quick, "-q")
    assert impasto(*made).code == 0
    whole = {path.name: path.read_bytes() for path in Path("made").iterdir()}
    Path("made/figure2-a.json").write_bytes(b"\xff" * 9)
    Path("made/figure2-b.png").write_bytes(whole["figure2-b.png"][:99])
    assert impasto(*made).code == 0
    assert Path("made/figure2-b.png").read_bytes() == whole["figure2-b.png"]


def test_a_panel_that_is_harmed_meanwhile_is_told(impasto, quick, monkeypatch):
    monkeypatch.setattr(engine, "paint", lambda *_: iter(()))
    refused = impasto("figures", "2", "--out", "made", *quick)
    assert refused.code == 3
    assert "figure2-a.png', or what it is made from, was changed meanwhile: run this again" in refused.err


@pytest.fixture
def quick(tiny):
    return ["--size", 32, "--steps", 1, "--weights", tiny, "--device", "cpu"]


def test_one_command_makes_sheets_pictures_numbers_and_a_report(impasto, quick):
    told = impasto("figures", "all", "--out", "made", *quick)
    assert told.code == 0
    assert told.out == f"{Path('made/report.html')}\n"
    rows = list(csv.DictReader(Path("made/figures.csv").read_text(encoding="utf-8").splitlines()))
    panels = {path.stem for path in Path("made").glob("*.json")}
    assert {row["name"] for row in rows} == panels
    assert len(rows) == 10 + 5 + 7 + 20 + 2 + 6
    for sheet in ("figure1", "figure1-cvpr", "figure2", "figure3", "figure4", "figure5", "layers"):
        with Image.open(f"made/{sheet}.png") as picture:
            assert min(picture.size) > 200
        assert Path(f"made/{sheet}.pdf").read_bytes().startswith(b"%PDF")
    page = Path("made/report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 7
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert all(f"<td>{name}</td>" in page for name in panels)


def test_a_photograph_and_paintings_of_ones_own(impasto, quick, photograph, painting):
    styles = ["--style", painting, "--style", "sample:wave"]
    assert impasto("figures", "2", "--out", "made", "--content", photograph, *styles, *quick, "-q").code == 0
    records = [json.loads(path.read_text()) for path in sorted(Path("made").glob("*.json"))]
    assert [record["recipe"]["inputs"].get("style", {}).get("file") for record in records] == [
        None,
        painting.name,
        "sample:wave",
    ]


def test_a_killed_run_goes_on_with_what_is_missing(process, tmp_path, tiny):
    command = ["figures", "1", "--out", "made", "--size", 64, "--steps", 20, "--weights", tiny]
    made = tmp_path / "made"
    run = process(*command)
    while len(list(made.glob("*.json"))) < 3:
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    kept = {path: path.stat().st_mtime_ns for path in made.glob("*.json")}
    assert 3 <= len(kept) < 15
    again = process(*command)
    again.communicate()
    assert again.returncode == 0
    assert len(list(made.glob("*.json"))) == 15
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


BAD = {
    "figures 4 --out made": (2, "4"),
    "figures 1": (2, "--out"),
    "figures 1 --out made --content nowhere.png": (3, "'nowhere.png' does not exist"),
    "figures 2 --out made --style nowhere.png": (3, "'nowhere.png' does not exist"),
    "figures 1 --out made --size 5": (2, "size"),
    "figures 1 --out file/made": (3, "file/made"),
}


@pytest.mark.parametrize("command", BAD)
def test_what_is_wrong_is_told_and_nothing_made(impasto, command, tiny):
    Path("file").write_bytes(b"")
    code, reason = BAD[command]
    refused = impasto(*command.split(), "--weights", tiny)
    assert refused.code == code
    assert reason in refused.err
    assert [path.name for path in Path.cwd().iterdir()] == ["file"]
