"""An anomaly map drawn over its image in colour."""

import os
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from .._optional import require
from ..base._input import checked_value_range

# Dark violet to light yellow. Lightness rises all along, also for the three kinds of dichromats, so that the order of
# the colours can be seen without their hue; none is grey.
_COLOURS = np.array([(25, 15, 95), (105, 50, 155), (190, 90, 130), (240, 150, 75), (250, 240, 70)])
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@validate_params(
    {
        "path": [str, os.PathLike],
        "image": ["array-like"],
        "anomaly_map": ["array-like"],
        "mask": ["array-like", None],
        "value_range": [tuple, list, None],
        "alpha": [Interval(Real, 0, 1, closed="right")],
    },
    prefer_skip_nested_validation=True,
)
def save_overlay(path, image, anomaly_map, *, mask=None, value_range=None, alpha=0.6):
    r"""Write an image in grey with its anomaly map over it in colour, as a PNG file of the image's size.

    With the map's value :math:`m` scaled to :math:`t = (m - low) / (high - low)`, clipped to [0, 1], a pixel of grey
    value :math:`g` becomes

    .. math:: (1 - \alpha t)\, g + \alpha t\, c(t)

    so that the image shows through where the map is low. The colours c(t) go from dark violet to light yellow and keep
    their order for colour-blind eyes.

    Parameters
    ----------
    path : str or path-like
        The file to write; one that exists is replaced.
    image : array-like of shape (H, W), (1, H, W) or (3, H, W)
        Values of uint8, or float in [0, 1], as :func:`~sklearn_occ.datasets.read_image` returns it. Colour is shown as
        grey.
    anomaly_map : array-like of shape (H, W)
        Finite numbers, higher = more anomalous.
    mask : array-like of shape (H, W), bool, or None, default=None
        The map is left out where this is False.
    value_range : tuple of two floats or None, default=None
        The values low and high of the formula. None takes the least and the greatest value of the map, so that some
        pixel has the last colour even in an image without anomaly; to compare images, give one range for all.
    alpha : float, default=0.6
        Opacity of the highest values, in (0, 1].

    Raises
    ------
    ValueError
        If image, map and mask differ in size, the image is no such array, the map is not finite or has one value
        throughout while `value_range` is None, or `value_range` is no range.
    ImportError
        If pillow is absent.

    See Also
    --------
    save_secondary_capture : The same picture as a DICOM file.
    sklearn_occ.plotting.AnomalyMapDisplay : The same in a figure of matplotlib.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from sklearn_occ.datasets import read_image
    >>> from sklearn_occ.localization import save_overlay
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "overlay.png"
    >>> save_overlay(path, np.full((2, 3), 100, dtype=np.uint8), [[0, 0, 0], [0, 0.5, 1]], alpha=1)
    >>> read_image(path)[:, 0, 0].tolist(), read_image(path)[:, 1, 2].tolist()
    ([100, 100, 100], [250, 240, 70])
    """
    Image = require("PIL.Image", purpose="Writing PNG files")
    grey = as_grey(image)
    unit, _, _ = scaled_map(anomaly_map, grey.shape, mask, value_range)
    Image.fromarray(blended(grey, unit, alpha)).save(path, format="PNG")


def as_grey(image):
    """Return an image (H, W), (1, H, W) or (3, H, W) as float64 (H, W) in [0, 255]."""
    image = np.asarray(image)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[0] not in (1, 3)):
        raise ValueError(f"image has the shape {image.shape}, expected (H, W), (1, H, W) or (3, H, W).")
    values = image.astype(np.float64)
    if image.dtype != np.uint8:
        if not (values.size and values.min() >= 0 and values.max() <= 1):  # also when NaN
            raise ValueError(
                f"image is {image.dtype} and not within [0, 1]: give uint8, or divide by the largest value it can have."
            )
        values = values * 255
    if values.ndim == 2:
        return values
    return values[0] if len(values) == 1 else np.tensordot(_LUMA, values, axes=1)


def scaled_map(anomaly_map, shape, mask, value_range):
    """Check a map and scale it to [0, 1], 0 where `mask` is False; return it with the values that are 0 and 1."""
    values = np.asarray(anomaly_map, dtype=np.float64)
    if values.shape != shape:
        raise ValueError(
            f"anomaly_map has the shape {values.shape}, and the image has {shape}: one value a pixel is needed."
        )
    if not np.isfinite(values).all():
        raise ValueError("anomaly_map holds NaN or infinity: replace them, and give mask= to leave their pixels out.")
    low, high = _range(values, value_range)
    unit = np.clip((values - low) / (high - low), 0, 1)
    if mask is None:
        return unit, low, high
    mask = np.asarray(mask)
    if mask.shape != shape or mask.dtype != bool:
        raise ValueError(f"mask has the shape {mask.shape} and is {mask.dtype}, expected {shape} and bool.")
    return np.where(mask, unit, 0), low, high


def _range(values, value_range):
    if value_range is None:
        low, high = float(values.min()), float(values.max())
        if low == high:
            raise ValueError(f"anomaly_map has the value {low:g} throughout: give value_range=.")
        return low, high
    return checked_value_range(value_range)


def blended(grey, unit, alpha):
    """Return uint8 (H, W, 3): `grey` in [0, 255] under the colours of `unit` in [0, 1]."""
    opacity = alpha * unit[..., None]
    return np.rint((1 - opacity) * grey[..., None] + opacity * colours_of(unit)).astype(np.uint8)


def colours_of(unit):
    """Return the colours of values in [0, 1], float64 (..., 3) in [0, 255]."""
    places = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(unit, places, channel) for channel in _COLOURS.T], axis=-1)
