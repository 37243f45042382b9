"""What a convolution sees beyond the edges of a picture. ``kernels.py`` does it."""

EDGES: dict[str, str] = {"mirrored": "the mirror image", "black": "0, as VGG was trained"}
"""By the name that ``--edges`` takes."""
