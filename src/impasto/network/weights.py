"""Weights on disk: one safetensors file that knows its preprocessing and can tell when it was damaged.

Tensors are named by layer, ``conv1_1.weight`` and ``conv1_1.bias``; ``conv1_1.mean`` holds the filters' mean
activations where they were measured. Files of other projects (torchvision's names, ``.pth``) are read too.
"""

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from impasto.atomic import atomic
from impasto.errors import LimitError, WeightsError
from impasto.network.link import PARTS
from impasto.network.normalise import normalised
from impasto.network.pickles import read_pickle
from impasto.network.protocol import CAFFE, TORCHVISION, Preprocessing
from impasto.network.soundness import check_means, check_numbers, check_sight, check_tensors
from impasto.network.vgg import CHAINS, check_chain, layers_of
from impasto.tensors import is_lack_of_memory

LARGEST = 4_000_000_000
"""Bytes of a file. VGG with its fully connected layers has 0.6 GB."""

LONGEST = 2**18
"""Bytes of what a file says besides its numbers. VGG's has some thousand."""


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

    No code in the file is ever run. Raises WeightsError, naming the file, where it is missing, unreadable, damaged, not
    a chain of VGG's shape, or one that sees nothing.
    """
    size, beginning = _looked_at(path)
    try:
        return _read(path, size, beginning)
    except Exception as error:  # malformed bytes bring nearly every exception there is out of the readers
        if is_lack_of_memory(error):
            raise LimitError(f"not enough memory to read {path}: end other programs") from error
        reason = (str(error) or type(error).__name__).partition("\n")[0]
        raise WeightsError(
            f"{path}: cannot be used as weights: {reason}; get it anew (impasto weights fetch, for a network's own)"
        ) from error


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


def _looked_at(path: Path) -> tuple[int, bytes]:
    """The size of an ordinary file, and its first nine bytes. Raises WeightsError saying what else it is."""
    try:
        status = path.stat()
        fault = _fault_of(status)
        if fault:
            raise WeightsError(f"{path}: cannot be used as weights: {fault}")
        with path.open("rb") as file:
            return status.st_size, file.read(9)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: there is no such file; check its name and folder") from error
    except PermissionError as error:
        raise WeightsError(f"{path}: may not be read (permission denied); ask its owner, or copy it") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be opened ({error}); check its name and folder") from error


def _fault_of(status: os.stat_result) -> str | None:
    """Why what is there is no file of weights, and what to do, as far as can be told before it is opened."""
    if stat.S_ISDIR(status.st_mode):
        return "it is a folder; name a file in it"
    if not stat.S_ISREG(status.st_mode):
        return "it is a pipe or a device; save it to a file first"
    if status.st_size == 0:
        return "it is empty (0 bytes); get it anew"
    if status.st_size > LARGEST:
        return f"it has {status.st_size / 1e9:,.1f} GB, more than {LARGEST / 1e9:.0f}; check which file it is"
    return None


def _read(path: Path, size: int, beginning: bytes) -> Weights:
    """The weights in a file of this size that begins so, sound in every way."""
    if beginning[8:] == b"{":  # by content, not by name: there a safetensors file opens its JSON header
        tensors, metadata = _read_safetensors(path, int.from_bytes(beginning[:8], "little"))
    else:
        tensors, metadata = read_pickle(path), {}
    stated = metadata.pop("impasto.digest", None)
    if stated is not None and stated != digest_of(tensors):
        raise WeightsError("its tensors are not those it was written with: the file is damaged")
    chosen = _by_layer(tensors)
    check_tensors(chosen, size)
    numbers = {key: value.detach().float() for key, value in chosen.items()}
    check_numbers(numbers)
    convolutions = {key: value for key, value in numbers.items() if not key.endswith(".mean")}
    check_chain(convolutions)
    means = {layer: numbers[key] for layer in layers_of(convolutions) if (key := f"{layer}.mean") in numbers}
    if means:
        check_means(means, convolutions)
    described = metadata.pop("impasto.preprocessing", None)
    preprocessing = _preprocessing(described) if described else None
    is_normalised = metadata.pop("impasto.normalised", "no") == "yes"
    used = normalised(convolutions, means) if means and not is_normalised else convolutions
    check_sight(used, [preprocessing] if preprocessing else [CAFFE, TORCHVISION])
    return Weights(convolutions, preprocessing, is_normalised, means or None, metadata)


def _read_safetensors(path: Path, header: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    if header > LONGEST:
        raise WeightsError(f"its header would be {header:,} bytes long")
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, dict(file.metadata() or {})


def _by_layer(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kernels, biases and means under the paper's names; everything else (fully connected layers) left out.

    A file in torchvision's names is of the chain that has the most of its convolutions, all of them where it is whole.
    """
    names = {layer: layer for chain in CHAINS.values() for layer in chain}
    if any(key.startswith("features.") for key in tensors):
        numbered = [torchvision_names(chain) for chain in CHAINS.values()]
        names = max(numbered, key=lambda names: sum(_is_kernel(tensors.get(f"{theirs}.weight")) for theirs in names))
    return {
        f"{layer}.{part}": tensors[f"{theirs}.{part}"]
        for theirs, layer in names.items()
        for part in (*PARTS, "mean")
        if f"{theirs}.{part}" in tensors
    }


def _is_kernel(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.ndim == 4


def _preprocessing(text: str) -> Preprocessing:
    """Raises WeightsError where the text does not describe a preprocessing."""
    try:
        stated = json.loads(text)
        (r, g, b), (s, t, u) = (map(float, stated[key]) for key in ("mean", "std"))
        found = Preprocessing(stated["channels"], float(stated["scale"]), (r, g, b), (s, t, u))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise WeightsError(f"its preprocessing cannot be read: {text[:80]}") from error
    numbers = (found.scale, *found.mean, *found.std)
    senseless = min(found.scale, *found.std) <= 0 or not all(map(math.isfinite, numbers))
    if senseless or found.channels not in ("RGB", "BGR"):
        raise WeightsError(f"its preprocessing makes no sense: {text[:80]}")
    return found
