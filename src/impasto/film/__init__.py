"""Films: frames painted one from another, so that strokes move with what they are on."""
