"""Places are the same work, deaths are told from faults, and what a process is said to have taken is what it took."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import nets
import pytest
import torch
from matplotlib.figure import Figure

from benchmarks import growth, memory
from benchmarks.speed import seen_by
from impasto.network.protocol import CAFFE
from impasto.network.weights import Weights, save_weights
from impasto.settings import validated
from impasto.tiling import Cut

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
import torch
from CaffeLoader import loadCaffemodel

net = loadCaffemodel()
size = int(sys.argv[sys.argv.index("-image_size") + 1])
held = torch.ones((2**36 if size > 64 else 2**20 * size) // 4)  # MiB as many as px, or 64 GiB
image = torch.nn.Parameter(torch.zeros(1))
optimizer = torch.optim.LBFGS([image], max_iter=1)
for _ in range(2):
    optimizer.step(lambda: (image - 1).square().sum())
"""

LOADER = """
import torch

def loadCaffemodel():
    return torch.ones(2**26)  # 256 MiB that belong to the network
"""


@pytest.mark.parametrize("look", ["paper", None])
def test_what_is_looked_at_in_places_is_the_same(look):
    network, settings = nets.tiny_network().double(), validated(preset=look, size=480)
    photograph, image, painting = torch.rand(3, 1, 3, 480, 464, dtype=torch.float64).unbind()
    whole = seen_by(settings, network, photograph, painting)
    parted = memory.in_places(whole, Cut(224))
    terms, gradient = whole.value_and_gradient(image)
    found, found_gradient = parted.value_and_gradient(image)
    assert found == pytest.approx(terms, rel=1e-9)
    torch.testing.assert_close(found_gradient, gradient, rtol=1e-7, atol=1e-9 * float(gradient.abs().max()))
    inner = parted if look == "paper" else parted.objective
    assert len(inner.cut.of(inner.objective, 480, 464).places) == 9


def test_the_photograph_and_the_painting_are_noise_and_not_the_same():
    photograph, painting = memory.pair(100)
    assert photograph.shape == (1, 3, 100, 100)
    assert painting.shape == (1, 3, memory.PAINTING, memory.PAINTING)
    assert torch.equal(photograph, memory.pair(100)[0])
    assert float(photograph.min()) >= 0
    assert float(photograph.max()) <= 1
    assert float(photograph.std()) > 0.1


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (-9, "", "killed by SIGKILL"),
        (
            1,
            "Traceback\nimpasto.errors.LimitError: not enough memory\n",
            "impasto.errors.LimitError: not enough memory",
        ),
        (1, "Traceback\nRuntimeError: DefaultCPUAllocator: can't allocate memory: 9 bytes\n and more", "DefaultCPU"),
    ],
)
def test_deaths_for_want_of_memory_are_told(code, said, told):
    assert told in memory.cause(subprocess.CompletedProcess([], code, "", said))


def test_other_deaths_are_faults():
    with pytest.raises(RuntimeError, match="no such file"):
        memory.cause(subprocess.CompletedProcess([], 1, "", "FileNotFoundError: no such file"))


def test_a_whole_that_went_on_in_places_has_died(monkeypatch):
    class Cutting:
        def __init__(self, _objective, cut, _disk):
            self.cut = cut

        def value_and_gradient(self, _image):
            self.cut.side = 64

    monkeypatch.setattr(memory, "in_places", Cutting)
    with pytest.raises(MemoryError, match="in places of 64 px"):
        memory.evaluate("lite", "default", 64, None, kept=False, scarce=False, weights=None)


def test_nothing_larger_is_tried_than_what_died(monkeypatch):
    def alone(what, limit, **told):
        if what == "prepare":
            return {"size": told["size"]}
        pixels = min(told["size"], told.get("side") or told["size"]) ** 2
        return {"died": "killed"} if pixels > 300**2 else {"peak": 1.0, "seconds": 1.0}

    monkeypatch.setattr(memory, "alone", alone)
    args = Namespace(networks=["lite"], growth_sizes=[256, 512, 1024], most_untiled=1024, side=256)
    args = Namespace(**vars(args), look="paper", memory=1, weights=None, checkout="there", out="here")
    records = list(memory.growth(args))
    assert [(of["program"], of["size"], of.get("side"), "died" in of) for of in records] == [
        ("impasto", 256, None, False),
        ("impasto", 512, None, True),
        ("impasto", 512, 256, False),
        ("impasto", 1024, 256, False),
        (memory.PEER, 256, None, False),
        (memory.PEER, 512, None, True),
    ]


def test_a_line_ends_in_a_cross_in_proportion_to_the_pixels_where_its_program_died():
    curve = [
        {"program": "peer", "network": "vgg19", "size": 1000, "peak": 3072.0},
        {"program": "peer", "network": "vgg19", "size": 2000, "died": "killed"},
    ]
    axes = Figure().subplots()
    growth.plot(axes, {"peer": curve}, "peak", 1 / 1024)
    (cross,) = [line for line in axes.lines if line.get_marker() == "x"]
    assert (*cross.get_xdata(), *cross.get_ydata()) == pytest.approx((4.0, 12.0))
    assert [text.get_text() for text in axes.texts] == ["peer"]


def test_one_command_measures_both_programs_and_draws(tmp_path):
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "neural_style.py").write_text(PROGRAM)
    (tmp_path / "peer" / "CaffeLoader.py").write_text(LOADER)
    save_weights(tmp_path / "vgg19.safetensors", Weights(nets.tiny_weights(), CAFFE))
    command = [sys.executable, "-m", "benchmarks.memory", "--weights", str(tmp_path / "vgg19.safetensors")]
    command += ["--checkout", str(tmp_path / "peer"), "--parts", "growth", "--networks", "lite", "--side", "64"]
    command += ["--growth-sizes", "64", "96", "--most-untiled", "64", "--memory", "8", "--out", str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    records = json.loads((tmp_path / "results.json").read_text())
    assert [json.loads(line) for line in told.splitlines()] == records
    whole, *parted, theirs, dead = records
    assert (whole["size"], whole["side"]) == (64, None)
    assert [(of["size"], of["side"]) for of in parted] == [(96, 64)]
    for record in (whole, *parted):
        assert 0 < record["beyond"] < record["peak"] - 100  # torch alone takes more
        assert record["seconds"] > 0
    assert 64 <= theirs["beyond"] < 256  # what the program holds, and not its network, which is 256
    assert theirs["peak"] > 256 + 64
    assert theirs["seconds"] < 60
    assert "can't allocate memory" in dead["died"]
    assert dead["size"] == 96
    drawn = (tmp_path / "growth.svg").read_text()
    assert all(f"<!-- {label} -->" in drawn for label in ("lite", "lite, in places", memory.PEER))
    before = (tmp_path / "growth.png").read_bytes()
    (tmp_path / "growth.png").unlink()
    command[command.index("growth") : command.index("growth") + 1] = []  # no part is measured
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "growth.png").read_bytes() == before
    assert json.loads((tmp_path / "results.json").read_text()) == records


def test_nothing_is_drawn_where_nothing_was_measured(tmp_path):
    died = {"program": "impasto", "network": "lite", "side": None, "size": 6000, "died": 1}
    growth.draw([died], 8, tmp_path)
    assert not [*tmp_path.iterdir()]
