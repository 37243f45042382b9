"""Whatever colours a file holds, as 8-bit sRGB: ICC profiles, CMYK, Lab, grey, palettes and alpha. (For deeper pixels:
``deep``.)"""

from PIL import Image

from impasto.images.profiles import transform_of


def to_srgb(picture: Image.Image, *, with_alpha: bool = False) -> Image.Image:
    """The same picture in mode "RGB" and in the sRGB colour space, laid over white where it is transparent; or,
    ``with_alpha``, then in mode "RGBA".

    An embedded ICC profile is followed, relative colorimetric with black point compensation; one that is broken, or
    that describes another kind of pixels than the file has, is ignored.
    """
    profile = picture.info.get("icc_profile")
    grey = Image.getmodebase(picture.mode) == "L"
    alpha = None
    if picture.has_transparency_data:
        picture = _in_mode(picture, "LA" if grey else "RGBA")
        alpha = picture.getchannel("A")
    if picture.mode not in ("CMYK", "LAB"):
        picture = _in_mode(picture, "L" if grey else "RGB")
    colours = _through_profile(picture, profile)
    if alpha is None:
        return colours
    if with_alpha and alpha.getextrema() != (255, 255):
        return Image.merge("RGBA", (*colours.split(), alpha))
    over_white = Image.new("RGB", colours.size, "white")
    over_white.paste(colours, mask=alpha)
    return over_white


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    # Pillow would copy a picture that has the mode already: 400 MB for a hundred million pixels.
    return picture if picture.mode == mode else picture.convert(mode)


def _through_profile(picture: Image.Image, icc: bytes | None) -> Image.Image:
    transform = transform_of(icc, picture.mode)
    if transform is None:
        return _in_mode(picture, "RGB")
    return transform.apply(_in_mode(picture, transform.input_mode))
