"""BaseCodes, EncodingMixin, DecodingMixin: detectors with a code for each row, the way to it and back."""

from numbers import Integral

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted
from torch import nn

from .._anomaly_map import ReconstructionMapMixin
from .._input import as_array, float_dtype
from ._deep import BaseDeepOneClass


class BaseCodes(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseDeepOneClass):
    """Detector with codes of `n_components_` numbers, and a network that makes rows of them.

    A subclass writes `_codes(rows)`, float64 codes of rows that were validated, or `transform(X)` itself, and sets
    `n_components_` in `_make_module()`.
    """

    _parameter_constraints: dict = {
        **BaseDeepOneClass._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "channels": [Interval(Integral, 1, None, closed="left")],
        "output_activation": [StrOptions({"auto", "sigmoid", "linear"})],
    }

    def __init__(self, *, n_components, channels, output_activation, **engine):
        super().__init__(**engine)
        self.n_components = n_components
        self.channels = channels
        self.output_activation = output_activation

    def transform(self, X):
        """Codes of the rows, `z = E(x)`; the mean where the encoder gives a distribution.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted.

        Returns
        -------
        codes : ndarray of shape (n, n_components_)
            In the precision of X; float32 for uint8 images.
        """
        check_is_fitted(self)
        X = self._read_X(X, reset=False)
        return self._codes(X).astype(float_dtype(X), copy=False)

    def _prepare(self, X):
        if self.output_activation != "auto":
            self.output_activation_ = self.output_activation
        elif self.image_shape_ is None:
            self.output_activation_ = "linear"
        else:
            bounded = X.dtype == np.uint8 or (X.min() >= 0 and X.max() <= 1)
            self.output_activation_ = "sigmoid" if bounded else "linear"

    def _make_output_activation(self):
        return nn.Sigmoid() if self.output_activation_ == "sigmoid" else None

    @property
    def _shape_of_rows(self):
        """`(C, H, W)`, or `(n_features,)` of a table."""
        return self.image_shape_ or (self.n_features_in_,)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class EncodingMixin:
    """The way to the code for a detector whose module has an `encoder`."""

    def _codes(self, rows):
        return self._evaluate(rows, lambda code, x: code, module=self.net_.module_.encoder)


class DecodingMixin(ReconstructionMapMixin):
    """The way back for a detector that names its `_decoder`, a module from codes to rows.

    A subclass writes `_reconstructed(rows)`, floats, where a reconstruction is not the first output of its module.
    """

    def inverse_transform(self, X):
        """Rows from codes, `D(z)`.

        Parameters
        ----------
        X : array-like of shape (n, n_components_)
            Codes, as `transform` returns them.

        Returns
        -------
        rows : ndarray of shape (n, ...)
            Tables or images in the layout that was fitted, in the precision of the codes; images fitted as
            uint8 come back in [0, 1].
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=[np.float64, np.float32], input_name="codes")
        if codes.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but codes of this {type(self).__name__} have {self.n_components_}; "
                "pass what transform returned."
            )
        rows = self._evaluate(codes, lambda outputs, z: outputs, module=self._decoder)
        return rows.reshape(len(codes), *self._row_shape).astype(codes.dtype, copy=False)

    def reconstruct(self, X):
        """What is made of each row by way of its code, `D(z(x))`, in the layout of X.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted.

        Returns
        -------
        reconstruction : ndarray of the shape of X
            In the precision of X; float32 in [0, 1] for uint8 images.
        """
        check_is_fitted(self)
        rows = self._read_X(X, reset=False)
        return self._reconstructed(rows).astype(float_dtype(rows), copy=False).reshape(as_array(X).shape)

    def _reconstructed(self, rows):
        return self._evaluate(rows, lambda outputs, x: outputs[0])
