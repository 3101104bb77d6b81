"""Which patches of an image show tissue."""

import numpy as np
from scipy import ndimage

from ..preprocessing._tissue import brighter_part
from ._images import UnusableImageError

_LONGEST_SIDE = 512  # pixels, of the reduced image
_BLUR = 2.0  # pixels of the reduced image


class Foreground:
    """The foreground of one image, on squares of pixels: single ones up to 512 x 512, larger ones in larger images.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (C, H, W)
        Floats; of channels the mean is taken.
    rule : {"otsu"} or callable
        "otsu": brighter, after a blur of 2 squares, than halfway between the darkest value and Otsu's threshold, and
        the holes among these. A callable gets the image and returns a mask of its pixels.
    """

    def __init__(self, image, rule):
        shape = image.shape[-2:]
        self._side = -(-max(shape) // _LONGEST_SIDE)
        mask = self._brighter(image) if rule == "otsu" else self._given(rule(image), shape)
        self._sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
        mask.cumsum(axis=0, dtype=np.float64, out=self._sums[1:, 1:])
        self._sums[1:, 1:].cumsum(axis=1, out=self._sums[1:, 1:])

    def share(self, corners, patch_shape):
        """Share of foreground in the patches with these corners, (k,)."""
        starts, stops = corners // self._side, (corners + patch_shape) // self._side
        last = np.array(self._sums.shape) - 1
        starts = np.minimum(starts, last - 1)
        stops = np.clip(stops, starts + 1, last)
        (tops, lefts), (bottoms, rights) = starts.T, stops.T
        sums = self._sums
        inside = sums[bottoms, rights] - sums[tops, rights] - sums[bottoms, lefts] + sums[tops, lefts]
        return inside / np.prod(stops - starts, axis=1)

    def _brighter(self, image):
        grey = image.mean(axis=0) if image.ndim == 3 else image
        if grey.min() == grey.max():
            raise UnusableImageError(f"has the value {grey.flat[0]:g} in all pixels, no foreground; leave it out.")
        smooth = ndimage.gaussian_filter(self._reduced(grey), _BLUR)
        return brighter_part(smooth, purpose="foreground='otsu'")

    def _given(self, mask, shape):
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != shape:
            raise ValueError(f"foreground returned a mask of shape {mask.shape}, expected {shape}, that of the image.")
        return self._reduced(mask)

    def _reduced(self, values):
        """Means of the squares, a remainder of pixels at the end left out."""
        height, width = (side // self._side for side in values.shape)
        squares = values[: height * self._side, : width * self._side]
        return squares.reshape(height, self._side, width, self._side).mean(axis=(1, 3), dtype=np.float32)
