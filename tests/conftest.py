"""What many tests need: a tiny network as a file, small pictures, a command line, and a server to fetch from."""

import contextlib
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from hypothesis import settings
from nets import INPUT, tiny_network, tiny_weights
from PIL import Image

from impasto.cli import code_of
from impasto.network import registry
from impasto.network.normalise import mean_activations, normalised
from impasto.network.vgg import LAYERS
from impasto.network.weights import TORCHVISION_INDICES, Weights, save_weights

os.environ["TRITON_INTERPRET"] = "1"  # the kernels of GPUs are run by Triton's interpreter
EXAMPLES = int(os.environ.get("IMPASTO_EXAMPLES", "30"))  # of each property; a night takes thousands
settings.register_profile("impasto", deadline=None, max_examples=EXAMPLES)  # no test is timed: machines are noisy
settings.load_profile("impasto")
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a script nobody would hear Ctrl-C
if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder for weights: this test's own, not the user's. It is made when it is needed."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """A folder for what tests read and never change."""
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(scope="session")
def tiny(inputs):
    """A weights file of VGG-19's shape with few filters, normalised, that states its preprocessing."""
    network = tiny_network()
    pictures = [torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    tensors = normalised(network.weights(), mean_activations(network, pictures))
    save_weights(inputs / "tiny.safetensors", Weights(tensors, INPUT, normalised=True))
    return inputs / "tiny.safetensors"


@pytest.fixture(scope="session")
def photograph(inputs):
    """48 x 40: soft waves of colour."""
    y, x = np.mgrid[0:40, 0:48] / 40
    waves = np.stack([np.sin(3 * x + 2 * y), np.cos(5 * y - x), np.sin(4 * x * y)], axis=-1)
    return saved(inputs / "photograph.png", waves)


@pytest.fixture(scope="session")
def painting(inputs):
    """36 x 44: hard-edged stripes and checks."""
    y, x = np.mgrid[0:44, 0:36]
    marks = np.stack([x // 3 % 2, (x + y) // 5 % 2, (x // 4 + y // 4) % 2], axis=-1)
    return saved(inputs / "painting.png", 2 * marks - 1.0)


def saved(path, array):
    Image.fromarray((127.5 * (array + 1)).astype(np.uint8)).save(path)
    return path


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def impasto(capsys, tmp_path, monkeypatch):
    """``impasto("stylize", …)``: the command line within this process, in an empty folder. Exceptions come through."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments):
        code = code_of([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def process(tmp_path):
    """``process("stylize", …)``: the command line as a process of its own, with pipes for what it says."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, python=()):
            command = [sys.executable, *python, "-m", "impasto", *map(str, arguments)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "250"}
            child = subprocess.Popen(
                command,
                cwd=tmp_path,
                env=environment,
                text=True,
                errors="surrogateescape",
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            stack.enter_context(child)
            stack.callback(child.kill)
            return child

        yield start


@pytest.fixture
def serve():
    """``serve(data)``: a server on this machine that sends these bytes, or lets ``data(handler)`` answer."""
    with contextlib.ExitStack() as stack:

        def start(data):
            answer = sending(data) if isinstance(data, bytes) else data

            class Handler(BaseHTTPRequestHandler):
                def do_GET(self):
                    answer(self)

                def log_message(self, *arguments):
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            server.url = f"http://127.0.0.1:{server.server_port}/weights.pth"
            server.stop = stack.pop_all().close
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def nobody_listens():
    """An address where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pth"


def sending(data):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def torchvision_names(tensors):
    """The same tensors as ``features.N``."""
    indices = dict(zip(LAYERS, TORCHVISION_INDICES, strict=True))
    return {f"features.{indices[key.split('.')[0]]}.{key.split('.')[1]}": value for key, value in tensors.items()}


@pytest.fixture(scope="session")
def publish():
    """``publish(tensors)``: the .pth that torchvision would make of them, with a classifier, as bytes."""

    def pth(tensors):
        buffer = io.BytesIO()
        classifier = {"classifier.0.weight": torch.rand(100, 80), "classifier.0.bias": torch.rand(100)}
        torch.save({**torchvision_names(tensors), **classifier}, buffer)
        return buffer.getvalue()

    return pth


@pytest.fixture(scope="session")
def published(publish):
    return publish(tiny_weights())


@pytest.fixture
def pin(monkeypatch, published):
    """``pin(url)``: vgg19 is at this address, pinned to ``published`` or other bytes."""

    def to(url, data=published):
        source = replace(registry.NETWORKS["vgg19"], url=url, sha256=hashlib.sha256(data).hexdigest()[:8])
        monkeypatch.setitem(registry.NETWORKS, "vgg19", source)

    # means over one photograph, not five: the same code in a fifth of the time
    monkeypatch.setattr(registry, "SAMPLES", {name: registry.SAMPLES[name] for name in ("rocket", "wave")})
    return to
