"""Paint the pictures of the README with the commands that it gives: docs/images/NAME.jpg, as large as they are.

    python -m tools.gallery [NAME …]

The first one is shown beside what it was made of.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from impasto.images.samples import path_of

ROOT = Path(__file__).parents[1]
COMMAND = re.compile(r"impasto stylize (sample:\S+) (sample:\S+) -o (\w+)\.png[^`\n]*")
GAP = 8  # px


def main() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for number, command in enumerate(COMMAND.finditer(text)):
        photograph, painting, name = command.groups()
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            program = [sys.executable, "-m", "impasto", *command.group().split()[1:]]
            subprocess.run(program, cwd=folder, check=True)
            picture = Image.open(Path(folder) / f"{name}.png").convert("RGB")
        if number == 0:
            made_of = [Image.open(path_of(of)) for of in (photograph, painting)]
            picture = side_by_side([*(of_height(picture.height, of) for of in made_of), picture])
        picture.save(ROOT / "docs" / "images" / f"{name}.jpg", quality=90)


def of_height(height: int, picture: Image.Image) -> Image.Image:
    width = round(picture.width * height / picture.height)
    return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    page = Image.new("RGB", (sum(p.width + GAP for p in pictures) - GAP, pictures[0].height), "white")
    left = 0
    for picture in pictures:
        page.paste(picture, (left, 0))
        left += picture.width + GAP
    return page


if __name__ == "__main__":
    main()
