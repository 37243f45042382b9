"""A studio as people get it: a process of its own, at an address of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytest.importorskip("gradio")

PROGRAM = """
import sys
from impasto.settings import validated
from impasto.studio.server import serve
base = validated(weights=sys.argv[1], device="cpu", precision="float32", steps=int(sys.argv[3]), coarse_steps=1,
                 limits="pixels=1.8e6,bytes=16MB")
auth = tuple(sys.argv[4].split(":")) if sys.argv[4:] else None
serve(base, port=int(sys.argv[2]), browser=False, auth=auth, queue=4)
"""


@contextmanager
def served(tiny, steps, *auth):
    """The address of a studio that takes so many steps for a picture."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, str(tiny), str(port), str(steps), *auth]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as process:
        told = ""
        while not (found := re.search(r"http://\S+", told)):
            line = process.stdout.readline()
            assert line, told
            told += line
        yield found[0]
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture(scope="module")
def guarded(tiny):
    """Of a studio that lets in whoever knows the word."""
    with served(tiny, 3, "ada:lovelace") as at:
        yield at


@pytest.fixture(scope="module")
def address(tiny):
    """Of a studio where a picture takes seconds."""
    with served(tiny, 12) as at:
        yield at


@pytest.fixture(scope="module")
def patient(tiny):
    """Of a studio where a picture takes minutes."""
    with served(tiny, 5000) as at:
        yield at
