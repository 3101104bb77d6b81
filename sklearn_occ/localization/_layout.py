"""PatchLayout: where the patches of an image lie, on a grid or at random, as far as they show tissue."""

import numpy as np

from ..base._input import pair_of_sides
from ._foreground import Foreground
from ._images import UnusableImageError

_LEAST_TRIED = 256  # random positions at a time
_TRIALS = 1000  # times in vain before there is taken to be no other position than on the grid


class PatchLayout:
    """Corners of the patches of an image.

    Parameters
    ----------
    patch_size : int or (h, w)
        Sides of a patch in pixels.
    stride : int or (h, w) or None
        Pixels from one patch to the next; None is half the patch.
    foreground : {"otsu"}, callable or None
        Which pixels show tissue; a callable gets the image and returns a mask.
    min_foreground : float
        Share of such pixels in a patch.

    Attributes
    ----------
    patch_shape : tuple (h, w)
    """

    def __init__(self, patch_size, stride, foreground, min_foreground):
        self.patch_shape = pair_of_sides(patch_size, "patch_size")
        half = tuple(max(1, side // 2) for side in self.patch_shape)
        self._stride = half if stride is None else pair_of_sides(stride, "stride")
        self._foreground = foreground
        self._min_foreground = min_foreground

    def on_grid(self, image):
        """Top left corners of patches a stride apart, and of a last row and column at the border: (k, 2), row-wise."""
        self._check_size(image)
        corners = self._grid(image)
        if self._foreground is None:
            return corners
        return self._with_tissue(corners, Foreground(image, self._foreground))

    def at_random(self, image, n_patches, random):
        """Top left corners of `n_patches` patches anywhere, (n_patches, 2); `random` is a NumPy generator."""
        self._check_size(image)
        room = [side - patch + 1 for side, patch in zip(image.shape[-2:], self.patch_shape, strict=True)]
        if self._foreground is None:
            return random.integers(room, size=(n_patches, 2))
        foreground = Foreground(image, self._foreground)
        grid = self._with_tissue(self._grid(image), foreground)
        found, n_found, n_vain = [], 0, 0
        while n_found < n_patches and n_vain < _TRIALS:
            tried = random.integers(room, size=(max(_LEAST_TRIED, 2 * n_patches), 2))
            found.append(tried[self._is_tissue(tried, foreground)])
            n_found += len(found[-1])
            n_vain = 0 if len(found[-1]) else n_vain + 1
        found.append(random.choice(grid, max(0, n_patches - n_found)))
        return np.concatenate(found)[:n_patches]

    def _check_size(self, image):
        shape = image.shape[-2:]
        if any(side < patch for side, patch in zip(shape, self.patch_shape, strict=True)):
            raise UnusableImageError(
                f"has {shape[0]} x {shape[1]} pixels, expected at least a patch of {self.patch_shape[0]} x "
                f"{self.patch_shape[1]}; enlarge it, or lower patch_size."
            )

    def _grid(self, image):
        tops, lefts = (
            np.unique(np.append(np.arange(0, side - patch + 1, step), side - patch))
            for side, patch, step in zip(image.shape[-2:], self.patch_shape, self._stride, strict=True)
        )
        return np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1).reshape(-1, 2)

    def _is_tissue(self, corners, foreground):
        return foreground.share(corners, self.patch_shape) >= self._min_foreground

    def _with_tissue(self, corners, foreground):
        enough = self._is_tissue(corners, foreground)
        if not enough.any():
            raise UnusableImageError(
                f"has no patch with a share of {self._min_foreground} of foreground; lower min_foreground, or set "
                "foreground=None."
            )
        return corners[enough]
