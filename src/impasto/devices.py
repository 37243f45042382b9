"""Where a run computes, in what precision, and what a caller's own doings must not change of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from impasto.errors import LimitError, UsageError
from impasto.network.protocol import Network
from impasto.network.vgg import VGG
from impasto.tensors import is_lack_of_memory


def device_of(name: str) -> torch.device:
    """The device of that name; "auto" is the fastest there is. Raises UsageError for one that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, available in there.items() if available))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or not there.get(device.type, False):
        raise UsageError(
            f"`device`: '{name}' is not there; this machine has: {', '.join(d for d in there if there[d])}"
        )
    return device


def precisions_of(name: str, device: torch.device, network: str | Network = "lite") -> list[torch.dtype]:
    """The network's precision; "auto" is bfloat16 where ``device`` computes in it natively, and float32 where that
    finds no lower loss any more. Only of our own networks is it known that they paint as well in bfloat16."""
    if name == "auto":
        both = isinstance(network, str | VGG) and computes_bfloat16(device)
        return [torch.bfloat16, torch.float32] if both else [torch.float32]
    return [torch.float32 if name == "float32" else torch.bfloat16]


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 there: GPUs since Ampere, CPUs with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # from torch 2.11 on
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False


@contextmanager
def undisturbed() -> Iterator[None]:
    """With gradients and without autocast, whatever the caller has set for his own work."""
    with (
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


@contextmanager
def memory() -> Iterator[None]:
    """Lack of memory, however torch says it, becomes a LimitError that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_lack_of_memory(error):
            raise LimitError(
                "not enough memory for a picture of this size: paint a smaller one, or allow less `memory`"
            ) from error
        raise
