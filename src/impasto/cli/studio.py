"""``impasto studio``: a page on this machine."""

from typing import Annotated, Any

import typer

from impasto.cli import options as o
from impasto.cli.options import OUTPUT, RUN, option
from impasto.errors import UsageError
from impasto.signals import Listening


def studio(
    port: Annotated[int, option("--port", panel=OUTPUT, text="Of the page.", default="7860", min=1, max=65535)] = 7860,
    host: Annotated[
        str,
        option("--host", panel=OUTPUT, text="Address to serve at; 0.0.0.0: to all.", default="this machine alone"),
    ] = "127.0.0.1",
    auth: Annotated[
        str | None,
        option(
            "--auth",
            panel=OUTPUT,
            text="Who may come in. Needed where --host is not this machine.",
            metavar="NAME:PASSWORD",
            envvar="IMPASTO_AUTH",
        ),
    ] = None,
    queue: Annotated[
        int, option("--queue", panel=RUN, text="How many pictures may wait at most.", default="20", min=1, max=1000)
    ] = 20,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.", show_default="open")] = True,
    network: o.Network = None,
    device: o.Device = None,
    precision: o.Precision = None,
    memory: o.Memory = None,
    limits: o.Limits = None,
) -> None:
    """Open a page in the browser on which pictures are dropped and painted.

    It is served to this machine alone, or with --host and --auth to others; each sees what is his, for an hour.
    """
    from impasto.settings import validated
    from impasto.studio.server import serve

    said = {"network": network, "device": device, "precision": precision, "memory": memory, "limits": limits}
    options: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    settings = validated(**options)
    name, colon, password = (auth or "").partition(":")
    if auth is not None and not (name and colon and password):
        raise UsageError("`auth` is a name and a password, as NAME:PASSWORD")
    with Listening():
        serve(
            settings,
            host=host,
            port=port,
            queue=queue,
            auth=(name, password) if auth else None,
            browser=browser,
            on_ready=lambda url: print(f"the studio is open at {url} (Ctrl-C closes it)", flush=True),
        )
