"""Sample style paintings, drawn from scratch by procedural brushes, stones, dots and woodblocks."""
