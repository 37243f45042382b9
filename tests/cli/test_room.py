"""Where memory is lacking a command ends with one sentence, whatever it was that found none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from impasto import facade, tensors
from impasto.checkpoints import Checkpoint
from impasto.cli import room
from impasto.errors import LimitError
from impasto.images.decoding import read_recipe
from impasto.network import weights
from impasto.solver import Step

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")

STEP = int(os.environ.get("IMPASTO_STEP", "0"))
LIMITS = range(16, 1500, STEP) if STEP else (16, 22, 60, 110, 300, 550, 650, 700, 1000)
"""MB of addresses. IMPASTO_STEP=40 goes through all that there are."""


@pytest.fixture
def small(tiny, photograph, painting):
    given = ["stylize", photograph, painting, "--weights", tiny, "--size", 64, "--steps", 4, "--scales", 1]
    return [str(argument) for argument in (*given, "--device", "cpu")]


def ended(limit, arguments, folder, threads=1):
    """How the command ends that may have so many MB of addresses."""
    return subprocess.run(
        ["sh", "-c", f'ulimit -v {limit << 10}; exec "$0" "$@"', sys.executable, "-m", "impasto", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        timeout=300,
    )


@linux
@pytest.mark.parametrize("limit", LIMITS)
def test_a_command_paints_or_says_that_it_lacks_memory(small, tmp_path, limit):
    told = ended(limit, [*small, "--quiet", "-o", "x.png"], tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir() if path.name != "cache")
    if told.returncode == 0:
        assert (told.stderr, left) == ("", ["x.png"])
        assert read_recipe(tmp_path / "x.png")["step"] == 4
    else:
        assert (told.returncode, told.stderr.count("\n")) == (4, 1), told.stderr
        assert told.stderr.startswith("impasto: not enough memory")
        assert left in ([], ["x.png"], ["x.png", "x.png.checkpoint"])


@linux
@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize("arguments", [["presets"], ["weights", "verify"], ["stylize", "sample:lion", "sample:wave"]])
def test_what_would_end_the_program_is_not_begun(tmp_path, arguments, threads):
    told = ended(90, arguments, tmp_path, threads)
    assert told.returncode == 4, told.stderr
    assert " MB are left" in told.stderr
    assert told.stderr.endswith("of what this program is allowed (ulimit -v): allow more\n")
    assert told.stderr.count("\n") == 1


@linux
def test_what_needs_little_is_not_refused(tmp_path):
    for arguments in (["--help"], ["--version"], ["samples"]):
        told = ended(90, arguments, tmp_path)
        assert (told.returncode, told.stderr) == (0, "")


@linux
def test_where_all_is_left_nothing_is_refused(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1000000")
    for library in room.SPACE:
        room.check_room(library)


@linux
def test_threads_take_room(monkeypatch):
    monkeypatch.setattr(room, "space_left", lambda: 600 * room.MB)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    room.check_room("torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    with pytest.raises(LimitError, match=r"torch takes 984 MB, and 600 MB are left .*\(ulimit -v\)"):
        room.check_room("torch")


@linux
def test_a_machine_without_memory_is_told(monkeypatch):
    monkeypatch.setattr(room, "memory_left", lambda: 50 * room.MB)
    room.check_room("numpy")
    with pytest.raises(LimitError, match="torch takes 125 MB, and 50 MB are free: end other programs"):
        room.check_room("torch")


LACKING = {
    "Python": MemoryError(),
    "Linux": OSError(12, "Cannot allocate memory"),
    "its loader": ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    "oneDNN": RuntimeError("could not create a primitive"),
    "a thread": RuntimeError("can't start new thread"),
    "nobody": SystemError("error return without exception set"),
}


@pytest.mark.parametrize("error", LACKING.values(), ids=LACKING)
def test_the_best_picture_and_a_checkpoint_are_kept(impasto, small, monkeypatch, error):
    begin = facade.stylize

    class Lacking:
        def __init__(self, *arguments, **how):
            self.steps = begin(*arguments, **how)
            self.plan, self.save = self.steps.plan, self.steps.save

        def __iter__(self):
            return self

        def __next__(self):
            step = next(self.steps)
            if step.index == 3:
                raise error
            return step

    monkeypatch.setattr(facade, "stylize", Lacking)
    told = impasto(*small, "--json", "-o", "x.png")
    assert (told.code, told.err.count("\n"), told.err.startswith("impasto: not enough memory")) == (4, 1, True)
    assert json.loads(told.out.splitlines()[-1])["code"] == 4
    assert read_recipe("x.png")["step"] == 2
    assert Path("x.png.checkpoint").exists()


def test_a_checkpoint_that_takes_too_much_does_not_cost_the_run(impasto, small, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(Checkpoint, "save", fails)
    told = impasto(*small, "--checkpoint-every", 1e-9, "-o", "x.png")
    assert (told.code, Path("x.png").exists()) == (0, True)
    assert "'x.png.checkpoint' cannot be written (not enough memory)" in told.err


def test_weights_that_take_too_much_are_not_called_damaged(tiny, monkeypatch):
    def fails(*_):
        raise RuntimeError("unable to mmap 7116768 bytes from file: Cannot allocate memory (12)")

    monkeypatch.setattr(weights, "_read", fails)
    with pytest.raises(LimitError, match=r"not enough memory to read .*tiny\.safetensors"):
        weights.read_weights(tiny)


def test_what_is_wrong_otherwise_is_not_called_lack_of_memory(impasto, small, monkeypatch):
    def steps(*_, **__):
        yield Step(0, torch.rand(1, 3, 16, 24), {"content": 1.0}, 0.0, 1, recipe={"settings": {}})
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(facade, "stylize", steps)
    with pytest.raises(RuntimeError, match="shapes"):
        impasto(*small, "-o", "x.png")


@linux
def test_where_linux_does_not_tell_what_is_taken_there_is_no_limit(monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**40, 2**40))
    assert 0 < tensors.space_left() < 2**40

    def unreadable(_):
        raise PermissionError("/proc is hidden")

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert tensors.space_left() == sys.maxsize
