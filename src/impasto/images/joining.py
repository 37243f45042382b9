"""Photographs whose opposite edges join."""

from jaxtyping import Float

from impasto.tensors import Tensor

DEPTH = 1 / 8
"""Of the long side: how deep into the picture a jump between its edges is spread."""


def joined(image: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """``image`` − s, which goes on smoothly from each edge at the opposite one: Δs − s / d² = v, v the jumps there.
    Half of each is taken off on its side, and less and less to a depth of about d.

    Moisan, *Periodic plus Smooth Image Decomposition* (2011), has d = ∞, which tilts the whole picture.
    """
    import torch

    h, w = image.shape[2:]
    v = torch.zeros_like(image)
    across, along = image[..., -1, :] - image[..., 0, :], image[..., -1] - image[..., 0]
    v[..., 0, :] += across
    v[..., -1, :] -= across
    v[..., 0] += along
    v[..., -1] -= along
    rows, columns = (2 * torch.pi * torch.fft.fftfreq(n, device=image.device) for n in (h, w))
    Δ = 2 * torch.cos(rows)[:, None] + 2 * torch.cos(columns) - 4  # noqa: PLC2401
    s: Tensor = torch.fft.ifft2(torch.fft.fft2(v) / (Δ - 1 / (DEPTH * max(h, w)) ** 2)).real
    return (image - s).clamp(0, 1)
