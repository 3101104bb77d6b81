"""Detectors that model the density of the majority's codes."""

from ._dagmm import DAGMM

__all__ = ["DAGMM"]
