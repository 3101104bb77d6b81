"""How any deep method is trained and scored; names no method."""

from ._deep import BaseDeepOneClass

__all__ = ["BaseDeepOneClass"]
