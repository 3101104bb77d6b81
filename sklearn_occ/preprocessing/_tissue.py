"""Which part of an image shows tissue."""

from scipy import ndimage

from .._optional import require


def brighter_part(smooth, *, purpose):
    """Pixels brighter than halfway between the darkest value and Otsu's threshold, and the holes among them.

    Otsu's own threshold would leave out the lungs of a chest X-ray.

    Parameters
    ----------
    smooth : ndarray of shape (H, W)
        A blurred image, so that no single dark pixel counts.
    purpose : str
        What needs scikit-image, for the error where it is absent.

    Returns
    -------
    mask : ndarray of bool, shape (H, W)

    References
    ----------
    Otsu (1979), A threshold selection method from gray-level histograms.
    """
    filters = require("skimage.filters", purpose=purpose)
    return ndimage.binary_fill_holes(smooth > (smooth.min() + filters.threshold_otsu(smooth)) / 2)
