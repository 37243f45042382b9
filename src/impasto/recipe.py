"""What it takes to paint a picture again. Needs no torch, so that a wrong file is refused at once."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from impasto.images.decoding import NamedBytes, digest
from impasto.images.samples import PREFIX
from impasto.images.sizes import MIN_SIDE
from impasto.settings import Settings
from impasto.starts import STARTS
from impasto.version import __version__

FILES_OF_SETTINGS = ("init", "weights")
"""Settings that may be files, which are inputs too."""


def files_read(settings: Settings, **pictures: Any) -> dict[str, Any]:
    """What a run reads, by what it is for: ``content``, ``style``, ``init``. Paths are text."""
    start = {} if settings.init in STARTS else {"init": settings.init}
    named = {**pictures, **start}.items()
    return {role: fspath(source) if isinstance(source, PathLike) else source for role, source in named}


def reading(settings: Settings, role: str) -> dict[str, Any]:
    """How ``read`` and ``decode`` read what is for this ``role``: masks as large as they are; paintings as large as
    their strokes want them, and not enlarged yet. Paintings and starts are longer where they would be too narrow."""
    if role.endswith("mask"):
        return {"limits": settings.limits}
    is_painting, least = role not in ("content", "init"), 0 if role == "content" else MIN_SIDE
    size = max(MIN_SIDE, round(settings.size * (settings.stroke_size if is_painting else 1)))
    return {"size": size, "enlarge": not is_painting, "short_side": least, "limits": settings.limits}


def recipe(command: str, settings: Settings, sources: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Command, settings, versions, names and digests of what a picture is made from, and ``more``, as JSON can hold
    them. Equal recipes are of equal pictures."""
    told_settings = settings.model_dump(mode="json")
    told_inputs = {role: told(source) for role, source in sources.items()}
    if settings.weights is not None:
        told_inputs["weights"] = told(settings.weights)
    for role in told_inputs.keys() & set(FILES_OF_SETTINGS):
        told_settings[role] = told_inputs[role]["file"]
    return {
        "impasto": __version__,
        "torch": version("torch"),
        "pillow": version("pillow"),
        "command": command,
        **more,
        "settings": told_settings,
        "inputs": told_inputs,
    }


def is_of(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a recipe that was read from a picture says what another does of command, settings and inputs. Versions
    and machines do not count."""
    as_read = json.loads(json.dumps(wanted))
    return all(made.get(part) == as_read[part] for part in ("command", "settings", "inputs"))


def told(source: Any) -> dict[str, Any]:
    """A file's name, without its folders, and the digest of its bytes; None for a name, and the digest of the pixels,
    where the picture came without a file."""
    if isinstance(source, str | PathLike):
        name = fspath(source)
        return {"file": name if name.startswith(PREFIX) else Path(name).name, "sha256": digest(source)}
    if isinstance(source, bytes):
        name = Path(source.name).name if isinstance(source, NamedBytes) else None
        return {"file": name, "sha256": digest(source)}
    source = getattr(source, "channels", source)  # of a picture that was painted
    pixels = source.detach().cpu().numpy() if hasattr(source, "detach") else np.asarray(source)
    return {"file": None, "sha256": hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()}
