"""The student alone, as a file of the package."""

import argparse
import datetime
from pathlib import Path

import torch
from torch import Tensor

from impasto.network.normalise import mean_activations, normalised
from impasto.network.registry import sha256_of
from impasto.network.vgg import VGG
from impasto.network.weights import Weights, save_weights

from .pictures import Crops
from .student import INPUT, Student, readout

ASKED = 200  # pictures


def export(args: argparse.Namespace, student: Student, step: int, seconds: float, teacher: VGG, crops: Crops) -> None:
    """Write the student, normalised over the pictures it learnt from, with its readouts and where it comes from."""
    arrays = [array for kind in crops.pictures.values() for array in kind]
    images = (
        torch.from_numpy(a.copy()).permute(2, 0, 1)[None].float() / 255 for a in arrays[:: max(1, len(arrays) // ASKED)]
    )
    weights = student.weights()
    network = VGG(weights, INPUT)
    maps = predictions(network, teacher.cpu(), crops)
    weights = {f"{layer}.readout": readout(A) for layer, A in maps.items()} | weights
    weights = normalised(weights, mean_activations(network, images))
    about = {
        "source": "trained from scratch to predict the activations of VGG-19 (Simonyan and Zisserman 2014, CC BY 4.0)",
        "licence": "CC BY 4.0",
        "teacher_sha256": sha256_of(args.teacher),
        "pictures": ", ".join(f"{len(arrays)} {kind}" for kind, arrays in sorted(crops.pictures.items())),
        "steps": str(step),
        "minutes": str(round(seconds / 60)),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python -m tools.train_lite " + " ".join(option(*item) for item in vars(args).items()),
    }
    save_weights(args.out, Weights(weights, INPUT, normalised=True, about=about), torch.float16)


def option(name: str, value: object) -> str:
    """How it was given on the command line; of a path only the last part."""
    values = value if isinstance(value, list) else [value.name if isinstance(value, Path) else value]
    return f"--{name.replace('_', '-')} {' '.join(map(str, values))}"


@torch.no_grad()
def predictions(student: VGG, teacher: VGG, crops: Crops) -> dict[str, Tensor]:
    """For every layer the A that predicts the teacher's features best, argmin |A F - T|^2 by least squares, scaled so
    that A F has the energy of T: for the layers that learnt no map of their own."""
    squares: dict[str, Tensor] = {}
    products: dict[str, Tensor] = {}
    energies: dict[str, Tensor] = {}
    dtype = next(teacher.parameters()).dtype
    for _ in range(ASKED):
        image = crops.batch(1)
        wide = teacher(image.to(dtype).contiguous(memory_format=torch.channels_last), student.layers)
        for layer, narrow in student(image, student.layers).items():
            F, T = narrow.flatten(2)[0].double(), wide[layer].flatten(2)[0].double()
            squares[layer] = squares.get(layer, 0) + F @ F.T
            products[layer] = products.get(layer, 0) + T @ F.T
            energies[layer] = energies.get(layer, 0) + T.square().sum()
    maps = {}
    for layer, square in squares.items():
        ridge = 1e-4 * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
        A = torch.linalg.solve(square + ridge, products[layer].T).T
        maps[layer] = A * (energies[layer] / (A @ square * A).sum()).sqrt()
    return maps
