"""BaseImageTransformer: what transformers of images have in common."""

from sklearn.base import BaseEstimator, TransformerMixin, _fit_context

from ..base._fit_state import FitState
from ..base._input import ImageInputMixin


class BaseImageTransformer(TransformerMixin, ImageInputMixin, BaseEstimator):
    """Transformer of images, one by one, and of tables; it learns their shape and range alone.

    A subclass has a parameter `image_shape` and writes `transform(X)`, and `_prepare()` where it sets more from the
    shape.
    """

    _parameter_constraints: dict = {"image_shape": [tuple, list, None]}

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Remember the shape and the range of `X`; nothing else is learnt from its values.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Table or images, at least two; uint8 images are read as value / 255.
        y : ignored, default=None
            Present for scikit-learn's pipelines.

        Returns
        -------
        self
            The fitted transformer.
        """
        self._fit_state = FitState()
        self._remember_range(self._read_X(X, reset=True))
        self._prepare()
        return self

    def _prepare(self):
        """Set what follows from the shape of the rows."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
