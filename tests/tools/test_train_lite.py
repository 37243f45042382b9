"""The training of the built-in network, on a tiny teacher and a few pictures."""

import subprocess
import sys
import time
from pathlib import Path

import nets
import numpy as np
import pytest
import torch
from PIL import Image

from impasto.network.registry import load_network
from impasto.network.vgg import VGG
from impasto.network.weights import Weights, read_weights, save_weights
from tools.train_lite.student import INPUT, Student, missed, readout

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(tmp_path):
    save_weights(tmp_path / "teacher.safetensors", Weights(nets.tiny_weights(), nets.INPUT))
    noise = np.random.default_rng(0)
    for kind in ("photos", "paintings"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for i in range(2):
            small = Image.fromarray(noise.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            small.resize((96, 72)).save(tmp_path / "pictures" / kind / f"{i}.png")
    return [
        *[sys.executable, "-m", "tools.train_lite", "--teacher", str(tmp_path / "teacher.safetensors")],
        *["--pictures", str(tmp_path / "pictures"), "--out", str(tmp_path / "out" / "small.safetensors")],
        *["--filters", "2", "3", "4", "5", "6", "--side", "48", "--batch", "2", "--pool", "4", "--reuse", "2"],
        *["--save-every", "5", "--workers", "0"],
    ]


def test_a_killed_run_goes_on_and_ends_in_a_network_that_says_where_it_comes_from(command, tmp_path):
    checkpoint = tmp_path / "out" / "small.checkpoint"
    run = subprocess.Popen([*command, "--minutes", "5"], cwd=ROOT)
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.wait()
    before = torch.load(checkpoint, weights_only=True)
    assert before["step"] >= 5
    subprocess.run([*command, "--minutes", str(before["seconds"] / 60 + 0.05)], cwd=ROOT, check=True)
    after = torch.load(checkpoint, weights_only=True)
    assert after["step"] > before["step"]
    assert after["starts"] == 1

    written = read_weights(tmp_path / "out" / "small.safetensors")
    assert written.normalised
    assert written.about["pictures"] == "2 paintings, 2 photos"
    assert {"source", "licence", "teacher_sha256", "steps", "minutes", "date", "command"} <= written.about.keys()
    network = load_network("lite", weights=tmp_path / "out" / "small.safetensors")
    features = network.features(torch.rand(1, 3, 48, 48), ["conv1_1", "conv5_1"])
    assert features["conv5_1"].shape == (6, 9)
    assert all(bool(F.isfinite().all()) for F in features.values())


def test_the_plain_network_sees_what_the_student_sees():
    torch.manual_seed(0)
    student = Student([2, 3, 4, 5, 6], dict.fromkeys(nets.LAYERS, 8))
    student.network(torch.rand(4, 3, 32, 32), ["conv5_2"])  # gives the normalisations something to remember
    image = torch.rand(1, 3, 32, 32)
    seen = student.eval().network(image, ["conv2_2", "conv5_2"])
    plain = VGG(student.weights(), INPUT)(image, ["conv2_2", "conv5_2"])
    for layer, activation in plain.items():
        torch.testing.assert_close(activation, seen[layer], rtol=1e-4, atol=1e-5)


def test_a_readout_gives_the_teachers_losses_of_the_predicted_features():
    generator = torch.Generator().manual_seed(1)
    A, F, P = (torch.randn(shape, generator=generator) for shape in ((11, 4), (4, 30), (4, 30)))
    R, ratio = readout(A).double(), (4 / 11) ** 2
    A, F, P = A.double(), F.double(), P.double()
    torch.testing.assert_close((R @ (F - P)).square().sum(), ratio * (A @ (F - P)).square().sum(), rtol=1e-5, atol=0)
    narrow = (R @ (F @ F.T - P @ P.T) @ R.T).square().sum() / (4 * 4**2)
    wide = (A @ (F @ F.T - P @ P.T) @ A.T).square().sum() / (4 * 11**2)
    torch.testing.assert_close(narrow, ratio * wide, rtol=1e-5, atol=0)


def test_missed_is_a_mean_over_pictures_and_quiet_ones_weigh_less():
    wanted = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]]])
    found = torch.tensor([[[1.0, 0.0]], [[0.1, 0.0]]])
    mean_energy = 2.0
    expected = (1 / (4 + 0.1 * mean_energy) + 0.01 / (0.1 * mean_energy)) / 2
    assert float(missed(found, wanted)) == pytest.approx(expected)
