"""What the README shows, works."""

import re
import shlex
from pathlib import Path

import typer.main

import impasto
from impasto.cli import app, with_command

README = Path(__file__).parents[1] / "README.md"


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert {path.name for path in tmp_path.iterdir()} == {"cat.png", "coffee.webp"}
    assert len(capsys.readouterr().out.splitlines()) == 1 + impasto.Settings(size=128, steps=20).steps_in_all


def test_every_command_line_is_one_the_program_takes():
    """Parsed, not run."""
    files = README, *(README.parent / "docs" / f"{name}.md" for name in ("controls", "batch", "film"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    commands = r"stylize|reconstruct|texture|figures|samples|recipe|doctor|compare|weights|sample:|-|\w+\.jpg"
    commands += "|batch [^`]|film [^`]"
    lines = re.findall(rf"(?:^    |`|&& |\| )impasto ((?:{commands})[^`\n>]*)", text, re.MULTILINE)
    assert len(lines) > 25
    group = typer.main.get_command(app)
    for line in lines:
        arguments = with_command(shlex.split(line))
        if "--help" in arguments or "PHOTO" in arguments:
            continue
        command = group
        while hasattr(command, "commands") and arguments:
            command = command.commands[arguments.pop(0)]
        command.make_context("impasto", arguments)


def test_every_file_it_names_is_there():
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        assert (README.parent / target).exists(), target
