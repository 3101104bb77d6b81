"""ThresholdMixin: from scores to decisions, labels and p-values. NumPy only."""

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted


class ThresholdMixin:
    """What follows from `score_samples` and the scores of the rows that set the threshold.

    The estimator has the parameters `contamination`, `threshold_data` and `validation_fraction`, the first among its
    `_parameter_constraints`; fitting it sets `calibration_scores_`, ascending, and calls `_set_offset()`. It writes
    `_own_offset()` where it has a threshold of its own (`contamination="auto"`).
    """

    def decision_function(self, X):
        """Score minus `offset_`: at least 0 for the majority. Returns float64 of shape (n,)."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Label each row: 1 majority, -1 minority. Returns int of shape (n,)."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def p_value(self, X):
        """Share of calibration rows that look no more normal: `(1 + #{s_cal <= s}) / (n_cal + 1)`.

        A conformal p-value, uniform on new majority rows, when the calibration rows were held out
        (`threshold_data="validation"`); too small on new rows when they were trained on.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows to judge.

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
        order = np.random.default_rng(self._seed).permutation(len(rows))
        return rows[np.sort(order[n_held_out:])], rows[np.sort(order[:n_held_out])]

    def _set_offset(self):
        if self.contamination is None:
            self.offset_ = float(self.calibration_scores_[0])
        elif self.contamination == "auto":
            self.offset_ = self._own_offset()
        else:  # "weibull": of new rows from where the calibration rows came, that share is below on average
            self.offset_ = float(np.quantile(self.calibration_scores_, self.contamination, method="weibull"))
