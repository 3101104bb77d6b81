"""Samples as pictures: grey or red, green and blue, in bytes."""

import numpy as np

from ..base._input import as_array, as_float, looks_channels_last


def read_images(X):
    """Images of an array or a list.

    Parameters
    ----------
    X : array-like of shape (n, H, W) or (n, C, H, W), or list of images
        The images of a list may differ in size.

    Returns
    -------
    images : ndarray, or list of ndarray

    Raises
    ------
    ValueError
        For a table, or images with their channels last.
    """
    images = [as_array(image) for image in X] if isinstance(X, list | tuple) else as_array(X)
    for image in images[:1] if hasattr(images, "ndim") else images:
        check_image(image)
    return images


def check_image(image):
    """Raise the ValueError of what is no image of shape (H, W) or (C, H, W)."""
    shape = np.shape(image)
    if len(shape) not in (2, 3):
        raise ValueError(
            f"A sample has shape {shape}, but a picture needs (height, width) or (channels, height, width); a table "
            "has none, flattened images have to be reshaped."
        )
    if looks_channels_last(shape):
        raise ValueError(
            f"An image has shape {shape}, which looks like channels last, expected channels first; use "
            "np.moveaxis(image, -1, 0)."
        )


def of_shape(array, shape, name):
    """The array; a ValueError where it has another shape."""
    array = as_array(array)
    if np.shape(array) != tuple(shape):
        raise ValueError(f"{name} has shape {np.shape(array)}, expected {tuple(shape)} as the image has; resize it.")
    return array


def value_range(images):
    """Return the values shown as black and as white: 0 and 1 where these hold all values, else the extremes.

    Bytes are read as value / 255, as everywhere.
    """
    images = images if isinstance(images, list) else [images]
    extremes = np.array([(0, 1) if image.dtype == np.uint8 else (image.min(), image.max()) for image in images])
    low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())  # NaN where an image holds one
    return (0, 1) if low >= 0 and high <= 1 else (low, high)


def as_picture(image, low, high):
    """Bytes of one image.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (C, H, W)
        Three channels are red, green and blue; of any other number the first is shown.
    low, high : float
        Values shown as black and as white.

    Returns
    -------
    picture : ndarray of shape (H, W) or (H, W, 3), uint8

    Raises
    ------
    ValueError
        For NaN or infinity, in the image or as black or white.
    """
    if image.ndim == 3:
        image = np.moveaxis(image, 0, -1) if len(image) == 3 else image[0]
    values = as_float(image).astype(np.float64)
    if not (np.isfinite(values).all() and np.isfinite([low, high]).all()):
        raise ValueError("An image holds NaN or infinity, expected finite values to draw; replace them.")
    grey = 255 * (values - low) / max(high - low, np.finfo(float).tiny)
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)


def show(ax, picture, **kwargs):
    """Draw bytes as they are, without ticks."""
    ax.set(xticks=[], yticks=[])
    return ax.imshow(picture, **{"cmap": "gray", "vmin": 0, "vmax": 255} | kwargs)
