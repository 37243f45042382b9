"""``Tensor`` for the annotations of files that do without torch until a function of theirs is called.

Importing torch takes seconds. Files with a registry do not import it, so that ``--help`` can list what there is, and a
wrong name is refused, at once.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    Tensor = Any

Found = TypeVar("Found")


class once(Generic[Found]):  # noqa: N801
    """``functools.cached_property`` without its lock, which in Python 3.11 all objects share: threads that paint wait
    for each other, and a process that was forked meanwhile waits without end."""

    def __init__(self, of: Callable[[Any], Found]) -> None:
        self.of, self.__doc__ = of, of.__doc__

    def __get__(self, owner: Any, kind: type) -> Found:
        found = owner.__dict__[self.of.__name__] = self.of(owner)
        return found


_process: int | None = None
"""That in which a run began."""


def without_threads_of_a_parent() -> None:
    """In a forked process GNU's OpenMP waits without end for threads that are its parent's: one thread does without.
    So it is where a run begins, and in what is forked from there at once; processes of others are left alone."""
    global _process  # noqa: PLW0603
    if os.getpid() not in (_process, _imported_in):
        sys.modules["torch"].set_num_threads(1)
    _process = os.getpid()


_imported_in = os.getpid()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: without_threads_of_a_parent() if _process else None)


def lacks_float64(device: "torch.device") -> bool:
    """Whether there is no float64 on it, as on Apple's GPUs."""
    return device.type == "mps"


def wide(x: Tensor) -> Tensor:
    """A scalar in float64, as Python's floats are, where the device has that."""
    import torch

    return x.float() if lacks_float64(x.device) else x.to(torch.float64)


def exact(x: Tensor) -> Tensor:
    """Matrices in float64, on the CPU where the device does not have that."""
    import torch

    return (x.cpu() if lacks_float64(x.device) else x).to(torch.float64)


def returned(x: Tensor, like: Tensor) -> Tensor:
    """What was computed of ``exact`` matrices to where ``like`` is, in float64 where that device has it."""
    return (x.to(like.dtype) if lacks_float64(like.device) else x).to(like.device)


class Numbers(Mapping[str, float]):
    """Scalars by name, which stay on the device until one of them is looked at: a GPU that is asked for a number has to
    finish first. ``scalars`` are the tensors themselves."""

    def __init__(self, scalars: Mapping[str, Tensor]) -> None:
        self.scalars = scalars

    def __getitem__(self, name: str) -> float:
        return float(self.scalars[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.scalars)

    def __len__(self) -> int:
        return len(self.scalars)


LACK = (
    *("DefaultCPUAllocator", "out of memory", "could not create a primitive"),  # torch, and oneDNN
    *("Cannot allocate memory", "failed to map segment", "cannot map zero-fill pages"),  # Linux, and its loader
    *("std::bad_alloc", "can't start new thread"),
    *("error return without exception set", "without setting an exception"),  # Python, where a MemoryError was lost
)
"""Words by which lack of memory is known."""


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether that is what torch, Python or the system wants to say with it, or what it was raised from."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in LACK):
        return True
    return error.__cause__ is not None and is_lack_of_memory(error.__cause__)


def memory_of_machine() -> int:
    """Bytes of it that are free."""
    import psutil

    return int(psutil.virtual_memory().available)


def space_left() -> int:
    """Bytes of addresses that this process may still take, where Linux has a limit of them (ulimit -v) and tells how
    many are taken; else more than there are."""
    if sys.platform != "linux":
        return sys.maxsize
    import resource

    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):  # where /proc is not there, or not to be read
        return sys.maxsize
    return most - taken * resource.getpagesize()


def free_memory(device: "torch.device") -> int:
    """Bytes that a GPU can still give to this process, or the machine."""
    import torch

    if device.type != "cuda":
        return memory_of_machine()
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


@contextmanager
def side_by_side(device: "torch.device") -> "Iterator[Callable[[], AbstractContextManager[Any]]]":
    """Work of which no part needs another's result: a GPU may do what is within each ``with branch():`` at once."""
    import torch

    if device.type != "cuda":
        yield nullcontext
        return
    main = torch.cuda.current_stream(device)
    used: list[torch.cuda.Stream] = []

    def branch() -> AbstractContextManager[Any]:
        stream = stream_of(device, len(used))
        stream.wait_stream(main)
        used.append(stream)
        return torch.cuda.stream(stream)

    yield branch
    for stream in used:
        main.wait_stream(stream)


@cache
def stream_of(device: "torch.device", number: int) -> "torch.cuda.Stream":  # noqa: ARG001
    """One of the device's queues of work: for each number always the same."""
    import torch

    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


__all__ = [
    "Numbers",
    "Tensor",
    "exact",
    "free_memory",
    "is_lack_of_memory",
    "lacks_float64",
    "once",
    "returned",
    "side_by_side",
    "space_left",
    "wide",
    "without_threads_of_a_parent",
]
