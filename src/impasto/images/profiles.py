"""ICC profiles: followed by LittleCMS, which has 8 bits from Pillow, and with deeper pixels by their own curves."""

import io
import struct
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32, UInt16
from PIL import ImageCms

DATE = slice(24, 36)
"""Where an ICC profile has the time it was made."""

PRIMARIES = (b"r", b"g", b"b")

Curve = Float32[np.ndarray, "65536"]
"""Linear light, from 0 to 1, of every 16-bit value."""


@cache
def srgb_profile() -> bytes:
    """sRGB as an ICC profile. LittleCMS writes the time into it, which is taken out: equal pictures are equal files."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[DATE] = bytes(DATE.stop - DATE.start)
    return bytes(profile)


def transform_of(icc: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What brings 8-bit pixels of this ``mode`` (or, where the profile wants them, grey ones as "RGB") to sRGB:
    relative colorimetric, with black point compensation. None where they are sRGB, or the profile is broken or
    describes another kind of pixels."""
    if icc in (None, srgb_profile()) and mode != "LAB":
        return None
    try:
        if mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
        return ImageCms.ImageCmsTransform(
            source,
            ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
            "RGB" if mode == "L" and source.profile.xcolor_space == "RGB " else mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Shaper:
    """What brings 16-bit pixels to sRGB: a ``curve`` for each channel and, of colours, a ``matrix`` from their linear
    light to sRGB's. Grey and nearly all RGB profiles are such; black is black in both, so nothing is compensated."""

    curves: tuple[Curve, ...]
    matrix: Float32[np.ndarray, "c c"]

    def __call__(self, values: UInt16[np.ndarray, "c h w"]) -> UInt16[np.ndarray, "c h w"]:
        """The pixels in sRGB."""
        linear = np.stack([curve[plane] for curve, plane in zip(self.curves, values, strict=True)])
        mixed = np.einsum("ij,jhw->ihw", self.matrix, linear).clip(0, 1)
        found: np.ndarray = np.rint(65535 * encoded(mixed)).astype(np.uint16)
        return found


def shaper_of(icc: bytes) -> Shaper | None:
    """That of a profile; None of one that has tables instead, as those of printers do."""
    try:
        tags = tags_of(icc)
        if any(name[:3] in (b"A2B", b"D2B") for name in tags):
            return None
        if b"kTRC" in tags:
            return Shaper((curve(tags[b"kTRC"]),), np.eye(1, dtype=np.float32))
        to_srgb = np.linalg.inv(primaries(tags_of(srgb_profile()))) @ primaries(tags)
        curves = tuple(curve(tags[name + b"TRC"]) for name in PRIMARIES)
        return Shaper(curves, to_srgb.astype(np.float32))
    except (ArithmeticError, LookupError, ValueError, struct.error):
        return None


def tags_of(icc: bytes) -> dict[bytes, bytes]:
    """A profile's tags by their names (ICC.1:2022, 7.3)."""
    entries = (struct.unpack_from(">4sII", icc, 132 + 12 * n) for n in range(struct.unpack_from(">I", icc, 128)[0]))
    return {name: icc[at : at + length] for name, at, length in entries}


def primaries(tags: dict[bytes, bytes]) -> np.ndarray:
    """Red, green and blue as columns, CIE XYZ under D50."""
    return np.column_stack([np.frombuffer(tags[name + b"XYZ"], ">i4", 3, 8) / 65536 for name in PRIMARIES])


def curve(tag: bytes) -> Curve:
    """A tone curve (ICC.1:2022, 10.6 and 10.18)."""
    x = np.linspace(0, 1, 65536)
    if tag[:4] == b"curv":
        points = np.frombuffer(tag, ">u2", struct.unpack_from(">I", tag, 8)[0], 12)
        if len(points) < 2:
            return (x ** (points[0] / 256 if len(points) else 1)).astype(np.float32)
        return np.interp(x, np.linspace(0, 1, len(points)), points / 65535).astype(np.float32)
    kind = struct.unpack_from(">H", tag, 8)[0]
    g, a, b, c, d, e, f = parameters(kind, *(np.frombuffer(tag, ">i4", (1, 3, 4, 5, 7)[kind], 12) / 65536).tolist())
    return np.where(x >= d, (a * x + b).clip(0) ** g + e, c * x + f).clip(0, 1).astype(np.float32)


def parameters(
    kind: int, g: float, a: float = 1.0, b: float = 0.0, c: float = 0.0, d: float = 0.0, *ef: float
) -> list[float]:
    """Those of a parametric curve of any kind as those of kind 4: (a x + b)^g + e from d on, and c x + f below."""
    if kind in (1, 2):
        return [g, a, b, 0.0, -b / a, c, c]
    return [g, a, b, c, d, *(ef or (0.0, 0.0))]


def encoded(linear: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """Linear light on the curve of sRGB (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055)
