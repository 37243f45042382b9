"""The command line: commands by file, and the only place that prints, parses arguments or exits.

Nothing here imports torch before a command needs it, so that ``--help`` and ``--version`` answer at once.
"""

import ctypes
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from impasto.cli import console, figures, reconstruct, samples, stylize, weights
from impasto.cli.options import Command
from impasto.errors import ImpastoError, InputError
from impasto.version import __version__

INTERRUPTED = 130
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h

app = typer.Typer(
    name="impasto",
    help="Paint one picture in the manner of another (Gatys, Ecker and Bethge, A Neural Algorithm of Artistic Style).",
    epilog="Exit codes: 0 done, 2 usage, 3 bad input, 4 limit or resources, 5 diverged, 6 weights, 130 interrupted.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("stylize", cls=Command)(stylize.stylize)
app.add_typer(reconstruct.app)
app.command("texture", cls=Command)(reconstruct.texture)
app.command("figures", cls=Command)(figures.figures)
app.command("samples")(samples.samples)
app.command("recipe")(samples.recipe)
app.add_typer(weights.app)


def _version(wanted: bool) -> bool:
    if wanted:
        print(f"impasto {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def keep_freed_memory() -> None:
    """Ask glibc to hand freed memory out again, and not back to Linux: a tenth of the time of a run goes into that."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_MMAP_MAX, 0)


def with_command(arguments: list[str]) -> list[str]:
    """``arguments``, and the command that is meant where they begin with a picture: stylize."""
    first = arguments[0] if arguments else ""
    is_picture = first.startswith("sample:") or Path(first).suffix or Path(first).is_file()
    return ["stylize", *arguments] if is_picture and not first.startswith("-") else arguments


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the code that tells how it went."""
    keep_freed_memory()
    # a supervisor's polite kill should keep the picture just as Ctrl-C does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(_code_of(arguments))


def _code_of(arguments: list[str] | None) -> int:
    try:
        app(with_command(sys.argv[1:] if arguments is None else arguments))
    except ImpastoError as error:
        console.complain(str(error))
        return error.exit_code
    except OSError as error:
        if error.filename is None:
            raise
        console.complain(f"'{error.filename}' cannot be used ({error.strerror}): choose another file or folder")
        return InputError.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:  # typer's, which has said what is wrong with the arguments
        code = int(end.code or 0)
    if code == INTERRUPTED:
        console.complain("interrupted")
    return code
