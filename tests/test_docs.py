"""What the docs show, works: the examples run, and do what is said of them."""

import ast
import io
import json
import re
from pathlib import Path

import films
import pytest
import torch
from PIL import Image

from impasto import errors
from impasto.cli.console import Interrupted

DOCS = Path(__file__).parents[1] / "docs"
RELIABILITY = (DOCS / "reliability.md").read_text(encoding="utf-8")


def examples(file: str) -> dict[str, str]:
    """The Python of each section, by its heading."""
    sections = re.split(r"^## ", (DOCS / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = [(section.splitlines()[0], re.findall(r"```python\n(.*?)```", section, re.DOTALL)) for section in sections]
    return {heading: code[0] for heading, code in found if code}


EXTENDING = examples("extending.md")


@pytest.mark.parametrize("heading", EXTENDING)
def test_things_of_your_own_paint(heading):
    names: dict = {"__name__": "example"}
    exec(EXTENDING[heading], names)
    image = names["image"]
    assert image.shape[:2] == (1, 3)
    assert max(image.shape) == 96
    photograph = names["impasto"].read(
        "sample:chelsea" if "chelsea" in EXTENDING[heading] else "sample:coffee", size=96
    )
    assert (image - photograph).abs().mean() > 0.01
    assert torch.isfinite(image).all()


def test_a_style_loss_takes_no_more_than_fifteen_lines():
    lines = [line for line in EXTENDING["A style loss"].splitlines() if line.strip()]
    assert len(lines) <= 15


def test_a_program_with_progress_and_five_photographs(tmp_path, monkeypatch, capsys):
    (program,) = examples("python.md").values()
    assert len([line for line in program.splitlines() if line.strip()]) <= 15
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 48), (200, 120, 40)).save("photograph.jpg")
    names: dict = {}
    exec(program, names)
    assert sorted(path.name for path in tmp_path.glob("painted-*")) == [f"painted-{n}.jpg" for n in range(5)]
    assert capsys.readouterr().out.count(" of ") == 5 * (1 + names["painter"].settings.steps_in_all)
    names["wanted"] = False
    assert names["painter"].paint("photograph.jpg", on_step=names["progress"]).recipe["step"] == 0


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = json.loads((DOCS / "impasto.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len([line for line in "\n".join(code).splitlines() if line.strip()]) <= 12
    names: dict = {}
    for cell in code:
        *before, last = ast.parse(
            cell.replace("size=256", "size=64").replace("strength=0.5", "strength=0.5, steps=20")
        ).body
        exec(compile(ast.Module(before, []), "cell", "exec"), names)
        names["shown"] = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        if hasattr(names["shown"], "_repr_png_"):
            assert Image.open(io.BytesIO(names["shown"]._repr_png_())).size == (64, 43)
    assert names["shown"] == (0.5, (43, 64, 3))
    assert names["losses"][-1] < names["losses"][-30]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coffee.png", "rocket.png"]


@pytest.mark.parametrize("file", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_file_it_names_is_there(file):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (DOCS / file).read_text(encoding="utf-8")):
        assert (DOCS / target).exists(), target


def rows(of: str) -> list[list[str]]:
    """The rows of all tables that have this heading first, without their heads."""
    tables = re.findall(rf"^\| {of} \|.*\n\|(?:---\|)+\n((?:\|.*\n)+)", RELIABILITY, flags=re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_fault_has_its_test():
    faults = rows("the fault")
    assert len(faults) >= 25
    assert len({test for _, _, test in faults}) == len(faults)
    assert sum("::" in line for line in RELIABILITY.splitlines()) == len(faults)
    for fault, promise, test in faults:
        file, name = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", test).groups()
        names = {node.name for node in ast.parse((DOCS.parent / file).read_text()).body if hasattr(node, "name")}
        assert name in names, test
        assert fault
        assert promise


def test_the_exit_codes_are_those_of_the_errors():
    known = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, Exception)]
    expected = {error.exit_code: f"`{error.__name__}`" for error in [*known, Interrupted]}
    assert {int(code): error for code, error, _ in rows("code")} == {0: "", **expected}


def test_a_film_is_painted_from_python(tmp_path, monkeypatch, capsys):
    pytest.importorskip("av", reason="films need PyAV: pip install 'impasto[film]'")
    (program,) = examples("film.md").values()
    monkeypatch.chdir(tmp_path)
    films.video(tmp_path / "in.mp4", films.moving(3), [0, 40, 80])
    exec(program, {})
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["0", "True"],
        *(["1", "False"], ["2", "False"]),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
