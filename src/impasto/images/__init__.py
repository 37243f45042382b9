"""Pictures: files on disk on one side, tensors ``(1, 3, H, W)``, float32, sRGB in [0, 1], on the other."""

from impasto.images.files import MAX_PIXELS, MIN_SIDE, check_output, digest, read, read_recipe, write
from impasto.images.samples import SAMPLES, Sample

__all__ = ["MAX_PIXELS", "MIN_SIDE", "SAMPLES", "Sample", "check_output", "digest", "read", "read_recipe", "write"]
