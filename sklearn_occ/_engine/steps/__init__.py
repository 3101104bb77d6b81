"""Training steps: the eager one, and what wraps it if that is asked for."""

from ._making import make_step

__all__ = ["make_step"]
