"""Many pictures: named, found again, painted once, whatever happens to the processes."""

import contextlib
import shutil
import threading
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto import batch, kept
from impasto.batch import Task, found, here, is_done, named, paint, tasks, tasks_in
from impasto.errors import InputError
from impasto.images.decoding import read_recipe
from impasto.settings import validated


@pytest.fixture
def settings(tiny):
    batch.PAINTERS.clear()
    return validated(weights=tiny, size=48, steps=3, coarse_steps=1, device="cpu")


@pytest.fixture
def folder(tmp_path, photograph):
    for name in ("a.png", "b.png", "sub/a.png", ".hidden.png", ".git/c.png", "note.txt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photograph, tmp_path / "in" / name)
    return tmp_path / "in"


def names(pictures):
    return [str(name) for _, name in pictures]


def test_folders_globs_files_and_samples_are_found(folder):
    assert names(found([str(folder)])) == ["a", "b", "sub/a"]
    assert names(found([f"{folder}/*.png"])) == ["a", "b"]
    assert names(found([f"{folder}/**/a.png"])) == ["a", "a"]
    assert found(["sample:swirl", "gone.png"]) == [("sample:swirl", Path("swirl")), ("gone.png", Path("gone"))]
    assert names(found([str(folder)], folder / "sub")) == ["a", "b"]  # where the pictures go
    (folder / "e").mkdir()
    for nothing in (f"{folder}/e", f"{folder}/*.tif"):
        with pytest.raises(InputError, match=r"no picture|matches no file"):
            found([nothing])


NAMES = st.from_regex(r"(sub/)?[ab](\.png|\.jpg)", fullmatch=True)


@given(st.lists(NAMES, min_size=1, max_size=8), st.lists(NAMES, min_size=1, max_size=3), st.booleans())
def test_every_picture_has_a_name_of_its_own(photographs, paintings, alone):
    pairs = [
        ((photograph, Path(photograph).with_suffix("")), (painting, Path(Path(painting).stem)))
        for painting in paintings
        for photograph in photographs
    ]
    given_names = named(pairs, Path("out"), ".png", alone=alone)
    outs = [task.out for task in given_names]
    assert len(set(outs)) == len(outs)
    for task in given_names:
        assert task.out.is_relative_to("out")
        assert task.out.parent == (Path("out") / task.photograph).parent
        assert task.out.name.startswith(Path(task.photograph).stem)


def test_names_are_kept():
    def outs(photographs, paintings):
        return [str(task.out) for task in tasks(photographs, paintings, Path("o"), ".jpg")]

    assert outs(["x/cat.png"], ["swirl.jpg"]) == ["o/cat.jpg"]
    assert outs(["cat.png"], ["s.jpg", "t.jpg"]) == ["o/cat-s.jpg", "o/cat-t.jpg"]
    assert outs(["x/cat.png", "y/cat.jpg"], ["s.jpg"]) == ["o/cat.png-s.jpg.jpg", "o/cat.jpg-s.jpg.jpg"]


def test_pairs(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text('photograph,painting\ncat.png,"a, b.jpg"\n\nsample:coffee,sample:swirl\n')
    first, second = tasks_in(file, Path("o"), ".png")
    assert (first.photograph, first.painting) == (str(tmp_path / "cat.png"), str(tmp_path / "a, b.jpg"))
    assert second == Task("sample:coffee", "sample:swirl", Path("o/coffee-swirl.png"))
    for text, said in {
        "": "names no pictures",
        "a.png\n": "line 1 of pairs has 1 cells",
        "a,b,c": "has 3 cells",
    }.items():
        file.write_text(text)
        with pytest.raises(InputError, match=said):
            tasks_in(file, Path("o"), ".png")
    with pytest.raises(InputError, match="cannot be read as CSV"):
        tasks_in(tmp_path / "gone.csv", Path("o"), ".png")


def test_what_is_there_is_told_by_its_recipe(settings, folder, painting, tmp_path):
    task = Task(str(folder / "a.png"), str(painting), tmp_path / "out" / "a.png")
    assert not is_done(task, settings)
    assert paint(task, settings).state == "painted"
    assert paint(task, settings).state == "there"
    first = task.out.read_bytes()
    assert paint(task, settings.model_copy(update={"strength": 0.9})).state == "painted"
    assert read_recipe(task.out)["settings"]["strength"] == 0.9
    shutil.copy(painting, folder / "a.png")  # another picture of that name
    assert not is_done(task, settings)
    shutil.copy(painting, task.out)  # somebody's own
    outcome = paint(task, settings)
    assert (outcome.state, outcome.code, "not by impasto" in outcome.said) == ("failed", 3, True)
    assert task.out.read_bytes() == painting.read_bytes() != first


def test_a_bad_file_is_told_and_the_rest_goes_on(settings, folder, painting, tmp_path):
    (folder / "b.png").write_bytes(b"nonsense")
    outcomes = list(here(tasks([str(folder)], [str(painting)], tmp_path / "out", ".png"), settings, 1))
    assert [of.state for of in outcomes] == ["painted", "failed", "painted"]
    assert (outcomes[1].code, "b.png' is damaged" in outcomes[1].said) == (3, True)
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["a.png", "a.png"]


def test_the_network_is_loaded_and_paintings_are_looked_at_once(settings, folder, painting, tmp_path, monkeypatch):
    loaded, seen = [], []
    network_of, style_targets = kept.network_of, kept.style_targets
    monkeypatch.setattr(kept, "network_of", lambda *of: loaded.append(1) or network_of(*of))
    monkeypatch.setattr(kept, "style_targets", lambda *of: seen.append(1) or style_targets(*of))
    wanted = tasks([str(folder)], [str(painting), "sample:wave"], tmp_path / "out", ".png")
    outcomes = list(here(wanted[:1] + wanted[3:4], settings, 1))
    once = len(loaded), len(seen)
    outcomes += here(wanted, settings, 1)
    assert [of.state for of in outcomes].count("painted") == 6
    assert (len(loaded), len(seen)) == once


def test_other_processes_paint_the_same(settings, folder, painting, tmp_path):
    """To the file."""
    one, two = (tasks([str(folder)], [str(painting)], tmp_path / out, ".png") for out in ("one", "two"))
    threads = 1
    list(here(one, settings, 1))
    outcomes = list(here(two, settings, 2, threads))
    assert {of.state for of in outcomes} == {"painted"}
    assert {of.task for of in outcomes} == set(two)
    for a, b in zip(one, two, strict=True):
        assert read_recipe(a.out)["inputs"] == read_recipe(b.out)["inputs"]


def test_a_process_that_dies_costs_no_picture(settings, folder, painting, tmp_path):
    slow = settings.model_copy(update={"steps": 25})
    wanted = tasks([str(folder)], [str(painting), "sample:wave"], tmp_path / "out", ".png")
    outcomes = []
    for outcome in here(wanted, slow, 2, 1):
        outcomes.append(outcome)
        if len(outcomes) == 1:
            painting_now = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
            painting_now[0].kill()
    assert {of.state for of in outcomes} <= {"painted", "there"}
    assert {of.task for of in outcomes} == set(wanted)
    assert all(read_recipe(task.out) for task in wanted)


def test_what_always_dies_is_told(settings, folder, painting, tmp_path):
    over = threading.Event()

    def kill():
        while not over.wait(0.05):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended of itself by now
                    if "spawn_main" in " ".join(child.cmdline()):
                        child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outcomes = list(here(tasks([str(folder)], [str(painting)], tmp_path / "out", ".png"), settings, 2, 1))
    finally:
        over.set()
        killer.join()
    assert [(of.state, of.code) for of in outcomes] == [("failed", 4)] * 3
    assert "was ended, twice" in outcomes[0].said
    assert not list((tmp_path / "out").rglob("*")) if (tmp_path / "out").exists() else True
