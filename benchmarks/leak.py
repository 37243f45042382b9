"""Does one region's manner leak into another? The left half of a picture in the manner of one painting, and the right
in that of another: Gram matrices inside the left half, by layer, against those

* with a third painting on the right: what of the other painting has got across the edge,
* in float32 instead of the device's own precision: by how much two runs differ anyway,
* of the whole picture in the manner of the left painting alone,
* of the photograph.

    python -m benchmarks.leak [--photo FILE] [--paintings LEFT RIGHT THIRD] [--size 256] [--network lite]

Each is ‖G − G'‖ / ‖G'‖ in per cent, G = F Fᵀ / M over the positions that see nothing but the left half.
"""

import argparse

import torch

import impasto
from impasto.images.resizing import resized
from impasto.network.registry import load_network
from impasto.network.vgg import VGG
from impasto.objective import seen
from impasto.regions import Mask, guides
from impasto.settings import STYLE_LAYERS


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--photo", default="sample:chelsea")
    samples = ["sample:swirl", "sample:composition", "sample:mosaic"]
    told.add_argument("--paintings", nargs=3, default=samples, metavar=("LEFT", "RIGHT", "THIRD"))
    told.add_argument("--size", type=int, default=256)
    told.add_argument("--network", default="lite")
    asked = told.parse_args()
    left, right, third = asked.paintings
    options = {"size": asked.size, "network": asked.network}

    whole = impasto.paint(asked.photo, left, **options).tensor
    everywhere, half = torch.ones_like(whole[:, :1]), torch.ones_like(whole[:, :1])
    half[..., half.shape[3] // 2 :] = 0

    def beside(other: str, **more: str) -> torch.Tensor:
        """Halves, with the ``other`` painting on the right."""
        regions = [impasto.Region(half.expand(-1, 3, -1, -1), left)]
        return impasto.paint(asked.photo, other, regions=regions, **options, **more).tensor

    network = load_network(asked.network, edges="mirrored")
    photograph = resized(impasto.read(asked.photo), *whole.shape[2:])
    both = grams(network, beside(right), half)
    references = {
        "a third painting on the right": grams(network, beside(third), half),
        "float32": grams(network, beside(right, precision="float32"), half),
        "the whole picture, alone": grams(network, whole, everywhere),
        "the photograph": grams(network, photograph, half),
    }
    print(f"{'inside the left half, against':30}", *(f"{layer:>8}" for layer in STYLE_LAYERS))
    for name, reference in references.items():
        apart = [100 * float((both[of] - G).norm() / G.norm()) for of, G in reference.items()]
        print(f"{name:30}", *(f"{percent:8.1f}" for percent in apart))


def grams(network: VGG, picture: torch.Tensor, region: Mask) -> dict[str, torch.Tensor]:
    """F Fᵀ / M of every layer, over the inside of the region."""
    inside = guides(network, region, STYLE_LAYERS).of_layer
    features = seen(network, picture, STYLE_LAYERS)
    guided = {layer: F.guided(inside[layer]) for layer, F in features.items()}
    return {layer: F.gram / F.positions for layer, F in guided.items()}


if __name__ == "__main__":
    main()
