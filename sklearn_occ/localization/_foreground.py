"""Which patches of an image show tissue."""

import numpy as np
from scipy import ndimage

from .._tissue import brighter_part
from ._images import UnusableImageError

_BLUR = 2.0  # pixels


def otsu_foreground(image):
    """Pixels brighter than halfway between the darkest value and Otsu's threshold, and the holes among them.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (C, H, W)
        Floats; the mean over channels is taken, and blurred by 2 pixels.

    Returns
    -------
    mask : ndarray of bool, shape (H, W)
    """
    grey = image.mean(axis=0) if image.ndim == 3 else image
    if grey.min() == grey.max():
        raise UnusableImageError(f"has the value {grey.flat[0]:g} in all pixels, no foreground; leave it out.")
    return brighter_part(ndimage.gaussian_filter(grey, _BLUR), purpose="foreground='otsu'")


def foreground_share(mask, patch_shape):
    """Share of foreground in the patch at each corner: (H, W) -> (H - h + 1, W - w + 1), float32."""
    height, width = patch_shape
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    mask.cumsum(axis=0, dtype=np.int32, out=sums[1:, 1:])
    sums[1:, 1:].cumsum(axis=1, out=sums[1:, 1:])
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    return inside.astype(np.float32) / np.float32(height * width)
