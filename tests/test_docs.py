"""What the docs show, works: the examples run, and do what is said of them."""

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[1] / "docs"


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


@pytest.mark.parametrize("file", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_file_it_names_is_there(file):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (DOCS / file).read_text(encoding="utf-8")):
        assert (DOCS / target).exists(), target
