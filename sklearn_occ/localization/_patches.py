"""Patches of one image: how they are cut out, and how maps of them are blended."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_BLOCK_VALUES = 2**22  # values of the patches that are in memory at a time: 16 MB of float32


def cut(image, corners, patch_shape):
    """The patches at these corners, (k, H, W) or (k, C, H, W)."""
    axes = (image.ndim - 2, image.ndim - 1)
    windows = sliding_window_view(image, patch_shape, axis=axes)
    tops, lefts = corners.T
    if image.ndim == 2:
        return windows[tops, lefts]
    return np.ascontiguousarray(np.moveaxis(windows[:, tops, lefts], 1, 0))


def blocks(image, corners, patch_shape):
    """Yield the corners and their patches in blocks of bounded memory."""
    n_values = int(np.prod(patch_shape)) * (image.shape[0] if image.ndim == 3 else 1)
    step = max(1, _BLOCK_VALUES // n_values)
    for start in range(0, len(corners), step):
        part = corners[start : start + step]
        yield part, cut(image, part, patch_shape)


class Blend:
    """Mean of overlapping patches, each weighted by a Gaussian around its centre: see `PatchDetector.anomaly_map`.

    Pixels of no patch get the least value of the others.

    Parameters
    ----------
    shape : tuple (H, W)
        Of the image.
    patch_shape : tuple (h, w)
        Of the patches.
    """

    def __init__(self, shape, patch_shape):
        self._sum = np.zeros(shape, np.float32)
        self._weight = np.zeros(shape, np.float32)
        height, width = (_gaussian(side) for side in patch_shape)
        self._window = np.outer(height, width).astype(np.float32)

    def add(self, corners, maps):
        """Add maps of patches, (k, h, w) or anything that broadcasts to it."""
        height, width = self._window.shape
        maps = np.broadcast_to(maps, (len(corners), height, width))
        for (top, left), one in zip(corners.tolist(), maps, strict=True):
            place = slice(top, top + height), slice(left, left + width)
            self._sum[place] += self._window * one
            self._weight[place] += self._window

    def result(self):
        """The blended map, float32 (H, W), and where it is that of a patch, bool (H, W)."""
        covered = self._weight > 0
        found = np.divide(self._sum, self._weight, out=np.zeros_like(self._sum), where=covered)
        found[~covered] = found[covered].min()
        return found, covered


def _gaussian(side):
    distance = np.arange(side) - (side - 1) / 2
    return np.exp(-0.5 * (distance / (side / 4)) ** 2)
