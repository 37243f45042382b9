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
from torch.nn import functional as nnf

from impasto.network.registry import load_network
from impasto.network.vgg import LAYERS, VGG
from impasto.network.weights import Weights, read_weights, save_weights
from tools.train_lite.fit import fit, moments, reduced_rank, strongest
from tools.train_lite.lessons import ask
from tools.train_lite.student import INPUT, beginner, filter_counts, loss_of, misjudged, missed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(tmp_path):
    teacher = nets.tiny_weights(filters=(8, 10, 12, 16, 24))  # so many that a short training leaves some alive
    save_weights(tmp_path / "teacher.safetensors", Weights(teacher, nets.INPUT))
    noise = np.random.default_rng(0)
    for kind in ("photos", "paintings"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for i in range(2):
            small = Image.fromarray(noise.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            small.resize((96, 72)).save(tmp_path / "pictures" / kind / f"{i}.png")
    return [
        *[sys.executable, "-m", "tools.train_lite", "--teacher", str(tmp_path / "teacher.safetensors")],
        *["--pictures", str(tmp_path / "pictures"), "--out", str(tmp_path / "out" / "small.safetensors")],
        *["--side", "48", "--batch", "2", "--pool", "4", "--reuse", "2", "--save-every", "5", "--workers", "0"],
    ]


def state_of(checkpoint, stage, steps):
    """The checkpoint once it is of that stage and that far, None until then."""
    if not checkpoint.exists():
        return None
    state = torch.load(checkpoint, weights_only=True)
    return state if state["stage"] == stage and state["step"] >= steps else None


def test_a_killed_run_goes_on_and_ends_in_a_network_that_says_where_it_comes_from(command, tmp_path):
    checkpoint = tmp_path / "out" / "small.checkpoint"
    run = subprocess.Popen([*command, "--first-minutes", "0.02", "--minutes", "5"], cwd=ROOT)
    deadline = time.monotonic() + 300
    while state_of(checkpoint, 3, 5) is None and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    run.kill()
    run.wait()
    before = state_of(checkpoint, 3, 5)
    assert before is not None
    subprocess.run([*command, "--minutes", str(before["seconds"] / 60 + 0.05)], cwd=ROOT, check=True)
    after = state_of(checkpoint, 3, before["step"] + 1)
    assert after["starts"] == 1

    written = read_weights(tmp_path / "out" / "small.safetensors")
    assert written.normalised
    assert written.about["pictures"] == "2 paintings, 2 photos"
    assert {"source", "licence", "teacher_sha256", "steps", "minutes", "date", "command"} <= written.about.keys()
    network = load_network("lite", weights=tmp_path / "out" / "small.safetensors")
    features = network.features(torch.rand(1, 3, 48, 48), ["conv1_1", "conv5_1"])
    assert features["conv5_1"].shape == (24, 9)
    assert all(bool(F.isfinite().all()) for F in features.values())


def low_rank_pictures(seed):
    """Activations of six filters and what a kernel of rank two makes of them, a few pictures."""
    generator = torch.Generator().manual_seed(seed)
    S, K, b = (torch.randn(shape, generator=generator) for shape in ((2, 6), (5, 2, 3, 3), (5,)))
    inputs = [torch.rand(6, 12, 12, generator=generator) for _ in range(8)]
    return inputs, [nnf.conv2d(nnf.conv2d(x[None], S[:, :, None, None]), K, b, padding=1)[0] for x in inputs]


def test_regression_finds_a_kernel_of_low_rank():
    inputs, answers = low_rank_pictures(0)
    found = reduced_rank(moments(inputs, answers), 2)
    assert found["squeeze"].shape == (2, 6)
    assert missing(found, inputs, answers) < 1e-4


def missing(found, inputs, answers):
    """Share of the variance of the answers that a convolution in three factors leaves, ReLU left out."""
    error = energy = 0.0
    for x, y in zip(inputs, answers, strict=True):
        given = nnf.conv2d(torch.einsum("rn,nhw->rhw", found["squeeze"], x)[None], found["weight"], padding=1)[0]
        expanded = given if "expand" not in found else torch.einsum("nr,rhw->nhw", found["expand"], given)
        error += float((expanded + found["bias"][:, None, None] - y).square().sum())
        energy += float((y - y.mean((1, 2), keepdim=True)).square().sum())
    return error / energy


def test_regression_finds_that_the_answers_are_combinations_of_a_few():
    """Nine answers are combinations of three: with three nothing is missed, with two the weakest of them."""
    inputs, few = low_rank_pictures(3)
    few = [y[:3] * torch.tensor([3.0, 2.0, 1.0]).view(3, 1, 1) for y in few]
    mix = torch.linalg.qr(torch.randn(9, 3, generator=torch.Generator().manual_seed(4))).Q
    answers = [torch.einsum("nr,rhw->nhw", mix, y) for y in few]
    m = moments(inputs, answers)
    found = reduced_rank(m, 2, 3)
    assert found["weight"].shape == (3, 2, 3, 3)
    assert found["expand"].shape == (9, 3)
    assert missing(found, inputs, answers) < 1e-4
    variances = torch.linalg.eigvalsh(torch.cat([y.flatten(1) for y in few], 1).cov())
    weakest = float(variances[0] / variances.sum())
    assert missing(reduced_rank(m, 2, 2), inputs, answers) == pytest.approx(weakest, rel=0.1)


def test_too_low_a_rank_misses_what_the_singular_values_say():
    """One of two equally strong directions is left out: half of the variance is missed."""
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(2, 40, 40, generator=generator) for _ in range(40)]
    K = torch.zeros(2, 2, 3, 3)
    K[0, 0, 1, 1] = K[1, 1, 1, 1] = 1.0  # each answer is one of the filters
    answers = [nnf.conv2d(x[None], K, padding=1)[0] for x in inputs]
    assert missing(reduced_rank(moments(inputs, answers), 1), inputs, answers) == pytest.approx(0.5, abs=0.03)


def test_the_filters_kept_are_those_that_are_needed_and_that_no_other_replaces():
    inputs, _ = low_rank_pictures(2)
    inputs = [torch.cat([x, x[:1] + 1e-3 * torch.rand(1, 12, 12)]) for x in inputs]  # filter 6 repeats filter 0
    K = torch.zeros(1, 7, 3, 3)
    K[0, [0, 1, 2], 1, 1] = torch.tensor([1.0, 2.0, 3.0])
    answers = [nnf.conv2d(x[None], K, padding=1)[0] for x in inputs]
    kept = strongest(moments(inputs, answers), 3).tolist()
    assert {1, 2} <= set(kept)
    assert len({0, 6} & set(kept)) <= 1


def test_a_fit_student_has_every_layer_and_sees_what_the_teacher_sees():
    torch.manual_seed(0)
    teacher = VGG(nets.tiny_weights(filters=(16, 16, 16, 16, 16)), INPUT)
    wide = filter_counts(teacher)
    first = {key: value for key, value in teacher.weights().items() if key.split(".")[0] in LAYERS[:5]}
    shares = {}
    pictures = [torch.rand(1, 3, 64, 64) for _ in range(20)]
    weights = fit(first, teacher, pictures, shares.__setitem__)
    assert tuple(shares) == LAYERS[5:14]
    assert max(shares.values()) < 0.02  # with all of the filters and the full rank there is little to miss
    assert set(VGG(weights, INPUT).convolutions) == set(LAYERS[:14])
    assert beginner(wide)["conv3_1.weight"].shape == (16, 16, 3, 3)


def test_the_teacher_itself_misses_nothing():
    teacher = VGG(nets.tiny_weights(), INPUT)
    lesson = ask(teacher, torch.rand(2, 3, 48, 48), LAYERS, painted=True)
    loss, shares = loss_of(teacher, lesson)
    assert float(loss) < 1e-4
    assert {"conv1_1", "conv1_1 gram", "conv5_1 gram", "style"} <= shares.keys()


def test_what_picture_and_painting_have_in_common_is_not_misjudged():
    """Two pairs, two layers of one filter and of two: in the first pair G - A is right though both are wrong."""
    wanted = {
        "conv1_1": torch.tensor([3.0, 5.0, 1.0, 2.0]).view(4, 1, 1),
        "conv2_1": torch.tensor([2.0, 4.0, 0.0, 6.0]).view(4, 1, 1) * torch.ones(2, 2),
    }
    wrong = torch.tensor([0.7, 0.2, 0.7, -0.4]).view(4, 1, 1)
    found = {"conv1_1": wanted["conv1_1"] + wrong, "conv2_1": wanted["conv2_1"] - wrong}
    error = 0.6**2 + 4 * 0.6**2 / 2**2  # of the second pair: (5 - 2) seen as 3.6, (4 - 6) as -2.6
    energies = 1**2, 2**2 + 4 * 6**2 / 2**2
    expected = error / (energies[1] + 0.1 * sum(energies) / 2) / 2
    assert float(misjudged(found, wanted)) == pytest.approx(expected)


def test_missed_is_a_mean_over_pictures_and_quiet_ones_weigh_less():
    wanted = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]]])
    found = torch.tensor([[[1.0, 0.0]], [[0.1, 0.0]]])
    mean_energy = 2.0
    expected = (1 / (4 + 0.1 * mean_energy) + 0.01 / (0.1 * mean_energy)) / 2
    assert float(missed(found, wanted)) == pytest.approx(expected)
