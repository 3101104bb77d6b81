"""ImageFlattener: images as rows of a table."""

from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from ..base._input import as_float
from ._base import BaseImageTransformer


class ImageFlattener(OneToOneFeatureMixin, BaseImageTransformer):
    """Images as rows of a table, for estimators that take tables only: ``X.reshape(n, -1)``.

    uint8 images are divided by 255; other values, and tables, stay as they are. Put it before scikit-learn's `PCA`,
    `IsolationForest` or `LocalOutlierFactor` in a `Pipeline`. Once fitted it refuses images of another shape, and
    uint8 images beside floats of another range.

    Parameters
    ----------
    image_shape : tuple (H, W) or (C, H, W), default=None
        Shape of the images when `X` is flattened already, (n, C*H*W). None reads a 2-D `X` as a table.

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
    HOG : Features of edges in place of pixels.
    ImageScaler : Normalise the contrast of each image.
    sklearn_occ.pipelines.make_isolation_forest : Pipeline that begins with it.

    Examples
    --------
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.preprocessing import ImageFlattener
    >>> images = load_one_class_digits().X_train
    >>> images.shape, ImageFlattener().fit_transform(images).shape
    ((89, 8, 8), (89, 64))
    """

    def __init__(self, *, image_shape=None):
        self.image_shape = image_shape

    def transform(self, X):
        """Flatten each image, channel by channel, row by row.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted; flattened images are taken too.

        Returns
        -------
        rows : ndarray of shape (n, d), d = C*H*W for images
            In the precision of X; float32 for uint8 images.
        """
        check_is_fitted(self)
        X = self._read_X(X, reset=False)
        return as_float(X).reshape(len(X), -1)
