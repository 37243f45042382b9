"""What a picture file says besides its pixels: the recipe, the resolution, and what the photograph said of itself."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

SOFTWARE = "impasto"
ASCII = b"ASCII\0\0\0"
"""How EXIF's UserComment says what it is written in."""

INCHES = 2
"""EXIF's number for the unit of a resolution."""

RESOLUTION = int(Base.XResolution), int(Base.YResolution)

TEXT, UNDEFINED = 2, 7
"""TIFF's numbers for what tags hold."""

Tags = dict[int, Any]

OF_PHOTOGRAPHS = (Base.Make, Base.Model, Base.DateTime, Base.Artist, Base.Copyright)
OF_EXPOSURES = (
    Base.DateTimeOriginal,
    Base.DateTimeDigitized,
    Base.OffsetTime,
    Base.OffsetTimeOriginal,
    Base.OffsetTimeDigitized,
    Base.SubsecTimeOriginal,
    Base.ExposureTime,
    Base.FNumber,
    Base.ISOSpeedRatings,
    Base.FocalLength,
    Base.FocalLengthIn35mmFilm,
    Base.LensMake,
    Base.LensModel,
)
"""The tags that are kept, in EXIF's first folder and in its own. What was told of the pixels does not hold any more;
serial numbers and maker's notes are nobody's business."""

LONGEST = 1000
"""Bytes of a tag that is kept."""


@dataclass(frozen=True)
class Origin:
    """What a photograph says of itself: camera, date and copyright in ``tags``, how it was taken in ``exposure``, where
    in ``place`` (all by EXIF's numbers), and its resolution in ``dpi``."""

    tags: Tags = field(default_factory=dict)
    exposure: Tags = field(default_factory=dict)
    place: Tags = field(default_factory=dict)
    dpi: tuple[float, float] | None = None


def origin_of(picture: Image.Image) -> Origin:
    """That of a picture that was opened. What is broken in it is left out."""
    return Origin(
        chosen(exif(picture, OF_PHOTOGRAPHS)),
        chosen(exif(picture, OF_EXPOSURES, IFD.Exif), IFD.Exif),
        chosen(exif(picture, GPS, IFD.GPSInfo), IFD.GPSInfo),
        resolution_of(picture),
    )


def exif(picture: Image.Image, wanted: Iterable[int], folder: IFD | None = None) -> Tags:
    """The EXIF tags that are wanted, or those in a folder of theirs, by number: without the ones that are broken, which
    is no reason to refuse good pixels. Others are not looked at: they may be long."""
    values = {int(tag): _tag(picture, tag, folder) for tag in wanted}
    return {tag: value for tag, value in values.items() if value is not None}


def _tag(picture: Image.Image, tag: int, folder: IFD | None) -> Any:
    """What is said there; None where nothing is, or nothing that can be read."""
    try:
        tags: Any = picture.getexif()
        return (tags if folder is None else tags.get_ifd(folder)).get(tag)
    except Exception:
        return None


def chosen(tags: Tags, folder: IFD | None = None) -> Tags:
    """Those of ``tags`` that can be written again, into the same folder."""
    return {tag: value for tag, value in tags.items() if is_sound(tag, value, folder)}


def is_sound(tag: int, value: Any, folder: IFD | None = None) -> bool:
    """Whether it is short, and can be written."""
    if isinstance(value, str | bytes | tuple) and len(value) > LONGEST:
        return False
    alone = Image.Exif()
    (alone if folder is None else alone.get_ifd(folder))[tag] = value
    try:
        return len(alone.tobytes()) <= LONGEST
    except Exception:  # of any kind, for values of any kind
        return False


def resolution_of(picture: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch across and down, where the file tells a likely one."""
    tags = exif(picture, (*RESOLUTION, Base.ResolutionUnit))
    in_inches = tags.get(Base.ResolutionUnit) == INCHES
    of_tags = (tags.get(Base.XResolution), tags.get(Base.YResolution)) if in_inches else ()
    try:
        x, y = map(float, picture.info.get("dpi") or of_tags)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 2 <= min(x, y) <= max(x, y) <= 30_000 else None  # 1 is what files say that mean no unit


def recipe_in(picture: Image.Image) -> dict[str, Any] | None:
    """The recipe that was written; None where there is none."""
    tags = exif(picture, (Base.Software, Base.UserComment, Base.ImageDescription))
    more = exif(picture, (Base.UserComment,), IFD.Exif)
    if tags.get(Base.Software) != SOFTWARE:
        return None
    try:
        written = more.get(Base.UserComment) or tags.get(Base.UserComment, b"")  # in TIFF beside the other tags
        recipe = json.loads(written.removeprefix(ASCII) or tags.get(Base.ImageDescription, ""))  # there until 0.1
    except (AttributeError, TypeError, ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) else None


def comment_of(recipe: Mapping[str, object]) -> bytes:
    """A recipe as EXIF's UserComment."""
    return ASCII + json.dumps(dict(recipe)).encode("ascii")


def exif_of(recipe: Mapping[str, object] | None, origin: Origin, location: bool) -> Image.Exif:
    """What is told of a picture, as EXIF. ``location`` says whether where the photograph was taken is."""
    found, exposure = Image.Exif(), dict(origin.exposure)
    found.update(origin.tags)
    if recipe is not None:
        found[Base.Software] = SOFTWARE
        exposure[Base.UserComment] = comment_of(recipe)
    for folder, tags in ((IFD.Exif, exposure), (IFD.GPSInfo, origin.place if location else {})):
        if tags:
            found.get_ifd(folder).update(tags)
    return found


def tiff_tags(recipe: Mapping[str, object] | None, origin: Origin) -> list[Any]:
    """The same as tags of tifffile's, which writes no folders of them: the comment stands beside the others, the date
    where TIFF has one, and the rest is lost."""
    tags = {tag: str(text) for tag, text in origin.tags.items()}
    if date := origin.exposure.get(Base.DateTimeOriginal):
        tags[Base.DateTime] = str(date)
    found = [(int(tag), TEXT, None, text.encode("ascii", "replace").decode(), True) for tag, text in tags.items()]
    if recipe is None:
        return found
    comment = comment_of(recipe)
    return [*found, (int(Base.UserComment), UNDEFINED, len(comment), comment, True)]
