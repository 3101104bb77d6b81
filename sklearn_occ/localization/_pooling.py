"""One score of an image from those of its patches."""

import numpy as np


def pooled(scores, pooling, top_fraction):
    """Score of the image, a float: "max" takes the most anomalous patch, "mean" all, "top" the lowest share of them."""
    if pooling == "mean":
        return scores.mean()
    n_lowest = 1 if pooling == "max" else max(1, round(top_fraction * len(scores)))
    return np.partition(scores, n_lowest - 1)[:n_lowest].mean()
