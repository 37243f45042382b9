"""Weights on disk: one safetensors file that knows its preprocessing and can tell when it was damaged.

Tensors are named by layer, ``conv1_1.weight`` and ``conv1_1.bias``; ``conv1_1.mean`` holds the filters' mean
activations where they were measured. Files of other projects (torchvision's names, ``.pth``) are read too.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from impasto.atomic import atomic
from impasto.errors import WeightsError
from impasto.network.link import PARTS
from impasto.network.protocol import Preprocessing
from impasto.network.vgg import CHAINS, check_chain, layers_of


def torchvision_names(chain: Sequence[str]) -> dict[str, str]:
    """``{"features.0": "conv1_1", …}``: torchvision and jcjohnson number convolutions, their ReLUs, and poolings."""
    names, number = {}, 0
    for layer in chain:
        if layer.startswith("conv"):
            names[f"features.{number}"] = layer
            number += 1  # its ReLU
        number += 1
    return names


TORCHVISION_INDICES = tuple(int(name.removeprefix("features.")) for name in torchvision_names(CHAINS["VGG-19"]))
"""Where torchvision's ``features.N`` keeps the sixteen convolutions of VGG-19."""


@dataclass(frozen=True)
class Weights:
    """What a weights file holds. ``preprocessing`` is None where the file does not say."""

    tensors: dict[str, Tensor]
    preprocessing: Preprocessing | None = None
    normalised: bool = False
    means: dict[str, Tensor] | None = None
    about: dict[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers there are, in order."""
        return layers_of(self.tensors)

    @property
    def digest(self) -> str:
        """Of the convolutions."""
        return digest_of(self.tensors)


def read_weights(path: Path) -> Weights:
    """Read a ``.safetensors`` or ``.pth`` file, by the paper's layer names or torchvision's, as float32.

    No code in the file is ever run. Raises WeightsError, naming the file, where it is missing, unreadable, damaged or
    not a chain of VGG's shape.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise WeightsError("it is a pipe or a device")
        tensors, metadata = _read_safetensors(path) if _is_safetensors(path) else _read_pickle(path)
        stated = metadata.pop("impasto.digest", None)
        if stated is not None and stated != digest_of(tensors):
            raise WeightsError("its tensors are not those it was written with: the file is damaged")
        convolutions = _by_layer(tensors)
        check_chain(convolutions)
        means = _means(tensors, convolutions)
        described = metadata.pop("impasto.preprocessing", None)
        preprocessing = _preprocessing(described) if described else None
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: there is no such file; check its name and folder") from error
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, KeyError, WeightsError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(
            f"{path}: cannot be used as weights: {reason}; get it anew (impasto weights fetch, for a network's own)"
        ) from error
    normalised = metadata.pop("impasto.normalised", "no") == "yes"
    return Weights(convolutions, preprocessing, normalised, means, metadata)


def save_weights(path: Path, weights: Weights, dtype: torch.dtype = torch.float32) -> None:
    """Write ``weights`` as safetensors, whole or not at all, with a digest of the tensors as they are written."""
    tensors = {key: value.to(dtype).contiguous() for key, value in weights.tensors.items()}
    tensors |= {f"{layer}.mean": mean.float() for layer, mean in (weights.means or {}).items()}
    metadata = dict(weights.about)
    if weights.preprocessing is not None:
        metadata["impasto.preprocessing"] = json.dumps(asdict(weights.preprocessing))
    metadata["impasto.normalised"] = "yes" if weights.normalised else "no"
    metadata["impasto.digest"] = digest_of(tensors)
    with atomic(path) as file:
        file.write(save(tensors, metadata))


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, whatever the order in the file."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        sha.update(value.view(torch.uint8).numpy().data if value.dim() else value.numpy().tobytes())
    return sha.hexdigest()


def _is_safetensors(path: Path) -> bool:
    """By content, not by name: byte 9 of a safetensors file opens its JSON header."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, dict(file.metadata() or {})


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with path.open("rb") as file:  # of a path torch would look at the suffix
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # malformed bytes bring nearly every exception there is out of the unpickler
        raise WeightsError("it is not a whole, plain file of tensors (code in it is never run)") from error
    if not isinstance(loaded, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()
    ):
        raise WeightsError("it does not hold a dictionary of tensors")
    return dict(loaded), {}


def _by_layer(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kernels and biases under the paper's names, float32; everything else (fully connected layers) left out.

    A file in torchvision's names is of the chain that has the most of its convolutions, all of them where it is whole.
    """
    names = {layer: layer for chain in CHAINS.values() for layer in chain}
    if any(key.startswith("features.") for key in tensors):
        numbered = [torchvision_names(chain) for chain in CHAINS.values()]
        names = max(numbered, key=lambda names: sum(_is_kernel(tensors.get(f"{theirs}.weight")) for theirs in names))
    return {
        f"{layer}.{part}": tensors[f"{theirs}.{part}"].float()
        for theirs, layer in names.items()
        for part in PARTS
        if f"{theirs}.{part}" in tensors
    }


def _is_kernel(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.ndim == 4


def _means(tensors: Mapping[str, Tensor], convolutions: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """One mean for every filter of every layer, or None where there are none at all."""
    layers = layers_of(convolutions)
    means = {layer: tensors[f"{layer}.mean"].float() for layer in layers if f"{layer}.mean" in tensors}
    for layer in layers if means else ():
        if layer not in means or means[layer].shape != convolutions[f"{layer}.bias"].shape:
            raise WeightsError(f"{layer} does not have one mean activation for each filter")
    return means or None


def _preprocessing(text: str) -> Preprocessing:
    """Raises ValueError, TypeError or KeyError where the text does not describe a preprocessing."""
    stated = json.loads(text)
    (r, g, b), (s, t, u) = (map(float, stated[key]) for key in ("mean", "std"))
    found = Preprocessing(stated["channels"], float(stated["scale"]), (r, g, b), (s, t, u))
    numbers = (found.scale, *found.mean, *found.std)
    if found.channels not in ("RGB", "BGR") or 0 in found.std or not all(map(math.isfinite, numbers)):
        raise ValueError(f"its preprocessing makes no sense: {text}")
    return found
