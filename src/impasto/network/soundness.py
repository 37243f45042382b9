"""Whether weights are a network that sees: ordinary tensors, numbers in them, and a look at two pictures.

Files of weights come from anywhere. What is refused here would end in a traceback, take all the memory there is, or
paint nothing and call it done.
"""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from impasto.errors import WeightsError
from impasto.network.protocol import Preprocessing
from impasto.network.vgg import VGG, layers_of

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

WIDEST = 2**14
"""Filters of a layer. VGG's have 512."""

LOUDEST = 1e30
"""Of an activation, so that the sum over a picture is a number too."""


def check_tensors(tensors: Mapping[str, Tensor], room: int) -> None:
    """Raise WeightsError unless these are ordinary tensors that fit into ``room`` bytes, their file's size.

    A small file can tell of a tensor of any size, in which one number is all there is. Nothing is copied.
    """
    for name, tensor in tensors.items():
        if not is_ordinary(tensor):
            raise WeightsError(f"{name} is no ordinary tensor of floating-point numbers")
        if not all(0 < side <= WIDEST for side in tensor.shape):
            raise WeightsError(f"{name} has shape {tuple(tensor.shape)}; sides of 1 to {WIDEST:,} expected")
    told = sum(tensor.nbytes for tensor in tensors.values())
    if told > room:
        raise WeightsError(f"its tensors would be {told:,} bytes, of a file of {room:,}: most of them are not there")


def is_ordinary(tensor: Tensor) -> bool:
    """Whether it is dense, of floats, with its numbers in memory as they are."""
    return (
        type(tensor) in (Tensor, nn.Parameter)
        and not tensor.is_nested
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"  # and not "meta", which has no numbers
        and tensor.dtype in FLOATS
        and not tensor.is_neg()
    )


def check_numbers(tensors: Mapping[str, Tensor]) -> None:
    """Raise WeightsError where one of them is infinite or NaN."""
    for name, tensor in tensors.items():
        if not torch.stack(tensor.aminmax()).isfinite().all():  # an eighth of the time that all of them take
            raise WeightsError(f"{name} holds numbers that are infinite or NaN")


def check_means(means: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Raise WeightsError unless there is one mean activation, which a ReLU gave, for every filter of every layer."""
    for layer in layers_of(tensors):
        mean = means.get(layer)
        if mean is None or mean.shape != tensors[f"{layer}.bias"].shape:
            raise WeightsError(f"{layer} does not have one mean activation for each filter")
        if not ((mean >= 0) & mean.isfinite()).all():
            raise WeightsError(f"{layer} has a mean activation that no filter can have")


def check_sight(tensors: Mapping[str, Tensor], inputs: Iterable[Preprocessing]) -> None:
    """Raise WeightsError unless the network sees something with one of these inputs."""
    faults = []
    for preprocessing in inputs:
        fault = fault_of(VGG(tensors, preprocessing))
        if fault is None:
            return
        faults.append(fault)
    raise WeightsError(faults[0])


@torch.no_grad()
def fault_of(network: VGG) -> str | None:
    """What is wrong with what it says of two small pictures, in the first layer where something is."""
    for layer, x in network(two_pictures(), network.convolutions).items():
        if not x.max() < LOUDEST:  # NaN is not less
            return f"the activations of {layer} grow beyond all bounds"
        if torch.equal(x[0], x[1]):
            return f"{layer} says the same of every picture"
    return None


def two_pictures() -> Float[Tensor, "2 3 16 16"]:
    """Grey and noise, just large enough for four poolings."""
    noise = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0), device="cpu", dtype=torch.float32)
    return torch.stack([torch.full_like(noise, 0.5), noise])
