"""A run of the command line that is killed, or interrupted, goes on with --resume, and ends in the same picture."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from impasto import facade
from impasto.cli import keeping
from impasto.cli.console import Silence
from impasto.images.decoding import read_recipe
from impasto.images.files import read


@pytest.fixture
def quick(photograph, painting, tiny):
    return ["stylize", photograph, painting, "--weights", tiny, "--size", 184, "--steps", 8, "--device", "cpu"]


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


KILLS, STEPS = int(os.environ.get("IMPASTO_KILLS", "5")), 200 if "IMPASTO_KILLS" in os.environ else 24


def test_kill_9_at_any_moment_and_resume(process, quick, tmp_path):
    """However often, from the first millisecond on, a run over two sizes ends in the very file of the unbroken run."""
    quick = [*quick, "--size", 96, "--scales", 2, "--steps", STEPS, "--quiet", "--checkpoint-every", 0.001]
    began = time.monotonic()
    assert process(*quick, "-o", "whole.png").wait() == 0
    lasts, whole = time.monotonic() - began, (tmp_path / "whole.png").read_bytes()
    out, kept, lot, ends, resumed = tmp_path / "out.png", tmp_path / "out.png.checkpoint", random.Random(0), [0], 0
    while sum(ends) < KILLS or ends[-1]:
        resume = ["--resume"] if kept.exists() else []
        child = process(*quick, "-o", out, *resume)
        latest = lasts
        if sum(ends) % 2:  # every second kill leaves something to go on from
            latest = 0.1
            while not kept.exists() and child.poll() is None:
                time.sleep(0.002)
        try:
            child.communicate(timeout=lot.uniform(0, latest) if sum(ends) < KILLS else None)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        assert child.returncode in (0, -signal.SIGKILL)
        resumed += len(resume)
        if child.returncode == 0:
            assert out.read_bytes() == whole
            assert not kept.exists()
            out.unlink()
            ends.append(0)
        else:
            ends[-1] += 1
    assert resumed > 0
    shown = [name for name in files(tmp_path) if not name.startswith(".")]
    assert shown == ["whole.png"]


def test_interrupted_and_resumed(process, quick, tmp_path):
    quick = [*quick, "--steps", 24]
    child = process(*quick, "--json", "-o", "out.png")
    for line in child.stdout:
        if json.loads(line).get("step", 0) >= 7:
            break
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, "; --resume goes on" in err) == (130, True)
    assert files(tmp_path) == ["out.png", "out.png.checkpoint"]
    resumed = process(*quick, "--json", "-o", "out.png", "--resume")
    told = [json.loads(line) for line in resumed.communicate(timeout=60)[0].splitlines()]
    steps = [event["step"] for event in told if event["event"] == "step"]
    assert steps[0] >= 1  # not from the start
    assert process(*quick, "--quiet", "-o", "whole.png").wait() == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert files(tmp_path) == ["out.png", "whole.png"]


def interrupting(monkeypatch, at):
    """Ctrl-C after so many steps of the next run."""
    whole = facade.stylize

    def stylize(*sources, **options):
        run = whole(*sources, **options)
        following = run.__class__.__next__

        class Interrupted(run.__class__):
            def __next__(self):
                step = following(self)
                if step.index == at:
                    raise KeyboardInterrupt
                return step

        run.__class__ = Interrupted
        monkeypatch.setattr(facade, "stylize", whole)
        return run

    monkeypatch.setattr(facade, "stylize", stylize)


def test_a_run_without_a_name_is_found_again(impasto, quick, monkeypatch):
    assert impasto(*quick).code == 0
    interrupting(monkeypatch, 5)
    assert impasto(*quick).code == 130
    second = "photograph-painting-2.png"
    assert files(Path()) == [second, f"{second}.checkpoint", "photograph-painting.png"]
    assert impasto(*quick, "--resume").code == 0
    assert files(Path()) == [second, "photograph-painting.png"]
    assert torch.equal(read(second), read("photograph-painting.png"))
    refused = impasto(*quick, "--resume")
    assert (refused.code, "there is no 'photograph-painting.png.checkpoint' to go on from" in refused.err) == (2, True)


def test_a_run_that_goes_on_is_not_resumed(impasto, quick, monkeypatch):
    """But one that was killed is, and what says that its name is taken goes."""
    interrupting(monkeypatch, 5)
    assert impasto(*quick).code == 130
    taken = Path(".photograph-painting.png.taken")
    taken.write_text(str(os.getpid()))
    refused = impasto(*quick, "--resume")
    assert (refused.code, "to go on from" in refused.err) == (2, True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    taken.write_text(str(gone.pid))
    assert impasto(*quick, "--resume").code == 0
    assert files(Path()) == ["photograph-painting.png"]


def test_the_name_of_a_run_that_did_not_end_is_taken(impasto, quick):
    Path("photograph-painting.png.checkpoint").write_bytes(b"x")
    assert impasto(*quick, "--steps", 2).code == 0
    assert files(Path()) == ["photograph-painting-2.png", "photograph-painting.png.checkpoint"]


def test_a_run_begun_anew_says_that_it_could_go_on(impasto, quick, monkeypatch):
    interrupting(monkeypatch, 5)
    assert impasto(*quick, "-o", "x.png").code == 130
    told = impasto(*quick, "-o", "x.png")
    assert (told.code, "'x.png.checkpoint' is of a run that did not end: --resume would go on" in told.err) == (0, True)
    assert files(Path()) == ["x.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "-", "--resume"], "--resume goes on from a file beside the picture"),
        (["--tries", 2, "--resume"], "--resume goes on with one picture"),
        (["-o", "x.png", "--checkpoint-every", -1], "--checkpoint-every"),
    ],
)
def test_what_makes_no_sense_is_refused(impasto, quick, options, said):
    refused = impasto(*quick, *options)
    assert (refused.code, said in refused.err) == (2, True)


def test_another_run_and_none_are_refused_with_the_flag(impasto, quick, monkeypatch):
    refused = impasto(*quick, "-o", "x.png", "--resume")
    assert (refused.code, "there is no checkpoint 'x.png.checkpoint'" in refused.err) == (3, True)
    interrupting(monkeypatch, 5)
    assert impasto(*quick, "-o", "x.png").code == 130
    refused = impasto(*quick, "--strength", 0.9, "-o", "x.png", "--resume")
    assert (refused.code, "--strength was 0.5 and is 0.9" in refused.err) == (3, True)
    assert files(Path()) == ["x.png", "x.png.checkpoint"]


def test_none_is_kept_where_none_is_wanted(impasto, quick, monkeypatch):
    interrupting(monkeypatch, 5)
    told = impasto(*quick, "-o", "x.png", "--checkpoint-every", 0)
    assert (told.code, "--resume" in told.err, files(Path())) == (130, False, ["x.png"])


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(impasto, quick, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("impasto.running.Run.save", full)
    told = impasto(*quick, "--steps", 5, "--checkpoint-every", 0.001, "-o", "x.png")
    assert told.code == 0
    assert told.err.count("'x.png.checkpoint' cannot be written (No space left on device)") == 1
    assert read_recipe("x.png") is not None


def test_a_large_one_is_written_less_often():
    class Slow:
        saves, plan = 0, None

        def __next__(self):
            raise StopIteration

        def save(self, _):
            self.saves += 1
            time.sleep(0.05)

    slow, keeper = Slow(), keeping.Keeper(Path("x"), 0.01, Silence())
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        keeper.after_step(slow)
        time.sleep(0.001)
    assert 1 <= slow.saves <= 3


def test_every_picture_of_several_has_its_own(impasto, quick, monkeypatch):
    interrupting(monkeypatch, 5)
    assert impasto(*quick, "--tries", 2, "-o", "x.png").code == 130
    assert files(Path()) == ["x-1.png", "x-1.png.checkpoint"]
    assert impasto(*quick, "-o", "x-1.png", "--resume").code == 0
    assert impasto(*quick, "-o", "y.png").code == 0
    assert torch.equal(read("x-1.png"), read("y.png"))
    with Image.open("x-1.png") as picture:
        assert picture.size == (184, 153)
