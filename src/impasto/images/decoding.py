"""Pictures to 8-bit sRGB arrays, in whatever file, and what else can be asked of a file. Needs no torch."""

import hashlib
import io
import logging
import os
import stat
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from impasto.errors import ImpastoError, InputError, LimitError, UsageError
from impasto.images import colour, samples
from impasto.images.metadata import Origin, exif, origin_of, recipe_in


@runtime_checkable
class Readable(Protocol):
    """A file open for reading bytes."""

    def read(self) -> bytes:
        """All that is left of it."""
        ...


class NamedBytes(bytes):
    """A file's, with its ``name``."""

    name: str

    @classmethod
    def of(cls, file: Readable) -> "NamedBytes":
        """What is left of an open file. Raises UsageError where it is open as text."""
        name, data = str(getattr(file, "name", "<file>")), file.read()
        if not isinstance(data, bytes):
            raise UsageError(f"'{name}' is open as text: open it with mode 'rb'")
        held = cls(data)
        held.name = name
        return held


File = str | os.PathLike[str] | bytes | Readable
"""A picture file: its path, ``sample:NAME``, its bytes, or the file open for reading bytes."""

Opened = io.BufferedReader | io.BytesIO

MAX_PIXELS = 100_000_000
"""What a picture's header may announce, in pixels, unless the caller allows more."""

MIN_SIDE = 16
"""px. The network's four poolings halve a picture four times; below this nothing would be left of it."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")
"""What is read: pictures that a library decodes. Nothing that runs a program (EPS) or that has no signature (TGA)."""

HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
"""Brands of files that only ``impasto[heic]`` reads."""

WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {"compression": "zlib", "predictor": True}),
    ".tiff": ("TIFF", {"compression": "zlib", "predictor": True}),
}
"""What is written: the format for each suffix, and options of what writes it: tifffile for TIFF, Pillow otherwise."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation."""

_pillow_lock = threading.Lock()

# Both libraries log complaints about odd files. Without any handler Python would print those on stderr; an application
# that sets up logging still gets them.
for _library in ("PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


def decode(
    source: File | Image.Image,
    *,
    size: int | None = None,
    enlarge: bool = True,
    max_pixels: int = MAX_PIXELS,
    with_alpha: bool = False,
) -> UInt8[np.ndarray, "h w c"]:
    """The picture in a file, or one of Pillow's, upright and in sRGB, ``(H, W, 3)`` from 0 to 255.

    ``size`` is the long side of the result in px, the aspect kept; without it the picture keeps its own, and without
    ``enlarge`` also where it is smaller. Of an animation this is the first frame; transparency is laid over white.
    ``with_alpha``, a transparent picture is ``(H, W, 4)`` and as large as it is.

    Raises InputError for what is no readable picture or smaller than ``MIN_SIDE``; LimitError for one of more than
    ``max_pixels``, by its header or after resizing, and for lack of memory.
    """
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "")) or "<image>"
        with _decoding(name, max_pixels):
            _admit(source.size, name, max_pixels)
            return np.asarray(_upright(source, name, size, enlarge, max_pixels, with_alpha=with_alpha))
    with _opened(source) as (file, name), _decoding(name, max_pixels):
        picture = _identify(file, name, max_pixels)
        return np.asarray(_upright(picture, name, size, enlarge, max_pixels, draft=True, with_alpha=with_alpha))


def check_output(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = (), *, bits: int = 8) -> None:
    """Find out before a long run whether ``write`` can save to ``path`` without touching any of ``inputs``.

    Raises UsageError for a suffix that is not written, or not with so many ``bits``, a folder, or one of the inputs
    (under any name: links count); InputError for a folder that does not exist or may not be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder: name a file in it")
    writer_of(path, bits=bits)
    for source in map(locate, inputs):
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"'{path}' is the same file as the input '{source}': name another, inputs stay unchanged")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise InputError(f"the folder of '{path}' does not exist: create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the folder of '{path}' may not be written to: save elsewhere")


def read_recipe(source: File, *, max_pixels: int = MAX_PIXELS) -> dict[str, Any] | None:
    """The recipe that ``write`` put into this file, or None where there is none. Raises what ``read`` raises."""
    with _opened(source) as (file, name), _decoding(name, max_pixels):
        return recipe_in(_identify(file, name, max_pixels))


def read_origin(source: File | Image.Image, *, max_pixels: int = MAX_PIXELS) -> Origin:
    """What a photograph says of itself. Raises what ``read`` raises."""
    if isinstance(source, Image.Image):
        return origin_of(source)
    with _opened(source) as (file, name), _decoding(name, max_pixels):
        return origin_of(_identify(file, name, max_pixels))


def digest(source: File) -> str:
    """SHA-256 of the file's bytes, in hexadecimal. Raises InputError where it cannot be read."""
    with _opened(source) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(source: str | os.PathLike[str]) -> Path:
    """The file behind a name: a path, or ``sample:NAME``."""
    name = os.fspath(source)
    return samples.path_of(name) if name.startswith(samples.PREFIX) else Path(name)


@contextmanager
def _opened(source: File) -> Iterator[tuple[Opened, str]]:
    """The file, not empty, and what it is called. One that came open is read to its end and stays open. Raises
    InputError saying what else it is, UsageError where it is open as text."""
    if isinstance(source, str | os.PathLike):
        path = locate(source)
        with _opened_at(path) as file:
            yield file, str(path)
        return
    data = source if isinstance(source, bytes) else NamedBytes.of(source)
    name = data.name if isinstance(data, NamedBytes) else "<bytes>"
    if not data:
        raise InputError(f"'{name}' is empty (0 bytes): nothing is left to read in it")
    yield io.BytesIO(data), name


@contextmanager
def _opened_at(path: Path) -> Iterator[io.BufferedReader]:
    """An ordinary, non-empty file, open for reading. Raises InputError saying what else it is."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"'{path}' is a folder: name a picture in it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"'{path}' is a pipe or a device: save the picture to a file first")
        if status.st_size == 0:
            raise InputError(f"'{path}' is empty (0 bytes): copy or download it again")
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"'{path}' {_not_there(str(path))}") from error
    except PermissionError as error:
        raise InputError(f"'{path}' may not be read (permission denied): ask its owner, or copy it") from error
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be opened ({error}): check its name") from error
    with file:
        yield file


def _not_there(name: str) -> str:
    """What to do about a file that is not there."""
    if name.lower().startswith(("http:", "https:")):
        return "is a web address: download the picture first, and name the file"
    if name in samples.SAMPLES:
        return f"does not exist: the built-in picture is {samples.PREFIX}{name}"
    return "does not exist: check its name and folder"


@contextmanager
def _decoding(path: str, max_pixels: int) -> Iterator[None]:
    """What goes wrong in a decoder becomes an ImpastoError about ``path``. (libtiff still puts lines on stderr.)"""
    try:
        with _pillow_lock, _patient_pillow(max_pixels):
            yield
    except ImpastoError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(path, max_pixels) from error
    except MemoryError as error:
        raise LimitError(f"not enough memory to decode '{path}': shrink it first") from error
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise InputError(f"'{path}' is damaged, or not a picture ({kinds}): save it again as PNG") from error
    except Exception as error:  # malformed bytes bring nearly every exception there is out of the decoders
        reason = str(error) or type(error).__name__
        raise InputError(
            f"'{path}' cannot be decoded ({reason}): get an undamaged copy, or save it again as an 8-bit PNG"
        ) from error


@contextmanager
def _patient_pillow(max_pixels: int) -> Iterator[None]:
    """Pillow without warnings and without a pixel limit below ours. Only under the lock.

    Both are global to the process, so they are held for one picture and put back. The limit is only ever raised, and
    only to what the caller allows: somebody else's thread is never refused a picture, nor left without any limit.
    """
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Image.MAX_IMAGE_PIXELS = None if limit is None else max(limit, max_pixels)
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _upright(
    picture: Image.Image,
    path: str,
    size: int | None,
    enlarge: bool,
    max_pixels: int,
    *,
    draft: bool = False,
    with_alpha: bool,
) -> Image.Image:
    """The picture in mode "RGB", upright, its long side ``size`` px; ``with_alpha`` a transparent one in "RGBA",
    as large as it is. As a ``draft``, which changes ``picture``, JPEG is decoded no larger than it takes."""
    target = fit(picture.size, size, enlarge)
    _admit(target, path, max_pixels)
    drafted = picture.draft(None, (3 * target[0], 3 * target[1])) if draft else None
    box = drafted[1] if drafted else None
    picture.load()
    srgb = colour.to_srgb(picture, with_alpha=with_alpha)
    if srgb.size != target and srgb.mode == "RGB":
        srgb = srgb.resize(target, Image.Resampling.LANCZOS, box, reducing_gap=3.0)
    # Only now: Pillow turns a TIFF upright while decoding, and takes the tag away.
    transpose = UPRIGHT.get(exif(picture).get(Base.Orientation, 1))
    return srgb if transpose is None else srgb.transpose(transpose)


def _identify(file: Opened, path: str, max_pixels: int) -> Image.Image:
    def admit(size: tuple[int, int]) -> None:
        _admit(size, path, max_pixels)

    try:
        picture: Image.Image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        head = file.read(12)
        if head[4:8] == b"ftyp" and head[8:12] in HEIC:
            picture = _heic(file, path)
            admit(picture.size)
            return picture
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise
        return colour.deep_tiff(file, admit)
    admit(picture.size)
    return colour.deep_tiff(file, admit) if colour.pillow_misreads(picture) else picture


def _heic(file: Opened, path: str) -> Image.Image:
    """A telephone's picture, by an optional library."""
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError(
            f"'{path}' is HEIC, as telephones make it: pip install 'impasto[heic]', or save it as JPEG"
        ) from error
    pillow_heif.register_heif_opener()
    return Image.open(file, formats=("HEIF",))


def _admit(size: tuple[int, int], path: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _too_large(path, max_pixels, f" at {width} x {height} px")
    if min(size) < MIN_SIDE:
        raise InputError(
            f"'{path}' is too small at {width} x {height} px: the network's four poolings need at least {MIN_SIDE} px "
            "on each side"
        )


def _too_large(path: str, max_pixels: int, at: str = "") -> LimitError:
    return LimitError(f"'{path}' is too large{at}: more than {max_pixels:,} pixels; shrink it, or raise `max_pixels`")


def fit(size: tuple[int, int], long_side: int | None, enlarge: bool) -> tuple[int, int]:
    """Width and height with this long side, or as they are where it would only enlarge and is not to."""
    if long_side is None or (max(size) <= long_side and not enlarge):
        return size
    scale = long_side / max(size)
    return round(size[0] * scale), round(size[1] * scale)


def writer_of(path: Path, format: str | None = None, bits: int = 8) -> tuple[str, dict[str, Any]]:
    """Format and options, an entry of ``WRITERS``, for a path, or for a ``format`` by its name. Raises UsageError for
    what is not written, or not with so many ``bits``."""
    writer = WRITERS.get(path.suffix.lower() if format is None else f".{format.lower()}")
    if writer is None and format is not None:
        raise UsageError(f"`format`: one of {', '.join(suffix[1:] for suffix in WRITERS)} is expected, not '{format}'")
    if writer is None:
        raise UsageError(f"'{path}' does not say what kind of picture to save: end it with {', '.join(WRITERS)}")
    if bits not in (8, 16) or (bits == 16 and writer[0] != "TIFF"):
        raise UsageError(f"`bits`: a picture has 8 for each colour, or 16 as TIFF, not {bits} in '{path}'")
    return writer
