"""Detectors that enclose the majority's codes in a hypersphere."""

from ._deep_svdd import DeepSVDD

__all__ = ["DeepSVDD"]
