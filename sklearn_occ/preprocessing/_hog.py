"""HOG: histograms of oriented gradients."""

from numbers import Integral

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._optional import require
from ..base._input import as_float, float_dtype, pair_of_sides
from ._base import BaseImageTransformer


class HOG(ClassNamePrefixFeaturesOutMixin, BaseImageTransformer):
    """Histograms of oriented gradients: in which directions the edges of each image run, place by place.

    ::

        h(cell, k) = mean over the pixels p of the cell of |g(p)| [angle(g(p)) in the k-th bin of 180 degrees]
        v(block)   = h of the block's cells, one after the other
        features   = v / sqrt(||v||^2 + eps^2), cut off at 0.2, divided so once more; block after block    "L2-Hys"
                     v / sqrt(||v||^2 + eps^2)                                                            "L2"
                     v / (sum v + eps)                                                                    "L1"
                     sqrt(v / (sum v + eps))                                                              "L1-sqrt"

    g is the difference of the two neighbours along rows and along columns, 0 at the border of the image;
    of several channels each pixel takes the one with the longest g. Blocks overlap, one cell apart; eps =
    1e-5, so contrasts should be well above that. Pixels beyond the last whole cell are left out. Computed
    by scikit-image's `feature.hog`, image by image.

    Cells shrink on an image too small for one block (24 pixels with the defaults): along each side, a
    cell has at most `side // cells_per_block` pixels, and at least 1. Where a side has fewer pixels than
    a block has cells, the block shrinks to one cell for each pixel. `pixels_per_cell_` and
    `cells_per_block_` tell what is used. A row of a table is read as an image one pixel high, so that it
    gets histograms of its differences between columns; set `image_shape` where rows are flattened images.

    Parameters
    ----------
    orientations : int, default=9
        Number of bins of the angle.
    pixels_per_cell : int or pair of int (rows, columns), default=8
        Size of a cell, in pixels.
    cells_per_block : int or pair of int (rows, columns), default=3
        Size of a block, in cells.
    block_norm : {"L2-Hys", "L2", "L1", "L1-sqrt"}, default="L2-Hys"
        How a block is divided by its contrast, as above.
    image_shape : tuple (H, W) or (C, H, W), default=None
        Shape of the images when `X` is flattened, (n, C*H*W). None reads a 2-D `X` as a table.

    Attributes
    ----------
    pixels_per_cell_ : tuple (rows, columns)
        Size of a cell on these images, in pixels.
    cells_per_block_ : tuple (rows, columns)
        Size of a block on these images, in cells.
    image_shape_ : tuple (C, H, W) or None
        Shape of one image; None for a table.
    n_features_in_ : int
        Values of one row.
    feature_names_in_ : ndarray of str
        Column names, when `X` was a data frame.

    See Also
    --------
    ImageFlattener : Pixels as features.
    sklearn_occ.pipelines.make_hog_ocsvm : Pipeline of it and `OCSVM`.

    References
    ----------
    Dalal, Triggs (2005), Histograms of oriented gradients for human detection; without their Gaussian
    window over a block and their interpolation between bins. The defaults are those of the HOG baseline
    in Schlachter, Liao, Yang (2019), Deep one-class classification using intra-class splitting, which does not tell
    the normalisation; its figures are near those of "L1" (`pipelines.make_hog_ocsvm`). Dalal and Triggs have blocks of
    2 x 2 cells.

    Examples
    --------
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.preprocessing import HOG
    >>> hog = HOG().fit(load_one_class_digits().X_train)  # 8 x 8 pixels
    >>> hog.pixels_per_cell_, len(hog.get_feature_names_out())
    ((2, 2), 324)
    """

    _parameter_constraints: dict = {
        **BaseImageTransformer._parameter_constraints,
        "orientations": [Interval(Integral, 1, None, closed="left")],
        "pixels_per_cell": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "cells_per_block": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "block_norm": [StrOptions({"L2-Hys", "L2", "L1", "L1-sqrt"})],
    }

    def __init__(self, *, orientations=9, pixels_per_cell=8, cells_per_block=3, block_norm="L2-Hys", image_shape=None):
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.block_norm = block_norm
        self.image_shape = image_shape

    def _prepare(self):
        cell = pair_of_sides(self.pixels_per_cell, "pixels_per_cell")
        block = pair_of_sides(self.cells_per_block, "cells_per_block")
        sides = self.image_shape_[1:] if self.image_shape_ else (1, self.n_features_in_)
        self.pixels_per_cell_ = tuple(
            max(1, min(pixels, side // cells)) for pixels, cells, side in zip(cell, block, sides, strict=True)
        )
        n_cells = [side // pixels for side, pixels in zip(sides, self.pixels_per_cell_, strict=True)]
        self.cells_per_block_ = tuple(min(cells, n) for cells, n in zip(block, n_cells, strict=True))
        n_blocks = [n - cells + 1 for n, cells in zip(n_cells, self.cells_per_block_, strict=True)]
        self._n_features_out = int(np.prod(n_blocks) * np.prod(self.cells_per_block_) * self.orientations)

    def transform(self, X):
        """Compute the histograms of each image.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted; flattened images are taken too.

        Returns
        -------
        features : ndarray of shape (n, n_features_out)
            In [0, 1], in the precision of X; float32 for uint8 images.

        Raises
        ------
        ImportError
            If scikit-image is absent.
        ValueError
            If values are so large (about 1e38) that the features of an image are not finite.
        """
        check_is_fitted(self)
        images = self._read_X(X, reset=False)
        hog = require("skimage.feature", purpose="HOG").hog
        images = images.reshape(len(images), *(self.image_shape_ or (1, 1, self.n_features_in_)))
        features = np.empty((len(images), self._n_features_out), dtype=float_dtype(images))
        grey = images.shape[1] == 1
        for row, image in enumerate(images):  # (C, H, W)
            with np.errstate(over="ignore", invalid="ignore"):  # refused below
                features[row] = hog(
                    as_float(image[0] if grey else image),
                    orientations=self.orientations,
                    pixels_per_cell=self.pixels_per_cell_,
                    cells_per_block=self.cells_per_block_,
                    block_norm=self.block_norm,
                    channel_axis=None if grey else 0,
                )
        bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(bad):
            raise ValueError(
                f"The features of row {bad[0]} are not finite ({len(bad)} such rows); its largest value is "
                f"{np.abs(images[bad[0]]).max():g}, expected gradients below 1e38: scale or remove it."
            )
        return features
