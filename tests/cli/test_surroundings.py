"""Where there is no current folder, no home, or no letters but ASCII: sentences, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from impasto.images.decoding import read_recipe

STYLIZE = "stylize sample:coffee sample:wave --size 32 --steps 1 --scales 1"
COMMANDS = [
    STYLIZE,
    f"{STYLIZE} --dry-run",
    "texture sample:wave --size 32x32 --steps 1",
    "reconstruct content sample:coffee --size 32 --steps 1",
    "figures 2 --out made --size 32 --steps 1",
    "samples",
    "samples --out there",
    "presets",
    "recipe picture.png",
    "compare sample:coffee sample:wave",
    "weights list",
    "weights verify",
    "weights fetch vgg19",
    "weights import weights.pth",
    "doctor",
]


def run(*commands, **environment):
    """These commands in a process of their own, in the same folder."""
    program = "import sys; from impasto.cli import main; sys.exit(max(main(line.split()) for line in sys.argv[1:]))"
    command = [sys.executable, "-c", program, *commands]
    settings = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, check=False, capture_output=True, env=settings, timeout=120)


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is used is not deleted here")
@pytest.mark.parametrize("command", COMMANDS)
def test_in_a_folder_that_is_gone(impasto, command):
    Path.cwd().rmdir()
    told = impasto(*command.split())
    assert (told.code, told.out) == (3, "")
    assert told.err == "impasto: the current folder is gone: change into one that is there (cd)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is used is not deleted here")
def test_in_a_folder_that_is_gone_as_a_process(impasto):
    """Where torch is imported there, Intel's MKL ends the program."""
    Path.cwd().rmdir()
    told = run(STYLIZE)
    assert (told.returncode, told.stdout) == (3, b"")
    assert told.stderr.startswith(b"impasto: the current folder is gone")
    assert told.stderr.count(b"\n") == 1
    assert run("--version", "--help", "stylize --help").returncode == 0


@pytest.fixture
def homeless(monkeypatch):
    """Nobody knows where the user is at home."""
    pwd = pytest.importorskip("pwd")

    def unknown(_):
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "IMPASTO_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("folder", [None, "~/weights", "~nobody-of-that-name/weights"])
@pytest.mark.parametrize("command", ["list", "verify", "fetch vgg19", "import weights.pth"])
def test_without_a_home_weights_have_no_place(impasto, homeless, monkeypatch, published, command, folder):
    Path("weights.pth").write_bytes(published)
    if folder is not None:
        monkeypatch.setenv("IMPASTO_CACHE", folder)
    told = impasto("weights", *command.split())
    assert (told.code, told.out) == (6, "")
    assert told.err == "impasto: no home folder is known to keep weights in: set IMPASTO_CACHE to another\n"
    assert [path.name for path in Path.cwd().iterdir()] == ["weights.pth"]


def test_without_a_home_everything_else_is_done(impasto, homeless, monkeypatch):
    for command in (STYLIZE, "samples", "presets", "compare sample:coffee sample:wave"):
        assert impasto(*command.split()).code == 0, command
    monkeypatch.setenv("IMPASTO_CACHE", "weights")
    assert impasto("weights", "list").code == 0


ASCII = [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


@pytest.mark.parametrize("environment", ASCII, ids=["by option", "by locale"])
def test_where_only_ascii_can_be_said(impasto, environment):
    told = run(
        "--help", "stylize --help-all", "samples", "presets", "doctor", f"{STYLIZE} -o bücher…é.png", **environment
    )
    assert b"Traceback" not in told.stderr
    assert told.returncode == 0
    assert b"LAYER[=WEIGHT],\\u2026" in told.stdout
    assert read_recipe("bücher…é.png")
    told = run("recipe bücher…é.png", "compare bücher…é.png sample:wave", "samples --out ordner…é", **environment)
    assert told.returncode == 0
    assert b"Traceback" not in told.stderr


def test_a_name_is_said_in_its_own_bytes(impasto):
    """Also where its encoding is unknown, so that another program can have it."""
    Path(os.fsdecode(b"b\xfc")).mkdir()
    told = run("samples --out " + os.fsdecode(b"b\xfc"), LC_ALL="C.UTF-8")
    assert (told.returncode, told.stderr) == (0, b"")
    assert b"b\xfc/wave.jpg\n" in told.stdout
