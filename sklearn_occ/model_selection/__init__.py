"""Cross-validation where only the majority is trained on."""

from ._majority_only import MajorityOnly
from ._split import OneClassKFold

__all__ = ["MajorityOnly", "OneClassKFold"]
