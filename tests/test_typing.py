"""What a type checker sees of the package from outside: the mistakes of a caller, and none where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed")

SRC = Path(__file__).parents[1] / "src"
PROGRAM = """
import impasto

impasto.paint("a.jpg", "b.jpg", size=512, strength=0.7, preset="paper", style_layers={"conv1_1": 1.0})
impasto.Painter("b.jpg", quality="fine").paint(b"...", on_step=lambda step: step.index < 5).save("c.png", dpi=300)
impasto.paint("a.jpg", "b.jpg", size="big")
impasto.paint("a.jpg", "b.jpg", stenght=3)
impasto.Painter("b.jpg", steps="some")
impasto.pant("a.jpg", "b.jpg")
"""


def test_mistakes_are_seen_and_nothing_else(tmp_path):
    """Without torch and the others, which take a minute to be looked at."""
    (tmp_path / "program.py").write_text(PROGRAM)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-site-packages", "--ignore-missing-imports", "program.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in ran.stdout.splitlines() if line.startswith("program.py") and "error:" in line]
    assert [int(line.split(":")[1]) for line in told] == [6, 7, 8, 9], ran.stdout
    for line, word in zip(told, ("size", "stenght", "steps", "pant"), strict=True):
        assert word in line
