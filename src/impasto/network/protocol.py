"""What a network has to be, to be looked through: its layers by name, and what it sees in them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.errors import UsageError


@dataclass(frozen=True)
class Preprocessing:
    """What a set of weights wants to see: ``(scale · x − mean) / std`` in its own channel order.

    ``channels`` is "RGB" or "BGR"; ``mean`` and ``std`` are in that order and in units of ``scale · [0, 1]``.
    """

    channels: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        ordered = image.flip(1) if self.channels == "BGR" else image
        mean, std = (column(values, image.dtype, image.device) for values in (self.mean, self.std))
        return (self.scale * ordered - mean) / std


@cache
@torch.inference_mode(mode=False)
def column(values: tuple[float, float, float], dtype: torch.dtype, device: torch.device) -> Float[Tensor, "1 3 1 1"]:
    """One number for each channel, sent to the device once."""
    return torch.tensor(values, dtype=dtype, device=device).view(1, 3, 1, 1)


CAFFE = Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
TORCHVISION = Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


Pullback = Callable[[Callable[[str], Tensor]], Tensor]
"""The way back from layers to the image: takes a function that gives the gradient with respect to a layer's activation,
which is called for each layer, the deepest first, when the gradient from deeper ones gets there."""


@runtime_checkable
class Network(Protocol):
    """Anything that tells what it sees in named layers; an ``nn.Module`` is also moved and converted as a run asks.

    It is not trained, and what it is made of does not matter. Three more attributes are used where they are there:
    ``readouts``, matrices ``{layer: (N, N′)}`` that turn the activations of a layer into the features that count (see
    ``VGG``); ``strides``, ``{layer: px}`` between two positions of a layer, without which a picture is not looked
    at in parts; and ``look(image, layers)``, activations with a ``Pullback`` of its own, without which autograd's is
    taken.
    """

    @property
    def layers(self) -> Collection[str]:
        """The names that can be asked for."""
        ...

    @property
    def preprocessing(self) -> Callable[[Tensor], Tensor]:
        """From sRGB in [0, 1] to what the first layer wants to see; applied by the network itself."""
        ...

    def __call__(self, image: Tensor, layers: Collection[str], /) -> Mapping[str, Tensor]:
        """Activations ``{layer: (1, N_l, h_l, w_l)}`` of ``image`` ``(1, 3, h, w)``, sRGB in [0, 1], each with its
        gradient. Only those asked for need be computed."""
        ...


def check_layers(wanted: Collection[str], available: Collection[str]) -> None:
    """Raise UsageError for a layer that is not there, naming the ones that are."""
    for layer in wanted:
        if layer not in available:
            raise UsageError(f"there is no layer '{layer}'; this network has {', '.join(available)}")


def by_its_name(weights: Mapping[str, float], network: Network) -> dict[str, float]:
    """``weights`` w_l under the network's own names: ``relu4_2`` is another name of ``conv4_2``, whose activation is
    always taken after the ReLU.

    Raises UsageError for a layer that the network does not have, and for one that is given twice.
    """
    found: dict[str, float] = {}
    for name, weight in weights.items():
        layer = name.replace("relu", "conv", 1) if name not in network.layers else name
        check_layers([layer if layer in network.layers else name], network.layers)
        if layer in found:
            raise UsageError(f"'{name}' is layer '{layer}', which is given already")
        found[layer] = weight
    return found
