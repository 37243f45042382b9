"""The command that paints folders."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from impasto.cli import with_command
from impasto.images.decoding import read_recipe


@pytest.fixture
def folder(tmp_path, photograph, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("a", "b", "c"):
        shutil.copy(photograph, f"in/{name}.png")
    Path("in/bad.png").write_bytes(b"nonsense")
    return Path("in")


@pytest.fixture
def quick(tiny):
    Path("quick.toml").write_text("[settings]\nsteps = 3\ncoarse_steps = 1\n")
    return ["--like", "quick.toml", "--weights", tiny, "--size", 48, "--device", "cpu"]


def test_all_is_painted_once_and_the_bad_one_named(impasto, folder, quick, painting):
    told = impasto("batch", "in", "--style", painting, "sample:wave", "-o", "out", *quick)
    assert told.code == 3
    assert told.err.count("'in/bad.png' is damaged") == 2
    assert "8 of 8 pictures: 6 painted, 0 there before, 2 failed" in told.out
    rows = list(csv.DictReader(Path("out/report.csv").read_text().splitlines()))
    assert [Path(row["picture"]).name for row in rows if row["state"] == "painted"] == [
        *("a-painting.png", "a-wave.png", "b-painting.png", "b-wave.png", "c-painting.png", "c-wave.png")
    ]
    assert all(float(row["loss"]) > 0 for row in rows if row["state"] == "painted")
    with Image.open("out/contact-sheet.jpg") as sheet:
        assert sheet.width > 3 * 160
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("*.png")}
    told = impasto("batch", "in", "--style", painting, "sample:wave", "-o", "out", *quick)
    assert "0 painted, 6 there before, 2 failed" in told.out
    assert {path: path.stat().st_mtime_ns for path in Path("out").glob("*.png")} == before
    Path("in/bad.png").unlink()
    assert impasto("batch", "in", "--style", painting, "-o", "out2", *quick, "--quiet").code == 0


def test_programs_are_told(impasto, folder, quick, painting):
    told = impasto("batch", "in/a.png", "in/bad.png", "--style", painting, "-o", "out", *quick, "--json")
    first, second, last = map(json.loads, told.out.splitlines())
    assert (first["event"], first["file"], first["done"], first["total"]) == ("painted", "out/a.png", 1, 2)
    assert (second["event"], "is damaged" in second["error"]) == ("failed", True)
    assert last == {"event": "done", "painted": 1, "failed": 1, "report": "out/report.csv"}


def test_pairs_and_formats(impasto, folder, quick, painting):
    Path("pairs.csv").write_text("in/a.png,sample:wave\nin/b.png,sample:swirl\n")
    assert impasto("batch", "--pairs", "pairs.csv", "-o", "out", "--format", "jpg", *quick).code == 0
    assert sorted(path.name for path in Path("out").glob("*-*.jpg")) == [
        "a-wave.jpg",
        "b-swirl.jpg",
        "contact-sheet.jpg",
    ]
    assert read_recipe("out/a-wave.jpg")["inputs"]["style"]["file"] == "sample:wave"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in", "--style", "x.png"], "--out is the folder"),
        (["in", "-o", "out"], "photographs and --style are wanted"),
        (["--pairs", "x.csv", "--style", "x.png", "-o", "out"], "or --pairs"),
        (["in", "--style", "x.png", "-o", "out", "--format", "gif"], "--format: one of"),
        (["--pairs", "x.csv", "-o", "out", "--watch"], "--watch looks into folders"),
        (["in", "--style", "x.png", "-o", "out", "--strength", "7"], "--strength"),
    ],
)
def test_what_makes_no_sense_is_refused(impasto, folder, arguments, said):
    told = impasto("batch", *arguments)
    assert (told.code, said in told.err, Path("out").exists()) == (2, True, False)


def test_paintings_follow_their_flag():
    assert with_command(["batch", "a", "b", "--style", "c", "d", "--size", "9", "-o", "e"]) == (
        ["batch", "a", "b", "--style", "c", "--style", "d", "--size", "9", "-o", "e"]
    )
    assert with_command(["batch", "a", "--style", "c", "--style", "d", "e"]) == [
        "batch",
        "a",
        "--style",
        "c",
        "--style",
        "d",
        "--style",
        "e",
    ]


def command(quick, *more):
    words = ["batch", "in", "--style", "sample:wave", "sample:swirl", "-o", "out", *quick, *more]
    return [sys.executable, "-m", "impasto", *map(str, words)]


def test_killed_at_any_moment_the_same_command_goes_on(folder, quick, photograph):
    """With SIGKILL, twice; no picture is painted twice, and none is missing or half there."""
    for name in "def":
        shutil.copy(photograph, folder / f"{name}.png")
    wanted = {f"{name}-{by}.png" for name in "abcdef" for by in ("wave", "swirl")}
    seen = {}
    for _ in range(2):
        with subprocess.Popen(
            command(quick, "--workers", 2),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            for _ in range(random.randint(1, 3)):
                process.stdout.readline()
            time.sleep(random.random() / 4)
            os.killpg(process.pid, signal.SIGKILL)
        now = {path.name: path.stat().st_mtime_ns for path in Path("out").glob("*-*.png")}
        assert seen.items() <= now.items()
        seen = now
    assert 0 < len(seen) < len(wanted)
    done = subprocess.run(command(quick, "--workers", 2), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    now = {path.name: path.stat().st_mtime_ns for path in Path("out").glob("*-*.png")}
    assert seen.items() <= now.items()
    assert now.keys() == wanted
    assert all(read_recipe(Path("out") / name) for name in wanted)


def test_interrupted_it_says_how_far_it_is(folder, quick):
    with subprocess.Popen(
        command(quick, "--quality", "fine"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: " in said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert Path("out/report.csv").exists()


def test_what_is_put_into_a_watched_folder_is_painted(folder, quick, photograph):
    Path("in/bad.png").unlink()
    with subprocess.Popen(
        command(quick, "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(6):
            assert "painted" in process.stdout.readline()
        shutil.copy(photograph, "in/new.png")
        assert {process.stdout.readline().split()[1] for _ in range(2)} == {"out/new-wave.png", "out/new-swirl.png"}
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
