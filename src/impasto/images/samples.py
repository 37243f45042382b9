"""Pictures to try things with: photographs that come with scikit-image, paintings drawn for this package."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from impasto.errors import InputError

PREFIX = "sample:"
PHOTOGRAPHS = Path(str(files("skimage"))) / "data"
PAINTINGS = Path(__file__).parent / "paintings"


@dataclass(frozen=True)
class Sample:
    """A built-in picture, named ``sample:NAME`` wherever a file may be named."""

    name: str
    kind: Literal["photograph", "painting"]
    description: str
    credit: str
    """Who made it and under which licence."""
    path: Path


def _photograph(file: str, description: str, credit: str) -> Sample:
    return Sample(Path(file).stem, "photograph", description, credit, PHOTOGRAPHS / file)


def _painting(name: str, description: str) -> Sample:
    return Sample(name, "painting", description, "drawn by impasto's own code, MIT", PAINTINGS / f"{name}.jpg")


SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (
        _photograph("astronaut.png", "Eileen Collins in her orange suit, 512 x 512", "NASA, public domain"),
        _photograph("chelsea.png", "the face of a tabby cat, 451 x 300", "Stefan van der Walt, CC0"),
        _photograph("coffee.png", "a cup of espresso on a wooden table, 600 x 400", "Rachel Michetti, CC0"),
        _photograph("rocket.jpg", "a Falcon 9 leaving its pad at dusk, 640 x 427", "SpaceX, public domain"),
        _photograph("hubble_deep_field.jpg", "thousands of galaxies on black, 1000 x 872", "NASA, public domain"),
        _painting("swirl", "a swirling night sky over a village, in thick oil"),
        _painting("mosaic", "a peacock in stone and gold-glass mosaic"),
        _painting("wave", "a breaking wave as a woodblock print, blues on cream"),
        _painting("pointillist", "a summer riverside in dots of pure colour"),
        _painting("composition", "planes of red, yellow and blue between heavy black lines"),
        _painting("sunflowers", "sunflowers in a jug, in thick daubs of brush and knife"),
    )
}


def path_of(source: str) -> Path:
    """The file behind ``sample:NAME``. Raises InputError, listing the names, for one that does not exist."""
    name = source.removeprefix(PREFIX)
    if name not in SAMPLES:
        raise InputError(f"there is no sample '{name}'; choose one of: {', '.join(SAMPLES)}")
    return SAMPLES[name].path
