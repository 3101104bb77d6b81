"""How well anomaly maps agree with masks: pixel AUROC and AUPR, AUPRO, best Dice."""

from numbers import Real

import numpy as np
from scipy import ndimage
from sklearn.metrics import auc
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from .._docstrings import with_shared_docs
from ._operating_point import halfway
from ._pixel_counts import count_pixels, largest_below, read

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)


@with_shared_docs
@validate_params({"masks": ["array-like"], "maps": ["array-like"]}, prefer_skip_nested_validation=True)
def pixel_roc_auc_score(masks, maps):
    r"""Area under the ROC curve of pixels: how often an anomalous pixel has a higher value than a normal one.

    .. math:: \mathrm{AUROC} = P(a > b) + \tfrac{1}{2} P(a = b)

    with :math:`a` the value of an anomalous and :math:`b` that of a normal pixel, both drawn from the pixels
    of all images. A large region weighs more than a small one, and where few pixels are anomalous a value
    near 1 can still mean more false alarms than finds: see `pixel_aupr_score` and `aupro_score`.

    Parameters
    ----------
    {masks and maps}

    Returns
    -------
    auc : float
        Between 0 and 1, higher is better; 0.5 without information.

    Raises
    ------
    {errors of masks}

    See Also
    --------
    pixel_aupr_score : Figure that tells more where few pixels are anomalous.
    aupro_score : Figure in which every region weighs the same.

    Examples
    --------
    >>> from sklearn_occ.metrics import pixel_roc_auc_score
    >>> masks = [[[0, 1, 1]], [[0, 0]]]
    >>> maps = [[[0.1, 0.9, 0.4]], [[0.2, 0.4]]]
    >>> round(pixel_roc_auc_score(masks, maps), 3)
    0.917
    """
    counts = count_pixels(masks, maps)
    # twice the pairs in order, as integers: ties are exact
    pairs = np.dot(counts.anomalous, counts.normal_below + counts.normal_up_to)
    return float(pairs / (2 * len(counts.place) * counts.n_normal))


@with_shared_docs
@validate_params({"masks": ["array-like"], "maps": ["array-like"]}, prefer_skip_nested_validation=True)
def pixel_aupr_score(masks, maps):
    r"""Area under the precision-recall curve of anomalous pixels, as average precision.

    .. math:: \mathrm{AP} = \sum_i (R_i - R_{i-1})\, P_i

    with :math:`P_i` and :math:`R_i` precision and recall of the pixels of all images when those of the `i`
    highest distinct values are called anomalous: the definition of `aupr_score`, with the anomalous pixels
    as the positive class. Maps without information give about the share of anomalous pixels.

    Parameters
    ----------
    {masks and maps}

    Returns
    -------
    aupr : float
        Between 0 and 1, higher is better.

    Raises
    ------
    {errors of masks}

    See Also
    --------
    aupr_score : The same of rows.
    pixel_roc_auc_score : Area under the ROC curve of pixels.
    best_dice_score : Overlap at the best threshold.

    Examples
    --------
    >>> from sklearn_occ.metrics import pixel_aupr_score
    >>> masks = [[[0, 1, 1]], [[0, 0]]]
    >>> maps = [[[0.1, 0.9, 0.4]], [[0.2, 0.4]]]
    >>> round(pixel_aupr_score(masks, maps), 3)
    0.833
    """
    counts = count_pixels(masks, maps)
    found, false_alarms = _called_from(counts)
    return float(np.dot(counts.anomalous, found / (found + false_alarms)) / len(counts.place))


@with_shared_docs
@validate_params(
    {"masks": ["array-like"], "maps": ["array-like"], "max_fpr": [Interval(Real, 0, 1, closed="right")]},
    prefer_skip_nested_validation=True,
)
def aupro_score(masks, maps, *, max_fpr=0.3):
    r"""Area under the curve of per-region overlap (AUPRO) up to a false positive rate.

    .. math::

        \mathrm{PRO}(t) = \frac{1}{K} \sum_{k=1}^{K} \frac{|C_k \cap \{m \ge t\}|}{|C_k|}, \qquad
        \mathrm{AUPRO} = \frac{1}{f_{\max}} \int_0^{f_{\max}} \mathrm{PRO}\; d\,\mathrm{FPR}

    :math:`C_1, \dots, C_K` are the connected regions of all masks, :math:`m` the maps, and FPR the share of
    the normal pixels of all images with :math:`m \ge t`. Every region weighs the same whatever its size.
    Pixels that touch at a side or a corner belong to one region (8-connectivity). Images without a region
    add normal pixels only.

    The curve goes through the points of all distinct values of the maps, joined by straight lines, from (0,
    0) to (1, 1), and is cut at `max_fpr` on that line. Nothing is binned. With equal values on all pixels
    the area is `max_fpr / 2`.

    Parameters
    ----------
    {masks and maps}
    max_fpr : float in (0, 1], default=0.3
        False positive rate at which the integral ends, and by which it is divided. Values with another
        `max_fpr` do not compare.

    Returns
    -------
    aupro : float
        Between 0 and 1, higher is better.

    Raises
    ------
    {errors of masks}
        Also where `max_fpr` is out of its range.

    See Also
    --------
    pixel_roc_auc_score : Figure in which every pixel weighs the same.
    best_dice_score : Overlap at the best threshold.

    References
    ----------
    Bergmann et al., "The MVTec Anomaly Detection Dataset: A Comprehensive Real-World Dataset for
    Unsupervised Anomaly Detection", IJCV 2021 (the limit of 0.3).

    Examples
    --------
    >>> from sklearn_occ.metrics import aupro_score
    >>> masks = [[[1, 0, 1, 1]], [[0, 0]]]
    >>> maps = [[[0.9, 0.1, 0.8, 0.2]], [[0.3, 0.1]]]
    >>> round(aupro_score(masks, maps), 3), round(aupro_score(masks, maps, max_fpr=1), 3)
    (0.75, 0.917)
    """
    counts = count_pixels(masks, maps)
    share = np.bincount(counts.place, weights=_share_of_region(masks, maps))  # of a region, at each value
    overlap = np.cumsum(share[::-1])
    overlap /= overlap[-1]  # the mean over regions; exactly 1 at the end

    # Two points at each anomalous value, from the highest: before its pixels are called anomalous, and after.
    fpr, pro = np.zeros((2, 2 * len(overlap) + 2))
    fpr[1:-1:2] = (counts.n_normal - counts.normal_up_to[::-1]) / counts.n_normal
    fpr[2:-1:2] = (counts.n_normal - counts.normal_below[::-1]) / counts.n_normal
    pro[3:-1:2] = overlap[:-1]
    pro[2:-1:2] = overlap
    fpr[-1] = pro[-1] = 1.0

    n_within = np.searchsorted(fpr, max_fpr, side="right")
    fpr, pro = np.append(fpr[:n_within], max_fpr), np.append(pro[:n_within], np.interp(max_fpr, fpr, pro))
    return float(auc(fpr, pro) / max_fpr)


@with_shared_docs
@validate_params({"masks": ["array-like"], "maps": ["array-like"]}, prefer_skip_nested_validation=True)
def best_dice_score(masks, maps):
    r"""Largest Dice coefficient that any one threshold on the maps reaches, and that threshold.

    .. math:: \mathrm{Dice}(t) = \frac{2\,\mathrm{TP}}{2\,\mathrm{TP} + \mathrm{FP} + \mathrm{FN}}

    over the pixels of all images, a pixel being called anomalous when its value is at least `t`. It equals
    the F1 score of pixels.

    This is a tool for evaluation: it needs masks, and its value is the best that these images allow, so it
    is optimistic. Never report the Dice of new images at a threshold that was found on them.

    Parameters
    ----------
    {masks and maps}

    Returns
    -------
    point : :class:`~sklearn.utils.Bunch`
        The best threshold and its figures.

        dice : float
            Between 0 and 1, higher is better. Calling every pixel anomalous gives 2p / (1 + p), with p their
            share.
        threshold : float
            Halfway between the two neighbouring distinct values it separates, so that no pixel lies on it,
            unless they are neighbours in the dtype of the maps: then the higher one. The lowest value of all
            pixels, where calling every pixel anomalous is best. Of thresholds with equal Dice the highest.
        precision : float
            Share of the pixels called anomalous that are.
        recall : float
            Share of the anomalous pixels called so.

    Raises
    ------
    {errors of masks}

    See Also
    --------
    g_mean_threshold : The best threshold on the scores of rows.
    pixel_aupr_score : A figure of all thresholds.

    References
    ----------
    Dice, "Measures of the amount of ecologic association between species", Ecology 26 (1945).

    Examples
    --------
    >>> from sklearn_occ.metrics import best_dice_score
    >>> masks = [[[0, 1, 1]], [[0, 0]]]
    >>> maps = [[[0.1, 0.9, 0.4]], [[0.2, 0.4]]]
    >>> point = best_dice_score(masks, maps)
    >>> round(point.dice, 3), round(point.threshold, 3), round(point.precision, 3), point.recall
    (0.8, 0.3, 0.667, 1.0)
    """
    counts = count_pixels(masks, maps)
    found, false_alarms = _called_from(counts)
    n_anomalous = len(counts.place)
    dice = 2 * found / (n_anomalous + found + false_alarms)
    best = len(dice) - 1 - np.argmax(dice[::-1])
    value = counts.value[best]
    below = largest_below(masks, maps, value)
    return Bunch(
        dice=float(dice[best]),
        threshold=float(value) if below is None else halfway(below, value),
        precision=float(found[best] / (found[best] + false_alarms[best])),
        recall=float(found[best] / n_anomalous),
    )


def _called_from(counts):
    """Anomalous and normal pixels called anomalous when each value is the lowest one that is."""
    return np.cumsum(counts.anomalous[::-1])[::-1], counts.n_normal - counts.normal_below


def _share_of_region(masks, maps):
    """Return 1 / (pixels of its region) for each anomalous pixel, image by image and row by row."""
    shares = []
    for mask, _ in read(masks, maps):
        region = ndimage.label(mask, structure=_EIGHT_NEIGHBOURS)[0][mask]
        shares.append(1 / np.bincount(region)[region])
    return np.concatenate(shares)
