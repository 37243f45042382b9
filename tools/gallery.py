"""Paint the pictures of the README's gallery with the commands that the README gives: docs/images/NAME.jpg.

python -m tools.gallery
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
HEIGHT = 300  # px, of every picture


def main() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(
        r"`impasto (stylize \S+ \S+ -o (\S+)\.png[^`]*)`", text.partition("## Gallery")[2].partition("\n## ")[0]
    )
    with tempfile.TemporaryDirectory() as folder:
        for command, name in commands:
            subprocess.run([sys.executable, "-m", "impasto", *command.split()], cwd=folder, check=True)
            picture = Image.open(Path(folder) / f"{name}.png").convert("RGB")
            small = picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)
            small.save(ROOT / "docs" / "images" / f"{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
