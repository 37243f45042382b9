"""How a film moves: where the pixels of one frame are in another, where that can be trusted, and pictures that move so.

Needs OpenCV, which comes with the extra ``impasto[film]``.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import grid_sample

Flow = Float[Tensor, "2 h w"]
"""Of every pixel, how far it has gone to the right and down, in px."""

Frame = UInt8[np.ndarray, "h w 3"]
"""sRGB from 0 to 255."""


def flow(of: Frame, to: Frame) -> Flow:
    """Where the pixels of one frame are in another of the same size, by dense inverse search (Kroeger, Timofte, Dai and
    Van Gool, *Fast Optical Flow using Dense Inverse Search*, arXiv 1603.03590)."""
    import cv2

    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = (cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in (of, to))
    found = search.calc(first, second, np.zeros((*first.shape, 2), np.float32))
    return torch.from_numpy(np.asarray(found)).permute(2, 0, 1).contiguous()


def ends(of: Flow) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Where it leads from each pixel: how far from the left and from the top, in px."""
    y, x = torch.meshgrid(*(torch.arange(side) for side in of.shape[1:]), indexing="ij")
    return x + of[0], y + of[1]


def warped(image: Float[Tensor, "1 c h w"], by: Flow, mode: str = "bicubic") -> Float[Tensor, "1 c h w"]:
    """What ``image`` shows where ``by`` leads from each pixel; at its edge what is nearest."""
    height, width = image.shape[2:]
    u, v = ends(by)
    at = torch.stack([2 * u / max(width - 1, 1) - 1, 2 * v / max(height - 1, 1) - 1], dim=-1)
    at = at.to(image.device, image.dtype)[None]
    return grid_sample(image, at, mode=mode, padding_mode="border", align_corners=True)


def trusted(there: Flow, back: Flow) -> Bool[Tensor, "h w"]:
    """Where the flow ``there`` leads to what the flow ``back`` brings here again, and does not end at something that
    moves otherwise: Ruder, Dosovitskiy and Brox, *Artistic style transfer for videos* (arXiv 1604.08610), section 4.2,
    after Sundaram, Brox and Keutzer (ECCV 2010)."""
    height, width = there.shape[1:]
    u, v = ends(there)
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    again = warped(back[None], there, "bilinear")[0]
    length = there.square().sum(0)
    returns = (there + again).square().sum(0) <= 0.01 * (length + again.square().sum(0)) + 0.5
    slopes = [torch.gradient(there, dim=dim)[0].square().sum(0) for dim in (1, 2)]
    at_border = slopes[0] + slopes[1] > 0.01 * length + 0.002
    return inside & returns & ~at_border
