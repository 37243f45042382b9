"""Jobs as files: what is painted of what, said in TOML or by a picture that was painted. Needs no torch for either.

    content = "photo.jpg"
    style = ["a.jpg", "b.jpg"]
    [settings]
    size = 512
    [[regions]]
    mask = "mask.png"

A TOML file names others from where it is itself. A recipe knows names without folders, and digests: what has the digest
is looked for beside the picture and in the current folder.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import tomli_w

from impasto.content import CONTENT_LOSSES
from impasto.errors import InputError, UsageError
from impasto.images.decoding import digest, locate, read_recipe
from impasto.images.samples import PREFIX
from impasto.paintings import roles
from impasto.recipe import FILES_OF_SETTINGS
from impasto.settings import Settings
from impasto.solver import SOLVERS
from impasto.starts import STARTS
from impasto.style import STYLE_LOSSES

SUFFIX = ".toml"
STDIN = "-"
KEYS = ("content", "style", "settings", "regions")
PARTS = ("mask", "style", "style_mask")
"""The pictures of a region."""

COLOUR = re.compile("#?[0-9a-fA-F]{6}")

At = Callable[[str, str], str]
"""Where the file is that has this role, as ``content`` or ``region_1_mask``, and this name."""


@dataclass(frozen=True)
class Job:
    """A photograph, paintings, settings, and regions as fields of ``regions.Region``. None, or empty, is what is said
    elsewhere."""

    content: str | None
    styles: tuple[str, ...]
    settings: Settings
    regions: tuple[dict[str, str], ...] = ()


def read_job(source: str | PathLike[str], but: Collection[str] = ()) -> Job:
    """What a TOML file says, or the recipe of a picture, without what is named in ``but``: a key, or a setting, that is
    said elsewhere and so may be missing or wrong here.

    Raises InputError for a file that cannot be read, or that a recipe names and nobody finds; UsageError, naming file
    and key, for what makes no sense.
    """
    path = Path(source)
    if path.suffix.lower() == SUFFIX:
        return job_of(table_in(path), str(path), partial(beside, path.parent), but)
    recipe = recipe_of(source)
    return job_of(table_of(recipe, str(source)), str(source), partial(found, recipe, path), but)


def read_settings(source: str | PathLike[str]) -> Settings:
    """The settings in a TOML file, or in the recipe of a picture that impasto painted, whatever became of its inputs.

    Raises InputError for a file that cannot be read, UsageError, naming file and key, for what makes no sense.
    """
    return read_job(source, but=("content", "style", "regions")).settings


def told_job(recipe: Mapping[str, Any], name: str) -> Job:
    """The job in the recipe of the picture ``name``, with files as the recipe names them."""
    return job_of(table_of(recipe, name), name, lambda _, file: file)


def toml_of(job: Job) -> str:
    """A job as ``read_job`` reads it; of the settings every one. Raises UsageError for a name that is no text."""
    settings = job.settings.model_dump(mode="json")
    pictures = {"content": job.content, "style": job.styles[0] if len(job.styles) == 1 else list(job.styles)}
    table: dict[str, Any] = {name: value for name, value in pictures.items() if value}
    table["settings"] = {name: value for name, value in settings.items() if value is not None}
    regions = [{name: value for name, value in region.items() if value is not None} for region in job.regions]
    text = tomli_w.dumps(table | ({"regions": regions} if regions else {}))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{text[error.start - 20 : error.end + 20]!r} has a name that is no text: rename it") from None
    return text


def recipe_of(picture: str | PathLike[str]) -> dict[str, Any]:
    """The recipe of a picture. Raises InputError where there is none."""
    recipe = read_recipe(picture)
    if recipe is None:
        raise InputError(f"'{picture}' carries no recipe: impasto did not make it, or was told to leave it out")
    return recipe


def table_in(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises InputError where it cannot be read."""
    try:
        if path.is_dir():
            raise InputError(f"'{path}' is a folder: name a file in it")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(f"'{path}' does not exist: check its name and folder") from error
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror}): check its name, and whose it is") from error
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is not UTF-8 (byte {error.start + 1}): save it again as UTF-8") from error
    except RecursionError as error:
        raise InputError(f"'{path}' is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"'{path}' is not TOML: {error}") from error


def table_of(recipe: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What a recipe says, as a TOML file would. What came without a file has no name."""
    settings, inputs, regions = recipe.get("settings"), recipe.get("inputs"), recipe.get("regions", [])
    if not (isinstance(settings, dict) and isinstance(inputs, dict) and isinstance(regions, list)):
        raise InputError(f"'{name}' carries a recipe without settings or inputs, which cannot be followed")
    files = {role: told.get("file") for role, told in inputs.items() if isinstance(told, dict)}
    styles = [file for role, file in files.items() if role == "style" or role.startswith("style_")]
    table: dict[str, Any] = {"settings": {name: value for name, value in settings.items() if value is not None}}
    if files.get("content") is not None:
        table["content"] = files["content"]
    if styles and None not in styles:
        table["style"] = styles
    table["regions"] = []
    for n, region in enumerate(regions, 1):
        colour = region.get("colour") if isinstance(region, dict) else None
        pictures = {part: files[f"region_{n}_{part}"] for part in PARTS if f"region_{n}_{part}" in files}
        table["regions"].append(pictures | ({} if colour is None else {"colour": colour}))
    return table


def job_of(table: Mapping[str, Any], name: str, at: At, but: Collection[str] = ()) -> Job:
    """The job in a table of the file ``name``, whose files are found by ``at``."""
    known(table, KEYS, f"'{name}'")
    said = {key: value for key, value in table.items() if key not in but}
    content = said.get("content")
    if content is not None:
        content = at("content", named(content, f"'{name}': content"))
    styles = said.get("style", ())
    listed = [styles] if isinstance(styles, str) else styles
    if not isinstance(listed, list | tuple) or ("style" in said and not listed):
        raise UsageError(f"'{name}': style: a painting's file is expected, or a list of them, not {styles!r}")
    listed = [named(style, f"'{name}': style") for style in listed]
    regions = said.get("regions", [])
    if not isinstance(regions, list):
        raise UsageError(f"'{name}': regions: [[regions]] are expected, not {regions!r}")
    return Job(
        content,
        tuple(at(role, style) for role, style in roles(listed).items()),
        settings_in(said.get("settings", {}), f"'{name}': settings", at, but),
        tuple(
            region_in(region, f"'{name}': region {n}", partial(of_region, at, n)) for n, region in enumerate(regions, 1)
        ),
    )


def settings_in(given: Any, where: str, at: At, but: Collection[str]) -> Settings:
    """The settings in a table, without those named in ``but``."""
    if not isinstance(given, dict):
        raise UsageError(f"{where}: a table, [settings], is expected, not {given!r}")
    said = {name: value for name, value in given.items() if name not in but}
    check_names(said, where)
    for role in FILES_OF_SETTINGS:
        if isinstance(said.get(role), str) and not (role == "init" and said[role] in STARTS):
            said[role] = at(role, named(said[role], f"{where}: {role}"))
    try:
        return Settings(**said)
    except UsageError as error:
        told = re.sub(r"`(\w+)`", r"\1", str(error))  # a file has keys, no flags
        raise UsageError(f"{where}: {told}") from error


def check_names(said: Mapping[str, Any], where: str) -> None:
    """Raise UsageError for a loss, solver or network that is not impasto's: of one's own a file has the name alone."""
    losses = said.get("style_loss", {})
    names: dict[str, tuple[list[Any], Collection[str]]] = {
        "style_loss": (list(losses) if isinstance(losses, dict) else [losses], STYLE_LOSSES),
        "content_loss": ([said.get("content_loss", "features")], CONTENT_LOSSES),
        "solver": ([said.get("solver", "lbfgs")], SOLVERS),
    }
    if said.get("network", "lite") != "lite":
        from impasto.network.registry import NETWORKS

        names["network"] = ([said["network"]], NETWORKS)
    for key, (given, registry) in names.items():
        for name in given:
            if isinstance(name, str) and name not in registry:
                raise UsageError(
                    f"{where}: {key}: there is no '{name}', but {', '.join(registry)}; one of your own is given in "
                    "Python, a file has only its name"
                )


def region_in(given: Any, where: str, at: At) -> dict[str, str]:
    """The fields of a ``regions.Region`` in a table."""
    if not isinstance(given, dict):
        raise UsageError(f"{where}: a table, [[regions]], is expected, not {given!r}")
    known(given, (*PARTS, "colour"), where)
    if "mask" not in given:
        raise UsageError(f"{where}: mask: which part of the picture it is, is not said")
    colour = given.get("colour")
    if "colour" in given and not (isinstance(colour, str) and COLOUR.fullmatch(colour)):
        raise UsageError(f"{where}: colour: '#ff8000' and the like are expected, not {colour!r}")
    pictures = {part: at(part, named(given[part], f"{where}: {part}")) for part in PARTS if part in given}
    return pictures | ({} if colour is None else {"colour": colour})


def of_region(at: At, n: int, part: str, file: str) -> str:
    """Where a picture of the region of this number is."""
    return at(f"region_{n}_{part}", file)


def known(table: Mapping[str, Any], keys: Collection[str], where: str) -> None:
    """Raise UsageError for a key that is none of these, naming the nearest."""
    for key in table:
        if key not in keys:
            in_settings = key in {*Settings.model_fields, "preset"} and "settings" in keys
            like = get_close_matches(key, keys, 1)
            near = f"{like[0]} is one" if like else f"there are {', '.join(keys)}"
            raise UsageError(f"{where}: {key}: no such key; {'it belongs to [settings]' if in_settings else near}")


def named(file: Any, where: str) -> str:
    """A file's name. Raises UsageError for what is none."""
    if file is None:
        raise UsageError(f"{where}: it came without a file, and has no name")
    if not isinstance(file, str) or not file or "\0" in file:
        raise UsageError(f"{where}: a file's name is expected, not {file!r}")
    return file


def beside(folder: Path, _: str, file: str) -> str:
    """What a TOML file in this folder means by a name."""
    return file if file == STDIN or file.startswith(PREFIX) else str(folder / file)


def found(recipe: Mapping[str, Any], picture: Path, role: str, file: str) -> str:
    """Where the file is that a picture's recipe tells of. Raises InputError where none has its name and digest."""
    told = recipe["inputs"].get(role)
    wanted = told.get("sha256") if isinstance(told, dict) else None
    name = Path(file).name
    places = [file] if file.startswith(PREFIX) else [str(picture.parent / name), name]
    there = [place for place in places if locate(place).is_file()]
    for place in there:
        if digest(place) == wanted:
            return place
    kind, remedy = what_it_is(role)
    if there:
        raise InputError(f"'{there[0]}' is not the file that was {kind} of '{picture}', it has other bytes: {remedy}")
    raise InputError(f"'{file}', {kind} of '{picture}', is neither beside it nor in the current folder: {remedy}")


def what_it_is(role: str) -> tuple[str, str]:
    """What people call the input of a recipe, and what to do where it is missing."""
    if role == "content":
        return "the photograph", "name the photograph on the command line"
    if role.startswith("style"):
        number = role.removeprefix("style").removeprefix("_") or "1"
        return f"painting {number}", "name the photograph and the paintings on the command line"
    if role.startswith("region"):
        _, n, part = role.split("_", 2)
        return f"the {part.replace('style', 'painting').replace('_', ' ')} of region {n}", "say each `region` anew"
    return f"the `{role}`", f"say another `{role}`"
