"""Paint the sheets of docs/controls.md, a control a row: docs/images/controls-NAME.jpg.

    python -m tools.controls [NAME …]

Each is made by the commands that stand in the document, from built-in samples.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from impasto.images.samples import path_of
from tools.gallery import ROOT, of_height, side_by_side

HEIGHT = 300  # px
DOCUMENT = ROOT / "docs" / "controls.md"
SECTION = re.compile(r"!\[[^\]]*\]\(images/controls-(\w+)\.jpg\)\n\n((?:    impasto .+\n)+)")


def main() -> None:
    for name, commands in SECTION.findall(DOCUMENT.read_text(encoding="utf-8")):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            circle(Path(folder) / "circle.png")
            cat(Path(folder) / "cat.png")
            pictures = []
            for number, command in enumerate(commands.strip().splitlines()):
                out = Path(folder) / f"{number}.png"
                program = [sys.executable, "-m", "impasto", *shlex.split(command)[1:], "-o", str(out), "-q"]
                subprocess.run(program, cwd=folder, check=True)
                pictures.append(over_checks(Image.open(out)))
        sheet = side_by_side([of_height(HEIGHT, picture) for picture in pictures]) if len(pictures) > 1 else pictures[0]
        sheet.convert("RGB").save(ROOT / "docs" / "images" / f"controls-{name}.jpg", quality=88)


def circle(out: Path) -> None:
    """A mask for a photograph of 451 x 300 px."""
    mask = Image.new("L", (451, 300))
    ImageDraw.Draw(mask).ellipse((130, 30, 350, 270), fill="white")
    mask.filter(ImageFilter.GaussianBlur(6)).save(out)


def cat(out: Path) -> None:
    """A transparent photograph: chelsea, softly cut out."""
    picture = Image.open(path_of("sample:chelsea"))
    alpha = Image.new("L", picture.size)
    ImageDraw.Draw(alpha).ellipse((75, 15, 385, 285), fill="white")
    picture.putalpha(alpha.filter(ImageFilter.GaussianBlur(5)))
    picture.save(out)


def over_checks(picture: Image.Image, side: int = 8) -> Image.Image:
    """A transparent picture over a light checkerboard, so that it can be seen; any other as it is."""
    if picture.mode != "RGBA":
        return picture
    checks = Image.new("RGBA", picture.size, "white")
    for y in range(0, picture.height, side):
        for x in range(y % (2 * side), picture.width, 2 * side):
            checks.paste("#dcdcdc", (x, y, x + side, y + side))
    return Image.alpha_composite(checks, picture)


if __name__ == "__main__":
    main()
