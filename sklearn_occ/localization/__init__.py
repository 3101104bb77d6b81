"""Where the anomaly is: patches of large images, and maps of them."""

from ._patch_detector import PatchDetector

__all__ = ["PatchDetector"]
