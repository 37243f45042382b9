"""What of freed memory is held, and what goes back."""

import subprocess
import sys
from pathlib import Path

import pytest

from impasto.cli.heap import KEEPING
from impasto.tiling import SCARCE

PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace
from impasto.cli.heap import keep_freed_memory, suit

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

side, planned, memory, block, scarce = map(int, sys.argv[1:])
keep_freed_memory()
suit(SimpleNamespace(side=side or None, bytes=planned, scarce=scarce), memory)
before, blocks = mib(), [bytearray(b"x") * (block << 20) for _ in range(8)]
last = b"x" * 1000
del blocks
print(mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
@pytest.mark.parametrize(
    ("side", "planned", "memory", "block", "held"),
    [
        (None, 10**9, KEEPING * 10**9 + SCARCE, 64, True),
        (None, 10**10, 10**10, 64, False),
        (None, 10**10, 10**10, 2, True),
        (512, 10**9, 10**10, 64, False),
        (512, 10**9, 10**10, 8, False),
        (512, 10**9, 10**10, 2, True),
        (None, 10**8, SCARCE - 1, 4, False),
    ],
)
def test_freed_blocks_are_held_or_given_back(side, planned, memory, block, held):
    """All are held of a whole picture where memory allows it, small ones unless it is scarce."""
    numbers = [str(int(of or 0)) for of in (side, planned, memory, block, memory < SCARCE)]
    told = subprocess.run([sys.executable, "-c", PROGRAM, *numbers], capture_output=True, text=True, check=True)
    assert (float(told.stdout) > 7 * block) is held
