"""Where in an image the anomaly is: patches of large images, anomaly maps, and files that show them."""

from ._aligned_detector import AlignedDetector
from ._overlay import save_overlay
from ._patch_detector import PatchDetector
from ._secondary_capture import save_secondary_capture

__all__ = ["AlignedDetector", "PatchDetector", "save_overlay", "save_secondary_capture"]
