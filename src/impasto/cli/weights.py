"""``impasto weights``: what networks there are, and getting, checking and keeping their weights."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from impasto.cli.console import bar
from impasto.cli.options import Command
from impasto.signals import Listening

app = typer.Typer(name="weights", help="List, fetch, verify and import network weights.", no_args_is_help=True)


@app.command("list", cls=Command)
def list_(as_json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout.")] = False) -> None:
    """List the networks, and where their weights are."""
    from impasto.network.registry import NETWORKS, where

    rows = [{"name": name, "about": source.about, "path": where(name)} for name, source in NETWORKS.items()]
    if as_json:
        print(json.dumps([{**row, "path": row["path"] and str(row["path"])} for row in rows]))
        return
    for row in rows:
        print(f"{row['name']:<18} {row['about']}")
        print(f"{'':<18} {row['path'] or 'not fetched yet: impasto weights fetch ' + str(row['name'])}")


@app.command(cls=Command)
def fetch(name: Annotated[str, typer.Argument(help="The network, as in impasto weights list.")]) -> None:
    """Download a network's weights into the cache, unless they are there and sound."""
    from impasto.errors import WeightsError
    from impasto.network import registry
    from impasto.network.weights import read_weights

    held = registry.where(name)
    if held is not None:
        try:
            read_weights(held)
            print(held)
            return
        except WeightsError:
            pass  # damaged: fetched anew
    print(fetch_visibly(name))


def fetch_visibly(name: str) -> Path:
    """Fetch a network's weights behind a progress bar."""
    from impasto.network.registry import fetch

    with Listening(), bar(of_bytes=True) as progress:
        return fetch(name, Download(progress, name))


@app.command(cls=Command)
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Networks or weights files; all that are there if none is named.")
    ] = None,
) -> None:
    """Check that weights are what they were when they were written, and a network that sees."""
    from impasto.errors import WeightsError
    from impasto.network import registry
    from impasto.network.weights import read_weights

    chosen = names or [name for name in registry.NETWORKS if registry.where(name)]
    for name in chosen:
        path = registry.where(name) if name in registry.NETWORKS else Path(name)
        if path is None:
            raise WeightsError(f"the weights of {name} are not there: impasto weights fetch {name}")
        loaded = read_weights(path)
        print(f"{path}: sound, {len(loaded.layers)} convolutions to {loaded.layers[-1]}, digest {loaded.digest[:16]}")


@app.command("import", cls=Command)
def import_(
    file: Annotated[Path, typer.Argument(help="A .safetensors or .pth with the network's convolutions.")],
    network: Annotated[str, typer.Option("--network", help="Whose weights these are.")] = "vgg19",
) -> None:
    """Keep the convolutions of a file in the cache as a network's weights, so that nothing need be fetched."""
    from impasto.network.registry import import_weights

    print(import_weights(file, network))


class Download:
    """A progress bar such as pooch wants to drive."""

    def __init__(self, progress: Any, name: str) -> None:
        self.progress = progress
        self.task = progress.add_task(f"fetching {name}", total=None)

    @property
    def total(self) -> int:
        """Bytes to come."""
        return int(self.progress.tasks[self.task].total or 0)

    @total.setter
    def total(self, value: int) -> None:
        self.progress.update(self.task, total=value)

    def update(self, count: int) -> None:
        """``count`` more bytes came."""
        self.progress.advance(self.task, count)

    def reset(self) -> None:
        """Begin again."""
        self.progress.reset(self.task)

    def close(self) -> None:
        """Nothing more comes."""
