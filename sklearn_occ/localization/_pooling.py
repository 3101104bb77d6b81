"""One score of an image from those of its places."""

import numpy as np


def pooled(scores, pooling, top_fraction):
    """One score (...) from those of k places, (..., k): "max" takes the lowest, "mean" all, "top" the lowest share."""
    if pooling == "mean":
        return scores.mean(axis=-1)
    n_lowest = 1 if pooling == "max" else max(1, round(top_fraction * scores.shape[-1]))
    return np.partition(scores, n_lowest - 1, axis=-1)[..., :n_lowest].mean(axis=-1)
