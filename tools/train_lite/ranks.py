"""Of how low a rank VGG-19's convolutions are: what ``SHAPE`` was chosen from.

    python -m tools.train_lite.ranks --teacher vgg19.safetensors --pictures DIR

For every layer the share of the variance of its answers, before the ReLU, that is lost when its kernel sees only the r
most telling combinations of the filters before it, places of the patch taken as independent.
"""

import argparse
import random
from pathlib import Path

import torch

from impasto.network.registry import load_network
from impasto.network.vgg import LAYERS, VGG

from .fit import before_relu, directions, moments, pooled
from .pictures import Crops, load_pictures

RANKS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)


@torch.no_grad()
def lost(teacher: VGG, pictures: list[torch.Tensor], layer: str) -> dict[int, float]:
    """Share of the variance that is lost, by rank."""
    before = LAYERS[LAYERS.index(layer) - 1]
    inputs = [pooled(teacher(picture, [before])[before], layer)[0] for picture in pictures]
    told = directions(moments(inputs, before_relu(teacher, pictures, [layer])[layer]))[1].flip(0)
    return {rank: 1 - float(told[:rank].sum() / told.sum()) for rank in RANKS if rank < len(told)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, help="VGG-19's weights, safetensors or .pth")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of sub-folders of pictures")
    parser.add_argument("--count", type=int, default=200, help="crops of 192 px")
    args = parser.parse_args()
    teacher = load_network("vgg19", weights=args.teacher)
    crops = Crops(load_pictures(args.pictures), 192, random.Random(0))
    pictures = [crops.batch(1) for _ in range(args.count)]
    print("| layer |", " | ".join(map(str, RANKS)), "|")
    for layer in LAYERS[1 : LAYERS.index("conv5_2") + 1]:
        shares = lost(teacher, pictures, layer)
        print(
            f"| {layer} |",
            " | ".join(f"{shares[rank]:.3f}" if rank in shares else "" for rank in RANKS),
            "|",
            flush=True,
        )


if __name__ == "__main__":
    main()
