"""The version, alone in a file so that ``impasto --version`` need import nothing else."""

__version__ = "0.1.0"
