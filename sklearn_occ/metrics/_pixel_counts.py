"""What every metric of localisation counts: pixels on either side of the values of the anomalous pixels."""

from typing import NamedTuple

import numpy as np

_BLOCK = 2**24  # normal pixels sorted at a time: 64 MiB of float32


class PixelCounts(NamedTuple):
    """Pixels of all images by the value of their map.

    Between two values of anomalous pixels only false alarms change, so these thresholds fix every curve.
    """

    value: np.ndarray  # distinct values of the anomalous pixels, ascending, in the dtype of the maps
    anomalous: np.ndarray  # anomalous pixels at each value
    normal_below: np.ndarray  # normal pixels below each value
    normal_up_to: np.ndarray  # normal pixels below or at each value
    n_normal: int
    place: np.ndarray  # for every anomalous pixel, image by image and row by row, the index of its value


def count_pixels(masks, maps):
    """Count the pixels of `maps` on either side of each distinct value of the anomalous pixels.

    Exact: the anomalous values are sorted once, the normal pixels in blocks of at least 2**24, or as many as there
    are anomalous values if those are more. Besides `masks` and `maps`, memory is that of the anomalous pixels and
    of one block.

    Parameters
    ----------
    masks : array-like of shape (n, H, W), or sequence of n array-likes (H, W)
        bool or 0 and 1, 1 = anomalous; both present.
    maps : as masks
        Finite real numbers, higher = more anomalous, of the masks' shapes.

    Returns
    -------
    counts : PixelCounts

    Raises
    ------
    ValueError
        For unequal numbers of masks and maps, other shapes, other values, or one kind of pixel alone.
    """
    n_pixels, anomalous = 0, []
    for mask, anomaly_map in _checked(masks, maps):
        n_pixels += mask.size
        anomalous.append(anomaly_map[mask])
    n_anomalous = sum(map(len, anomalous))
    n_normal = n_pixels - n_anomalous
    if not (n_anomalous and n_normal):
        raise ValueError(
            f"masks hold {n_anomalous} anomalous and {n_normal} normal pixels in {len(masks)} images, and the metric "
            "needs at least one of each: give images with both kinds of pixels."
        )
    value, place, count = np.unique(np.concatenate(anomalous), return_inverse=True, return_counts=True)
    below, up_to = np.zeros((2, len(value)), dtype=np.int64)
    for block in _normal_blocks(masks, maps, max(_BLOCK, len(value))):
        block.sort()
        below += np.searchsorted(block, value, side="left")
        up_to += np.searchsorted(block, value, side="right")
    return PixelCounts(value, count, below, up_to, n_normal, place)


def largest_below(masks, maps, value):
    """Largest value of any pixel that is below `value`, None where there is none."""
    largest = [kept.max() for _, m in read(masks, maps) if len(kept := m[m < value])]
    return max(largest, default=None)


def read(masks, maps):
    """Yield each mask as bool (H, W) with its map, in its own float dtype (integers in float64), once checked."""
    for mask, anomaly_map in zip(masks, maps, strict=True):
        yield np.asarray(mask, dtype=bool), _as_floats(np.asarray(anomaly_map))


def _checked(masks, maps):
    """Yield what `read` does, or raise the ValueError of what cannot be read."""
    if len(masks) != len(maps):
        raise ValueError(f"masks hold {len(masks)} images but maps hold {len(maps)}: give one map for each mask.")
    for i, (mask, anomaly_map) in enumerate(zip(masks, maps, strict=True)):
        yield _checked_mask(np.asarray(mask), i), _checked_map(np.asarray(anomaly_map), np.shape(mask), i)


def _checked_mask(mask, i):
    if mask.ndim != 2:
        raise ValueError(
            f"masks[{i}] must be one image of shape (H, W), got shape {mask.shape}: give an array (n, H, W) or a "
            "list of 2-D arrays."
        )
    if mask.dtype == bool:
        return mask
    is_one = mask == 1
    unknown = ~(is_one | (mask == 0))
    if unknown.any():
        place = tuple(int(index) for index in np.argwhere(unknown)[0])
        raise ValueError(
            f"masks must hold 0 (normal) and 1 (anomalous) only, got {mask[unknown].tolist()[0]!r} in masks[{i}] at "
            f"{place}: convert them, e.g. mask > 0."
        )
    return is_one


def _checked_map(anomaly_map, shape, i):
    if anomaly_map.shape != shape:
        raise ValueError(
            f"maps[{i}] has shape {anomaly_map.shape} but masks[{i}] has shape {shape}: give maps of the images' own "
            "size."
        )
    if anomaly_map.dtype.kind not in "iubf":
        raise ValueError(f"maps must hold real numbers, got dtype {anomaly_map.dtype} in maps[{i}]: convert them.")
    bad = ~np.isfinite(anomaly_map)
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        raise ValueError(
            f"maps must be finite, got {anomaly_map[bad][0]} in maps[{i}] at {place}: look for the image or the model "
            "that gave it."
        )
    return _as_floats(anomaly_map)


def _as_floats(anomaly_map):
    return anomaly_map if anomaly_map.dtype.kind == "f" else anomaly_map.astype(np.float64)


def _normal_blocks(masks, maps, size):
    """Yield the values of all normal pixels in arrays of at least `size`, the last one of what is left."""
    waiting, n_waiting = [], 0
    for mask, anomaly_map in read(masks, maps):
        waiting.append(anomaly_map[~mask])
        n_waiting += len(waiting[-1])
        if n_waiting >= size:
            yield np.concatenate(waiting)
            waiting, n_waiting = [], 0
    if n_waiting:
        yield np.concatenate(waiting)
