"""Shapes of planted lesions: profiles between 0 and 1 in a disc."""

import numpy as np
from scipy import ndimage

SMALLEST = 8  # pixels across, for a spot of one pixel's standard deviation down to EDGE
EDGE = 0.1  # of the height: what is lower is left out of the image and of the mask


def spots(size, rng):
    """Five to twelve bright spots of uneven size, shape and height, the highest 1, anywhere in the disc."""
    rows, columns, _ = _grid(size)
    profile = np.zeros(rows.shape)
    for height in np.append(1, rng.uniform(0.5, 1, rng.integers(4, 12))):
        long = rng.uniform(1, np.clip(size / 16, 1, 3))
        short = max(1, long * rng.uniform(0.6, 1))
        reach = size / 2 - long * np.sqrt(-2 * np.log(EDGE))
        distance, direction, turn = reach * np.sqrt(rng.random()), *rng.uniform(0, 2 * np.pi, 2)
        y, x = rows - distance * np.sin(direction), columns - distance * np.cos(direction)
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        spot = height * np.exp(-((along / long) ** 2 + (across / short) ** 2) / 2)
        np.maximum(profile, spot, out=profile)
    return _ended(profile, size)


def blob(size, rng):
    """An uneven shape blurred by an eighth of its size."""
    return _ended(_blurred_outline(size, rng, radius=0.7 * size / 2, blur=size / 8), size)


def patch(size, rng):
    """An uneven shape that fills the disc, with an edge blurred by a 24th of its size."""
    return _ended(_blurred_outline(size, rng, radius=0.9 * size / 2, blur=size / 24), size)


def in_disc(size):
    """Pixels whose distance from the central one is at most half of `size`, in the square that holds them."""
    return _grid(size)[2] <= size / 2


def _grid(size):
    rows, columns = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1]
    return rows, columns, np.hypot(rows, columns)


def _blurred_outline(size, rng, *, radius, blur):
    rows, columns, distance = _grid(size)
    angle = np.arctan2(rows, columns)
    outline = 1 + sum(rng.uniform(0, 0.4 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4, 5))
    inside = distance <= radius * outline / outline.max()
    return ndimage.gaussian_filter(inside.astype(np.float64), blur, mode="constant")


def _ended(profile, size):
    profile = profile / profile.max()
    return np.where((profile > EDGE) & in_disc(size), profile, 0)
