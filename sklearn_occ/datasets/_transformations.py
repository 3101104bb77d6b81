"""Moderate changes that make an outlier of an image: cut, crop, noise, blur."""

from numbers import Real

import numpy as np
from scipy import ndimage
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ..base._input import as_array, as_float
from ._images import refuse_channels_last, refuse_outside_unit_range, resize_image

DEFAULT_STRENGTHS = {"cut": 0.3, "crop": 0.3, "noise": 0.1, "blur": 0.03}
_LEAST_BLUR = 0.7  # pixels; at a third of it a pixel gives its neighbours 0.0001 of itself


@validate_params(
    {
        "images": ["array-like"],
        "kind": [StrOptions(set(DEFAULT_STRENGTHS))],
        "strength": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def transform_images(images, *, kind, strength=None, random_state=0):
    """Change each image in one way that no detector here is trained on.

    ::

        "cut"     a rectangle at a random place, `strength` of either side, is set to 0 in all channels
        "crop"    a window at a random place, 1 - `strength` of either side, is enlarged to the whole
        "noise"   x + strength e, e drawn from N(0, 1) for each pixel of each channel
        "blur"    Gaussian blur with a standard deviation of `strength` of the shorter side, but at least 0.7 pixels;
              nothing is random

    Sides are rounded to pixels, at least one; values are clipped to [0, 1]; all channels are cut and cropped alike.

    Parameters
    ----------
    images : array-like of shape (n, H, W) or (n, C, H, W)
        Values of uint8, read as value / 255, or float in [0, 1]. They are not changed.
    kind : {"cut", "crop", "noise", "blur"}
        What is done.
    strength : float, default=None
        See above; positive, below 1 for "crop", at most 1 for "cut". None is 0.3 for "cut" and "crop", 0.1 for "noise",
        0.03 for "blur".
    random_state : int, RandomState instance or None, default=0
        With an int, what becomes of an image depends on the image, its index and the parameters alone.

    Returns
    -------
    transformed : ndarray of the shape and dtype of `images`
        The changed images.

    Raises
    ------
    ValueError
        If images are not of the shapes, dtypes and ranges above, or a parameter is out of its range.
    ImportError
        For "crop", if scikit-image is absent.

    See Also
    --------
    sklearn_occ.metrics.unseen_transformation_rates : Share of changed images that a detector finds.
    sklearn_occ.TEND : Detector that is trained on strong distortions.
    plant_lesions : Change a small part of each image.

    Notes
    -----
    A rectangle cut out of a black background changes nothing, nor do "crop" and "blur" where an image is even.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), sections 4.1.2 and
    4.1.3, for the four; neither it nor its released code gives strengths. Ours were chosen by eye on
    chest X-rays and digits, so that what an image shows stays recognizable.

    Examples
    --------
    >>> from sklearn_occ.datasets import load_one_class_digits, transform_images
    >>> images = load_one_class_digits(majority=0).X_test[:5]
    >>> noisy = transform_images(images, kind="noise", strength=0.2)
    >>> noisy.shape, noisy.dtype, bool(noisy.min() >= 0 and noisy.max() <= 1)
    ((5, 8, 8), dtype('float32'), True)
    """
    images = _checked_images(as_array(images))
    strength = _checked_strength(strength, kind)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    transformed = np.empty_like(images)
    for i, image in enumerate(images):
        value = as_float(image).astype(np.float64)
        value = np.clip(_CHANGES[kind](value, strength, np.random.default_rng((seed, i))), 0, 1)
        transformed[i] = np.rint(255 * value) if images.dtype == np.uint8 else value
    return transformed


def _cut(image, strength, rng):
    changed = image.copy()
    changed[_random_window(image.shape[-2:], strength, rng)] = 0
    return changed


def _crop(image, strength, rng):
    return resize_image(image[_random_window(image.shape[-2:], 1 - strength, rng)], image.shape[-2:])


def _noise(image, strength, rng):
    return image + strength * rng.standard_normal(image.shape)


def _blur(image, strength, rng):
    width = max(strength * min(image.shape[-2:]), _LEAST_BLUR)
    return ndimage.gaussian_filter(image, width, mode="nearest", axes=(-2, -1))


_CHANGES = {"cut": _cut, "crop": _crop, "noise": _noise, "blur": _blur}


def _random_window(shape, share, rng):
    """Index of a window of `share` of either side, that lies within."""
    sides = [max(1, round(share * side)) for side in shape]
    starts = [rng.integers(whole - side + 1) for whole, side in zip(shape, sides, strict=True)]
    return (..., *(slice(start, start + side) for start, side in zip(starts, sides, strict=True)))


def _checked_strength(strength, kind):
    if strength is None:
        return DEFAULT_STRENGTHS[kind]
    if (kind == "cut" and strength > 1) or (kind == "crop" and strength >= 1):
        bounds = "(0, 1]" if kind == "cut" else "(0, 1)"
        raise ValueError(f"strength of {kind!r} is a share of the image's sides in {bounds}, got {strength}: lower it.")
    return float(strength)


def _checked_images(images):
    if images.ndim not in (3, 4):
        raise ValueError(
            f"images has shape {images.shape}, expected (n, H, W) or (n, C, H, W): a table cannot be cut or blurred, "
            "flattened images have to be reshaped."
        )
    if images.ndim == 4:
        refuse_channels_last(images.shape, "images")
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise ValueError(f"images must be uint8 or float in [0, 1], got {images.dtype}: convert them.")
    refuse_outside_unit_range(images, "images", "divide by their range")
    return images
