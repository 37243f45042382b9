"""What it takes to paint a picture again. Needs no torch, so that a wrong file is refused at once."""

from collections.abc import Mapping
from importlib.metadata import version
from os import PathLike, fspath
from typing import Any

from impasto.images.decoding import digest
from impasto.settings import Settings
from impasto.starts import STARTS
from impasto.version import __version__

File = str | PathLike[str]


def files_read(settings: Settings, **pictures: File) -> dict[str, str]:
    """The picture files that a run reads, by what they are for: ``content``, ``style``, ``init``."""
    start = {} if settings.init in STARTS else {"init": settings.init}
    return {role: fspath(file) for role, file in {**pictures, **start}.items()}


def recipe(command: str, settings: Settings, files: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Command, settings, versions, and digests of the files that a picture is made from, as JSON can hold them."""
    return {
        "impasto": __version__,
        "torch": version("torch"),
        "command": command,
        **more,
        "settings": settings.model_dump(mode="json"),
        "inputs": {role: {"file": file, "sha256": digest(file)} for role, file in files.items()},
    }
