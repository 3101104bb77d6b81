"""BaseDetector: the one template of fit, and the way from scores to decisions, whatever a row is. NumPy only."""

import copy
from abc import abstractmethod
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from .._docstrings import with_shared_docs
from .._warning import warn
from ._fit_state import FitState
from ._inner import LARGEST_SEED
from ._labels import majority_rows


class BaseDetector(OutlierMixin, BaseEstimator):
    """One-class classifier: fit the majority, score, threshold.

    A base says what a row is: `BaseOneClass` of arrays, `PatchDetector` of images that differ in size. It writes ::

        _read_X(X, reset)            rows that were validated, with a length; `reset` is True when fitting
        _select(X, numbers)          some of these rows
        _inspect(X, reset)           refuse rows that cannot be trained on; if `reset`, remember what they are like
        _usable_scores(scores, X)    the scores that can set the threshold
        score_samples(X)             `_read_X`, then `_score_samples`

    A method writes `_fit(X, X_valid)` and `_score_samples(X)` (float64, higher = majority) on rows that were read;
    `_own_offset()` if it has a threshold of its own (`contamination="auto"`). `_fit` returns the scores of `X` if
    training has computed them, else None.
    """

    _parameter_constraints: dict = {
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "threshold_data": [StrOptions({"train", "validation"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "random_state": ["random_state"],
    }
    _state_class = FitState

    @abstractmethod
    def _read_X(self, X, *, reset): ...

    @abstractmethod
    def _select(self, X, numbers): ...

    @abstractmethod
    def _inspect(self, X, *, reset): ...

    @abstractmethod
    def _usable_scores(self, scores, X): ...

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
        y : array-like of shape (n,), default=None
            1 for the majority, -1 for the minority: rows labelled -1 are never trained on. Other whole numbers without
            a -1 are ignored with a `LabelsIgnoredWarning`; any other `y` is refused.

        Returns
        -------
        self
            The fitted estimator.
        """
        before = dict(vars(self))
        try:
            X, X_valid = self._rows_to_fit(X, y)
            self._calibrate(X, X_valid, self._fit(X, X_valid))
        except BaseException:  # a fit that fails leaves the estimator as it was
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _rows_to_fit(self, X, y):
        """Validate `X` and `y`; the rows to train on, and those held out (None where none are)."""
        continues = self._continues()
        self._fit_state = state = self._first_state()
        X = self._read_X(X, reset=not continues)
        rows = np.flatnonzero(majority_rows(y, len(X)))
        if not self._keeps_seed():
            self._draw_seeds(check_random_state(self.random_state))
        state.training_rows, held_out = self._hold_out(rows)
        split = self.validation_fraction, len(rows)
        if continues and split != state.split and {split[0], state.split[0]} != {None}:
            raise ValueError(
                f"A warm start holds out a share of {split[0]} of {split[1]} majority rows, but the fit before held "
                f"out {state.split[0]} of {state.split[1]}: rows that were trained on would count as held out. Keep "
                "both as they were, or fit with warm_start=False."
            )
        state.split = split
        X, X_valid = self._select(X, state.training_rows), None if held_out is None else self._select(X, held_out)
        self._inspect(X, reset=not continues)
        return X, X_valid

    def _hold_out(self, rows):
        """Split the majority rows into those trained on and those held out (None where none are)."""
        if len(rows) < 2:
            raise ValueError(f"X holds {len(rows)} majority row (1 sample labelled 1), expected at least 2; add rows.")
        if self.validation_fraction is None:
            if self.threshold_data == "validation":
                raise ValueError(
                    "threshold_data='validation' needs rows to be held out, but validation_fraction is None; "
                    "set it, for example to 0.2."
                )
            return rows, None
        n_held_out = max(1, round(self.validation_fraction * len(rows)))
        if len(rows) - n_held_out < 2:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} holds out {n_held_out} of {len(rows)} majority rows "
                "and leaves fewer than 2 to train on; lower it or add rows."
            )
        order = np.random.default_rng(self._fit_state.seed).permutation(len(rows))
        return rows[np.sort(order[n_held_out:])], rows[np.sort(order[:n_held_out])]

    def _calibrate(self, X, X_valid, scores=None):
        """Score the rows that set the threshold, unless the `scores` of `X` are known and these do, and set it."""
        calibration = X_valid if self.threshold_data == "validation" else X
        if scores is None or calibration is X_valid:
            scores = self._score_samples(calibration)
        self.calibration_scores_ = np.sort(self._usable_scores(scores, calibration))
        if len(self.calibration_scores_) > 1 and np.ptp(self.calibration_scores_) == 0:
            warn(
                f"{type(self).__name__} gives all {len(self.calibration_scores_)} calibration rows the score "
                f"{self.calibration_scores_[0]:g}: the model has collapsed and cannot tell rows apart. Scale "
                "X, train longer or change the learning rate.",
                ConvergenceWarning,
            )
        self._set_offset()

    def _set_offset(self):
        if self.contamination is None:
            self.offset_ = float(self.calibration_scores_[0])
        elif self.contamination == "auto":
            self.offset_ = self._own_offset()
        else:  # "weibull": of new rows from where the calibration rows came, that share is below on average
            self.offset_ = float(np.quantile(self.calibration_scores_, self.contamination, method="weibull"))

    def _first_state(self):
        """What a fit begins with: a copy of the state of the fit before if it adds to that, else an empty one."""
        return copy.copy(self._fit_state) if self._continues() else self._state_class()

    def _continues(self):
        """Whether this fit adds to an earlier one."""
        return False

    def _keeps_seed(self):
        """Whether this fit has the seed of an earlier one, and so holds out the same rows."""
        return self._continues()

    def _draw_seeds(self, random):
        """Draw the seed of this fit from a `RandomState`, and what else the fit takes from `random_state`."""
        self._fit_state.seed = random.randint(LARGEST_SEED)

    def fit_predict(self, X, y=None):
        """Fit on the majority rows of `X`, then label every row: 1 majority, -1 minority.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            As in `fit`.
        y : array-like of shape (n,), default=None
            As in `fit`.

        Returns
        -------
        labels : ndarray of shape (n,), int
            Of all rows of `X`.
        """
        return self.fit(X, y).predict(X)

    @with_shared_docs
    def decision_function(self, X):
        """Return the score minus `offset_`: at least 0 for the majority.

        {rows to judge}

        Returns
        -------
        decision : ndarray of shape (n,), float64
            In the unit of the score.
        """
        return self.score_samples(X) - self.offset_

    @with_shared_docs
    def predict(self, X):
        """Label each row: 1 majority, -1 minority.

        {rows to judge}

        Returns
        -------
        labels : ndarray of shape (n,), int
            1 where the decision function is at least 0, else -1.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    @with_shared_docs
    def p_value(self, X):
        r"""Share of calibration rows that look no more normal.

        .. math:: p(s) = \frac{1 + \#\{s_{cal} \le s\}}{n_{cal} + 1}

        A conformal p-value, uniform on new majority rows, when the calibration rows were held out
        (`threshold_data="validation"`); too small on new rows when they were trained on.

        {rows to judge}

        Returns
        -------
        p : ndarray of shape (n,), float64
            In (0, 1]; small = unlike the majority.

        References
        ----------
        Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World, section 2.2.
        """
        return self._p_value_of(self.score_samples(X))

    def _p_value_of(self, scores):
        not_above = np.searchsorted(self.calibration_scores_, scores, side="right")
        return (1 + not_above) / (len(self.calibration_scores_) + 1)

    def set_contamination(self, contamination):
        """Move the threshold without fitting again.

        Parameters
        ----------
        contamination : float in (0, 0.5], None or (where the method has it) "auto"
            As in the constructor.

        Returns
        -------
        self
            With the parameter and `offset_` changed.
        """
        check_is_fitted(self)
        allowed = {"contamination": self._parameter_constraints["contamination"]}
        validate_parameter_constraints(allowed, {"contamination": contamination}, type(self).__name__)
        self.contamination = contamination
        self._set_offset()
        return self

    def __sklearn_is_fitted__(self):
        return hasattr(self, "offset_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
