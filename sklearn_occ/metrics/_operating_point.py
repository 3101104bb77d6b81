"""The point of the ROC curve with the largest geometric mean of sensitivity and specificity."""

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ._labelled_scores import labelled_scores


@validate_params(
    {"y_true": ["array-like"], "y_score": ["array-like"]},
    prefer_skip_nested_validation=True,
)
def g_mean_threshold(y_true, y_score):
    r"""Threshold on the score with the largest geometric mean of sensitivity and specificity.

    .. math:: G = \sqrt{\mathrm{TPR}\,(1 - \mathrm{FPR})}

    The minority is the positive class. A row is called minority when its score is below the threshold and
    majority when `score - threshold >= 0`, as `predict` does with `offset_`.

    This is a tool for evaluation: it needs labels, and the values at its threshold are the best that these
    rows allow, so they are optimistic. Never set a detector's threshold with it on the rows that are then
    reported; without labels, `contamination` sets `offset_` from scores of the majority.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        1 for majority rows, -1 for minority rows; both present.
    y_score : array-like of shape (n_samples,)
        Finite scores, higher = more like the majority.

    Returns
    -------
    point : :class:`~sklearn.utils.Bunch`
        The best threshold and its figures.

        threshold : float
            Halfway between the two neighbouring distinct scores it separates, so that no row of `y_score`
            lies on it. If no threshold has `G > 0` (equal scores, or every minority score above every
            majority score), the lowest score, below which no row is called minority.
        tpr : float
            Part of the minority rows with a score below the threshold (sensitivity).
        fpr : float
            Part of the majority rows with a score below the threshold (1 - specificity).
        difference : float
            `tpr - fpr`, the "DIFF" of Guo's tables; negative where the point lies below the diagonal.
        g_mean : float
            `G`, between 0 and 1. Thresholds with equal `G` are settled by the larger difference, then by the
            larger `tpr`.

    Raises
    ------
    ValueError
        If a label is not 1 or -1, a class is absent, the lengths differ, or a score is not finite.

    See Also
    --------
    aupr_score : A figure of all thresholds.
    best_dice_score : The best threshold on the maps of pixels.

    Notes
    -----
    The scores are sorted once: O(n log n) time, O(n) memory.

    References
    ----------
    Kubat and Matwin, "Addressing the curse of imbalanced training sets: one-sided selection", ICML 1997. Guo, Medical
    image analysis with deep learning under limited supervision (doctoral thesis), sections 4.1.2 and 4.2.3, reports
    TPR, FPR and DIFF at this threshold, outliers as the positive class.

    Examples
    --------
    >>> from sklearn_occ.metrics import g_mean_threshold
    >>> point = g_mean_threshold([-1, -1, 1, 1, 1], [0.1, 0.3, 0.2, 0.8, 0.9])
    >>> round(point.threshold, 3), point.tpr, round(point.fpr, 3), round(point.g_mean, 3)
    (0.55, 1.0, 0.333, 0.816)
    """
    minority, score = labelled_scores(y_true, y_score)
    distinct, place, rows = np.unique(score, return_inverse=True, return_counts=True)
    # Cut i calls the i lowest distinct scores minority. The cut above them all has G = 0, as has cut 0.
    n_cuts = len(distinct)
    minority_below = _below(np.bincount(place[minority], minlength=n_cuts))
    majority_below = _below(rows) - minority_below
    n_minority = np.count_nonzero(minority)
    n_majority = len(score) - n_minority
    majority_kept = n_majority - majority_below

    # Compared as integers, G^2 and the difference times n_minority n_majority: ties are exact.
    product = minority_below * majority_kept
    difference = minority_below * n_majority + majority_kept * n_minority
    best = np.lexsort((difference, product))[-1]  # stable: of equal cuts the last, with the largest TPR

    tpr = minority_below[best] / n_minority
    fpr = majority_below[best] / n_majority
    return Bunch(
        threshold=halfway(distinct[best - 1], distinct[best]) if best else float(distinct[0]),
        tpr=float(tpr),
        fpr=float(fpr),
        difference=float(tpr - fpr),
        g_mean=float(np.sqrt(product[best] / (n_minority * n_majority))),
    )


def _below(count):
    return np.cumsum(count) - count


def halfway(low, high):
    """A float above `low` and at most `high`, in the middle where their dtype has one."""
    # Halves are summed so that large scores do not overflow. The middle of two neighbouring floats can round
    # to the lower one, which would then be called majority.
    return float(np.clip(low / 2 + high / 2, np.nextafter(low, np.inf), high))
