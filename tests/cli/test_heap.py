"""What of freed memory is held, and what goes back."""

import subprocess
import sys
from pathlib import Path

import pytest

from impasto.cli.heap import LARGE, SCARCE

PROGRAM = """
import sys
from pathlib import Path
from impasto.cli.heap import keep_freed_memory, suit

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

keep_freed_memory()
suit(*map(int, sys.argv[1:3]))
before, blocks = mib(), [bytearray(b"x") * (int(sys.argv[3]) << 20) for _ in range(8)]
last = b"x" * 1000
del blocks
print(mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
@pytest.mark.parametrize(
    ("size", "memory", "block", "held"),
    [
        (LARGE, SCARCE, 64, True),
        (LARGE + 1, SCARCE, 64, False),
        (LARGE + 1, SCARCE, 4, True),
        (LARGE, SCARCE - 1, 4, False),
    ],
)
def test_freed_blocks_are_held_or_given_back(size, memory, block, held):
    """In pictures not too large, unless memory is scarce."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, (size, memory, block))], capture_output=True, text=True, check=True
    )
    assert (float(told.stdout) > 7 * block) is held
