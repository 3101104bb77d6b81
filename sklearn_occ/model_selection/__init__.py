"""Cross-validation where only the majority is trained on."""

from ._split import OneClassKFold

__all__ = ["OneClassKFold"]
