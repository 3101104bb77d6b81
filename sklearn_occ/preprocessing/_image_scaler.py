"""ImageScaler: contrast normalisation of each image by itself."""

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from .._optional import require
from ..base._input import as_array, as_float, float_dtype
from ._base import BaseImageTransformer

_BLOCK_VALUES = 2**20  # 8 MB of float64: four arrays of this size at most besides the result
_N_BINS = 256

# What divides the centred image, for rows that are images.
_CONTRAST = {
    "l1": lambda centred: np.abs(centred).mean(axis=1, keepdims=True),
    "l2": lambda centred: np.linalg.norm(centred, axis=1, keepdims=True),
    "zscore": lambda centred: centred.std(axis=1, keepdims=True),
}


class ImageScaler(OneToOneFeatureMixin, BaseImageTransformer):
    """Contrast normalisation of each image by its own grey values.

    ::

        c = x - mean(x)             mean over the pixels of all channels of one image

        "l1"        c / mean|c|
        "l2"        c / ||c||_2
        "zscore"    c / std(c)
        "equalize"  F(x), F = share of the pixels that are not brighter, in [0, 1]

    A constant image has no contrast and becomes zeros, with "equalize" too. All four undo a gain and an
    offset; "equalize" undoes any increasing curve, up to its 256 bins between the lowest and the highest
    value (scikit-image's `exposure.equalize_hist` on the image brought to [0, 1]; F is linear between the
    centres of bins). It takes each channel by itself: one distribution over channels of different ranges
    would rank the channels, not the pixels.

    Nothing is learnt from other images, so neither test images nor the minority can leak into the
    training. Fitting only remembers the shape and the range of `X`. A row of a table is read as one image
    of one channel. Images are worked on in float64, in blocks of about a million values, so that besides
    the result no copy of a memory map is made.

    Parameters
    ----------
    method : {"l1", "l2", "zscore", "equalize"}, default="zscore"
        The formula. "equalize" needs scikit-image.
    image_shape : tuple (H, W) or (C, H, W), default=None
        Shape of the images when `X` is flattened, (n, C*H*W). It matters to "equalize", which has to know the
        channels. None reads a row of a 2-D `X` as one channel.

    Attributes
    ----------
    image_shape_ : tuple (C, H, W) or None
        Shape of one image; None for a table.
    n_features_in_ : int
        Values of one row.
    feature_names_in_ : ndarray of str
        Column names, when `X` was a data frame.

    See Also
    --------
    ImageFlattener : Images as rows of a table.
    sklearn.preprocessing.StandardScaler : Scale each feature by all rows.

    References
    ----------
    Goodfellow, Bengio, Courville (2016), Deep Learning, section 12.2.1.1, "zscore" up to its regularisation.
    Gonzalez, Woods (2018), Digital Image Processing, section 3.3, "equalize".

    Examples
    --------
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.preprocessing import ImageScaler
    >>> images = ImageScaler("zscore").fit_transform(load_one_class_digits().X_train)
    >>> print(images.shape, f"{images[0].std():.3f}")
    (89, 8, 8) 1.000
    """

    _parameter_constraints: dict = {
        **BaseImageTransformer._parameter_constraints,
        "method": [StrOptions({"l1", "l2", "zscore", "equalize"})],
    }

    def __init__(self, method="zscore", *, image_shape=None):
        self.method = method
        self.image_shape = image_shape

    def transform(self, X):
        """Normalise the contrast of each image.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted; flattened images are taken too.

        Returns
        -------
        images : ndarray of the shape of X
            In the precision of X; float32 for uint8 images.

        Raises
        ------
        ImportError
            If `method` is "equalize" and scikit-image is absent.
        """
        check_is_fitted(self)
        X = as_array(X)
        rows = self._read_X(X, reset=False)
        images = np.empty(rows.shape, dtype=float_dtype(rows))
        step = max(1, _BLOCK_VALUES // self.n_features_in_)
        for start in range(0, len(rows), step):
            block = as_float(rows[start : start + step])
            images[start : start + step] = self._normalise(block).reshape(block.shape)
        return images.reshape(X.shape)

    def _normalise(self, images):
        if self.method == "equalize":
            n_channels = 1 if images.ndim == 2 else images.shape[1]
            return _equalised(_unit_range(images.reshape(len(images) * n_channels, -1)))
        centred = _unit_range(images.reshape(len(images), -1))
        centred -= centred.mean(axis=1, keepdims=True)
        contrast = _CONTRAST[self.method](centred)
        return np.divide(centred, contrast, out=centred, where=contrast > 0)


def _unit_range(rows):
    """Each row with its lowest value at 0 and its highest at 1, in float64; a constant row becomes exactly 0.

    No method depends on gain and offset; in this range none overflows, and none divides by rounding errors.
    """
    rows = np.divide(rows, 2, dtype=np.float64, order="C")  # halves: the difference of two stays finite
    rows -= rows.min(axis=1, keepdims=True)
    highest = rows.max(axis=1, keepdims=True)
    return np.divide(rows, highest, out=rows, where=highest > 0)


def _equalised(rows):
    exposure = require("skimage.exposure", purpose='ImageScaler("equalize")')
    for row in np.flatnonzero(rows.any(axis=1)):
        rows[row] = exposure.equalize_hist(rows[row], nbins=_N_BINS)
    return rows
