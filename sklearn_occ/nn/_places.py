"""Where in an image each pixel of a distorted one is taken from: six random maps.

Places are in units of the sides, from 0 to 1: the first pixel of an image of w x h pixels is at (0.5 / w, 0.5 / h).
The few numbers that a map depends on are computed on the CPU, for all images of a kind at once. On the device there are
then few operations: each is short, so that starting it is most of what it costs on a GPU.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch

from ._sending import send

N_NUMBERS = 10  # random ones, that a distortion asks of an image
_N_PARAMETERS = 8  # that it makes of them at most


def own_places(sides, device="cpu"):
    """Places of the pixels of an image of `sides` (width, height): (2, height, width), x and y."""
    x, y = ((torch.arange(side, device=device) + 0.5) / side for side in sides)
    return torch.stack([x.expand(len(y), -1), y[:, None].expand(-1, len(x))])


def distorted_places(own, kinds, numbers):
    """Where the pixels of distorted images are taken from.

    Parameters
    ----------
    own : tensor of shape (2, height, width)
        `own_places`, on the device.
    kinds : tensor of shape (b,), int64
        Which of `DISTORTIONS` each image has; on the CPU.
    numbers : tensor of shape (b, N_NUMBERS)
        Random ones in [0, 1), on the CPU.

    Returns
    -------
    places : tensor of shape (b, 2, height, width)
    wraps : tensor of shape (b, 1, 1, 1)
        1 for an image that repeats itself outside, else 0.
    """
    height, width = own.shape[1:]
    sides = width, height
    sorted_kinds, order = kinds.sort(stable=True)  # images of a kind are then a slice, without a copy
    parameters = torch.zeros(len(kinds), _N_PARAMETERS + 1)
    ends = torch.bincount(sorted_kinds, minlength=len(DISTORTIONS)).cumsum(0).tolist()
    slices = [slice(*span) for span in pairwise([0, *ends])]
    for rows, (parameters_of, _, wraps) in zip(slices, DISTORTIONS.values(), strict=True):
        of_kind = parameters_of(numbers[order[rows]].T, sides)
        parameters[rows, : len(of_kind)] = of_kind.T
        parameters[rows, -1] = float(wraps)
    parameters = send(parameters, own.device)
    places = own.new_empty(len(kinds), *own.shape)
    for rows, (_, places_of, _) in zip(slices, DISTORTIONS.values(), strict=True):
        if rows.start < rows.stop:
            x, y = places_of(*own, parameters[rows, :, None, None].unbind(1), sides)
            places[rows, 0], places[rows, 1] = x, y
    back = send(order.argsort(), own.device)
    return places[back], parameters[back, -1, None, None, None]


# Parameters (p, k) of the maps of k images, from random numbers (N_NUMBERS, k), and the maps of points (x, y).


def _barrel_parameters(numbers, sides):
    return torch.stack([_between(numbers[0], 0.2, 1.2), _between(numbers[1], 0, 1.5), _between(numbers[2], 0, 0.6)])


def _barrel(x, y, parameters, sides):
    a, b, c = parameters[:3]
    right, down = ((place - 0.5) * (side * 2 / min(sides)) for place, side in zip((x, y), sides, strict=True))
    r = torch.hypot(right, down)
    factor = ((a * r + b) * r + c) * r + 1
    return 0.5 + (x - 0.5) * factor, 0.5 + (y - 0.5) * factor


def _arc_parameters(numbers, sides):
    return sides[0] / _between(numbers[:1], math.radians(60), math.radians(95))


def _arc(x, y, parameters, sides):
    width, height = sides
    radius = parameters[0]  # of the row in the middle, in pixels
    right, up = (x - 0.5) * width, radius - (y - 0.5) * height
    return 0.5 + radius * torch.atan2(right, up) / width, 0.5 + (radius - torch.hypot(right, up)) / height


def _polar_parameters(numbers, sides):
    return _between(numbers[:1], 0.57, 2.17) * min(sides)


def _polar(x, y, parameters, sides):
    right, down = (x - 0.5) * sides[0], (y - 0.5) * sides[1]
    return 0.5 + torch.atan2(right, down) / (2 * math.pi), torch.hypot(right, down) / parameters[0]


def _perspective_parameters(numbers, sides):
    together = _signed(numbers[:2], 0.1, 0.25)
    moves = _signed(numbers[2:10], 0, 0.24).view(4, 2, -1)
    corners = numbers.new_tensor([[0, 0], [1, 0], [1, 1], [0, 1]])[:, :, None] + together + moves
    return _onto_quadrilateral(corners)


def _tile_parameters(numbers, sides):
    shrinkage, shift = _between(numbers[0], 1, 1.75), _signed(numbers[1:3], 0.1, 0.55)
    none, right_and_down = torch.zeros_like(shrinkage), 0.5 - 0.5 * shrinkage + shift
    return _affine_map([[shrinkage, none], [none, shrinkage]], right_and_down)


def _affine_parameters(numbers, sides):
    across, along = _between(numbers[0], 0.3, 0.8), _between(numbers[1], 0.6, 0.9)
    shear, is_across = _signed(numbers[2], 0.1, 0.5), (numbers[3] < 0.5).to(numbers.dtype)
    shift = _signed(numbers[4:6], 0.02, 0.18)
    # back from (across x + shear y, along y) or (across x, shear x + along y)
    from_x = torch.stack([1 / across, -is_across * shear / (along * across)])
    from_y = torch.stack([-(1 - is_across) * shear / (across * along), 1 / along])
    return _affine_map([from_x, from_y], 0.5 - torch.stack([(row * (0.5 + shift)).sum(0) for row in (from_x, from_y)]))


def _affine_map(rows, constant):
    """Parameters of `_projective` for a linear map and what is added to it."""
    none = torch.zeros_like(constant[0])
    return torch.stack([*rows[0], constant[0], *rows[1], constant[1], none, none])


def _onto_quadrilateral(corners):
    """Parameters of the map of the unit square onto four corners (4, 2, k), clockwise from (0, 0) (Heckbert 1989)."""
    p0, p1, p2, p3 = corners
    u, v, s = p1 - p2, p3 - p2, p0 - p1 + p2 - p3
    g, h = _cross(s, v) / _cross(u, v), _cross(u, s) / _cross(u, v)
    across, down = torch.stack([p1 - p0 + g * p1, p3 - p0 + h * p3, p0], 1)
    return torch.stack([*across, *down, g, h])


def _projective(x, y, parameters, sides):
    a, b, c, d, e, f, g, h = parameters[:_N_PARAMETERS]
    w = g * x + h * y + 1
    return (a * x + b * y + c) / w, (d * x + e * y + f) / w


def _cross(a, b):
    return a[0] * b[1] - a[1] * b[0]


def _between(number, low, high):
    return low + (high - low) * number


def _signed(number, low, high):
    """From `low` to `high` in absolute value, with either sign."""
    number = 2 * number - 1
    return torch.where(number < 0, -1.0, 1.0) * _between(number.abs(), low, high)


class Distortion(NamedTuple):
    """Parameters of the random numbers, the map, and whether the image repeats itself outside."""

    parameters_of: Callable
    places_of: Callable
    wraps: bool


DISTORTIONS = {
    "barrel": Distortion(_barrel_parameters, _barrel, False),
    "perspective": Distortion(_perspective_parameters, _projective, False),
    "arc": Distortion(_arc_parameters, _arc, True),
    "polar": Distortion(_polar_parameters, _polar, False),
    "tile": Distortion(_tile_parameters, _projective, True),
    "affine": Distortion(_affine_parameters, _projective, False),
}
