"""Pictures: files on disk on one side, tensors ``(1, 3, H, W)``, float32, sRGB in [0, 1], on the other."""
