"""BaseOneClass: what every detector promises, from `X` to its scores. NumPy only."""

from abc import abstractmethod
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._warning import warn
from ._inner import LARGEST_SEED
from ._input import ImageInputMixin, majority_rows
from ._threshold import ThresholdMixin

_COMPARED_VALUES = 2**22  # at a time: 4 MiB of answers


class BaseOneClass(ThresholdMixin, ImageInputMixin, OutlierMixin, BaseEstimator):
    """One-class classifier: fit the majority, score, threshold.

    A subclass writes `_fit(X, X_valid)` and `_score_samples(X)` (float64, higher = majority), both on
    `X` of shape `(n, d)` or `(n, C, H, W)` that was validated here; `_own_offset()` where the method has
    a threshold of its own (`contamination="auto"`). `_fit` returns the scores of `X` where training has computed
    them, else None.
    """

    _parameter_constraints: dict = {
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "threshold_data": [StrOptions({"train", "validation"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "image_shape": [tuple, list, None],
        "random_state": ["random_state"],
    }

    @abstractmethod
    def _fit(self, X, X_valid): ...

    @abstractmethod
    def _score_samples(self, X): ...

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Train on the majority rows of `X` and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Table or images; uint8 images are read as value / 255.
        y : array-like of shape (n,), optional
            1 for the majority, -1 for the minority: rows labelled -1 are never trained on. Any other `y`
            is ignored.

        Returns
        -------
        self
            The fitted estimator.
        """
        before = dict(vars(self))
        try:
            self._fit_majority(X, y)
        except BaseException:  # a fit that fails leaves the estimator as it was
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit_majority(self, X, y):
        X, X_valid = self._rows_to_fit(X, y)
        self._calibrate(X, X_valid, self._fit(X, X_valid))

    def _rows_to_fit(self, X, y):
        """Validate `X` and `y`; the rows to train on, and those held out (None where none are)."""
        continues = self._continues()
        X = self._read_X(X, reset=not continues)
        rows = np.flatnonzero(majority_rows(y, len(X)))
        if not self._keeps_seed():
            self._seed = check_random_state(self.random_state).randint(LARGEST_SEED)
        self._training_rows, held_out = self._hold_out(rows)
        split = self.validation_fraction, len(rows)
        if continues and split != self._split and {split[0], self._split[0]} != {None}:
            raise ValueError(
                f"A warm start holds out a share of {split[0]} of {split[1]} majority rows, but the fit before held "
                f"out {self._split[0]} of {self._split[1]}: rows that were trained on would count as held out. Keep "
                "both as they were, or fit with warm_start=False."
            )
        self._split = split
        X, X_valid = _take(X, self._training_rows), _take(X, held_out)
        _refuse_degenerate(X)
        if not continues:
            self._remember_range(X)
        return X, X_valid

    def _calibrate(self, X, X_valid, scores=None):
        """Score the rows that set the threshold, unless the `scores` of `X` are known and these do, and set it."""
        calibration = X_valid if self.threshold_data == "validation" else X
        if scores is None or calibration is X_valid:
            scores = self._score_samples(calibration)
        self.calibration_scores_ = np.sort(finite(scores, calibration))
        if len(calibration) > 1 and np.ptp(self.calibration_scores_) == 0:
            warn(
                f"{type(self).__name__} gives all {len(calibration)} calibration rows the score "
                f"{self.calibration_scores_[0]:g}: the model has collapsed and cannot tell rows apart. Scale "
                "X, train longer or change the learning rate.",
                ConvergenceWarning,
            )
        self._set_offset()

    def fit_predict(self, X, y=None):
        """Fit on the majority rows of `X`, then label every row: 1 majority, -1 minority."""
        return self.fit(X, y).predict(X)

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
        return finite(self._score_samples(X), X)

    def _continues(self):
        """Whether this fit adds to an earlier one."""
        return False

    def _keeps_seed(self):
        """Whether this fit has the seed of an earlier one, and so holds out the same rows."""
        return self._continues()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def finite(values, X, *, of="score"):
    """Return what was computed, one value for each row of X, or name the row where it is not finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"The {of} of row {bad[0]} is {values[bad[0]]} ({len(bad)} such rows), expected a finite number; "
            f"the largest value of that row is {np.abs(X[bad[0]]).max():g}: scale or remove it."
        )
    return values


def _take(X, rows):
    if rows is None:
        return None
    neighbours = rows[-1] - rows[0] + 1 == len(rows)  # as all rows are: no copy
    return X[rows[0] : rows[-1] + 1] if neighbours else X[rows]


def _refuse_degenerate(X):
    step = max(1, _COMPARED_VALUES // X[0].size)
    blocks = (X[start : start + step] for start in range(0, len(X), step))
    if np.array_equal(X[0], X[1]) and all((block == X[0]).all() for block in blocks):
        raise ValueError(
            f"All {len(X)} majority rows of X are identical, expected at least two that differ; check how X was read."
        )
