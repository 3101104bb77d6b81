"""Detectors that split the majority, so that a classifier can be trained on it."""

from ._intra_class_splitting import IntraClassSplitting

__all__ = ["IntraClassSplitting"]
