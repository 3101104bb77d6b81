"""BaseRowMaker: detectors with a network that makes rows, and what it makes of each row."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..._docstrings import with_shared_docs
from ...base._anomaly_map import anomaly_map as reconstruction_map
from ...base._input import as_array, float_dtype
from ._deep import BaseDeepOneClass


def has_way_back(estimator):
    """Whether the estimator makes rows of rows, as `available_if` asks."""
    return estimator._has_way_back


class BaseRowMaker(BaseDeepOneClass):
    """Detector with a network that makes rows, which ends as rows like those of the fit want it.

    `reconstruct` and `anomaly_map` are there unless a subclass sets `_has_way_back = False`, as those do whose decoder
    only helps to train. `_reconstructed(rows)`, floats, is the first output of the module; a subclass writes another.
    """

    _parameter_constraints: dict = {
        **BaseDeepOneClass._parameter_constraints,
        "channels": [Interval(Integral, 1, None, closed="left")],
        "output_activation": [StrOptions({"auto", "sigmoid", "linear"})],
    }

    _has_way_back = True

    def __init__(self, *, channels, output_activation, **engine):
        super().__init__(**engine)
        self.channels = channels
        self.output_activation = output_activation

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

    @available_if(has_way_back)
    @with_shared_docs
    def reconstruct(self, X):
        """What the network makes of each row, by way of its code where the method has codes, in the layout of X.

        {rows as fitted}

        Returns
        -------
        reconstruction : ndarray of the shape of X
            In the precision of X; float32 in [0, 1] for uint8 images.
        """
        check_is_fitted(self)
        rows = self._read_X(X, reset=False)
        return self._reconstructed(rows).astype(float_dtype(rows), copy=False).reshape(as_array(X).shape)

    anomaly_map = available_if(has_way_back)(reconstruction_map)

    def _reconstructed(self, rows):
        return self._evaluate(rows, lambda outputs, x: outputs[0])
