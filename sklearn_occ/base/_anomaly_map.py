"""Which places of an image are anomalous: those where it differs from what is made of it.

`anomaly_map` becomes a method of detectors that write `_reconstructed(rows)`, what they make of rows that were
validated: floats, one row of the result for each row, not rounded to the precision of `rows`.
"""

from inspect import signature
from numbers import Real

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from .._docstrings import with_shared_docs
from ..nn._similarity import StructuralSimilarity
from ._input import as_float
from ._one_class import finite

SMOOTHING = [Interval(Real, 0, None, closed="left")]
_OF_DIFFERENCE = {  # of x - x'
    "squared_error": np.square,
    "root_squared_error": np.square,  # whose root is taken of the mean over the channels
    "brighter": lambda difference: np.square(np.maximum(difference, 0)),
    "darker": lambda difference: np.square(np.minimum(difference, 0)),
}
_BLOCK_VALUES = 2**22  # 32 MiB of float64; its power of 2 rows are a multiple of the blocks that networks run in


@with_shared_docs
@validate_params(
    {"kind": [StrOptions({*_OF_DIFFERENCE, "ssim"})], "smoothing": SMOOTHING}, prefer_skip_nested_validation=True
)
def anomaly_map(self, X, *, kind="squared_error", smoothing=0.0):  # the name that errors of parameters show
    r"""Where each image differs from its reconstruction `x'`, higher = more anomalous.

    - "squared_error": the mean over the channels of :math:`(x' - x)^2`, in squared units of X, at least 0.
    - "root_squared_error": its root; with one channel :math:`|x' - x|`. In units of X, at least 0.
    - "brighter": the mean over the channels of :math:`\max(0, x - x')^2`, as "squared_error".
    - "darker": the mean over the channels of :math:`\max(0, x' - x)^2`, as "squared_error".
    - "ssim": 1 less the mean over the channels of :math:`\mathrm{SSIM}(x', x)`, in [0, 2], no unit.

    "brighter" and "darker" add up to the squared error. Where lesions are known to be bright, the first leaves out
    what is too dark, and half of what is unlike the reconstruction by chance.

    The mean of a map of squared errors over its pixels, smoothed or not, is minus the score wherever the score is
    that of the reconstruction: `CAE`, `SAE`, `PCAReconstruction`, `DenoisingAutoencoder`, `VAE`, `CascadeVAE`, and
    `ConOCC(score_function="reconstruction")`; its root is minus the score of `PatchAutoencoder`.
    The mean of the inner part of a map of "ssim" is 1 minus the score of `CAE(score_function="ssim")`.

    SSIM, the structural similarity, compares mean, contrast and structure in Gaussian windows with a sigma of 1.5
    pixels, 11 x 11 pixels in size, reflected at the border. Its constants are :math:`(0.01 L)^2` and
    :math:`(0.03 L)^2`, with L = 1 where the images trained on are uint8 or lie within [0, 1], else their largest value
    less their smallest.

    Parameters
    ----------
    {images to map}
    kind : {"squared_error", "root_squared_error", "brighter", "darker", "ssim"}, default="squared_error"
        See above. `PatchAutoencoder` has "root_squared_error", in the unit of its score.
    smoothing : float, default=0.0
        Sigma, in pixels, of a Gaussian blur of each map; 0 is none. It leaves the mean of a map as it is.

    {maps of images}

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli (2004), Image quality assessment: from error visibility to structural
    similarity, IEEE Transactions on Image Processing 13(4), section III.B, for the SSIM.

    Examples
    --------
    >>> from sklearn_occ import PCAReconstruction
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = PCAReconstruction(n_components=8).fit(digits.X_train)
    >>> maps = occ.anomaly_map(digits.X_test[:5])
    >>> maps.shape, bool(abs(maps.mean(axis=(1, 2)) + occ.score_samples(digits.X_test[:5])).max() < 1e-12)
    ((5, 8, 8), True)
    """

    def of_block(images):
        x = as_float(images).astype(np.float64)
        made = self._reconstructed(images).reshape(x.shape)
        if kind == "ssim":
            return _dissimilarity(made, x, self._fit_state.value_range).mean(axis=1)
        maps = _OF_DIFFERENCE[kind](x - made).mean(axis=1)
        return np.sqrt(maps) if kind == "root_squared_error" else maps

    return anomaly_maps(self, X, of_block, smoothing)


def anomaly_maps(estimator, X, of_block, smoothing=0.0):
    """Maps (n, H, W) of all images.

    Parameters
    ----------
    estimator : BaseOneClass
        What reads X; an error says so where it was fitted on a table.
    X : array-like of shape (n, H, W) or (n, C, H, W)
        Images, as they were given.
    of_block : callable
        `of_block(images)`, maps (b, H, W) of a block of images (b, C, H, W). All blocks but the last are of one size.
    smoothing : float
        Sigma of the blur, in pixels.
    """
    images = images_for_map(estimator, X)
    maps = np.empty((len(images), *images.shape[2:]))
    step = 2 ** max(0, (_BLOCK_VALUES // images[0].size).bit_length() - 1)
    with np.errstate(over="ignore", invalid="ignore"):  # the row is named below
        for start in range(0, len(images), step):
            block = slice(start, start + step)
            maps[block] = of_block(images[block])
            if smoothing:
                gaussian_filter(maps[block], (0, smoothing, smoothing), output=maps[block], mode="reflect")
        finite(maps.mean(axis=(1, 2)), images, of="anomaly map")
    return maps


def of_kind(detector, kind):
    """`{"kind": kind}` for `detector.anomaly_map`, {} where it is None; an error where that takes no kind."""
    if kind is None:
        return {}
    parameters = signature(detector.anomaly_map).parameters.values()
    if not any(one.name == "kind" or one.kind is one.VAR_KEYWORD for one in parameters):
        raise ValueError(
            f"kind={kind!r}, but the map of {type(detector).__name__} is of one kind; set kind=None, or use a detector "
            "that reconstructs."
        )
    return {"kind": kind}


def images_for_map(estimator, X):
    """Images (n, C, H, W) of X, validated; an error where the estimator is not fitted, or fitted on a table."""
    check_is_fitted(estimator)
    if estimator.image_shape_ is None:
        raise ValueError(
            f"{type(estimator).__name__} was fitted on a table, but anomaly_map shows places in images; fit it on "
            "images, (n, H, W) or (n, C, H, W), or set image_shape where its rows are flattened images."
        )
    return estimator._read_X(X, reset=False)


def _dissimilarity(made, x, data_range):
    """1 - SSIM in each channel, (n, C, H, W), image by image."""
    similarity = StructuralSimilarity(x.shape[2:], data_range)
    pairs = zip(torch.from_numpy(x)[:, None], torch.from_numpy(made)[:, None], strict=True)
    return np.concatenate([1 - similarity.maps(a, b).numpy() for a, b in pairs])
