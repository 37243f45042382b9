"""The paper's equations (Gatys, Ecker and Bethge, arXiv 1508.06576), a few lines each.

F, P: features ``(N, M)``, N filters at M positions, of the generated image and of the photograph. G, A: Gram matrices
``(N, N)`` of the generated image and of the painting. All are pure functions that return a scalar or a matrix of the
type they were given. The losses of style that can be chosen, the paper's and others, are in ``style.py``.
"""

from jaxtyping import Float

from impasto.tensors import Tensor


def content_loss(F: Float[Tensor, "N M"], P: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
    """Equation 1: L_content = ½ Σ_ij (F_ij − P_ij)². A plain sum, as in the paper: it grows with the picture."""
    from impasto.gradients import HalfSquares

    L_content: Tensor = HalfSquares.apply(F, P)  # type: ignore[no-untyped-call]
    return L_content


def gram(F: Float[Tensor, "N M"]) -> Float[Tensor, "N N"]:
    """Equation 3: G_ij = Σ_k F_ik F_jk. A plain sum over the M positions, as in the paper: not divided by anything."""
    from impasto.gradients import Gram

    G: Tensor = Gram.apply(F)  # type: ignore[no-untyped-call]
    return G


def style_loss(
    G: Float[Tensor, "N N"], A: Float[Tensor, "N N"], M: int | float | Tensor, M_a: int | float | Tensor
) -> Float[Tensor, ""]:
    """Equation 4: E_l = 1 / (4 N² M²) Σ_ij (G_ij − A_ij)², for one layer.

    M and M_a are the numbers of positions that G and A were summed over. The paper has painting and photograph of one
    size, M = M_a; for two sizes each Gram matrix is divided by its own: 1 / (4 N²) Σ (G / M − A / M_a)².
    """
    N = G.shape[0]
    return (G / M - A / M_a).square().sum() / (4 * N**2)


EVERYWHERE = (slice(None), slice(None))

PAPER_PIXELS = 512 * 512
"""Terms that are sums over pixels are taken per 512 x 512 of them, so that α/β means at every size what it means in the
paper at that one. (E_l is a mean over positions already.)"""

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""


def luminance(x: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    """0.299 R + 0.587 G + 0.114 B."""
    red, green, blue = (weight * x[:, at : at + 1] for at, weight in enumerate(LUMINANCE))
    return red + green + blue


def laplacian(x: Float[Tensor, "1 3 h w"], cell: int = 4, edges: str = "replicate") -> Float[Tensor, "1 1 h_c w_c"]:
    """Σ of the four neighbours − 4 × itself, of the luminance in cells ``cell`` px apart: where lines are.

    Li et al., *Laplacian-Steered Neural Style Transfer* (arXiv 1707.01253), section 3, there of each colour and in
    cells side by side. Here each is twice as wide, since the seams of cells that do not overlap show as grain. Beyond
    its edges the picture is what it is there, or, "circular", at the opposite ones.
    """
    from torch.nn.functional import avg_pool2d, pad

    around = pad(luminance(x), (cell // 2,) * 4, mode=edges)
    y = avg_pool2d(around, 2 * cell, cell, ceil_mode=True)
    wide = pad(y, (1, 1, 1, 1), mode=edges)
    neighbours = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return neighbours - 4 * y


def total_variation(
    x: Float[Tensor, "1 3 h w"], counted: tuple[slice, slice] = EVERYWHERE, edges: str = "replicate"
) -> Float[Tensor, ""]:
    """Σ ((x_{i,j+1} − x_ij)² + (x_{i+1,j} − x_ij)²) over the sRGB image in [0, 1], not in the paper.

    Mahendran and Vedaldi, *Understanding Deep Image Representations by Inverting Them* (arXiv 1412.0035), equation 6
    with exponent 2. A plain sum over the rows i and columns j that are ``counted``: it grows with the picture. Beyond
    its edges the picture is what it is there, or, "circular", at the opposite ones.
    """
    from torch.nn.functional import pad

    beyond = pad(x, (0, 1, 0, 1), mode=edges)
    right, below = beyond[..., :-1, 1:] - x, beyond[..., 1:, :-1] - x
    return right[..., *counted].square().sum() + below[..., *counted].square().sum()


FAINT = 2 / 255
"""A contrast that is hardly seen. Below it ``gradient_magnitude`` is round: it has a gradient where x is flat, too."""


def gradient_magnitude(x: Float[Tensor, "1 3 h w"], edges: str = "replicate") -> Float[Tensor, "1 h w"]:
    """|∇x|_ij = √(Σ_c ((x_{i,j+1} − x_ij)² + (x_{i+1,j} − x_ij)²) + ε²), c the three colours; its sum is the total
    variation of a picture in colour.

    Rudin, Osher and Fatemi, *Nonlinear total variation based noise removal algorithms* (1992); of colours Blomgren and
    Chan, *Color TV: total variation methods for restoration of vector-valued images* (1998). ε is ``FAINT``. Beyond
    its edges the picture is what it is there, or, "circular", at the opposite ones.
    """
    from torch.nn.functional import pad

    from impasto.gradients import GradientMagnitude

    if edges == "circular":
        return gradient_magnitude(pad(x, (0, 1, 0, 1), mode=edges))[..., :-1, :-1]
    magnitude: Tensor = GradientMagnitude.apply(x, FAINT)  # type: ignore[no-untyped-call]
    return magnitude


def spectrum(Y: Float[Tensor, "1 1 h_a w_a"], height: int, width: int) -> Float[Tensor, "height half"]:
    """|F|, the amplitudes that a picture of ``height`` x ``width`` px has whose luminance repeats itself as Y does: the
    root of the Fourier transform of Y's autocorrelation, without its mean."""
    import torch

    h, w = Y.shape[2:]
    y = (Y - Y.mean())[0, 0]
    power = torch.fft.rfft2(y, (2 * h, 2 * w)).abs().square() / (h * w)
    repeated = torch.fft.irfft2(power, (2 * h, 2 * w)).roll((h, w), (0, 1))  # by shift, from −h to h − 1
    lags = torch.zeros(height, width, dtype=Y.dtype, device=Y.device)
    up, left = min(h, height // 2), min(w, width // 2)
    down, right = min(h, height - height // 2), min(w, width - width // 2)
    lags[:down, :right] = repeated[h : h + down, w : w + right]
    lags[height - up :, :right] = repeated[h - up : h, w : w + right]
    lags[:down, width - left :] = repeated[h : h + down, w - left : w]
    lags[height - up :, width - left :] = repeated[h - up : h, w - left : w]
    return (torch.fft.rfft2(lags).real.clamp_min(0) * (height * width)).sqrt()  # type: ignore[no-any-return]


def spectrum_loss(Y: Float[Tensor, "1 1 h w"], wanted: Float[Tensor, "h half"]) -> Float[Tensor, ""]:
    """½ Σ (|F_Y| − |F|)² / (h w) over all frequencies but 0: half the squared distance of the luminance Y from the
    nearest picture with the amplitudes ``wanted``, not in the paper.

    Liu, Gousseau and Xia, *Texture Synthesis Through Convolutional Neural Networks and Spectrum Constraints* (arXiv
    1605.01141), there of the three colours with one phase.
    """
    import torch

    h, w = Y.shape[2:]
    F = torch.fft.rfft2((Y - Y.mean())[0, 0])
    amplitude = (F.real.square() + F.imag.square() + 1e-12).sqrt()
    twice = torch.full_like(amplitude[:1], 2.0)  # rfft2 leaves out what is conjugate to others
    twice[:, 0] = 1
    if w % 2 == 0:
        twice[:, -1] = 1
    distance: Tensor = (twice * (amplitude - wanted).square()).sum() / (2 * h * w)
    return distance
