"""Pictures to sRGB arrays, in whatever file, and what else can be asked of a file. Needs no torch."""

import hashlib
import io
import logging
import math
import os
import stat
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from PIL.ExifTags import Base

from impasto.errors import ImpastoError, InputError, LimitError, UsageError
from impasto.images import colour, samples
from impasto.images.deep import Deep, codecs, deep_of, resized, unpack_key
from impasto.images.deep import to_srgb as deep_to_srgb
from impasto.images.limits import NONE, UNSAID, Limits
from impasto.images.metadata import Origin, exif, origin_of, recipe_in
from impasto.images.sizes import admit, admitted
from impasto.images.tiff import RAW, deep_about, deep_tiff, not_developed, pillow_misreads, turn_to_the_picture
from impasto.tensors import is_lack_of_memory

SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".avif", ".jp2"),
    *(".heic", ".heif"),
}
"""What is taken for a picture in a folder."""


@runtime_checkable
class Readable(Protocol):
    """A file open for reading bytes."""

    def read(self) -> bytes:
        """All that is left of it."""
        ...


class Within(io.BufferedReader):
    """A file of so many bytes, of which never more are asked for than are left: sizes that a file tells of itself may
    be any number, and memory would be had for them first.

    Decoders read a file part by part: it is here that one ends which has taken longer than it may. Raises LimitError
    then.
    """

    def __init__(self, raw: Any, name: str, size: int, limits: Limits) -> None:
        super().__init__(raw)
        self.bytes, self.called, self.limits, self.until = size, name, limits, math.inf

    def read(self, size: int | None = -1) -> bytes:
        now = time.monotonic()
        self.until = min(self.until, now + self.limits.seconds)  # from the first time on: before, others may decode
        if now > self.until:
            raise LimitError(
                f"'{self.called}' takes longer to read than {self.limits.seconds:g} seconds: save it again as PNG, or "
                "allow more seconds by `limits`"
            )
        return super().read(size if size is None or size < 0 else min(size, max(0, self.bytes - self.tell())))


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

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")
"""What is read: pictures that a library decodes. Nothing that runs a program (EPS) or that has no signature (TGA)."""

HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
"""Brands of files that only ``impasto[heic]`` reads."""

MOST_TEXT = 2**26
"""Bytes that a profile or text in a PNG may have. (Pillow allows so much in all, and of each a 64th.)"""

LONGEST_REASON = 200
"""Letters of what a library says."""

SLOW = {"ppm_plain", "bmp_rle"}
"""Pillow's decoders that are written in Python, and take microseconds a pixel."""

MOST_SLOW_PIXELS = 2_000_000

START_OF_SCAN = b"\xff\xda"
MOST_SCANS = 100
"""Of a JPEG: progressive ones have about ten, each of which costs as much as the picture."""

UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels[::-1].transpose(1, 0, 2),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels[:, ::-1].transpose(1, 0, 2),
}
"""What undoes each EXIF orientation."""

_pillow_lock = threading.Lock()
_of_pillow = ExitStack()
"""What puts back what is held of Pillow, under the lock."""


def _without_threads_of_a_parent() -> None:
    """A forked process has no thread that decodes, whatever its parent was at."""
    global _pillow_lock  # noqa: PLW0603
    _pillow_lock = threading.Lock()
    _of_pillow.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_without_threads_of_a_parent)

# Both libraries log complaints about odd files. Without any handler Python would print those on stderr; an application
# that sets up logging still gets them.
for _library in ("PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


def decode(
    source: File | Image.Image,
    *,
    size: int | None = None,
    enlarge: bool = True,
    short_side: int = 0,
    limits: Limits = UNSAID,
    with_alpha: bool = False,
) -> UInt[np.ndarray, "h w c"]:
    """The picture in a file, or one of Pillow's, upright and in sRGB, ``(H, W, 3)`` from 0 to 255, or to 65535 where it
    has more than 8 bits (see ``deep``).

    ``size`` is the long side of the result in px, the aspect kept; without it the picture keeps its own, and without
    ``enlarge`` also where it is smaller. It is larger where the ``short_side`` would have fewer px than that. Of an
    animation this is the first frame; transparency is laid over white. ``with_alpha``, a transparent picture is
    ``(H, W, 4)`` and as large as it is.

    Raises InputError for what is no readable picture or smaller than ``MIN_SIDE``; LimitError for one of more than
    ``limits.pixels``, by its header or after resizing, beyond the other limits, and for lack of memory.
    """
    target = partial(admitted, size=size, enlarge=enlarge, short_side=short_side, limits=limits)
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "")) or "<image>"
        with _decoding(name, limits):
            found = Found(source, source.size, partial(deep_of, source, None))
            return _upright(found, target(found.size, what=f"'{name}'"), draft=False, with_alpha=with_alpha)
    with _opened(source, limits) as (file, name), _decoding(name, limits):
        found = _identify(file, name, limits)
        return _upright(found, target(found.size, what=f"'{name}'"), draft=True, with_alpha=with_alpha)


def read_recipe(source: File, *, limits: Limits = UNSAID) -> dict[str, Any] | None:
    """The recipe that ``write`` put into this file, or None where there is none. Raises what ``read`` raises."""
    with _opened(source, limits) as (file, name), _decoding(name, limits):
        return recipe_in(_identify(file, name, limits).picture)


def read_origin(source: File | Image.Image, *, limits: Limits = UNSAID) -> Origin:
    """What a photograph says of itself. Raises what ``read`` raises."""
    if isinstance(source, Image.Image):
        return origin_of(source)
    with _opened(source, limits) as (file, name), _decoding(name, limits):
        return origin_of(_identify(file, name, limits).picture)


def digest(source: File) -> str:
    """SHA-256 of the file's bytes, in hexadecimal. Raises InputError where it cannot be read."""
    with _opened(source, NONE) as (file, _):
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(source: str | os.PathLike[str]) -> Path:
    """The file behind a name: a path, or ``sample:NAME``."""
    name = os.fspath(source)
    return samples.path_of(name) if name.startswith(samples.PREFIX) else Path(name)


@contextmanager
def _opened(source: File, limits: Limits) -> Iterator[tuple[Within, str]]:
    """The file, not empty, and what it is called. One that came open is read to its end and stays open. Raises
    InputError saying what else it is, UsageError where it is open as text, LimitError where it is too large."""
    if isinstance(source, str | os.PathLike):
        path = locate(source)
        with _opened_at(path, limits) as file:
            yield file, str(path)
        return
    data = source if isinstance(source, bytes) else NamedBytes.of(source)
    name = data.name if isinstance(data, NamedBytes) else "<bytes>"
    if not data:
        raise InputError(f"'{name}' is empty (0 bytes): nothing is left to read in it")
    _admit_bytes(len(data), name, limits)
    yield Within(io.BytesIO(data), name, len(data), limits), name


@contextmanager
def _opened_at(path: Path, limits: Limits) -> Iterator[Within]:
    """An ordinary, non-empty file, open for reading. Raises InputError saying what else it is."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"'{path}' is a folder: name a picture in it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"'{path}' is a pipe or a device: save the picture to a file first")
        if status.st_size == 0:
            raise InputError(f"'{path}' is empty (0 bytes): copy or download it again")
        _admit_bytes(status.st_size, str(path), limits)
        file = Within(path.open("rb", buffering=0), str(path), status.st_size, limits)
    except FileNotFoundError as error:
        raise InputError(f"'{path}' {_not_there(str(path))}") from error
    except PermissionError as error:
        raise InputError(f"'{path}' may not be read (permission denied): ask its owner, or copy it") from error
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be opened ({error}): check its name") from error
    with file:
        yield file


def _admit_bytes(size: int, name: str, limits: Limits) -> None:
    """Raise LimitError for a file of more than it may have."""
    if size > (most := limits.most_bytes + MOST_TEXT):
        raise LimitError(
            f"'{name}' is too large: a file of {size:,} bytes, more than {most:,}; allow more bytes by `limits`"
        )


def _not_there(name: str) -> str:
    """What to do about a file that is not there."""
    if name.lower().startswith(("http:", "https:")):
        return "is a web address: download the picture first, and name the file"
    if name in samples.SAMPLES:
        return f"does not exist: the built-in picture is {samples.PREFIX}{name}"
    return "does not exist: check its name and folder"


@contextmanager
def _decoding(path: str, limits: Limits) -> Iterator[None]:
    """What goes wrong in a decoder becomes an ImpastoError about ``path``. (libtiff still puts lines on stderr.)"""
    try:
        with _pillow_lock, _patient_pillow(limits.pixels):
            yield
    except ImpastoError:
        raise
    except Image.DecompressionBombError as error:
        raise LimitError(
            f"'{path}' is too large: more than {limits.pixels:,} pixels; shrink it, or allow more pixels by `limits`"
        ) from error
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise InputError(f"'{path}' is damaged, or not a picture ({kinds}): save it again as PNG") from error
    except Exception as error:  # malformed bytes bring nearly every exception there is out of the decoders
        if is_lack_of_memory(error):
            raise LimitError(f"not enough memory to decode '{path}': shrink it first") from error
        reason = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
        raise InputError(
            f"'{path}' cannot be decoded ({reason}): get an undamaged copy, or save it again as an 8-bit PNG"
        ) from error


@contextmanager
def _patient_pillow(max_pixels: int) -> Iterator[None]:
    """Pillow without warnings, without limits below ours, and with none of a truncated picture. Only under the lock.

    All this is global to the process, so it is held for one picture and put back. Limits are only ever raised, and only
    to what the caller allows: somebody else's thread is never refused a picture, nor left without any limit.
    """
    limit, profiles = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    with _of_pillow as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.callback(setattr, Image, "MAX_IMAGE_PIXELS", limit)
        stack.callback(setattr, PngImagePlugin, "MAX_TEXT_CHUNK", profiles)
        stack.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
        Image.MAX_IMAGE_PIXELS = None if limit is None else max(limit, max_pixels)
        PngImagePlugin.MAX_TEXT_CHUNK = max(profiles, MOST_TEXT)
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        yield


@dataclass(frozen=True)
class Found:
    """A picture that was identified and not yet decoded: as Pillow has it, its width and height, and what gives its
    pixels of more than 8 bits, or None where it has 8."""

    picture: Image.Image
    size: tuple[int, int]
    deep: Callable[[], Deep | None]


def _upright(found: Found, target: tuple[int, int], *, draft: bool, with_alpha: bool) -> UInt[np.ndarray, "h w c"]:
    """The pixels of a picture as ``decode`` gives them, brought to the width and height ``target``; see ``_pixels``."""
    picture, deep = found.picture, found.deep()
    if deep is None:
        pixels = _pixels(picture, target, draft=draft, with_alpha=with_alpha)
    else:
        planes = deep_to_srgb(deep, with_alpha=with_alpha)
        planes = planes if deep.size == target or len(planes) > 3 else resized(planes, target)
        pixels = np.broadcast_to(planes, (max(3, len(planes)), *planes.shape[1:])).transpose(1, 2, 0)
    # Only now: Pillow turns a TIFF upright while decoding, and takes the tag away.
    turn = UPRIGHT.get(exif(picture, (Base.Orientation,)).get(Base.Orientation, 1))
    return pixels if turn is None else turn(pixels)


def _pixels(
    picture: Image.Image, target: tuple[int, int], *, draft: bool, with_alpha: bool
) -> UInt[np.ndarray, "h w c"]:
    """Those of 8 bits; as a ``draft``, which changes ``picture``, JPEG is decoded no larger than it takes."""
    unpack_key(picture)
    drafted = picture.draft(None, (3 * target[0], 3 * target[1])) if draft else None
    box = drafted[1] if drafted else None
    picture.load()
    srgb = colour.to_srgb(picture, with_alpha=with_alpha)
    if srgb.size != target and srgb.mode == "RGB":
        srgb = srgb.resize(target, Image.Resampling.LANCZOS, box, reducing_gap=3.0)
    return np.asarray(srgb)


def _identify(file: Within, path: str, limits: Limits) -> Found:
    """The picture in a file. Raises InputError or LimitError where it is not to be decoded."""
    admits = partial(admit, what=f"'{path}'", limits=limits)
    try:
        picture: Image.Image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        head = file.read(12)
        if head.startswith(RAW) or head[4:12] == b"ftypcrx ":
            raise InputError(not_developed(path)) from None
        if head[4:8] == b"ftyp" and head[8:12] in HEIC:
            picture = _heic(file, path)
            admits(picture.size)
            return Found(picture, picture.size, lambda: None)
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise
        return _identified_deep(file, path, limits)
    turn_to_the_picture(picture, file, path, limits)
    admits(picture.size)
    if pillow_misreads(picture):
        return _identified_deep(file, path, limits)
    _refuse_slow(picture, file, path)
    return Found(picture, picture.size, partial(deep_of, picture, file))


def _identified_deep(file: Within, path: str, limits: Limits) -> Found:
    """The picture in a TIFF that Pillow does not read, or not right."""
    picture, size = deep_about(file, path, limits)
    admit(size, f"'{path}'", limits)
    return Found(picture, size, partial(deep_tiff, file, path, limits))


def _refuse_slow(picture: Image.Image, file: Within, path: str) -> None:
    """Raise LimitError for a picture of few bytes, or kilobytes, that would take minutes to decode."""
    if codecs(picture) & SLOW and picture.width * picture.height > MOST_SLOW_PIXELS:
        raise LimitError(
            f"'{path}' is of a kind that is read slowly, with more than {MOST_SLOW_PIXELS:,} pixels: save it as PNG"
        )
    if "jpeg" in codecs(picture) and count_in(file, START_OF_SCAN) > MOST_SCANS:
        raise LimitError(f"'{path}' is drawn over and over, in more than {MOST_SCANS} scans: save it again")


def count_in(file: Within, mark: bytes) -> int:
    """How often a file has a ``mark`` of two bytes; where it was read is as before."""
    at, found, last = file.tell(), 0, b""
    file.seek(0)
    while part := file.read(2**20):
        found += part.count(mark) + (last + part[:1] == mark)
        last = part[-1:]
    file.seek(at)
    return found


def _heic(file: Within, path: str) -> Image.Image:
    """A telephone's picture, by an optional library."""
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError(
            f"'{path}' is HEIC, as telephones make it: pip install 'impasto[heic]', or save it as JPEG"
        ) from error
    pillow_heif.register_heif_opener()
    return Image.open(file, formats=("HEIF",))
