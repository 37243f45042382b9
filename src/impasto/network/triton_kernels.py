"""The Triton kernels behind ``kernels``, where each has its formula and its few lines of torch.

Each program of a kernel has some positions, and some filters, for its own. Offsets are of 64 bits: at 8192 px conv1_1
has 4.3e9 activations.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

CHANNELS = 64
"""Filters at most in one program."""

TILE = 4, 32, 4
"""Rows and columns of a convolution's program, and warps: the fastest of some on an H100."""

SIZES = ["h", "w", "height", "width"]
"""Arguments whose values are many: no program is made for some of them."""


def last(x: Tensor) -> Tensor:
    """``x`` with channels last in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def empty(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    return torch.empty(
        1, channels, height, width, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )


def launched(kernel: Any, out: Tensor, *args: Any, **constants: Any) -> Tensor:
    """``kernel`` over the positions and filters of ``out``."""
    channels, height, width = out.shape[1:]
    block = min(CHANNELS, triton.next_power_of_2(channels))
    columns = 4096 // block
    grid = triton.cdiv(width, columns) * triton.cdiv(channels, block), height
    kernel[grid](out, *args, height, width, channels, COLUMNS=columns, BLOCK=block, num_warps=8, **constants)
    return out


@triton.jit
def here(width, channels, COLUMNS: tl.constexpr, BLOCK: tl.constexpr):
    """Row, columns and filters of this program, and which of them there are."""
    across = tl.cdiv(width, COLUMNS)
    i = tl.program_id(1)
    j = (tl.program_id(0) % across) * COLUMNS + tl.arange(0, COLUMNS)
    c = (tl.program_id(0) // across) * BLOCK + tl.arange(0, BLOCK)
    return i, j, c, (j < width)[:, None] & (c < channels)[None, :]


@triton.jit
def at(i, j, c, width, channels):
    """Where the positions (i, j) and filters c are."""
    return ((i.to(tl.int64) * width + j) * channels)[:, None] + c[None, :]


@triton.jit
def reflected(i, size):
    """The position that is seen at i, perhaps one beyond the edges."""
    i = tl.where(i < 0, -i, i)
    return tl.where(i >= size, 2 * size - 2 - i, i)


@triton.jit(do_not_specialize=SIZES)
def _mirrored(out, x, height, width, channels, COLUMNS: tl.constexpr, BLOCK: tl.constexpr):
    i, j, c, there = here(width, channels, COLUMNS, BLOCK)
    of_i, of_j = reflected(i - 1, height - 2), reflected(j - 1, width - 2)
    tl.store(out + at(i, j, c, width, channels), tl.load(x + at(of_i, of_j, c, width - 2, channels), there), there)


def mirrored(x: Tensor) -> Tensor:
    return launched(_mirrored, empty(x, x.shape[1], x.shape[2] + 2, x.shape[3] + 2), last(x))


@triton.jit(do_not_specialize=SIZES)
def _halved(out, x, h, w, height, width, channels, COLUMNS: tl.constexpr, BLOCK: tl.constexpr):
    i, j, c, there = here(width, channels, COLUMNS, BLOCK)
    below, right = tl.minimum(2 * i + 1, h - 1), tl.minimum(2 * j + 1, w - 1)
    total = tl.load(x + at(2 * i, 2 * j, c, w, channels), there).to(tl.float32)
    total += tl.load(x + at(2 * i, right, c, w, channels), there).to(tl.float32)
    total += tl.load(x + at(below, 2 * j, c, w, channels), there).to(tl.float32)
    total += tl.load(x + at(below, right, c, w, channels), there).to(tl.float32)
    tl.store(out + at(i, j, c, width, channels), total / 4, there)


def halved(x: Tensor, whole: bool) -> Tensor:
    height, width = ((size + whole) // 2 for size in x.shape[2:])
    return launched(_halved, empty(x, x.shape[1], height, width), last(x), *x.shape[2:])


@triton.jit
def from_edges(g, i, j, c, there, h, w, channels):
    """The gradient at (i, j) of an h x w picture, from that of its mirrored one: of itself, and of its images."""
    total = tl.load(g + at(i + 1, j + 1, c, w + 2, channels), there, 0).to(tl.float32)
    left, right = there & (j == 1)[:, None], there & (j == w - 2)[:, None]
    total += tl.load(g + at(i + 1, j * 0, c, w + 2, channels), left, 0).to(tl.float32)
    total += tl.load(g + at(i + 1, j * 0 + w + 1, c, w + 2, channels), right, 0).to(tl.float32)
    if i == 1:
        total += tl.load(g + at(i * 0, j + 1, c, w + 2, channels), there, 0).to(tl.float32)
        total += tl.load(g + at(i * 0, j * 0, c, w + 2, channels), left, 0).to(tl.float32)
        total += tl.load(g + at(i * 0, j * 0 + w + 1, c, w + 2, channels), right, 0).to(tl.float32)
    if i == h - 2:
        total += tl.load(g + at(i * 0 + h + 1, j + 1, c, w + 2, channels), there, 0).to(tl.float32)
        total += tl.load(g + at(i * 0 + h + 1, j * 0, c, w + 2, channels), left, 0).to(tl.float32)
        total += tl.load(g + at(i * 0 + h + 1, j * 0 + w + 1, c, w + 2, channels), right, 0).to(tl.float32)
    return total


@triton.jit(do_not_specialize=SIZES)
def _opened(
    out,
    open_at,
    gradient,
    own,
    h,
    w,
    height,
    width,
    channels,
    DEEPER: tl.constexpr,
    OWN: tl.constexpr,
    PADDED: tl.constexpr,
    POOLED: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    i, j, c, there = here(width, channels, COLUMNS, BLOCK)
    total = tl.zeros((COLUMNS, BLOCK), tl.float32)
    if DEEPER:
        of_i, of_j, of_there = i, j, there
        if POOLED:
            of_i, of_j = i // 2, j // 2
            of_there = there & (of_i < h) & (of_j < w)[:, None]
        if PADDED:
            total = from_edges(gradient, of_i, of_j, c, of_there, h, w, channels)
        else:
            total = tl.load(gradient + at(of_i, of_j, c, w, channels), of_there, 0).to(tl.float32)
        if POOLED:
            twice = tl.where((i == height - 1) & (height % 2 == 1), 0.5, 0.25)
            total *= (tl.where((j == width - 1) & (width % 2 == 1), 2, 1) * twice)[:, None]
    place = at(i, j, c, width, channels)
    if OWN:
        total += tl.load(own + place, there, 0).to(tl.float32)
    is_open = tl.load(open_at + place, there, 0) > 0
    tl.store(out + place, tl.where(is_open, total, 0.0), there)


def opened(open_at: Tensor, gradient: Tensor | None, own: Tensor | None, *, padded: bool, pooled: bool) -> Tensor:
    given = gradient if gradient is not None else own
    assert given is not None
    h, w = (gradient.shape[2] - 2 * padded, gradient.shape[3] - 2 * padded) if gradient is not None else (0, 0)
    mask = open_at.view(torch.uint8) if open_at.dtype == torch.bool else open_at
    return launched(
        _opened,
        empty(given, *open_at.shape[1:]),
        last(mask),
        last(given if gradient is None else gradient),
        last(given if own is None else own),
        h,
        w,
        DEEPER=gradient is not None,
        OWN=own is not None,
        PADDED=padded,
        POOLED=pooled,
    )


@triton.jit
def of_tile(ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Rows and columns of a convolution's program."""
    position = tl.arange(0, ROWS * COLUMNS)
    return tl.program_id(1) * ROWS + position // COLUMNS, tl.program_id(0) * COLUMNS + position % COLUMNS


@triton.jit
def put(out, total, b, i, j, n, height, width, filters, BIAS: tl.constexpr):
    """What a convolution found, with its offset and ReLU, if it has one."""
    if BIAS:
        total = tl.maximum(total + tl.load(b + n, n < filters, 0).to(tl.float32)[None, :], 0.0)
    there = ((i < height) & (j < width))[:, None] & (n < filters)[None, :]
    tl.store(out + at(i, j, n, width, filters), total, there)


@triton.jit(do_not_specialize=SIZES)
def _convolved(
    out,
    x,
    K,
    b,
    h,
    w,
    channels,
    height,
    width,
    filters,
    first,
    by_channel,
    by_tap,
    by_filter,
    MIRROR: tl.constexpr,
    SHIFT: tl.constexpr,
    BIAS: tl.constexpr,
    CHANNELS: tl.constexpr,
    FILTERS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    i, j = of_tile(ROWS, COLUMNS)
    c, n = tl.arange(0, CHANNELS), tl.arange(0, FILTERS)
    total = tl.zeros((ROWS * COLUMNS, FILTERS), tl.float32)
    for tap in tl.static_range(9):
        of_i, of_j = i + tap // 3 - SHIFT, j + tap % 3 - SHIFT
        there = (c < channels)[None, :]
        if MIRROR:
            of_i, of_j = reflected(of_i, h), reflected(of_j, w)
        there = there & ((of_i >= 0) & (of_i < h) & (of_j >= 0) & (of_j < w))[:, None]
        seen = tl.load(x + at(of_i, of_j, c, w, channels), there, 0)
        of_tap = K + first + tap * by_tap + c[:, None] * by_channel + n[None, :] * by_filter
        kernel = tl.load(of_tap, (c < channels)[:, None] & (n < filters)[None, :], 0)
        total = tl.dot(seen, kernel, total, input_precision="ieee")
    put(out, total, b, i, j, n, height, width, filters, BIAS)


@triton.jit(do_not_specialize=SIZES)
def _convolved_image(
    out,
    x,
    K,
    b,
    height,
    width,
    filters,
    MIRROR: tl.constexpr,
    BIAS: tl.constexpr,
    FILTERS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    i, j = of_tile(ROWS, COLUMNS)
    n, k = tl.arange(0, FILTERS), tl.arange(0, 32)  # the 27 numbers that a position sees are one side of the product
    tap, c = k // 3, k % 3
    of_i, of_j = i[:, None] + (tap // 3 - 1)[None, :], j[:, None] + (tap % 3 - 1)[None, :]
    there = (k < 27)[None, :]
    if MIRROR:
        of_i, of_j = reflected(of_i, height), reflected(of_j, width)
    there = there & (of_i >= 0) & (of_i < height) & (of_j >= 0) & (of_j < width)
    seen = tl.load(x + (of_i.to(tl.int64) * width + of_j) * 3 + c[None, :], there, 0)
    of_kernel = K + n[None, :] * 27 + k[:, None]
    kernel = tl.load(of_kernel, (k < 27)[:, None] & (n < filters)[None, :], 0)
    total = tl.dot(seen, kernel, input_precision="ieee")
    put(out, total, b, i, j, n, height, width, filters, BIAS)


def convolved(x: Tensor, K: Tensor, b: Tensor | None, mirror: bool) -> Tensor:
    filters, channels = K.shape[:2]
    out = empty(x, filters, *x.shape[2:])
    if channels == 3:
        return _launched_image(out, x, last(K), b, mirror)
    return _launched_convolution(out, x, last(K), b, (0, 1, channels, 9 * channels), mirror)


def _launched_image(out: Tensor, x: Tensor, K: Tensor, b: Tensor | None, mirror: bool) -> Tensor:
    rows, columns, warps = TILE
    filters, height, width = out.shape[1:]
    _convolved_image[triton.cdiv(width, columns), triton.cdiv(height, rows)](
        *(out, last(x), K, K if b is None else b, height, width, filters),
        MIRROR=mirror,
        BIAS=b is not None,
        FILTERS=least(filters),
        ROWS=rows,
        COLUMNS=columns,
        num_warps=warps,
    )
    return out


def convolved_back(gradient: Tensor, K: Tensor, wider: bool) -> Tensor:
    """``wider``: with one position more on every side, all that the gradient reaches."""
    channels = K.shape[1]
    steps = 8 * channels, 9 * channels, -channels, 1  # the other way round
    out = empty(gradient, channels, *(size + 2 * wider for size in gradient.shape[2:]))
    return _launched_convolution(out, gradient, last(K), None, steps, mirror=False, shift=1 + wider)


def _launched_convolution(
    out: Tensor, x: Tensor, K: Tensor, b: Tensor | None, steps: tuple[int, ...], mirror: bool, shift: int = 1
) -> Tensor:
    rows, columns, warps = TILE
    filters, height, width = out.shape[1:]
    channels, h, w = x.shape[1:]
    _convolved[triton.cdiv(width, columns), triton.cdiv(height, rows)](
        *(out, last(x), K, K if b is None else b, h, w, channels, height, width, filters, *steps),
        MIRROR=mirror,
        SHIFT=shift,
        BIAS=b is not None,
        CHANNELS=least(channels),
        FILTERS=least(filters),
        ROWS=rows,
        COLUMNS=columns,
        num_warps=warps,
    )
    return out


@triton.jit(do_not_specialize=SIZES)
def _of_colours(
    out,
    x,
    K,
    h,
    w,
    height,
    width,
    first,
    by_channel,
    by_tap,
    by_filter,
    SHIFT: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    i, j = tl.program_id(1), tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    red = tl.zeros((COLUMNS,), tl.float32)
    green, blue = red, red
    for c in tl.static_range(3):
        for tap in tl.static_range(9):
            of_i, of_j = i + tap // 3 - SHIFT, j + tap % 3 - SHIFT
            there = (of_i >= 0) & (of_i < h) & (of_j >= 0) & (of_j < w)
            seen = tl.load(x + (c * h + of_i).to(tl.int64) * w + of_j, there, 0)
            of_tap = K + first + c * by_channel + tap * by_tap
            red += seen * tl.load(of_tap)
            green += seen * tl.load(of_tap + by_filter)
            blue += seen * tl.load(of_tap + 2 * by_filter)
    here = out + i.to(tl.int64) * width + j
    tl.store(here, red, j < width)
    tl.store(here + height.to(tl.int64) * width, green, j < width)
    tl.store(here + 2 * height.to(tl.int64) * width, blue, j < width)


def of_colours(x: Tensor, K: Tensor, padding: int) -> Tensor:
    return _launched_of_colours(x, K, (0, 9, 1, 27), padding, 2 * padding - 2)


def of_colours_back(gradient: Tensor, K: Tensor, padding: int) -> Tensor:
    return _launched_of_colours(gradient, K, (8, 27, -1, 9), 2 - padding, 2 - 2 * padding)  # the other way round


def _launched_of_colours(x: Tensor, K: Tensor, steps: tuple[int, ...], shift: int, more: int) -> Tensor:
    """``more``: rows and columns than ``x``."""
    height, width = (size + more for size in x.shape[2:])
    out = x.new_empty(1, 3, height, width)
    _of_colours[triton.cdiv(width, 256), height](
        *(out, x.contiguous(), K.contiguous(), *x.shape[2:], height, width, *steps),
        SHIFT=shift,
        COLUMNS=256,
        num_warps=4,
    )
    return out


def least(count: int) -> int:
    """What a matrix product takes: a power of two, from 16 on."""
    return max(16, 1 << (count - 1).bit_length())
