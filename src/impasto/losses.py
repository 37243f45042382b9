"""The paper's equations (Gatys, Ecker and Bethge, arXiv 1508.06576), a few lines each.

F, P: features ``(N, M)``, N filters at M positions, of the generated image and of the photograph. G, A: Gram matrices
``(N, N)`` of the generated image and of the painting. All are pure functions that return a scalar or a matrix of the
type they were given. The losses of style that can be chosen, the paper's and others, are in ``style.py``.
"""

from jaxtyping import Float

from impasto.tensors import Tensor


def content_loss(F: Float[Tensor, "N M"], P: Float[Tensor, "N M"]) -> Float[Tensor, ""]:
    """Equation 1: L_content = ½ Σ_ij (F_ij − P_ij)². A plain sum, as in the paper: it grows with the picture."""
    from torch.nn.functional import mse_loss

    return mse_loss(F.T, P.T, reduction="sum") / 2  # transposed, as they lie in memory: twice as fast


def gram(F: Float[Tensor, "N M"]) -> Float[Tensor, "N N"]:
    """Equation 3: G_ij = Σ_k F_ik F_jk. A plain sum over the M positions, as in the paper: not divided by anything."""
    from impasto.gradients import Gram

    G: Tensor = Gram.apply(F)  # type: ignore[no-untyped-call]
    return G


def style_loss(G: Float[Tensor, "N N"], A: Float[Tensor, "N N"], M: int, M_a: int) -> Float[Tensor, ""]:
    """Equation 4: E_l = 1 / (4 N² M²) Σ_ij (G_ij − A_ij)², for one layer.

    M and M_a are the numbers of positions that G and A were summed over. The paper has painting and photograph of one
    size, M = M_a; for two sizes each Gram matrix is divided by its own: 1 / (4 N²) Σ (G / M − A / M_a)².
    """
    N = G.shape[0]
    return (G / M - A / M_a).square().sum() / (4 * N**2)


EVERYWHERE = (slice(None), slice(None))


def total_variation(x: Float[Tensor, "1 3 h w"], counted: tuple[slice, slice] = EVERYWHERE) -> Float[Tensor, ""]:
    """Σ ((x_{i,j+1} − x_ij)² + (x_{i+1,j} − x_ij)²) over the sRGB image in [0, 1], not in the paper.

    Mahendran and Vedaldi, *Understanding Deep Image Representations by Inverting Them* (arXiv 1412.0035), equation 6
    with exponent 2. A plain sum over the rows i and columns j that are ``counted``: it grows with the picture.
    """
    right, below = x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]
    return right[..., *counted].square().sum() + below[..., *counted].square().sum()
