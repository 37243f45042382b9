"""Train impasto's built-in network: a narrow VGG-19 whose activations linearly predict the normalised VGG-19's.

    python tools/train_lite.py --teacher vgg19.safetensors --pictures DIR --out lite.safetensors --minutes 60

The student starts from random weights and nothing of the teacher is copied into it. At each matched layer l a linear
map A_l (thrown away afterwards) predicts the teacher's activations from the student's, and the loss is the share of
the teacher's energy that is missed:

    L = sum_l  |A_l F_student^l - F_teacher^l|^2 / |F_teacher^l|^2

The teacher costs many times what the student costs, so its answers are kept in memory and each batch is learnt from
several times, spaced out. A run that was stopped goes on from its checkpoint.
"""

import argparse
import datetime
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as nnf

from impasto.network.normalise import mean_activations, normalised
from impasto.network.registry import load_network, sha256_of
from impasto.network.vgg import CONVOLUTIONS_PER_BLOCK, LAYERS, VGG, Preprocessing
from impasto.network.weights import Weights, save_weights

MATCHED = {  # layer: weight of its share in the loss
    "conv1_1": 1.0,
    "conv2_1": 1.0,
    "conv2_2": 0.3,
    "conv3_1": 1.0,
    "conv4_1": 1.0,
    "conv4_2": 1.0,
    "conv5_1": 1.0,
    "conv5_2": 0.3,
}
STUDENT_INPUT = Preprocessing("RGB", 1.0, (0.45, 0.45, 0.45), (0.25, 0.25, 0.25))
KEPT_POSITIONS = 4096  # per picture and layer: neighbours say nearly the same, and memory is better spent on pictures


@dataclass
class Batch:
    """Pictures, and what the teacher says about them at some positions of each layer."""

    images: Tensor  # (b, 3, h, w) uint8
    positions: dict[str, Tensor]  # layer: (m,) indices into h_l * w_l
    targets: dict[str, Tensor]  # layer: (b, N_l, m) bfloat16


def load_pictures(folder: Path) -> dict[str, list[np.ndarray]]:
    """Every picture below ``folder`` as uint8 arrays, by the name of the sub-folder that holds it."""
    pictures: dict[str, list[np.ndarray]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"}):
        pictures.setdefault(path.parent.name, []).append(np.asarray(Image.open(path).convert("RGB")))
    if not pictures:
        sys.exit(f"no pictures (.jpg, .png) below {folder}")
    return pictures


class Crops:
    """Random training pictures: crops at many scales of every kind of picture, and what a picture under optimisation
    looks like: one picture's coarse forms with another's detail, odd colours, noise."""

    def __init__(self, pictures: dict[str, list[np.ndarray]], side: int, rng: random.Random) -> None:
        self.pictures, self.side, self.rng = pictures, side, rng

    def crop(self) -> Tensor:
        """One crop ``(3, side, side)`` in [0, 1]; each kind of picture is equally likely, photographs twice as much."""
        rng, side = self.rng, self.side
        kinds = list(self.pictures)
        array = rng.choice(self.pictures[rng.choice(kinds + [k for k in kinds if k == "photos"])])
        height, width = array.shape[:2]
        scale = max(side / min(height, width), math.exp(rng.uniform(math.log(0.35), math.log(1.6))))
        window = min(round(side / scale), height, width)
        top, left = rng.randint(0, height - window), rng.randint(0, width - window)
        picture = Image.fromarray(array[top : top + window, left : left + window])
        resized = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32) / 255
        x = torch.from_numpy(resized).permute(2, 0, 1)
        return x.flip(2) if rng.random() < 0.5 else x

    def image(self) -> Tensor:
        """A crop, sometimes made into something that only optimisation would make."""
        rng, x = self.rng, self.crop()
        if rng.random() < 0.25:
            x = blur(x, sigma := rng.uniform(1, 6)) + rng.uniform(0.5, 1.2) * ((y := self.crop()) - blur(y, sigma))
        if rng.random() < 0.25:
            gain = torch.tensor([rng.uniform(0.6, 1.4) for _ in range(3)]).view(3, 1, 1)
            x = (x - 0.5) * gain + 0.5 + rng.uniform(-0.15, 0.15)
        if rng.random() < 0.10:
            x = blur(x, rng.uniform(0.5, 4))
        if rng.random() < 0.20:
            x = x + math.exp(rng.uniform(math.log(0.01), math.log(0.4))) * torch.randn_like(x)
        return x.clamp(0, 1)

    def batch(self, count: int) -> Tensor:
        """``(count, 3, side, side)`` uint8."""
        return (torch.stack([self.image() for _ in range(count)]) * 255).round().to(torch.uint8)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of ``(3, h, w)``, edges repeated."""
    radius = math.ceil(2.5 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).repeat(3, 1)
    padded = nnf.pad(x[None], (radius,) * 4, mode="replicate")
    rows = nnf.conv2d(padded, kernel.view(3, 1, 1, -1), groups=3)
    return nnf.conv2d(rows, kernel.view(3, 1, -1, 1), groups=3)[0]


class Student(nn.Module):
    """The narrow network, trainable, with one linear map per matched layer to the teacher's filters."""

    def __init__(self, filters: list[int], teacher: VGG, device: torch.device) -> None:
        super().__init__()
        self.network = VGG(random_chain(filters, deepest="conv5_2"), STUDENT_INPUT).requires_grad_(True)
        wide, narrow = filter_counts(teacher), filter_counts(self.network)
        self.maps = nn.ModuleDict({layer: nn.Conv1d(narrow[layer], wide[layer], 1, bias=False) for layer in MATCHED})
        self.to(device)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The weighted sum over layers of the share missed, and each layer's share."""
        activations = self.network(batch.images.float() / 255, MATCHED)
        total, shares = torch.zeros((), device=batch.images.device), {}
        for layer, weight in MATCHED.items():
            target = batch.targets[layer].float()
            predicted = self.maps[layer](activations[layer].flatten(2)[:, :, batch.positions[layer]])
            share = (predicted.float() - target).square().sum() / target.square().sum()
            total, shares[layer] = total + weight * share, share.item()
        return total, shares


def random_chain(filters: list[int], deepest: str) -> dict[str, Tensor]:
    """He-initialised weights of VGG-19's shape, ``filters`` per block, down to layer ``deepest``."""
    widths = [n for n, count in zip(filters, CONVOLUTIONS_PER_BLOCK, strict=True) for _ in range(count)]
    weights, before = {}, 3
    for layer, width in zip(LAYERS[: LAYERS.index(deepest) + 1], widths, strict=False):
        weights[f"{layer}.weight"] = torch.randn(width, before, 3, 3) * math.sqrt(2 / (9 * before))
        weights[f"{layer}.bias"] = torch.zeros(width)
        before = width
    return weights


def filter_counts(network: VGG) -> dict[str, int]:
    """Filters per layer."""
    return {layer: network.convolutions[layer].out_channels for layer in network.layers}


@torch.no_grad()
def ask(teacher: VGG, images: Tensor) -> Batch:
    """What the teacher says about ``images`` (uint8), at random positions."""
    device = next(teacher.parameters()).device
    images = images.to(device)
    half = (images.float() / 255).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    activations = teacher(half, MATCHED)
    positions, targets = {}, {}
    for layer, x in activations.items():
        count = x.shape[2] * x.shape[3]
        positions[layer] = torch.randperm(count, device=device)[:KEPT_POSITIONS].sort().values
        targets[layer] = x.flatten(2)[:, :, positions[layer]].contiguous()
    return Batch(images, positions, targets)


def batches(teacher: VGG, crops: Crops, size: int, pool: int, reuse: float) -> Iterator[Batch]:
    """Batches without end from a pool of ``pool``: each is answered by the teacher once and seen ``reuse`` times on
    average."""
    held: list[Batch] = []
    while True:
        if len(held) < pool:
            held.append(ask(teacher, crops.batch(size)))
            yield held[-1]
            # while the pool fills, old batches come back too
            for _ in range(round(reuse) - 1):
                yield crops.rng.choice(held)
        else:
            place = crops.rng.randrange(pool)
            if crops.rng.random() < 1 / reuse:
                held[place] = ask(teacher, crops.batch(size))
            yield held[place]


def train(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    teacher = load_network("vgg19", weights=args.teacher).to(device)
    teacher = teacher.to(torch.bfloat16, memory_format=torch.channels_last)
    student = Student(args.filters, teacher, device).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(
        [
            {"params": student.network.parameters(), "lr": args.rate, "peak": args.rate},
            {"params": student.maps.parameters(), "lr": args.rate, "peak": args.rate},
        ],
        betas=(0.9, 0.99),
    )
    progress = {"step": 0, "seconds": 0.0, "seed": args.seed}
    checkpoint = args.out.with_suffix(".checkpoint")
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        student.load_state_dict(state["student"])
        optimiser.load_state_dict(state["optimiser"])
        progress = state["progress"]
        progress["seed"] += 1  # other crops than those before the stop
    torch.manual_seed(progress["seed"])
    crops = Crops(load_pictures(args.pictures), args.side, random.Random(progress["seed"]))
    source = batches(teacher, crops, args.batch, args.pool, args.reuse)
    with args.out.with_suffix(".log.jsonl").open("a") as log:
        run(args, student, optimiser, source, progress, checkpoint, log)
    export(args, student, teacher, crops, progress)


def run(args, student, optimiser, source, progress, checkpoint, log) -> None:
    started, before = time.monotonic(), progress["seconds"]
    recent: dict[str, float] = {}
    while progress["seconds"] < 60 * args.minutes:
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * schedule(progress["step"], progress["seconds"] / (60 * args.minutes))
        with torch.autocast(args.device, torch.bfloat16):
            loss, shares = student.loss(next(source))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        progress["step"] += 1
        progress["seconds"] = before + time.monotonic() - started
        recent = {layer: 0.98 * recent.get(layer, share) + 0.02 * share for layer, share in shares.items()}
        if progress["step"] % 100 == 0:
            record = {"step": progress["step"], "seconds": round(progress["seconds"])}
            log.write(json.dumps(record | {layer: round(share, 4) for layer, share in recent.items()}) + "\n")
            log.flush()
        if progress["step"] % 1000 == 0:
            save_checkpoint(checkpoint, student, optimiser, progress)
    save_checkpoint(checkpoint, student, optimiser, progress)


def schedule(step: int, done: float) -> float:
    """Warm-up over 200 steps, then a cosine down to 1 % of the peak as ``done`` goes from 0 to 1."""
    return min(1.0, (step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def save_checkpoint(path: Path, student: Student, optimiser: torch.optim.Optimizer, progress: dict) -> None:
    state = {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "progress": progress}
    torch.save(state, path.with_suffix(".partial"))
    path.with_suffix(".partial").replace(path)


@torch.no_grad()
def readouts(student: VGG, teacher: VGG, crops: Crops, pictures: int = 400) -> dict[str, Tensor]:
    """For every layer a matrix R that makes the paper's losses on R F those of the teacher's features as predicted.

    A = argmin |A F - F_teacher|^2 by least squares, scaled so that A F has the energy of F_teacher, and R the
    symmetric root of (N / N_teacher)^2 A^T A. Then |R dF|^2 = (N / N_teacher)^2 |A dF|^2, and with 1 / (4 N^2) before
    it |R dG R^T|^2 is (N / N_teacher)^2 times the teacher's E_l of the predicted features: both losses shrink alike,
    and alpha/beta means what it means for the teacher.
    """
    squares: dict[str, Tensor] = {}
    products: dict[str, Tensor] = {}
    energies: dict[str, Tensor] = {}
    dtype = next(teacher.parameters()).dtype
    for _ in range(pictures):
        image = crops.batch(1).float() / 255
        wide = teacher(image.to(dtype).contiguous(memory_format=torch.channels_last), student.layers)
        for layer, narrow in student(image, student.layers).items():
            F, T = narrow.flatten(2)[0].double(), wide[layer].flatten(2)[0].double()
            squares[layer] = squares.get(layer, 0) + F @ F.T
            products[layer] = products.get(layer, 0) + T @ F.T
            energies[layer] = energies.get(layer, 0) + T.square().sum()
    found = {}
    for layer, square in squares.items():
        ridge = 1e-4 * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
        A = torch.linalg.solve(square + ridge, products[layer].T).T
        A *= (energies[layer] / (A @ square * A).sum()).sqrt()
        values, vectors = torch.linalg.eigh(A.T @ A)
        root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
        found[f"{layer}.readout"] = (len(square) / len(A) * root).float()
    return found


def export(args: argparse.Namespace, student: Student, teacher: VGG, crops: Crops, progress: dict[str, Any]) -> None:
    """Write the student alone, normalised over the pictures it learnt from, with where it comes from."""
    arrays = [array for kind in crops.pictures.values() for array in kind]
    images = (
        torch.from_numpy(a.copy()).permute(2, 0, 1)[None].float() / 255 for a in arrays[:: max(1, len(arrays) // 200)]
    )
    network = student.network.requires_grad_(False).cpu()
    weights = normalised(network.weights(), mean_activations(network, images))
    weights |= readouts(VGG(weights, STUDENT_INPUT), teacher.cpu(), crops)
    about = {
        "source": "trained from scratch to predict the activations of VGG-19 (Simonyan and Zisserman 2014, CC BY 4.0)",
        "licence": "CC BY 4.0",
        "teacher_sha256": sha256_of(args.teacher),
        "pictures": ", ".join(f"{len(arrays)} {kind}" for kind, arrays in sorted(crops.pictures.items())),
        "steps": str(progress["step"]),
        "minutes": str(round(progress["seconds"] / 60)),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python tools/train_lite.py "
        + " ".join(
            f"--{name} {' '.join(map(str, v)) if isinstance(v, list) else v.name if isinstance(v, Path) else v}"
            for name, v in vars(args).items()
        ),
    }
    save_weights(args.out, Weights(weights, STUDENT_INPUT, normalised=True, about=about), torch.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, help="VGG-19's weights, safetensors or .pth")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of sub-folders of pictures")
    parser.add_argument(
        "--out", type=Path, required=True, help="the safetensors to write; checkpoint and log beside it"
    )
    parser.add_argument("--minutes", type=float, default=60, help="length of the whole run")
    parser.add_argument("--filters", type=int, nargs=5, default=[16, 32, 64, 128, 128], help="filters of each block")
    parser.add_argument("--side", type=int, default=128, help="crops are side x side px")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--pool", type=int, default=250, help="batches kept in memory, about 12 MB each at 128 px")
    parser.add_argument("--reuse", type=float, default=3, help="how often a batch is learnt from")
    parser.add_argument("--rate", type=float, default=2e-3, help="Adam's learning rate at its peak")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
