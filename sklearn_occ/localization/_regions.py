"""What anomaly maps say of an image: one score of its places, and its most suspicious regions."""

import numpy as np
from scipy import ndimage

COLUMNS = ("file", "x", "y", "width", "height", "score", "rank")
_EQUAL = 1e-5  # of the map's range: what blending leaves of equal values


def regions_of(anomaly_map, covered, top_fraction):
    """Connected regions of the highest pixels of a map.

    Parameters
    ----------
    anomaly_map : ndarray of shape (H, W)
        Higher = more anomalous.
    covered : ndarray of bool, shape (H, W)
        Pixels of patches that were scored, of which regions consist.
    top_fraction : float in (0, 1)
        Of these pixels that belong to regions; more where the lowest of them has equals.

    Returns
    -------
    regions : list of dict
        `x`, `y` (left and top), `width`, `height` in pixels, `score`, the highest value of the map inside. Pixels that
        touch at a corner are connected.
    """
    values = anomaly_map[covered]
    highest = covered & (anomaly_map >= np.quantile(values, 1 - top_fraction) - _EQUAL * np.ptp(values))
    labels, n_regions = ndimage.label(highest, structure=np.ones((3, 3)))
    peaks = ndimage.maximum(anomaly_map, labels, np.arange(1, n_regions + 1))
    return [
        {
            "x": place[1].start,
            "y": place[0].start,
            "width": place[1].stop - place[1].start,
            "height": place[0].stop - place[0].start,
            "score": float(peak),
        }
        for place, peak in zip(ndimage.find_objects(labels), peaks, strict=True)
    ]


def pooled(scores, pooling, top_fraction):
    """One score (...) from those of k places, (..., k): "max" takes the lowest, "mean" all, "top" the lowest share."""
    if pooling == "mean":
        return scores.mean(axis=-1)
    n_lowest = 1 if pooling == "max" else max(1, round(top_fraction * scores.shape[-1]))
    return np.partition(scores, n_lowest - 1, axis=-1)[..., :n_lowest].mean(axis=-1)
