"""What it takes to paint a picture again. Needs no torch, so that a wrong file is refused at once."""

from importlib.metadata import version
from os import PathLike, fspath
from typing import Any

from impasto.images.decoding import digest
from impasto.settings import STARTS, Settings
from impasto.version import __version__

File = str | PathLike[str]


def files_read(settings: Settings, content: File, style: File) -> dict[str, str]:
    """The picture files that a run reads, by what they are for."""
    files = {"content": content, "style": style} | ({} if settings.init in STARTS else {"init": settings.init})
    return {role: fspath(file) for role, file in files.items()}


def recipe(settings: Settings, content: File, style: File) -> dict[str, Any]:
    """Settings, versions, and digests of the files that a picture is made from, as JSON can hold them."""
    return {
        "impasto": __version__,
        "torch": version("torch"),
        "settings": settings.model_dump(mode="json"),
        "inputs": {
            role: {"file": file, "sha256": digest(file)} for role, file in files_read(settings, content, style).items()
        },
    }
