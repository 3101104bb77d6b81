"""One way to resize an image for all loaders."""

import numpy as np

from .._optional import require
from ..base._input import pair_of_sides


def resize_image(image, size):
    """Resize (H, W) or (C, H, W) to `size`, one side or (height, width), bilinear after a Gaussian blur; dtype kept."""
    size = pair_of_sides(size, "size")
    if image.shape[-2:] == size:
        return image
    transform = require("skimage.transform", purpose="Resizing images")
    shape = (*image.shape[:-2], *size)
    resized = transform.resize(image, shape, order=1, anti_aliasing=True, preserve_range=True)
    if image.dtype == np.uint8:
        resized = np.rint(resized)
    return resized.astype(image.dtype)
