"""What every metric here is given: one label (1 or -1) and one finite score a row."""

import numpy as np
from sklearn.utils.validation import column_or_1d

from ..base._labels import minority_rows


def labelled_scores(y_true, y_score):
    """Return which rows are minority, and the scores in float64.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        1 for majority, -1 for minority, both present.
    y_score : array-like of shape (n_samples,)
        Finite scores, higher = more like the majority.

    Returns
    -------
    minority : ndarray of bool, shape (n_samples,)
    score : ndarray of float64, shape (n_samples,)

    Raises
    ------
    ValueError
        For other labels, a single class, unequal lengths, or a score that is not finite.
    """
    minority, score = minority_rows(y_true, "y_true"), finite_scores(y_score)
    if len(minority) != len(score):
        raise ValueError(
            f"y_true has {len(minority)} labels but y_score has {len(score)} scores: give one of each a row."
        )
    if minority.all() or not minority.any():
        raise ValueError(
            f"y_true has {(~minority).sum()} majority (1) and {minority.sum()} minority (-1) rows, and the "
            "metric needs at least one of each: score rows of both classes."
        )
    return minority, score


def finite_scores(y_score, name="y_score"):
    """Scores in float64; a ValueError, which calls them `name`, where one is not finite or there is none."""
    # float64 before any sign is turned: minus an unsigned integer wraps around
    score = column_or_1d(y_score).astype(np.float64)
    if not len(score):
        raise ValueError(f"{name} holds no score, expected at least one: pass some rows.")
    bad = ~np.isfinite(score)
    if bad.any():
        raise ValueError(
            f"{name} must be finite, got {score[bad][0]} at row {np.argmax(bad)}: look for the row or the "
            "model that gave it."
        )
    return score
