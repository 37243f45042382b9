"""The kernels of GPUs beside the torch functions that say what they compute, by Triton's interpreter."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from impasto.network import kernels

pytest.importorskip("triton", reason="Triton is not installed: it comes with torch's builds for GPUs")
spec = spec_from_file_location("triton_kernels", Path(kernels.__file__).with_name("triton_kernels.py"))
fused = module_from_spec(spec)  # as it is: type checks of every call, as the tests have them elsewhere, are not Triton
spec.loader.exec_module(fused)

SIZES = [(6, 7), (5, 5), (8, 4), (9, 70)]


def random(channels, height, width, seed=0):
    x = torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [*SIZES, (2, 2)])
@pytest.mark.parametrize("channels", [3, 16, 80])
def test_mirrored(channels, size):
    x = random(channels, *size)
    torch.testing.assert_close(fused.mirrored(x), kernels.mirrored(x), rtol=0, atol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("whole", [False, True])
def test_halved(size, whole):
    x = random(20, *size)
    torch.testing.assert_close(fused.halved(x, whole), kernels.halved(x, whole))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("given", ["gradient", "own", "both"])
def test_opened(size, whole, pooled, padded, given):
    activation, own = random(20, *size).relu(), random(20, *size, seed=1)
    h, w = ((side + whole) // 2 for side in size) if pooled else size
    gradient = random(20, h + 2 * padded, w + 2 * padded, seed=2)
    gradients = None if given == "own" else gradient, None if given == "gradient" else own
    how = {"padded": padded, "pooled": pooled}
    found = fused.opened(activation, *gradients, **how)
    again = fused.opened(activation > 0, *gradients, **how)
    expected = kernels.opened(activation, *(g if g is None else g.clone() for g in gradients), whole=whole, **how)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(again, expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(("channels", "filters"), [(3, 64), (3, 12), (16, 40)])
def test_convolutions_of_few_filters(size, mirror, channels, filters):
    x, b = random(channels, *size), random(filters, 1, 1).flatten()
    K = torch.randn(filters, channels, 3, 3, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(fused.convolved(x, K, b, mirror), kernels.convolved(x, K, b, mirror))
    torch.testing.assert_close(fused.convolved(x, K, None, mirror), kernels.convolved(x, K, None, mirror))
    gradient = random(filters, *size)
    expected = kernels.convolved_back(gradient, K, mirror)
    torch.testing.assert_close(fused.convolved_back(gradient, K, wider=mirror), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [*SIZES, (1, 3)])
@pytest.mark.parametrize("padding", [0, 1])
def test_convolutions_of_three_colours(size, padding):
    height, width = (side + 2 - 2 * padding for side in size)
    x = random(3, height, width)
    K = torch.randn(3, 3, 3, 3, generator=torch.Generator().manual_seed(3))
    expected = kernels.convolution(x, K, padding)
    torch.testing.assert_close(fused.of_colours(x, K, padding), expected, rtol=1e-4, atol=1e-5)
    gradient = random(3, *size, seed=1)
    expected = kernels.convolution_back(gradient, K, padding)
    torch.testing.assert_close(fused.of_colours_back(gradient, K, padding), expected, rtol=1e-4, atol=1e-5)
