"""Detectors that model the density of the majority's codes."""

from ._aegmm import AEGMM
from ._dagmm import DAGMM

__all__ = ["AEGMM", "DAGMM"]
