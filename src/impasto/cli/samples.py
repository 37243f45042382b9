"""``impasto samples`` and ``impasto recipe``: the built-in pictures, and what a picture says of its making."""

import json
from pathlib import Path
from typing import Annotated

import typer


def samples(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the pictures into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout.")] = False,
) -> None:
    """List the built-in pictures, or write them into a folder. sample:NAME stands for one wherever a file may."""
    from impasto.images.samples import SAMPLES

    if out is not None:
        write_all(out)
    elif as_json:
        fields = ("name", "kind", "description", "credit")
        print(json.dumps([{field: getattr(sample, field) for field in fields} for sample in SAMPLES.values()]))
    else:
        for sample in SAMPLES.values():
            print(f"sample:{sample.name:<18} {sample.kind:<10}  {sample.description} ({sample.credit})")


def write_all(folder: Path) -> None:
    """Copy every sample into ``folder``, made if need be; files that are there already are left alone."""
    from impasto.atomic import atomic
    from impasto.errors import InputError
    from impasto.images.samples import SAMPLES

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for sample in SAMPLES.values():
            path = folder / sample.path.name
            if not path.exists():
                with atomic(path) as file:
                    file.write(sample.path.read_bytes())
                print(path)
    except OSError as error:
        raise InputError(f"'{folder}' cannot be written to ({error.strerror}): choose another folder") from error


def recipe(
    picture: Annotated[str, typer.Argument(help="A picture that impasto made.")],
    as_toml: Annotated[
        bool, typer.Option("--toml", help="Settings and inputs alone, as impasto --like reads them from a .toml.")
    ] = False,
) -> None:
    """Print what a picture that impasto made was made from, as JSON: settings, versions, inputs."""
    from impasto.jobs import recipe_of, told_job, toml_of

    found = recipe_of(picture)
    print(toml_of(told_job(found, picture)).rstrip() if as_toml else json.dumps(found, indent=2))
