"""Views: what is seen of the image that the solver moves. The view is what is scored and what is saved."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as nnf

from impasto.images.resizing import resized
from impasto.images.transparency import filled
from impasto.losses import LUMINANCE, luminance
from impasto.network.kernels import convolution, convolution_back, fused
from impasto.solver import Objective

View = Callable[[Tensor], Tensor]

GREY = 2 / 255
"""By how much the colours of a grey picture differ at most: JPEG rounds."""


def is_grey(image: Float[Tensor, "1 3 h w"]) -> bool:
    """Whether red, green and blue are the same everywhere."""
    return float((image.amax(dim=1) - image.amin(dim=1)).max()) <= GREY


def grey(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """``image`` without its colours."""
    return luminance(image).expand(-1, 3, -1, -1)


def as_it_is(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """``image``."""
    return image


def smooth_chroma(image: Float[Tensor, "1 3 h w"], edges: str = "replicate") -> Float[Tensor, "1 3 h w"]:
    """``image`` with its colours, but not its luminance, blurred by [1 6 15 20 15 6 1] / 64 along both sides.

    A network of 3 x 3 filters lets colours alternate from pixel to pixel, which no painting does; luminance it holds
    well. Where a colour would be beyond [0, 1] there, luminance gives way. Edges are repeated, or, "circular", go on at
    the opposite ones.
    """
    if edges == "circular":
        around = nnf.pad(image, (PASSES,) * 4, mode="circular")
        return smooth_chroma(around)[..., PASSES:-PASSES, PASSES:-PASSES]
    seen: Tensor = Blurred.apply(image)  # type: ignore[no-untyped-call]
    return seen


class Within(torch.autograd.Function):
    """``clamp``, whose gradient is 0 only where it would push further out what is beyond. With the derivative, which is
    0 wherever something is beyond, a solver of large steps would never bring that back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, least: Tensor | float, most: Tensor | float) -> Tensor:
        ctx.save_for_backward(x < least, x > most)
        return x.clamp(least, most)  # type: ignore[arg-type]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (below, above) = gradients, ctx.saved_tensors
        outwards = (below & (gradient > 0)) | (above & (gradient < 0))
        return gradient.masked_fill(outwards, 0), None, None


def within(x: Tensor, least: Tensor | float = 0.0, most: Tensor | float = 1.0) -> Tensor:
    """``x`` held to what is between ``least`` and ``most``."""
    held: Tensor = Within.apply(x, least, most)  # type: ignore[no-untyped-call]
    return held


class WithColoursOf:
    """The view of an image's luminance with the colours of ``photograph``: c = p − luminance(p), which has none, and is
    kept but for rounding. Luminance is held to where c leaves it within [0, 1]."""

    def __init__(self, photograph: Float[Tensor, "1 3 h w"]) -> None:
        self.photograph = photograph
        self.colours = cache(self.at)

    def at(self, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """c at this size, and the least and the greatest luminance that it allows."""
        p = resized(self.photograph, height, width)
        c = p - luminance(p)
        return c, -c.amin(dim=1, keepdim=True), 1 - c.amax(dim=1, keepdim=True)

    def __call__(self, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        c, least, most = self.colours(*image.shape[2:])
        return (within(luminance(image), least, most) + c).clamp(0, 1)


class WithLabOf:
    """The view of an image's luminance, as the lightness L* of that grey, with a* and b* of ``photograph``, as CIE
    L*a*b* has them (white D65). Colours that sRGB does not have at that lightness are brought within [0, 1]."""

    def __init__(self, photograph: Float[Tensor, "1 3 h w"]) -> None:
        self.photograph = photograph
        self.colours = cache(self.at)

    def at(self, height: int, width: int) -> Float[Tensor, "1 2 h w"]:
        """a* and b* at this size."""
        return lab_of(resized(self.photograph, height, width))[:, 1:]

    def __call__(self, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        lightness = lab_of(luminance(image).expand(-1, 3, -1, -1))[:, :1]
        return srgb_of(torch.cat([lightness, self.colours(*image.shape[2:])], dim=1)).clamp(0, 1)


XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
"""Of linear red, green and blue (ITU-R BT.709, white D65)."""

LINE = 6 / 29
"""Below its cube, CIE's cube root is a line."""


def lab_of(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """L*, a*, b* (CIE 1976) of sRGB in [0, 1]."""
    linear = torch.where(image <= 0.04045, image / 12.92, ((image.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)
    t = mixed(linear, xyz_of_rgb(image.dtype, image.device))
    x, y, z = torch.where(t > LINE**3, t.clamp_min(LINE**3) ** (1 / 3), t / (3 * LINE**2) + 4 / 29).unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def srgb_of(lab: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """sRGB of L*, a*, b*; beyond [0, 1] where it has no such colour."""
    L, a, b = lab.unbind(dim=1)
    y = (L + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    linear = mixed(
        torch.where(f > LINE, f**3, 3 * LINE**2 * (f - 4 / 29)), xyz_of_rgb(lab.dtype, lab.device, back=True)
    )
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


@cache
@torch.inference_mode(mode=False)
def xyz_of_rgb(dtype: torch.dtype, device: torch.device, back: bool = False) -> Float[Tensor, "3 3"]:
    """X, Y and Z, those of white being 1, of linear red, green and blue; or the way ``back``."""
    M = torch.tensor(XYZ, dtype=torch.float64)
    M = M / M.sum(dim=1, keepdim=True)
    return (M.inverse() if back else M).to(dtype).to(device)


def mixed(image: Float[Tensor, "1 3 h w"], M: Float[Tensor, "3 3"]) -> Float[Tensor, "1 3 h w"]:
    """M c of every colour c."""
    return torch.einsum("ij,bjhw->bihw", M, image)


class AlongEdgesOf:
    """The view of an image through a guided filter: near every position a line a I + b of the photograph's luminance I,
    for each colour. What is new are colours and light; edges and detail are the photograph's.

    He, Sun and Tang, *Guided Image Filtering* (TPAMI 2013), equations 5, 6 and 8, with windows of 1/32 of the long
    side, ε = 0.001; ``view`` is what is filtered.
    """

    def __init__(self, view: View, photograph: Float[Tensor, "1 3 h w"]) -> None:
        self.view, self.photograph = view, photograph
        self.guide = cache(self.at)

    def at(self, height: int, width: int) -> tuple[int, Tensor, Tensor, Tensor]:
        """Radius of the windows, I, its mean and its variance at this size."""
        radius = max(1, max(height, width) // 64)
        I = luminance(resized(self.photograph, height, width))  # noqa: E741
        mean = blurred(I, radius)
        return radius, I, mean, blurred(I * I, radius) - mean**2

    def __call__(self, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        radius, I, mean, variance = self.guide(*image.shape[2:])  # noqa: E741
        p = self.view(image)
        mean_p = blurred(p, radius)
        a = (blurred(I * p, radius) - mean * mean_p) / (variance + 1e-3)
        b = mean_p - a * mean
        return within(blurred(a, radius) * I + blurred(b, radius))


def blurred(x: Float[Tensor, "1 c h w"], radius: int) -> Float[Tensor, "1 c h w"]:
    """Means of windows of 2 r + 1 px, of what there is of them."""
    for window in ((2 * radius + 1, 1), (1, 2 * radius + 1)):
        edge = window[0] // 2, window[1] // 2
        x = nnf.avg_pool2d(x, window, 1, edge, count_include_pad=False)
    return x


class LeftAsItIs:
    """The view of an image in which ``photograph`` stays where ``mask`` is 1; ``view`` is that of the rest."""

    def __init__(self, view: View, photograph: Float[Tensor, "1 3 h w"], mask: Float[Tensor, "1 1 h w"]) -> None:
        self.view, self.photograph, self.mask = view, photograph, mask
        self.left = cache(self.at)

    def at(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Mask and photograph at this size."""
        return resized(self.mask, height, width), resized(self.photograph, height, width)

    def __call__(self, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        mask, photograph = self.left(*image.shape[2:])
        return self.view(image).lerp(photograph, mask)


class Continued:
    """The view of an image that goes on outwards, ever softer, where nothing is ``there``; ``view`` is that of the
    rest. So the network sees no edge, and none is painted."""

    def __init__(self, view: View, there: Float[Tensor, "1 1 h w"]) -> None:
        self.view, self.there = view, there
        self.weight = cache(self.at)

    def at(self, height: int, width: int) -> Tensor:
        """What is there at this size."""
        return resized(self.there, height, width)

    def __call__(self, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        return filled(self.view(image), self.weight(*image.shape[2:]))


class Blurred(torch.autograd.Function):
    """``chroma_blurred``, its luminance held to where the colours are within [0, 1]: clipping each colour by itself
    would make grain of them again. Its gradient is 0 where it would push that further out. Band by band of an image's
    rows."""

    @staticmethod
    def forward(ctx: Any, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        seen = in_bands(chroma_blurred, image)
        least, most = seen.amin(dim=1, keepdim=True), seen.amax(dim=1, keepdim=True)
        ctx.save_for_backward(least < 0, most > 1)
        return seen.sub_(least.clamp_max_(0)).sub_(most.sub_(1).clamp_min_(0)).clamp_(0, 1)  # for rounding

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Float[Tensor, "1 3 h w"]:
        (gradient,), (below, above) = gradients, ctx.saved_tensors
        return in_bands(held_back, gradient, below, above)


def held_back(gradient: Float[Tensor, "1 3 h w"], below: Tensor, above: Tensor) -> Float[Tensor, "1 3 h w"]:
    """What comes back through ``chroma_blurred``, without what would push luminance further ``below`` or ``above``."""
    light = gradient.sum(dim=1, keepdim=True)
    outwards = (below & (light > 0)) | (above & (light < 0))
    return chroma_blurred_back(gradient - torch.cat([weight * light for weight in LUMINANCE], dim=1).mul_(outwards))


PASSES = 3
"""Times that colours are blurred by [1 2 1] / 4. After one they have up to three times the grain of the painting and
the photograph, after two up to 1.2 times; the style is as near after all three."""


GREEN = -LUMINANCE[0] / LUMINANCE[1], -LUMINANCE[2] / LUMINANCE[1]
"""Of red − Y and blue − Y, what green − Y is."""


def chroma_blurred(x: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """B x + luminance(x − B x), B the blur: what B makes of the colours, and the luminance as it was."""
    if fused(x):
        for _ in range(PASSES):
            x = convolution(nnf.pad(x, (1, 1, 1, 1), mode="replicate"), chroma_blur(x.dtype, x.device), padding=0)
        return x
    Y = luminance(x)
    colours = blur(x[:, ::2] - Y)  # red's and blue's; green's follows, since the three have no luminance
    red, blue = colours[:, :1], colours[:, 1:]
    return torch.cat([red, GREEN[0] * red + GREEN[1] * blue, blue], dim=1).add_(Y)


def chroma_blurred_back(gradient: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """What comes back through ``chroma_blurred``: B g + w Σ (g − B g), w what each colour gives to luminance."""
    if fused(gradient):
        for _ in range(PASSES):
            back = convolution_back(gradient, chroma_blur(gradient.dtype, gradient.device), padding=0)
            for side in (2, 3):
                last = back.shape[side] - 1
                back.select(side, 1).add_(back.select(side, 0))
                back.select(side, last - 1).add_(back.select(side, last))
            gradient = back[..., 1:-1, 1:-1]
        return gradient
    red, green, blue = (gradient[:, at : at + 1] for at in range(3))
    colours = blur(torch.cat([red + GREEN[0] * green, blue + GREEN[1] * green], dim=1))
    of_luminance = red + green + blue - colours.sum(dim=1, keepdim=True)
    back = torch.cat([weight * of_luminance for weight in LUMINANCE], dim=1)
    back[:, ::2] += colours
    return back


def blur(x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """B x, edges repeated; B is its own transpose."""
    for _ in range(PASSES):
        x = one_two_one(x)
    return x


def one_two_one(x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """The means of neighbours by [1 2 1] / 4 along both sides, edges repeated."""
    for side in (2, 3):
        last, twice = x.shape[side] - 1, x * 2
        twice.narrow(side, 1, last).add_(x.narrow(side, 0, last))
        twice.narrow(side, 0, last).add_(x.narrow(side, 1, last))
        twice.select(side, 0).add_(x.select(side, 0))
        twice.select(side, last).add_(x.select(side, last))
        x = twice
    return x.mul_(1 / 16)


BAND = 2**20
"""Pixels that are blurred at once on a CPU."""


def in_bands(of: Callable[..., Tensor], x: Float[Tensor, "1 c h w"], *more: Tensor) -> Float[Tensor, "1 c h w"]:
    """What a function that sees ``PASSES`` rows further gives of all, made of as many at once as fit into ``BAND``."""
    height, width = x.shape[2:]
    count = max(1, BAND // width)
    if x.is_cuda or count >= height:
        return of(x, *more)
    found = torch.empty_like(x)
    for at in range(0, height, count):
        above, end = min(at, PASSES), min(at + count, height)
        band = (image[:, :, at - above : end + PASSES] for image in (x, *more))
        found[:, :, at:end] = of(*band)[:, :, above : above + end - at]
    return found


@cache
@torch.inference_mode(mode=False)
def chroma_blur(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "3 3 3 3"]:
    """A pass of ``chroma_blurred`` as one convolution."""
    one = torch.tensor([1.0, 2.0, 1.0], dtype=dtype) / 4
    means = one.outer(one)
    itself = torch.zeros(3, 3, dtype=dtype)
    itself[1, 1] = 1
    of_luminance = torch.stack([weight * (itself - means) for weight in LUMINANCE]).expand(3, -1, -1, -1)
    return (of_luminance + torch.einsum("ij,hw->ijhw", torch.eye(3, dtype=dtype), means)).to(device)


class Through:
    """An objective that looks at an image through a view."""

    def __init__(self, objective: Objective, view: View) -> None:
        self.objective, self.view = objective, view

    def value_and_gradient(
        self, image: Float[Tensor, "1 3 h w"]
    ) -> tuple[Mapping[str, float], Float[Tensor, "1 3 h w"]]:
        x = image.detach().requires_grad_(True)
        seen = self.view(x)
        terms, gradient = self.objective.value_and_gradient(seen.detach())
        (through,) = torch.autograd.grad(seen, x, gradient)
        return terms, through
