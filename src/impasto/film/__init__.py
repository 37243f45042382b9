"""Films: frames painted one from another, so that strokes move with what they are on."""

from impasto.film.painting import Film

__all__ = ["Film"]
