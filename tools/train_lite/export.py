"""The student alone, as a file of the package."""

import argparse
import datetime
from pathlib import Path

import torch

from impasto.network.registry import sha256_of
from impasto.network.vgg import VGG
from impasto.network.weights import Weights, save_weights

from .pictures import Crops
from .student import INPUT


def export(args: argparse.Namespace, student: VGG, step: int, seconds: float, crops: Crops) -> None:
    """Write the student, whose features are those of the normalised teacher, and where it comes from."""
    about = {
        "source": "trained from scratch to predict the activations of VGG-19 (Simonyan and Zisserman 2014, CC BY 4.0)",
        "licence": "CC BY 4.0",
        "teacher_sha256": sha256_of(args.teacher),
        "pictures": ", ".join(f"{len(arrays)} {kind}" for kind, arrays in sorted(crops.pictures.items())),
        "steps": str(step),
        "minutes": str(round(seconds / 60)),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": " ".join(
            ["python -m tools.train_lite", *filter(None, (option(*item) for item in vars(args).items()))]
        ),
    }
    save_weights(args.out, Weights(student.weights(), INPUT, normalised=True, about=about), torch.float16)


def option(name: str, value: object) -> str:
    """How it was given on the command line, nothing where it was not; of a path only the last part."""
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool) or value is None:
        return flag if value else ""
    values = value if isinstance(value, list) else [value.name if isinstance(value, Path) else value]
    return f"{flag} {' '.join(map(str, values))}"
