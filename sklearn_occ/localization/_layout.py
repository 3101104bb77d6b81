"""PatchLayout: where the patches of an image lie, on a grid or anywhere, as far as they show tissue."""

import numpy as np

from .._input import pair_of_sides
from ._foreground import foreground_share, otsu_foreground
from ._images import UnusableImageError


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
        self._stride = (
            tuple(max(1, side // 2) for side in self.patch_shape) if stride is None else pair_of_sides(stride, "stride")
        )
        self._foreground = foreground
        self._min_foreground = min_foreground

    def on_grid(self, image):
        """Top left corners of patches a stride apart, and of a last row and column at the border: (k, 2), row-wise."""
        return self._with_tissue(image, self._grid(image, self._stride))

    def anywhere(self, image):
        """Top left corners of patches at all pixels, (k, 2)."""
        return self._with_tissue(image, self._grid(image, (1, 1)))

    def _grid(self, image, stride):
        shape = image.shape[-2:]
        if any(side < patch for side, patch in zip(shape, self.patch_shape, strict=True)):
            raise UnusableImageError(
                f"has {shape[0]} x {shape[1]} pixels, expected at least a patch of {self.patch_shape[0]} x "
                f"{self.patch_shape[1]}; enlarge it, or lower patch_size."
            )
        tops, lefts = (
            np.unique(np.append(np.arange(0, side - patch + 1, step), side - patch))
            for side, patch, step in zip(shape, self.patch_shape, stride, strict=True)
        )
        return np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1).reshape(-1, 2)

    def _with_tissue(self, image, corners):
        if self._foreground is None:
            return corners
        mask = otsu_foreground(image) if self._foreground == "otsu" else np.asarray(self._foreground(image), dtype=bool)
        if mask.shape != image.shape[-2:]:
            raise ValueError(
                f"foreground returned a mask of shape {mask.shape}, expected {image.shape[-2:]}, that of the image."
            )
        enough = foreground_share(mask, self.patch_shape)[tuple(corners.T)] >= self._min_foreground
        if not enough.any():
            raise UnusableImageError(
                f"has no patch with a share of {self._min_foreground} of foreground; lower min_foreground, or set "
                "foreground=None."
            )
        return corners[enough]
