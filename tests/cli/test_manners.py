"""What people type who have not read the manual, and the answer that helps."""

import contextlib
import io
import itertools
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pillow_heif
import pytest
import torch
from PIL import Image

from impasto import facade
from impasto.cli import console
from impasto.images import output
from impasto.images.decoding import read_recipe
from impasto.images.files import read
from impasto.solver import Step


@pytest.fixture
def quick(tiny):
    return ["--weights", tiny, "--size", 32, "--steps", 2, "--device", "cpu"]


@pytest.fixture
def small(photograph, painting, quick):
    return ["stylize", photograph, painting, *quick]


def test_two_pictures_are_enough(impasto, small, photograph, painting):
    assert impasto(photograph, painting, *small[3:], "-o", "a.png").code == 0
    assert impasto(*small, "-o", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_two_samples_are_enough(impasto, quick):
    assert impasto("sample:chelsea", "sample:wave", *quick, "-q").code == 0
    assert Path("chelsea-wave.png").exists()


def test_a_command_that_is_mistyped_is_told(impasto):
    told = impasto("stylise", "a.png", "b.png")
    assert told.code == 2
    assert "No such command 'stylise'" in told.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chelsea", "'chelsea' does not exist: the built-in picture is sample:chelsea"),
        ("https://example.org/x.jpg", "is a web address: download the picture first"),
        ("nowhere", "'nowhere' does not exist: check its name and folder"),
    ],
)
def test_names_that_are_no_files(impasto, painting, quick, name, words):
    told = impasto("stylize", name, painting, *quick)
    assert told.code == 3
    assert words in " ".join(told.err.split())


@pytest.mark.parametrize("option", ["--strength", "--style-weight", "--tv-weight", "--coarse-steps", "--keep-lines"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("70%", "'70%' is not a number: write 0.7"),
        ("0,5", "'0,5' is not a number: write 0.5"),
        ("some", "'some' is not"),
    ],
)
def test_numbers_as_people_write_them(impasto, small, option, text, words):
    told = impasto(*small, option, text)
    assert told.code == 2
    assert words in " ".join(told.err.replace("│", " ").split())


def test_a_telephones_picture(tmp_path):
    pillow_heif.register_heif_opener()
    Image.new("RGB", (64, 48), (200, 40, 10)).save(tmp_path / "x.heic", "HEIF")
    image = read(tmp_path / "x.heic")
    assert image.shape == (1, 3, 48, 64)
    assert (image.mean(dim=(0, 2, 3)) * 255).round().tolist() == pytest.approx([200, 40, 10], abs=4)


def test_a_telephones_picture_without_the_library(impasto, tmp_path, painting, quick, monkeypatch):
    pillow_heif.register_heif_opener()
    Image.new("RGB", (64, 48)).save(tmp_path / "x.heic", "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    told = impasto("stylize", tmp_path / "x.heic", painting, *quick)
    assert told.code == 3
    assert "is HEIC, as telephones make it: pip install 'impasto[heic]', or save it as JPEG" in told.err


def test_what_the_library_says_of_a_parameter_is_told_with_its_flag(impasto, small, painting):
    told = impasto(*small, "--keep-lines", -1)
    assert (told.code, told.err) == (
        2,
        "impasto: --keep-lines: Input should be greater than or equal to 0, not -1.0\n",
    )
    told = impasto(*small, "--quality", "draft", "--steps", 5)
    assert "--quality: it says how many --steps of auto there are, and goes with no number of them" in told.err
    told = impasto("texture", painting, "--size", "40x40", "--painting-size", 3)
    assert "impasto: --painting-size: Input should be greater than or equal to 16" in told.err
    told = impasto("reconstruct", "content", painting, "--layer", "conv9_9", *small[3:])
    assert told.err.splitlines()[-1].startswith("impasto: --layer: there is no layer 'conv9_9'")
    assert "`" not in told.err


@pytest.mark.parametrize(
    "arguments", [["stylize"], ["stylize", "a", "b", "--nonsense"], ["stylise"], ["stylize", "a", "b", "--size", "x"]]
)
def test_one_style_for_all_errors(impasto, arguments):
    told = impasto(*arguments)
    assert told.code == 2
    assert told.err.startswith("impasto: ")
    assert told.err.endswith("--help tells more)\n")
    assert told.err.count("\n") == 1


def test_json_tells_errors_too(impasto, small, painting):
    for arguments, code in ((["stylize", "nowhere.png", painting], 3), ([*small, "--strength", 2], 2)):
        told = impasto(*arguments, "--json")
        (line,) = told.out.splitlines()
        assert json.loads(line) == {
            "event": "error",
            "message": told.err.removeprefix("impasto: ").strip(),
            "code": code,
        }
        assert told.code == code


def test_help_shows_what_people_use_and_help_all_the_rest(impasto):
    usual, every = impasto("stylize", "--help"), impasto("stylize", "--help-all")
    assert usual.code == every.code == 0

    def flags(text):
        return set(re.findall(r"(?<=│ )--[a-z-]+", text))

    assert 10 <= len(flags(usual.out)) <= 16
    assert flags(usual.out) < flags(every.out)
    assert {"--out", "--size", "--strength", "--tries", "--resume", "--help-all"} <= flags(usual.out)
    assert len(flags(every.out)) > 30


def test_it_says_what_will_be_done(impasto, small, photograph, painting, tiny):
    assert "32 x 27 px: 2 steps at 32 px (cpu, " in impasto(*small).err
    more = ["--weights", tiny, "--size", 192, "--steps", 4, "--device", "cpu", "-o", "x.png"]
    assert (
        "192 x 160 px: 11 steps at 128 px, then 4 steps at 192 px (cpu, "
        in impasto("stylize", photograph, painting, *more).err
    )
    draft = ["stylize", photograph, painting, *small[3:-4], "--quality", "draft", "-o", "x.png"]
    assert "32 x 27 px: 16 steps at 32 px (cpu, " in impasto(*draft).err
    told = impasto(*draft, "--solver", "lbfgs").err
    assert "32 x 27 px: steps at 32 px across, each until more would not show" in told


def run_with(process_arguments, data, tmp_path):
    command = [sys.executable, "-m", "impasto", *map(str, process_arguments)]
    return subprocess.run(command, check=False, input=data, capture_output=True, cwd=tmp_path, timeout=120)


@pytest.mark.parametrize("role", [1, 2])
def test_a_dash_is_stdin_and_stdout(small, tmp_path, role):
    data = Path(small[role]).read_bytes()
    expected = run_with([*small, "-o", "file.png"], b"", tmp_path)
    assert expected.returncode == 0
    told = run_with([*small[:role], "-", *small[role + 1 :], "-o", "-", "-q"], data, tmp_path)
    assert (told.returncode, told.stderr) == (0, b"")
    with Image.open(io.BytesIO(told.stdout)) as piped, Image.open(tmp_path / "file.png") as file:
        assert piped.format == "PNG"
        assert piped.tobytes() == file.tobytes()
    assert read_recipe(told.stdout)["inputs"][["content", "style"][role - 1]]["file"] == "stdin"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "-", "-o", "x.png"], "'-' is stdin, which can be one of the pictures only"),
        (["PHOTO", "PAINTING", "-o", "-", "--json"], "--json does not go with '-o -'"),
        (["PHOTO", "PAINTING", "-o", "-", "--tries", "2"], "--tries are several pictures"),
        (["PHOTO", "PAINTING", "-o", "-", "--tileable"], "--tileable puts a sheet of four beside the picture"),
        (["PHOTO", "PAINTING", "-o", "-", "--save-every", "2"], "--save-every does not go with '-o -'"),
    ],
)
def test_a_dash_that_cannot_be(impasto, quick, photograph, painting, arguments, words):
    pictures = {"PHOTO": photograph, "PAINTING": painting}
    told = impasto("stylize", *(pictures.get(argument, argument) for argument in arguments), *quick)
    assert (told.code, words in told.err) == (2, True)


def test_a_dash_with_nothing_in_it(small, tmp_path):
    told = run_with([*small[:1], "-", *small[2:], "-o", "x.png"], b"", tmp_path)
    assert told.returncode == 3
    assert b"'stdin' is empty (0 bytes)" in told.stderr


def until_it_listens(child):
    """Linux tells which signals a process catches: SIGTERM and SIGHUP too, as soon as impasto listens to all."""
    all_of_them = 1 << (signal.SIGTERM - 1) | 1 << (signal.SIGHUP - 1)
    while child.poll() is None:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{child.pid}/status").read_text()
            if int(re.search(r"SigCgt:\t(\w+)", status)[1], 16) & all_of_them == all_of_them:
                return
        time.sleep(0.001)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_kill_at_any_moment_brings_no_traceback(process, small, tmp_path, kill):
    """From the first moment that Python lets a program listen to it."""
    for milliseconds in (0, 50, 250, 1000, 2000):
        child = process(*small, "--steps", 10**9, "-o", "x.png")
        until_it_listens(child)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(milliseconds / 1000)
        child.send_signal(kill)
        _, err = child.communicate(timeout=60)
        assert child.returncode == 130
        assert "Traceback" not in err, (milliseconds, err)
        assert "impasto: interrupted" in err
        assert (tmp_path / "x.png").exists() == ("is kept in 'x.png'" in err)
        (tmp_path / "x.png").unlink(missing_ok=True)


def test_it_listens_before_it_imports_anything_large():
    program = "import sys; before = set(sys.modules); import impasto.signals; print(len(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 30


def test_what_is_kept_is_as_large_as_was_asked_for(impasto, photograph, painting, tiny, monkeypatch):
    def stop(step):
        if step.index == 3:
            raise KeyboardInterrupt

    seen = console.JsonLines.step
    monkeypatch.setattr(console.JsonLines, "step", lambda self, step: (seen(self, step), stop(step)))
    options = ["--weights", tiny, "--size", 192, "--steps", 9, "--device", "cpu", "-o", "x.png", "--json"]
    told = impasto("stylize", photograph, painting, *options)
    assert told.code == 130
    assert "is kept in 'x.png', painted at 128 x 107 px and enlarged" in told.err
    assert read("x.png").shape == (1, 3, 160, 192)


def test_a_signal_before_there_is_a_picture(impasto, small, monkeypatch):
    def steps(*_, **__):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(facade, "stylize", steps)
    told = impasto(*small, "-o", "x.png")
    assert (told.code, told.err) == (130, "impasto: interrupted: there was no picture yet, and nothing is kept\n")
    assert not Path("x.png").exists()


SILENCED = {">&- 2>&-": 0, "| head -1": 0, ">/dev/full": 4, "2>/dev/full": 0}
"""What can be done to what a command says, and the exit code of what has much to say on stdout and little on stderr."""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("redirect", SILENCED)
@pytest.mark.parametrize("command", ["--help", "samples", "stylize", "stylize --json"])
def test_nobody_to_speak_to(small, tmp_path, command, redirect):
    """What there is to paint is painted and saved all the same."""
    rest = [*small[1:], "-o", "x.png"] if command in ("stylize", "stylize --json") else []
    line = shlex.join([sys.executable, "-m", "impasto", *command.split(), *map(str, rest)])
    code_too = ["sh", "-c", f"{{ {line}; echo $? >code; }} {redirect}"]
    told = subprocess.run(code_too, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    for words in ("Traceback", "Exception ignored"):
        assert words not in told.stdout + told.stderr
    code = SILENCED[redirect]
    if command == "stylize":  # which speaks on stderr
        code = {">/dev/full": 0, "2>/dev/full": 4}.get(redirect, 0)
    assert int((tmp_path / "code").read_text()) == code
    if code == 4 and redirect == ">/dev/full":
        assert "impasto: not all that there was to say could be written (No space left on device)" in told.stderr
    assert (tmp_path / "x.png").exists() == (rest != [])


def test_a_picture_that_nobody_reads_to_its_end(small, tmp_path):
    line = shlex.join([sys.executable, "-m", "impasto", *map(str, small), "-o", "-"])
    shell = ["sh", "-c", f"{{ {line}; echo $? >code; }} | true"]
    told = subprocess.run(shell, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert "Traceback" not in told.stderr
    assert (tmp_path / "code").read_text() == "4\n"
    assert "'<stdout>' was closed before the whole picture was in it" in told.stderr


def test_signals_at_random_moments_once_and_twice(process, small, tmp_path):
    """After a picture was seen there is one, whatever comes; IMPASTO_KILLS says how many are tried."""
    chance = random.Random(os.environ.get("IMPASTO_SEED", "0"))
    kinds = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    for _ in range(int(os.environ.get("IMPASTO_KILLS", "4"))):
        child = process(*small, "--size", 160, "--steps", 40, "-o", "x.png", "--json")
        until_it_listens(child)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0, 7))
        for pause in [chance.choice([0, 0.001, 0.06, 0.3])] * chance.choice([1, 2]):
            child.send_signal(chance.choice(kinds))
            time.sleep(pause)
        out, err = child.communicate(timeout=60)
        assert "Traceback" not in err
        assert "Exception ignored" not in err
        assert child.returncode in (0, 130), err
        events = {json.loads(line)["event"] for line in out.splitlines()}
        assert (tmp_path / "x.png").exists() == bool(events & {"step", "saved"}), (events, err)
        assert ("done" in events) == (child.returncode == 0)
        if (tmp_path / "x.png").exists():
            assert read(tmp_path / "x.png").shape == (1, 3, 133, 160)
        for left in tmp_path.glob("*x.png*"):
            left.unlink()
        assert not [*tmp_path.glob(".*.part")]


def test_a_signal_that_is_lost_on_its_way_is_heard_all_the_same(small, tmp_path):
    """As one that comes while an object is thrown away, where Python passes no exception on."""
    program = f"""
import os, signal, sys
from impasto.__main__ import main
from impasto.cli import console

class Thrown:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # where Python looks for signals
            pass

seen = console.JsonLines.step
console.JsonLines.step = lambda self, step: (seen(self, step), Thrown() if step.index == 3 else None)[0]
sys.argv[1:] = {[*map(str, small), "--steps", "999999", "-o", "x.png", "--json"]!r}
main()
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert (ran.returncode, "Exception ignored" in ran.stderr) == (130, False)
    assert "the picture of step 3 of" in ran.stderr
    assert (tmp_path / "x.png").exists()


def test_tries_are_several_pictures_and_a_sheet(impasto, small):
    told = impasto(*small, "--tries", 3, "--seed", 5, "-o", "x.png")
    assert told.code == 0
    pictures = [read(f"x-{n}.png") for n in (1, 2, 3)]
    assert [read_recipe(f"x-{n}.png")["settings"]["seed"] for n in (1, 2, 3)] == [5, 6, 7]
    assert min((a - b).abs().mean() for a, b in itertools.combinations(pictures, 2)) > 0.02
    sheet = read("x-sheet.png")
    assert sheet.shape == (1, 3, 8 + 2 * 35, 8 + 2 * 40)
    assert torch.equal(sheet[..., 8:35, 8:40], pictures[0])
    assert torch.equal(sheet[..., 43:70, 8:40], pictures[2])
    assert not Path("x.png").exists()
    assert impasto(*small, "--seed", 6, "-o", "again.png").code == 0
    assert torch.equal(read("again.png"), pictures[1])
    for _ in range(2):
        assert impasto(*small, "--tries", 2).code == 0
    assert len(list(Path.cwd().glob("photograph-painting*-[12].png"))) == 4


def test_four_of_a_tileable_picture_are_shown_side_by_side(impasto, small):
    texture = ["texture", small[2], "--size", "40x24", "--weights", small[4], "--steps", 2, "--scales", 1]
    assert impasto(*texture, "--tileable", "-o", "t.png").code == 0
    assert torch.equal(read("t-2x2.png"), read("t.png").repeat(1, 1, 2, 2))
    told = impasto(*small, "--tileable", "--tries", 2, "-o", "x.png", "--json")
    assert told.code == 0
    sheets = [event["path"] for event in map(json.loads, told.out.splitlines()) if event["event"] == "sheet"]
    assert sheets == ["x-1-2x2.png", "x-2-2x2.png", "x-sheet.png"]
    assert torch.equal(read("x-2-2x2.png"), read("x-2.png").repeat(1, 1, 2, 2))
    again = ["--like", "x-1.png", *small[1:5]]
    words = impasto(*again, "-o", "y.png").err
    assert "y-2x2.png  (four of it)" in words
    assert torch.equal(read("y.png"), read("x-1.png"))
    assert impasto(*again, "--no-tileable", "-o", "z.png").code == 0
    assert not Path("z-2x2.png").exists()


def test_four_of_it_are_saved_when_it_is_interrupted_and_say_how_they_were_made(impasto, small, monkeypatch):
    def steps(*_, **__):
        yield Step(0, torch.rand(1, 3, 16, 24), {"content": 1.0}, 0.0, 1, recipe={"settings": {}})
        raise KeyboardInterrupt

    monkeypatch.setattr(facade, "stylize", steps)
    assert impasto(*small, "--tileable", "--dpi", 200, "-o", "x.png").code == 130
    assert torch.equal(read("x-2x2.png"), read("x.png").repeat(1, 1, 2, 2))
    assert (read_recipe("x-2x2.png") or {})["step"] == 0 == (read_recipe("x.png") or {})["step"]
    with Image.open("x-2x2.png") as four:
        assert four.info["dpi"] == pytest.approx((200, 200), rel=1e-3)


def test_four_that_no_format_holds_are_refused_before_the_run(impasto, small):
    told = impasto(*small, "--tileable", "--size", 9000, "-o", "x.webp")
    assert (told.code, "x-2x2.webp" in told.err, Path("x.webp").exists()) == (2, True, False)


def test_a_sheet_of_four_replaces_no_input(impasto, small):
    shutil.copy(small[1], "x-2x2.png")
    told = impasto("stylize", "x-2x2.png", *small[2:], "--tileable", "-o", "x.png")
    assert (told.code, "is the same file as the input" in told.err) == (2, True)


MANY = "9" * 5000
NONSENSE = {
    ("--size", MANY): "--size",
    ("--steps", MANY): "of 15 digits at most",
    ("--seed", MANY): "--seed",
    ("--memory", f"{MANY}GB"): "memory is a number of bytes",
    ("--tile", MANY): "a number of px",
    ("--threads", 2**31): "--threads",
    ("--save-every", MANY): "--save-every",
    ("--style-weight", "1e19"): "--style-weight: Input should be less than or equal to 1000000000000000",
    ("--content-weight", "1e30"): "--content-weight",
    ("--tv-weight", "1e30"): "--tv-weight",
    ("--dpi", "1e300"): "--dpi: from 1 to 30,000 is expected, not 1e+300",
    ("--dpi", "-5"): "--dpi",
    ("--dpi", "nan"): "--dpi",
    ("--network", "[red]x[/nope]"): "there is no '[red]x[/nope]'",
    ("--preset", "[/x]"): "not '[/x]'",
}


@pytest.mark.parametrize(("option", "value"), NONSENSE)
def test_numbers_that_make_no_sense(impasto, small, option, value):
    told = impasto(*small, option, value, "-o", "x.png")
    assert (told.code, told.out) == (2, "")
    assert NONSENSE[option, value] in told.err
    assert len(told.err) < 500
    assert not Path("x.png").exists()


def test_limits_for_all_that_is_done_here(impasto, small, monkeypatch):
    monkeypatch.setenv("IMPASTO_LIMITS", "pixels=1000")
    told = impasto(*small, "-o", "x.png")
    assert (told.code, "more than 1,000 pixels" in told.err) == (4, True)
    assert impasto(*small, "--limits", "pixels=10K, seconds=99", "-o", "x.png").code == 0


def test_textures_that_make_no_sense(impasto, small):
    texture = ["texture", small[2], "--weights", small[4]]
    told = impasto(*texture, "--size", f"{MANY}x64")
    assert (told.code, "should be WIDTHxHEIGHT" in told.err, len(told.err) < 200) == (2, True, True)
    told = impasto(*texture, "--size", "100000x100000")
    assert (told.code, "a texture is too large at 100000 x 100000 px" in told.err) == (4, True)
    assert "--limits" in told.err


def test_a_beta_as_large_as_is_allowed_still_paints(impasto, small):
    told = impasto(*small, "--steps", 20, "--style-weight", 1e15, "--strength", 1, "--json", "-o", "x.png")
    style = [event["terms"]["style"] for event in map(json.loads, told.out.splitlines()) if event["event"] == "step"]
    assert (told.code, style[-1] < 0.5 * style[0]) == (0, True)


def test_names_of_a_hundred_thousand_pictures_on_the_way_are_not_asked_for(impasto, small, monkeypatch):
    asked = []
    seen = output.check_output
    monkeypatch.setattr(output, "check_output", lambda path, *a, **k: (asked.append(path), seen(path, *a, **k))[0])
    shutil.copy(small[1], "x-0007.png")
    monkeypatch.setattr(facade, "stylize", lambda *_, **__: iter(()))
    assert impasto(*small, "--steps", 100_000, "--save-every", 1, "-o", "x.png").code == 0
    assert [path.name for path in asked] == ["x.png", "x-0007.png"]
    told = impasto("stylize", "x-0007.png", *small[2:], "--steps", 100, "--save-every", 7, "-o", "x.png")
    assert (told.code, "is the same file as the input" in told.err) == (2, True)


def test_what_a_terminal_would_obey_is_shown_instead(impasto, small):
    name = "a\nb\x1b[31m\u202e.png"
    told = impasto("stylize", name, small[2])
    assert told.err == "impasto: 'a\\nb\\x1b[31m\\u202e.png' does not exist: check its name and folder\n"
    told = impasto(*small, "-o", name)
    assert (told.code, Path(name).exists()) == (0, True)
    assert "a\\nb\\x1b[31m\\u202e.png  (" in told.err


def test_a_name_is_taken_when_it_is_chosen(process, small, tmp_path):
    children = [process(*small, "--steps", 60) for _ in range(3)]
    for child in children:
        child.communicate(timeout=120)
    assert [child.returncode for child in children] == [0, 0, 0]
    assert {path.name for path in tmp_path.glob("*.png")} == {f"photograph-painting{n}.png" for n in ("", "-2", "-3")}
    assert not [*tmp_path.glob(".*")]


def test_a_name_that_was_taken_by_what_was_killed_is_free(impasto, small):
    gone = subprocess.Popen(["true"])
    gone.wait()
    Path(".photograph-painting.png.taken").write_text(str(gone.pid))
    assert impasto(*small).code == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["photograph-painting.png"]
    Path(".photograph-painting-2.png.taken").write_text(str(os.getpid()))
    assert impasto(*small).code == 0
    assert Path("photograph-painting-3.png").exists()


def test_a_name_that_was_taken_by_what_was_killed_is_left_by_whoever_paints_to_it(impasto, small):
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = Path(".x.png.taken")
    left.write_text(str(gone.pid))
    assert impasto(*small, "-o", "x.png").code == 0
    assert not left.exists()


def test_a_name_is_free_where_another_process_has_the_number_of_what_was_killed(impasto, small):
    left = Path(".x.png.taken")
    left.write_text(str(os.getpid()))
    os.utime(left, (0, 0))
    assert impasto(*small, "-o", "x.png").code == 0
    assert not left.exists()


@pytest.mark.parametrize("also", [[], ["--resume"], ["--tries", "2"]])
def test_two_runs_do_not_paint_to_the_same_name(impasto, small, also):
    """Nor over each other's checkpoint."""
    name = "x-2.png" if "--tries" in also else "x.png"
    other = Path(f".{name}.taken")
    other.write_text(str(os.getpid()))
    told = impasto(*small, "-o", "x.png", *also)
    assert (told.code, told.out) == (2, "")
    assert f"another run paints '{name}'" in told.err
    assert f"remove '{other}'" in told.err
    assert [path.name for path in Path.cwd().iterdir()] == [other.name]


@pytest.mark.parametrize("out", [[], ["-o", "x.png"]])
def test_a_signal_before_there_is_a_picture_leaves_no_name_taken(process, small, tmp_path, out):
    child = process(*small, *out, "--steps", 5000)
    until = time.monotonic() + 60
    while not [*tmp_path.glob(".*.taken")] and time.monotonic() < until:
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)  # torch is imported now, or soon
    child.communicate(timeout=60)
    assert child.returncode == 130
    assert not [*tmp_path.glob(".*")]


INTERRUPTED_THERE = """
import os, signal, sys
from contextlib import ExitStack
from pathlib import Path
from impasto.cli.names import claimed
from impasto.signals import leave

signal.signal(signal.SIGINT, leave)
opens = Path.open
def interrupted(path, mode="r"):
    try:
        return opens(path, mode)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
Path.open = interrupted
claimed(Path("x.png"), ExitStack())
"""
"""A signal the moment that it is known whether a name can be taken."""


@pytest.mark.parametrize("other", [True, False])
def test_a_signal_while_a_name_is_taken(tmp_path, other):
    """Its own claim is gone, another's stays."""
    claim = tmp_path / ".x.png.taken"
    if other:
        claim.write_text(str(os.getpid()))
    told = subprocess.run([sys.executable, "-c", INTERRUPTED_THERE], check=False, cwd=tmp_path, timeout=60)
    assert (told.returncode, claim.exists()) == (130, other)
