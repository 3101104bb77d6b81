"""Images before they are changed: what they have to be, and the one way to resize them."""

import numpy as np

from .._optional import require
from ..base._input import looks_channels_last, pair_of_sides


def refuse_channels_last(shape, name):
    """Raise the ValueError of an image (C, H, W) or of images (n, C, H, W) whose channels come last."""
    if looks_channels_last(shape[-3:]):
        raise ValueError(
            f"{name} has shape {shape}, which looks like channels last, expected channels first: use "
            f"np.moveaxis({name}, -1, {len(shape) - 3})."
        )


def refuse_outside_unit_range(images, name, remedy):
    """Raise the ValueError of floats that are not all in [0, 1]."""
    outside = ~((images >= 0) & (images <= 1))
    if outside.any():
        raise ValueError(f"{name} is float and must lie in [0, 1], got {images[outside][0]}: {remedy}.")


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
