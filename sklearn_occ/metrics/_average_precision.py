"""Area under the precision-recall curve (AUPR) with either class as the positive one."""

from numbers import Integral

from sklearn.metrics import average_precision_score, make_scorer
from sklearn.utils._param_validation import Options, validate_params

from ._labelled_scores import labelled_scores


@validate_params(
    {"y_true": ["array-like"], "y_score": ["array-like"], "pos_label": [Options(Integral, {1, -1})]},
    prefer_skip_nested_validation=True,
)
def aupr_score(y_true, y_score, *, pos_label=1):
    r"""Area under the precision-recall curve of one class, as average precision.

    .. math:: \mathrm{AP} = \sum_i (R_i - R_{i-1})\, P_i

    with :math:`P_i` and :math:`R_i` the precision and recall of the class `pos_label` when the rows of the
    `i` highest distinct scores (the lowest, for the minority) are called positive. The sum is a step
    function: between two points of the curve, precision is that of the point with the higher recall. The
    trapezoid area under the same points joins them with straight lines instead. Precision does not vary
    linearly with recall, so that area can promise more than any threshold gives: with equal scores on every
    row average precision is the proportion `p` of `pos_label`, the trapezoid area is `(1 + p) / 2`. Papers
    that print an "AUPR" rarely say which of the two it is. Scores without information give about `p`, so
    values from test sets of different proportions do not compare.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        1 for majority rows, -1 for minority rows; both present.
    y_score : array-like of shape (n_samples,)
        Finite scores, higher = more like the majority, as `score_samples` and `decision_function` give them,
        whichever class is positive: for `pos_label=-1` the sign is turned here.
    pos_label : {1, -1}, default=1
        The class that counts as positive: 1 is "AUPR-maj", -1 is "AUPR-min".

    Returns
    -------
    aupr : float
        Between 0 and 1, higher is better.

    Raises
    ------
    ValueError
        If a label is not 1 or -1, a class is absent, the lengths differ, or a score is not finite.

    See Also
    --------
    aupr_majority_scorer : The same as a scorer for `cross_validate`, of the majority.
    aupr_minority_scorer : The same, of the minority.
    pixel_aupr_score : The same of pixels.
    sklearn.metrics.average_precision_score : The same sum in scikit-learn.

    References
    ----------
    Gao et al., "Constrained Deep One-Class Feature Learning For Classifying Imbalanced Medical Images",
    section 2.5 (AUPR-maj and AUPR-min). Davis and Goadrich, "The relationship between precision-recall and
    ROC curves", ICML 2006 (why not to join the points with lines).

    Examples
    --------
    >>> from sklearn_occ.metrics import aupr_score
    >>> y_true, y_score = [1, 1, 1, -1, -1], [0.9, 0.8, 0.2, 0.3, 0.1]
    >>> round(aupr_score(y_true, y_score), 3), round(aupr_score(y_true, y_score, pos_label=-1), 3)
    (0.917, 0.833)
    """
    minority, score = labelled_scores(y_true, y_score)
    positive = minority if pos_label == -1 else ~minority
    return float(average_precision_score(positive, pos_label * score))


def _aupr_minority(y_true, y_score):
    return aupr_score(y_true, y_score, pos_label=-1)


aupr_majority_scorer = make_scorer(aupr_score, response_method="decision_function")

# Not make_scorer(aupr_score, pos_label=-1): scikit-learn would read that keyword too and turn the sign of a
# classifier's decision function before aupr_score turns it again.
aupr_minority_scorer = make_scorer(_aupr_minority, response_method="decision_function")
