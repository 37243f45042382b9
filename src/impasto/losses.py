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

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""


def luminance(x: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    """0.299 R + 0.587 G + 0.114 B."""
    red, green, blue = (weight * x[:, at : at + 1] for at, weight in enumerate(LUMINANCE))
    return red + green + blue


def laplacian(x: Float[Tensor, "1 3 h w"], cell: int = 4) -> Float[Tensor, "1 1 h_c w_c"]:
    """Σ of the four neighbours − 4 × itself, of the luminance in cells ``cell`` px apart: where lines are.

    Li et al., *Laplacian-Steered Neural Style Transfer* (arXiv 1707.01253), section 3, there of each colour and in
    cells side by side. Here each is twice as wide, since the seams of cells that do not overlap show as grain. Beyond
    its edges the picture is what it is there.
    """
    from torch.nn.functional import avg_pool2d, pad

    around = pad(luminance(x), (cell // 2,) * 4, mode="replicate")
    y = avg_pool2d(around, 2 * cell, cell, ceil_mode=True)
    wide = pad(y, (1, 1, 1, 1), mode="replicate")
    neighbours = wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] + wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return neighbours - 4 * y


def total_variation(x: Float[Tensor, "1 3 h w"], counted: tuple[slice, slice] = EVERYWHERE) -> Float[Tensor, ""]:
    """Σ ((x_{i,j+1} − x_ij)² + (x_{i+1,j} − x_ij)²) over the sRGB image in [0, 1], not in the paper.

    Mahendran and Vedaldi, *Understanding Deep Image Representations by Inverting Them* (arXiv 1412.0035), equation 6
    with exponent 2. A plain sum over the rows i and columns j that are ``counted``: it grows with the picture.
    """
    right, below = x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]
    return right[..., *counted].square().sum() + below[..., *counted].square().sum()
