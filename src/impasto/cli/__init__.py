"""The command line: commands by file, and the only place that prints, parses arguments or exits.

Nothing here imports torch before a command needs it, so that ``--help`` and ``--version`` answer at once.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from impasto.cli import (
    batch,
    compare,
    console,
    doctor,
    figures,
    film,
    presets,
    reconstruct,
    samples,
    studio,
    stylize,
    weights,
)
from impasto.cli.heap import keep_freed_memory
from impasto.cli.options import Command
from impasto.cli.room import watch_room
from impasto.errors import ImpastoError, InputError, LimitError, UsageError
from impasto.tensors import is_lack_of_memory
from impasto.version import __version__

Misuse: Any = typer.BadParameter.__bases__[0]
"""What typer raises for arguments that make no sense."""

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
app.command("presets", cls=Command)(presets.presets)
app.command("samples", cls=Command)(samples.samples)
app.command("recipe", cls=Command)(samples.recipe)
app.command("compare", cls=Command)(compare.compare)
app.add_typer(weights.app)
app.command("batch", cls=Command)(batch.batch)
app.command("film", cls=Command)(film.film)
app.command("studio", cls=Command)(studio.studio)
app.command("doctor", cls=Command)(doctor.doctor)


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


def with_command(arguments: list[str]) -> list[str]:
    """``arguments``, and the command that is meant where they begin with a picture, or what is like one: stylize."""
    first = arguments[0] if arguments else ""
    if first.split("=")[0] == "--like":
        return ["stylize", *arguments]
    if first.startswith("-") and first != "-":
        return arguments
    if first == "batch":
        return [*spread(arguments, "--style")]
    is_picture = first == "-" or first.startswith("sample:") or Path(first).suffix or Path(first).is_file()
    return ["stylize", *arguments] if is_picture else arguments


def spread(arguments: list[str], flag: str) -> Iterator[str]:
    """``arguments``, with the ``flag`` before each of several that follow it."""
    after, previous = False, ""
    for argument in arguments:
        if argument.startswith("-") and argument != "-":
            after = argument == flag
            yield argument
        elif after:
            yield from [argument] if previous == flag else [flag, argument]
        else:
            yield argument
        previous = argument


def main(arguments: list[str]) -> int:
    """Run the command line; the exit code that tells how it went."""
    keep_freed_memory()
    watch_room()
    with ExitStack() as stack:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # closed before we began
                setattr(sys, name, stack.enter_context(Path(os.devnull).open("w")))
            if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
                stream.reconfigure(errors=console.SPEAKABLE)
        streams: Any = (console.Patient(sys.stdout), console.Patient(sys.stderr))
        sys.stdout, sys.stderr = streams
        sys.unraisablehook = unraised
        code = code_of(arguments)
        for stream in streams:
            stream.flush()
        lost = [stream.lost for stream in streams if stream.lost and stream.lost.errno != errno.EPIPE]
        if lost and not code:
            unsaid = LimitError(f"not all that there was to say could be written ({lost[0].strerror})")
            code = console.complain(str(unsaid), unsaid.exit_code)
        return code


def unraised(of: Any) -> None:
    """What becomes of an exception where none can be raised: a signal is heard all the same (``Listening.asked``)."""
    if not isinstance(of.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(of)


def code_of(arguments: list[str]) -> int:
    """The same, without preparing the process."""
    try:
        return int(app(with_command(arguments), prog_name="impasto", standalone_mode=False) or 0)
    except ImpastoError as error:
        message, code = str(error), error.exit_code
    except Misuse as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            return UsageError.exit_code
        command = error.ctx.command_path if error.ctx else "impasto"
        message, code = f"{error.format_message()} ({command} --help tells more)", UsageError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        message, code = "interrupted", console.Interrupted.exit_code
    except SystemExit as end:
        return int(end.code or 0)
    except Exception as error:
        if is_lack_of_memory(error):
            message, code = "not enough memory: end other programs, or allow this one more", LimitError.exit_code
        elif isinstance(error, OSError):
            what = "a file" if error.filename is None else f"'{error.filename}'"
            message = f"{what} cannot be used ({error.strerror or error}): choose another file or folder"
            code = InputError.exit_code
        else:
            raise
    return console.complain(message, code, as_json="--json" in arguments)
