"""The deep layers of the student, one after another, by least squares.

What a convolution of the teacher gives before its ReLU is, from the student's features below it, nearly a linear
function of low rank: a few combinations of the filters tell nearly all of it (``docs/lite.md`` has the ranks). So a
layer is found by reduced-rank regression (Izenman 1975) on what both see in pictures, as Zhang et al. (arXiv
1505.06798, section 3) find theirs: from the student's own features to the teacher's answers, so that a layer mends what
the layers before it got wrong. Nothing but those answers is asked of the teacher.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as nnf

from impasto.network.link import Link
from impasto.network.vgg import LAYERS, VGG

from .student import FEATURES, INPUT, SHAPE, filter_counts, filters_of

POSITIONS = 220  # per picture: patches of 3 x 3 that a layer is found from
RIDGE = 1e-4  # of the mean variance


@dataclass
class Moments:
    """Covariances of patches x ``(9 N,)``, filter by filter and row by row, with themselves and with answers y."""

    xx: Tensor
    xy: Tensor
    x: Tensor
    y: Tensor

    @property
    def filters(self) -> int:
        return len(self.x) // 9

    def of(self, filters: Tensor) -> "Moments":
        """Those of some of the filters."""
        rows = (9 * filters[:, None] + torch.arange(9)).flatten()
        return Moments(self.xx[rows][:, rows], self.xy[rows], self.x[rows], self.y)

    def squeezed(self, S: Tensor) -> "Moments":
        """Those of the combinations S ``(r, N)`` of the filters."""
        T = torch.kron(S, torch.eye(9, dtype=S.dtype))
        return Moments(T @ self.xx @ T.T, T @ self.xy, T @ self.x, self.y)

    def regression(self) -> Tensor:
        """``(9 N, N_y)``: what predicts y - E y from x - E x."""
        ridge = RIDGE * self.xx.diagonal().mean() * torch.eye(len(self.x), dtype=self.xx.dtype)
        return torch.linalg.solve(self.xx + ridge, self.xy)

    def between_filters(self) -> Tensor:
        """``(N, N)``: covariance of the filters, a mean over the nine places of the patch."""
        return self.xx.view(self.filters, 9, self.filters, 9).diagonal(dim1=1, dim2=3).mean(2)


def moments(inputs: Iterable[Tensor], answers: Iterable[Tensor]) -> Moments:
    """From activations ``(N, h, w)`` and answers ``(N_y, h, w)`` of many pictures."""
    xx = xy = x = y = torch.zeros(())
    count = 0
    for activation, answer in zip(inputs, answers, strict=True):
        places = torch.randperm(answer[0].numel())[:POSITIONS]
        patches = nnf.unfold(activation[None], 3, padding=1)[0][:, places]
        wanted = answer.float().flatten(1)[:, places]
        xx, xy = xx + patches @ patches.T, xy + patches @ wanted.T
        x, y = x + patches.sum(1), y + wanted.sum(1)
        count += len(places)
    xx, xy, x, y = (total.double() / count for total in (xx, xy, x, y))
    return Moments(xx - x[:, None] * x, xy - x[:, None] * y, x, y)


def strongest(m: Moments, count: int) -> Tensor:
    """The ``count`` filters without which most of the answers would be lost, in order.

    Without filter i the residual grows by about |W_i|^2 / (C^-1)_ii: what it weighs, and what the others do not say.
    """
    C = m.between_filters()
    alone = 1 / torch.linalg.inv(C + 1e-3 * C.diagonal().mean() * torch.eye(len(C), dtype=C.dtype)).diagonal()
    weight = m.regression().reshape(m.filters, -1).square().sum(1)
    return (weight * alone).argsort(descending=True)[:count].sort().values


def directions(m: Moments) -> tuple[Tensor, Tensor]:
    """The combinations S ``(N, N)`` of the filters that tell of the answers, one a row, each of variance 1 and none
    telling what another tells, and how much of the answers each predicts ``(N,)``: the most telling last."""
    values, vectors = torch.linalg.eigh(m.between_filters())
    root = vectors * values.clamp_min(1e-7 * values.max()).sqrt()  # C = root rootᵀ
    W = m.regression().reshape(m.filters, -1)
    told, basis = torch.linalg.eigh(root.T @ W @ W.T @ root)
    return torch.linalg.solve(root.T, basis).T, told


def reduced_rank(m: Moments, rank: int, given: int = 0) -> dict[str, Tensor]:
    """Squeeze ``(r, N)``, kernel ``(N_y, r, 3, 3)`` and bias ``(N_y,)`` that predict the answers; where the kernel is
    to give r′ = ``given`` filters alone, ``(r′, r, 3, 3)`` and their expansion ``(N_y, r′)``: to the first principal
    components of what is predicted."""
    S = directions(m)[0][-rank:]
    squeezed = m.squeezed(S)
    K = squeezed.regression().T
    found = {"squeeze": S, "bias": m.y - K @ squeezed.x}
    if 0 < given < len(K):
        E = torch.linalg.eigh(K @ squeezed.xx @ K.T).eigenvectors[:, -given:]
        K, found["expand"] = E.T @ K, E
        found["bias"] = m.y - E @ (K @ squeezed.x)
    found["weight"] = K.reshape(-1, len(S), 3, 3)
    return {part: tensor.float().contiguous() for part, tensor in found.items()}


@torch.no_grad()
def fit(
    weights: dict[str, Tensor], teacher: VGG, pictures: list[Tensor], log: Callable[[str, float], None]
) -> dict[str, Tensor]:
    """``weights``, which end at the first of the wide layers, continued to the end of ``SHAPE``.

    Every layer has at first all of the teacher's filters, and keeps those that the next one needs most. At last every
    layer of ``FEATURES`` gets a readout, where its filters are not all of the teacher's. ``log`` is told of every layer
    the share of the teacher's energy that is missed.
    """
    weights, student, wide = dict(weights), VGG(weights, INPUT), filter_counts(teacher)
    below = student.convolutions[-1]
    todo = list(SHAPE)[list(SHAPE).index(below) + 1 :]
    inputs = [student(picture, [below])[below][0] for picture in pictures]
    answers = before_relu(teacher, pictures, todo)
    for layer in todo:
        inputs = [pooled(x, layer) for x in inputs]
        m = moments(inputs, answers[layer])
        if (count := filters_of(below, wide)) < m.filters:
            kept = strongest(m, count)
            m, inputs = m.of(kept), [x[kept] for x in inputs]
            last = "expand" if f"{below}.expand" in weights else "weight"
            weights |= {f"{below}.{part}": weights[f"{below}.{part}"][kept] for part in (last, "bias")}
        found = reduced_rank(m, *SHAPE[layer][:2])
        weights |= {f"{layer}.{part}": tensor for part, tensor in found.items()}
        link = Link(found)
        inputs = [link(x[None])[0] for x in inputs]
        log(layer, missed(inputs, answers.pop(layer)))
        below = layer
    return weights | readouts(VGG(weights, INPUT), teacher, pictures)


def missed(found: list[Tensor], answers: list[Tensor]) -> float:
    """Share of the energy of the answers, after their ReLU, that what was found misses."""
    error = energy = 0.0
    for x, answer in zip(found, answers, strict=True):
        y = answer.float().relu()
        error, energy = error + float((x - y).square().sum()), energy + float(y.square().sum())
    return error / energy


def pooled(x: Tensor, layer: str) -> Tensor:
    """What a layer sees of the activations before it."""
    return nnf.avg_pool2d(x, 2) if layer.endswith("_1") else x


def before_relu(teacher: VGG, pictures: list[Tensor], layers: list[str]) -> dict[str, list[Tensor]]:
    """What the teacher's convolutions give in each picture: ``{layer: [(N, h, w), …]}``, half precision."""
    kept: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    before = {layer: LAYERS[LAYERS.index(layer) - 1] for layer in layers}
    for picture in pictures:
        seen = teacher(picture, set(before.values()))
        for layer in layers:
            link, x = teacher.link(layer), pooled(seen[before[layer]], layer)
            kept[layer].append(nnf.conv2d(x, link.weight, link.bias, padding=1)[0].half())
    return kept


def readouts(student: VGG, teacher: VGG, pictures: list[Tensor]) -> dict[str, Tensor]:
    """``{"conv3_1.readout": A}``, argmin |A F - T|^2, for the layers whose filters are not all of the teacher's."""
    has, wide = filter_counts(student), filter_counts(teacher)
    asked = [layer for layer in student.convolutions if layer in FEATURES]
    narrow = [layer for layer in asked if student.link(layer).readout is not None or has[layer] < wide[layer]]
    squares, products = {}, {}
    for picture in pictures:
        seen, wanted = student(picture, narrow), teacher(picture, narrow)
        for layer in narrow:
            F, T = seen[layer].flatten(2)[0], wanted[layer].flatten(2)[0]
            squares[layer] = squares.get(layer, 0) + (F @ F.T).double()
            products[layer] = products.get(layer, 0) + (F @ T.T).double()
    found = {}
    for layer in narrow:
        ridge = RIDGE * squares[layer].diagonal().mean() * torch.eye(len(squares[layer]), dtype=torch.float64)
        found[f"{layer}.readout"] = torch.linalg.solve(squares[layer] + ridge, products[layer]).T.float().contiguous()
    return found
