"""The networks that impasto knows by name, and where their weights come from.

``lite`` is a file of the package. The others are fetched once over HTTPS, reduced to their convolutions and kept in
the user's cache (``IMPASTO_CACHE`` moves it). A new network is one entry in ``NETWORKS``.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pooch
import requests
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from impasto.atomic import atomic
from impasto.errors import UsageError, WeightsError
from impasto.images.files import read
from impasto.images.samples import SAMPLES
from impasto.names import entry
from impasto.network.convention import check_convention
from impasto.network.normalise import mean_activations, normalised
from impasto.network.protocol import CAFFE, TORCHVISION, Preprocessing
from impasto.network.soundness import check_means
from impasto.network.vgg import VGG, chain_of
from impasto.network.weights import Weights, read_weights, save_weights


@dataclass(frozen=True)
class Source:
    """Where a network comes from.

    ``builtin`` and ``means`` name files of the package; ``sha256`` is the beginning of the digest of the file at
    ``url``.
    """

    about: str
    builtin: str | None = None
    url: str | None = None
    sha256: str = ""
    chain: str | None = None
    """A key of ``vgg.CHAINS``."""
    preprocessing: Preprocessing | None = None
    means: str | None = None


NETWORKS: dict[str, Source] = {
    "lite": Source(
        about="built in: a small VGG-19 with kernels of low rank, trained from scratch to see as VGG-19 does",
        builtin="lite.safetensors",
    ),
    "vgg19": Source(
        about="the paper's VGG-19 (Simonyan and Zisserman 2014, Caffe weights, CC BY 4.0)",
        url="https://web.eecs.umich.edu/~justincj/models/vgg19-d01eb7cb.pth",
        sha256="d01eb7cb",
        chain="VGG-19",
        preprocessing=CAFFE,
        means="vgg19-means.safetensors",
    ),
    "vgg19-torchvision": Source(
        about="torchvision's VGG-19 (trained anew in PyTorch, BSD 3-Clause)",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9d",
        chain="VGG-19",
        preprocessing=TORCHVISION,
    ),
    "vgg16": Source(
        about="VGG-16 of the same authors, three convolutions fewer (Caffe weights, CC BY 4.0)",
        url="https://web.eecs.umich.edu/~justincj/models/vgg16-00b39a1b.pth",
        sha256="00b39a1b",
        chain="VGG-16",
        preprocessing=CAFFE,
    ),
    "vgg16-torchvision": Source(
        about="torchvision's VGG-16 (trained anew in PyTorch, BSD 3-Clause)",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af",
        chain="VGG-16",
        preprocessing=TORCHVISION,
    ),
}
"""By the name that ``--network`` takes."""


def load_network(
    name: str = "lite", *, weights: str | Path | None = None, pooling: str = "average", edges: str = "black"
) -> VGG:
    """The network ``name``, from the file ``weights`` instead of its own where that is given, on the CPU in float32.

    Normalised as the paper has it: every filter's mean activation is 1. Called with an image ``(1, 3, h, w)`` in [0, 1]
    and names of layers it gives their activations ``{layer: (1, N_l, h_l, w_l)}``. Fetches what is not in the cache.
    Raises WeightsError where the weights cannot be had or are not sound, UsageError for an unknown name of a network, a
    pooling or edges.
    """
    source = source_of(name)
    file = Path(weights) if weights is not None else where(name) or fetch(name)
    loaded = described(read_weights(file), source, file)
    assert loaded.preprocessing is not None
    tensors = loaded.tensors if loaded.normalised else normalised(loaded.tensors, loaded.means or measured(loaded))
    return VGG(tensors, loaded.preprocessing, pooling, edges)


def where(name: str) -> Path | None:
    """The file that holds the weights of network ``name``, None where they were not fetched yet."""
    source = source_of(name)
    path = builtin(source.builtin) if source.builtin else cached(name)
    return path if path.exists() else None


def source_of(name: str) -> Source:
    """The registry's entry. Raises UsageError for an unknown name."""
    return entry(NETWORKS, name, "network")


def builtin(file: str) -> Path:
    """A file of this package."""
    return Path(__file__).with_name(file)


def cache() -> Path:
    """The folder in which fetched weights are kept: ``IMPASTO_CACHE``, or the platform's place for caches."""
    try:
        folder = Path(os.environ.get("IMPASTO_CACHE") or pooch.os_cache("impasto")).expanduser()
    except RuntimeError as error:
        raise WeightsError("no home folder is known to keep weights in: set IMPASTO_CACHE to another") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"{folder}: cannot be made to keep weights in ({error.strerror}); set IMPASTO_CACHE"
        ) from error
    return folder


def cached(name: str) -> Path:
    """Where the weights of network ``name`` are kept once they were fetched."""
    return cache() / f"{name}.safetensors"


def fetch(name: str, progress: Any = False) -> Path:
    """Download the weights of network ``name``, check them, and keep their convolutions in the cache.

    ``progress``: False, or an object as pooch wants it (``total``, ``update(n)``, ``reset()``, ``close()``).
    Raises WeightsError where there is no network, or what came is not the pinned file.
    """
    source = source_of(name)
    if source.url is None:
        raise UsageError(f"'{name}' is built in: there is nothing to fetch")
    instead = f"get the file by other means and run: impasto weights import FILE --network {name}"
    with _room() as folder:
        download = folder / Path(source.url).name
        try:
            pooch.HTTPDownloader(progressbar=progress, timeout=30)(source.url, str(download), None)
        except (OSError, ValueError) as error:
            unreachable = isinstance(error, requests.ConnectionError)
            reason = "its server cannot be reached" if unreachable else str(error).splitlines()[0]
            raise WeightsError(f"{source.url}: cannot be fetched: {reason}; or {instead}") from error
        found = sha256_of(download)
        if not found.startswith(source.sha256):
            raise WeightsError(
                f"{source.url}: the file that came has SHA-256 {found[:8]}… instead of {source.sha256}…: it is "
                f"incomplete or not the pinned one; try again, or {instead}"
            )
        return import_weights(download, name)


@contextmanager
def _room() -> Iterator[Path]:
    """A folder in the cache that is gone afterwards. Raises WeightsError where nothing can be written there."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache())
    except OSError as error:
        raise WeightsError(f"{cache()}: cannot be written to ({error.strerror}); set IMPASTO_CACHE") from error
    with folder as path:
        yield Path(path)


def import_weights(file: Path, name: str) -> Path:
    """Keep the convolutions of ``file`` in the cache as the weights of network ``name``; returns where.

    Raises WeightsError where ``file`` is unsound, UsageError for a network that is built in.
    """
    if source_of(name).builtin:
        raise UsageError(f"'{name}' is built in; import weights as one of the others")
    loaded = described(read_weights(file), source_of(name), file)
    sha256 = sha256_of(file)
    for other, source in NETWORKS.items():
        if other != name and source.sha256 and sha256.startswith(source.sha256):
            raise WeightsError(f"{file}: these are the weights of {other}, not of {name}")
    if not loaded.normalised and loaded.means is None:
        loaded = replace(loaded, means=measured(loaded))
    loaded.about.setdefault("file", file.name)
    loaded.about.setdefault("file_sha256", sha256)
    try:
        save_weights(cached(name), loaded)
    except OSError as error:
        raise WeightsError(f"{cached(name)}: cannot be written: {error.strerror}; set IMPASTO_CACHE") from error
    return cached(name)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(loaded: Weights, source: Source, file: Path) -> Weights:
    """``loaded`` with what its file leaves unsaid taken from the registry: preprocessing and mean activations.

    Raises WeightsError where neither says what the network wants to see, or where it plainly wants something else.
    """
    if loaded.preprocessing is not None:
        return loaded
    if source.preprocessing is None:
        raise WeightsError(
            f"{file}: does not say which input its network wants; say whose weights they are: "
            "`network` vgg19 (Caffe's: BGR, 0 to 255) or `network` vgg19-torchvision"
        )
    if source.chain and not chain_of(loaded.layers, [source.chain]):
        raise WeightsError(f"{file}: these are not the convolutions of {source.chain}: {', '.join(loaded.layers)}")
    try:
        check_convention(loaded.tensors, source.preprocessing)
    except WeightsError as error:
        if not (source.sha256 and sha256_of(file).startswith(source.sha256)):
            raise WeightsError(f"{file}: {error}: `network` {' or '.join(others_of(source))}") from error
    means = loaded.means
    if means is None and source.means:
        shipped = load_file(builtin(source.means))
        if all(shipped[layer].shape == loaded.tensors[f"{layer}.bias"].shape for layer in loaded.layers):
            means = {layer: shipped[layer] for layer in loaded.layers}
    return replace(loaded, preprocessing=source.preprocessing, means=means)


def others_of(source: Source) -> list[str]:
    """The networks that want another input than this one."""
    return [name for name, other in NETWORKS.items() if other.preprocessing not in (None, source.preprocessing)]


def measured(loaded: Weights) -> dict[str, Tensor]:
    """The filters' mean activations over the sample photographs at 512 px, measured once and kept in the cache."""
    assert loaded.preprocessing is not None
    memory = cache() / f"means-{loaded.digest[:16]}.safetensors"
    if memory.is_file():
        with suppress(SafetensorError, OSError, WeightsError):
            means = load_file(memory)
            check_means(means, loaded.tensors)
            return means
    photographs = [name for name, sample in SAMPLES.items() if sample.kind == "photograph"]
    pictures = (read(f"sample:{name}", size=512) for name in photographs)
    means = mean_activations(VGG(loaded.tensors, loaded.preprocessing), pictures)
    with suppress(OSError), atomic(memory) as file:  # not to remember them only costs the measuring again
        file.write(save(means))
    return means
