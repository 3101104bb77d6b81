"""Splits and cross-validation where only the majority is trained on."""

from ._class_split import one_vs_rest_split, rest_vs_one_split
from ._majority_only import MajorityOnly
from ._split import OneClassKFold

__all__ = ["MajorityOnly", "OneClassKFold", "one_vs_rest_split", "rest_vs_one_split"]
