"""Damaged pictures for the decoder: what it does with ten thousand files that nobody meant to make."""
