"""BaseOneClass: a detector whose rows are those of an array, a table or images of one shape. NumPy only."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._detector import BaseDetector
from ._input import ImageInputMixin

_COMPARED_VALUES = 2**22  # at a time: 4 MiB of answers


class BaseOneClass(ImageInputMixin, BaseDetector):
    """Detector of rows of one shape.

    A subclass writes `_fit(X, X_valid)` and `_score_samples(X)` (float64, higher = majority), both on `X` of shape
    `(n, d)` or `(n, C, H, W)` that was validated here; see `BaseDetector` for what else it may write.
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "image_shape": [tuple, list, None],
    }

    def score_samples(self, X):
        """Score each row, higher = more like the majority.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted; flattened images are taken too.

        Returns
        -------
        scores : ndarray of shape (n,), float64
            The class docstring says what the score is, and its unit.
        """
        check_is_fitted(self)
        X = self._read_X(X, reset=False)
        return self._usable_scores(self._score_samples(X), X)

    def _select(self, X, numbers):
        are_neighbours = numbers[-1] - numbers[0] + 1 == len(numbers)  # as all rows are: no copy
        return X[numbers[0] : numbers[-1] + 1] if are_neighbours else X[numbers]

    def _inspect(self, X, *, reset):
        _refuse_degenerate(X)
        if reset:
            self._remember_range(X)

    def _usable_scores(self, scores, X):
        return finite(scores, X)


def finite(values, X, *, of="score"):
    """Return what was computed, one value for each row of X, or name the row where it is not finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"The {of} of row {bad[0]} is {values[bad[0]]} ({len(bad)} such rows), expected a finite number; "
            f"the largest value of that row is {np.abs(X[bad[0]]).max():g}: scale or remove it."
        )
    return values


def _refuse_degenerate(X):
    step = max(1, _COMPARED_VALUES // X[0].size)
    blocks = (X[start : start + step] for start in range(0, len(X), step))
    if np.array_equal(X[0], X[1]) and all((block == X[0]).all() for block in blocks):
        raise ValueError(
            f"All {len(X)} majority rows of X are identical, expected at least two that differ; check how X was read."
        )
