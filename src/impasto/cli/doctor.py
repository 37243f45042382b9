"""``impasto doctor``: how things stand on this machine, in words that can be pasted into a bug report."""

import json
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from impasto.errors import ImpastoError, LimitError, UsageError, WeightsError
from impasto.tensors import is_lack_of_memory
from impasto.version import __version__

Check = Callable[[], str]
"""Says how something stands; raises what is wrong with it."""

NEEDED = ("torch", "numpy", "Pillow", "safetensors", "tifffile", "imagecodecs")
WANTED = ("pillow-heif", "matplotlib", "gradio", "av", "opencv-python-headless", "ray", "triton")
"""Libraries that impasto does without."""

VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
"""Of the environment, what decides how a run computes."""

ROOM = 10**8
"""Bytes of a disk, with which a picture of usual size and its checkpoint can be written."""

PAIR = ("sample:chelsea", "sample:swirl")
TRIAL: dict[str, Any] = {"size": 96, "scales": 1, "steps": 8, "style_weight": 6e7}
"""What the self-test paints: with a β that stays, so that the loss of every step is the same."""

TOLERANCE = {"float32": 0.01, "bfloat16": 0.1}
"""Of what a network gives in each precision, from what it gives on the CPU in float32: GPUs take TF32 for that."""


@dataclass(frozen=True)
class Finding:
    """How something stands, and the exit ``code`` of what is wrong with it."""

    section: str
    name: str
    words: str
    code: int = 0


def doctor(as_json: Annotated[bool, typer.Option("--json", help="A JSON object on stdout.")] = False) -> None:
    """Tell how things stand on this machine, for a bug report: versions, devices, memory, disk, weights, a self-test.

    Exit codes: 0 all is well, 6 a network's weights are not, 4 memory or disk is short, 1 something else is wrong.
    """
    began, findings = time.monotonic(), []
    for finding in examined():
        findings.append(finding)
        if not as_json:
            print(f"{finding.name:<18} {'wrong: ' if finding.code else ''}{finding.words}", flush=True)
    wrong, seconds = [finding.name for finding in findings if finding.code], round(time.monotonic() - began, 1)
    code = max(finding.code for finding in findings)
    if as_json:
        print(json.dumps({**by_section(findings), "wrong": wrong, "code": code, "seconds": seconds}))
    else:
        print(f"{'in all':<18} {'wrong are ' + ', '.join(wrong) if wrong else 'all is well'} ({seconds} s)")
    raise typer.Exit(code)


def by_section(findings: list[Finding]) -> dict[str, dict[str, str]]:
    """The words, by section and name."""
    found: dict[str, dict[str, str]] = {}
    for finding in findings:
        found.setdefault(finding.section, {})[finding.name] = finding.words
    return found


def examined() -> Iterator[Finding]:
    """What every check finds, one after another."""
    for section, listed in SECTIONS.items():
        try:
            checks = listed()
        except Exception as error:  # of a library that cannot be loaded, say
            checks = {section: partial(again, error)}
        for name, check in checks.items():
            yield Finding(section, name, *found_by(check))


def again(error: Exception) -> str:
    """Raise it."""
    raise error


def found_by(check: Check) -> tuple[str, int]:
    """In words and as an exit code: whatever goes wrong in a check is what it finds."""
    try:
        words, code = check(), 0
    except (WeightsError, LimitError) as error:
        words, code = str(error), error.exit_code
    except ImpastoError as error:
        words, code = str(error), ImpastoError.exit_code
    except Exception as error:  # what nobody thought of is what a doctor is for
        words, code = f"{type(error).__name__}: {error}; report this, with all lines", ImpastoError.exit_code
        if is_lack_of_memory(error):
            words, code = "not enough memory: end other programs", LimitError.exit_code
    return private(" ".join(words.split())), code


def private(text: str) -> str:
    """``text`` with ``~`` for the home folder, whose name is the user's."""
    home = os.path.expanduser("~")  # noqa: PTH111 (which never fails)
    for folder in {home, os.path.realpath(home)}:
        if len(Path(folder).parts) > 1:
            text = re.sub(rf"{re.escape(folder)}(?![\w.-])", "~", text)
    return text


def versions() -> dict[str, Check]:
    return {
        "python": platform.python_version,
        "impasto": lambda: __version__,
        **{name: partial(version_of, name, needed=True) for name in NEEDED},
        **{name: partial(version_of, name, needed=False) for name in WANTED},
    }


def version_of(name: str, *, needed: bool) -> str:
    """Of a library. Raises UsageError where one is ``needed`` and not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        if needed:
            raise UsageError(f"not installed: pip install {name}") from None
        return "not installed"


def machine() -> dict[str, Check]:
    return {
        "system": lambda: f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": processor,
        "threads": threads,
        "memory": memory,
        "a default run": default_run,
        "disk here": lambda: room_in(Path()),
        "disk of the cache": cache,
    }


def processor() -> str:
    """What Linux or Python calls it, and its cores."""
    import psutil

    listed = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)", listed.read_text(), re.MULTILINE) if listed.exists() else None
    name = named[1] if named else platform.processor() or "unknown"
    return f"{name}, {psutil.cpu_count(logical=False) or 'unknown'} cores, {psutil.cpu_count()} threads"


def threads() -> str:
    """Those that torch takes, and who said so."""
    import torch

    said = [f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ]
    return ", ".join([f"torch takes {torch.get_num_threads()}", *said])


def memory() -> str:
    import psutil

    from impasto.tensors import memory_of_machine
    from impasto.tiling import gigabytes

    return f"{gigabytes(memory_of_machine())} free of {gigabytes(psutil.virtual_memory().total)}"


def default_run() -> str:
    """How it would fit into memory. Raises LimitError where it does not."""
    from impasto.preparation import foreseen
    from impasto.settings import Settings
    from impasto.tiling import gigabytes

    size = Settings().size
    plan = foreseen(Settings(), size, size)
    way = "as a whole" if plan.side is None else f"in places of {plan.side} px"
    return f"{size} x {size} px {way}, within {gigabytes(plan.bytes)} of memory"


def room_in(folder: Path) -> str:
    """Of the disk that ``folder`` is on. Raises LimitError where that is as good as full."""
    from impasto.tiling import gigabytes

    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise LimitError(f"{gigabytes(free)} free: delete something, or work in another folder")
    return f"{gigabytes(free)} free"


def cache() -> str:
    from impasto.network import registry

    folder = registry.cache()
    return f"{room_in(folder)} in {folder}"


def devices() -> dict[str, Check]:
    import torch

    gpus: dict[str, Check] = {f"cuda:{n}": partial(gpu, n) for n in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        gpus["mps"] = apple_gpu
    return {**(gpus or {"gpu": lambda: "none that torch sees"}), "auto": taken}


def gpu(number: int) -> str:
    """One of NVIDIA's."""
    import torch

    from impasto.tiling import gigabytes

    free, total = torch.cuda.mem_get_info(number)
    able = ".".join(map(str, torch.cuda.get_device_capability(number)))
    name = torch.cuda.get_device_name(number)
    return f"{name}, {gigabytes(free)} free of {gigabytes(total)}, capability {able}, CUDA {torch.version.cuda}"


def apple_gpu() -> str:
    import torch

    from impasto.tiling import gigabytes

    return f"Apple's, {gigabytes(torch.mps.recommended_max_memory())} at most"


def taken() -> str:
    """What a run takes where nothing is said."""
    from impasto.kept import Kept
    from impasto.settings import Settings

    of = Kept(Settings()).machine
    return f"{of['device']} ({of['kind']}), {' then '.join(of['precision'])}"


def networks() -> dict[str, Check]:
    from impasto.network.registry import NETWORKS

    return {name: partial(state_of, name) for name in NETWORKS}


def state_of(name: str) -> str:
    """Whether a network is there, and whole. Raises WeightsError where it is damaged."""
    from impasto.network.registry import source_of, where
    from impasto.network.weights import read_weights

    path = where(name)
    if path is None:
        return f"not fetched (impasto weights fetch {name})"
    return f"{'built in' if source_of(name).builtin else 'fetched'} and whole, digest {read_weights(path).digest[:16]}"


def self_test() -> dict[str, Check]:
    return {"network": network, "painting": painting}


def network() -> str:
    """How near ``lite``, as a run has it, is to itself on the CPU in float32. Raises ImpastoError where that is far."""
    import torch

    from impasto import devices
    from impasto.images.files import read
    from impasto.kept import Kept
    from impasto.network.registry import load_network
    from impasto.settings import STYLE_LAYERS, Settings

    settings = Settings()
    kept, image = Kept(settings), read(PAIR[0], size=TRIAL["size"])
    with devices.memory(), devices.undisturbed(), torch.no_grad():
        expected = load_network(settings.network, edges=settings.edges)(image, set(STYLE_LAYERS))
        errors = {}
        for precision in dict.fromkeys([torch.float32, *kept.precisions]):
            of: Any = kept.network(precision)
            found = of.look(image.to(kept.device), set(STYLE_LAYERS))[0]
            errors[str(precision).removeprefix("torch.")] = farthest(found, expected)
    told = ", ".join(f"{error:.1g} in {precision}" for precision, error in errors.items())
    if not all(error <= TOLERANCE[precision] for precision, error in errors.items()):
        raise ImpastoError(f"lite on {kept.device} is off by {told}: paint with --device cpu, and report this")
    return f"lite on {kept.device} is off by {told}"


def farthest(found: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """Of any layer, ‖F − F'‖ / ‖F'‖. A GPU's network may have more filters, which are 0."""
    errors = [(found[layer].float().cpu()[:, : F.shape[1]] - F).norm() / F.norm() for layer, F in expected.items()]
    return max(float(error) if error.isfinite() else float("inf") for error in errors)


def painting() -> str:
    """How a small run goes. Raises ImpastoError where its loss does not fall, or is no number."""
    from impasto.facade import stylize
    from impasto.settings import Settings

    steps = list(stylize(*PAIR, Settings(**TRIAL)))
    first, last = steps[0], steps[-1]
    where = (last.recipe or {})["machine"]["device"]
    told = f"{TRIAL['size']} px on {where}: loss {first.loss:.3g}, and {last.loss:.3g} after {last.index} steps"
    if not (last.image.isfinite().all() and last.loss < 0.9 * first.loss):
        raise ImpastoError(f"{told}, which should be far less: paint with --device cpu, and report this")
    return f"{told}, in {last.seconds:.1f} s"


SECTIONS: dict[str, Callable[[], Mapping[str, Check]]] = {
    "versions": versions,
    "machine": machine,
    "devices": devices,
    "networks": networks,
    "self-test": self_test,
}
"""Checks, by what they are called."""
