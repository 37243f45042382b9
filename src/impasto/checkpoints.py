"""Where a run is, in a file: the tensors of its state as safetensors, and what else there is as JSON in the header.

Whoever goes on from there ends in the picture of the unbroken run, to the bit on the same machine.
"""

import errno
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from impasto.atomic import atomic
from impasto.disk import Disk
from impasto.errors import InputError, LimitError
from impasto.pyramid import Ascent
from impasto.solver import SMALL
from impasto.states import packed, unpacked
from impasto.tensors import is_lack_of_memory
from impasto.tiling import Plan

FORMAT = 1
"""Of the file; another one is refused."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is: its ``state``, after so many ``seconds``; the ``recipe`` of its pictures, and its ``plan``."""

    state: Ascent
    seconds: float
    recipe: Mapping[str, Any]
    plan: Plan

    def save(self, path: Path) -> None:
        """Write it, whole or not at all. Raises OSError as writing does."""
        tensors, rest = packed(self.state)
        tensors = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
        told = {
            "format": FORMAT,
            "seconds": self.seconds,
            "recipe": self.recipe,
            "plan": asdict(self.plan),
            "state": rest,
            "sums": {name: checksum(x) for name, x in tensors.items()},
        }
        with atomic(path) as file:
            try:
                text = json.dumps(told)
                save_file(tensors, file.name, {"impasto": text, "sum": str(zlib.crc32(text.encode()))})
            except SafetensorError as error:  # its way to say that the disk is full
                raise OSError(errno.EIO, str(error), str(path)) from error

    @classmethod
    def told(cls, path: Path) -> "dict[str, Any]":
        """What the file at ``path`` says besides its state. Raises InputError where there is none, or one of another
        format."""
        with _reading(path), safe_open(path, "pt") as file:
            said = file.metadata() or {}
            if str(zlib.crc32(said["impasto"].encode())) != said["sum"]:
                raise ValueError("its checksum is another")
            found = json.loads(said["impasto"])
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise InputError(f"'{path}' is a checkpoint of another version of impasto: begin anew, without it")
        return found

    @classmethod
    def read(cls, path: Path, device: torch.device, disk: Disk | None = None) -> "Checkpoint":
        """The one in a file. What lay on a disk in the run lies on this ``disk``. Raises InputError for what is no
        checkpoint, or damaged."""
        found = cls.told(path)
        with _reading(path), safe_open(path, "pt") as file:
            tensors = {name: held(file.get_tensor(name), device, disk) for name in file.keys()}  # noqa: SIM118
            if {name: checksum(x) for name, x in tensors.items()} != found["sums"]:
                raise ValueError("its checksums are others")
            state = unpacked(tensors, found["state"])
            if not isinstance(state, Ascent):
                raise TypeError("its state is none")
            return cls(state, float(found["seconds"]), dict(found["recipe"]), _plan(found))


def plan_in(path: Path) -> Plan:
    """How the run at ``path`` fits into memory: it goes on so. Raises what ``Checkpoint.read`` does."""
    found = Checkpoint.told(path)
    with _reading(path):
        return _plan(found)


def _plan(told: Mapping[str, Any]) -> Plan:
    """The plan in a checkpoint."""
    return Plan(**{**told["plan"], "sides": tuple(told["plan"]["sides"])})


def held(x: Tensor, device: torch.device, disk: Disk | None) -> Tensor:
    """A tensor of a file where the run had it: L-BFGS's pairs, which alone are bfloat16, on the ``disk``. In a place of
    its own: where a tensor begins in memory may decide how its sums are rounded."""
    if disk is not None and x.dtype == torch.bfloat16 and x.nbytes >= SMALL:
        return disk.put(x, x.dtype)
    return x.clone().to(device)


def checksum(x: Tensor) -> int:
    """CRC-32 of its kind and its bytes."""
    numbers = x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return zlib.crc32(numbers.data, zlib.crc32(f"{x.dtype} {[*x.shape]}".encode()))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What is wrong with a file becomes an InputError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"there is no checkpoint '{path}': begin anew, without resuming") from error
    except OSError as error:
        raise InputError(f"the checkpoint '{path}' cannot be read ({error.strerror})") from error
    except (SafetensorError, MemoryError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if is_lack_of_memory(error):
            raise LimitError(f"not enough memory to read the checkpoint '{path}': end other programs") from error
        raise InputError(f"'{path}' is damaged, or no checkpoint ({error}): begin anew, without it") from error


def checkpoint_of(path: Path, recipe: Mapping[str, Any], device: torch.device, disk: Disk | None) -> Checkpoint:
    """The one at ``path``, of the run of this ``recipe``. Raises InputError for one of another run, saying what is
    otherwise, and what ``Checkpoint.read`` does."""
    with _reading(path):
        refuse_another(path, dict(Checkpoint.told(path)["recipe"]), recipe)
    return Checkpoint.read(path, device, disk)


def refuse_another(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InputError where a run is made from something else than the one at ``path``, saying what: its recipe was
    ``before``. Another machine will do, which rounds otherwise."""
    first, second = ({**json.loads(json.dumps(of)), "machine": None} for of in (before, now))
    apart = [*differences(first, second)]
    if apart:
        raise InputError(
            f"'{path}' is the checkpoint of another run ({'; '.join(apart)}): say what it was, or begin anew"
        )


def differences(before: Any, now: Any, where: str = "") -> Iterator[str]:
    """Where two recipes say different things, and what."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from differences(before.get(key), now.get(key), f"{where}.{key}" if where else key)
    elif before != now:
        name = where.removeprefix("settings.")
        yield f"`{name}` was {short(before)} and is {short(now)}"


def short(value: Any) -> str:
    """As it is said in a sentence."""
    text = json.dumps(value)
    return text if len(text) <= 20 else f"{text[:17]}..."
