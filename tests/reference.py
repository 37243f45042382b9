"""An independent implementation of the paper in NumPy and float64: features, both losses, and their gradients by hand.

Nothing of torch and nothing of impasto's formulas is used: convolutions are sums over shifted pictures, and every
derivative is written down. It is slow, and only meant to be compared with.
"""

from dataclasses import dataclass

import numpy as np

POOLED = ("conv2_1", "conv3_1", "conv4_1", "conv5_1")


@dataclass(frozen=True)
class Stage:
    """What is needed of one layer to go back through it."""

    layer: str
    pooled_from: np.ndarray | None  # what was pooled before it
    squeeze: np.ndarray | None
    kernel: np.ndarray
    expand: np.ndarray | None
    output: np.ndarray  # after the ReLU


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """(C, h, w) with (N, C, 3, 3), zeros around: (N, h, w)."""
    h, w = x.shape[1:]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    return sum(
        np.einsum("nc,chw->nhw", kernel[:, :, i, j], padded[:, i : i + h, j : j + w])
        for i in range(3)
        for j in range(3)
    )


def through(network, image: np.ndarray) -> list[Stage]:
    """Layer after layer, from an image (1, 3, h, w) in [0, 1]."""
    weights = {key: value.double().numpy() for key, value in network.weights().items()}
    wants = network.preprocessing
    x = wants.scale * (image[0][::-1] if wants.channels == "BGR" else image[0])
    x = (x - np.reshape(wants.mean, (3, 1, 1))) / np.reshape(wants.std, (3, 1, 1))
    stages = []
    for layer in network.convolutions:
        pooled_from = None
        if layer in POOLED:
            pooled_from, x = x, pooled(x, network.pooling)
        squeeze, kernel, expand = (weights.get(f"{layer}.{part}") for part in ("squeeze", "weight", "expand"))
        seen = x if squeeze is None else np.einsum("rn,nhw->rhw", squeeze, x)
        given = convolved(seen, kernel)
        given = given if expand is None else np.einsum("nr,rhw->nhw", expand, given)
        x = np.maximum(given + weights[f"{layer}.bias"][:, None, None], 0)
        stages.append(Stage(layer, pooled_from, squeeze, kernel, expand, x))
    return stages


def blocks(x: np.ndarray) -> np.ndarray:
    """(N, h, w) as (N, h/2, w/2, 4), an odd row or column left out."""
    n, h, w = x.shape[0], x.shape[1] // 2, x.shape[2] // 2
    return x[:, : 2 * h, : 2 * w].reshape(n, h, 2, w, 2).transpose(0, 1, 3, 2, 4).reshape(n, h, w, 4)


def pooled(x: np.ndarray, pooling: str) -> np.ndarray:
    return blocks(x).mean(axis=3) if pooling == "average" else blocks(x).max(axis=3)


def back_through_pooling(gradient: np.ndarray, x: np.ndarray, pooling: str) -> np.ndarray:
    n, h, w = gradient.shape
    four = blocks(x)
    share = np.full(four.shape, 0.25) if pooling == "average" else np.eye(4)[four.argmax(axis=3)]
    spread = (share * gradient[..., None]).reshape(n, h, w, 2, 2).transpose(0, 1, 3, 2, 4).reshape(n, 2 * h, 2 * w)
    found = np.zeros_like(x)
    found[:, : 2 * h, : 2 * w] = spread
    return found


def back_through_convolution(gradient: np.ndarray, stage: Stage) -> np.ndarray:
    """Of the layer's input, from the gradient of its output."""
    opened = gradient * (stage.output > 0)
    opened = opened if stage.expand is None else np.einsum("nr,nhw->rhw", stage.expand, opened)
    mirrored = stage.kernel[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    seen = convolved(opened, mirrored)
    return seen if stage.squeeze is None else np.einsum("rn,rhw->nhw", stage.squeeze, seen)


def activations(network, image: np.ndarray) -> dict[str, np.ndarray]:
    """``{layer: (N, h, w)}``, readouts applied."""
    R = readouts(network)
    return {s.layer: np.einsum("mn,nhw->mhw", R[s.layer], s.output) for s in through(network, image)}


def readouts(network) -> dict[str, np.ndarray]:
    weights = {key: value.double().numpy() for key, value in network.weights().items()}
    as_it_is = {layer: np.eye(len(weights[f"{layer}.bias"])) for layer in network.convolutions}
    return {layer: weights.get(f"{layer}.readout", eye) for layer, eye in as_it_is.items()}


def terms_and_gradient(
    network,
    x: np.ndarray,
    p: np.ndarray,
    a: np.ndarray,
    content: dict[str, float],
    style: dict[str, float],
    alpha: float,
    beta: float,
    tv: float,
) -> tuple[dict[str, float], np.ndarray]:
    """The weighted terms of equation 7, and the gradient of their sum with respect to x, (1, 3, h, w)."""
    size = 512**2 / (x.shape[2] * x.shape[3])
    R, P, S = readouts(network), activations(network, p), activations(network, a)
    stages = through(network, x)
    terms = {"content": 0.0, "style": 0.0}
    gradient = np.zeros_like(stages[-1].output)
    for stage in reversed(stages):
        n, h, w = stage.output.shape
        R_l, F = R[stage.layer], R[stage.layer] @ stage.output.reshape(n, h * w)
        N, M = F.shape
        own = np.zeros_like(F)
        if stage.layer in content:
            difference = F - P[stage.layer].reshape(N, M)
            terms["content"] += alpha * size * content[stage.layer] * 0.5 * (difference**2).sum()  # equation 1
            own += alpha * size * content[stage.layer] * difference  # equation 2
        if stage.layer in style:
            painted = S[stage.layer].reshape(N, -1)
            difference = F @ F.T / M - painted @ painted.T / painted.shape[1]
            terms["style"] += beta * style[stage.layer] * (difference**2).sum() / (4 * N**2)  # equation 4
            own += beta * style[stage.layer] * difference @ F / (N**2 * M)  # equation 6
        gradient = back_through_convolution(gradient + (R_l.T @ own).reshape(n, h, w), stage)
        if stage.pooled_from is not None:
            gradient = back_through_pooling(gradient, stage.pooled_from, network.pooling)
    wants = network.preprocessing
    gradient = gradient * wants.scale / np.reshape(wants.std, (3, 1, 1))
    gradient = (gradient[::-1] if wants.channels == "BGR" else gradient)[None].copy()
    for axis in (2, 3):
        difference = np.diff(x, axis=axis)
        terms["tv"] = terms.get("tv", 0.0) + tv * size * (difference**2).sum()
        width = [(0, 0)] * 4
        width[axis] = (1, 1)
        gradient -= 2 * tv * size * np.diff(np.pad(difference, width), axis=axis)
    return terms, gradient
