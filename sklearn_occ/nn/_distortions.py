"""Strong distortions that turn rows of the majority into rows that are not, and the resampling of those that are."""

import math

import torch
from torch.nn.functional import grid_sample

_LARGEST_SHIFT = 0.5  # pixels
_N_NUMBERS = 10  # that a distortion asks of an image
_LARGEST_FACTOR = 3.0  # of the standardised features of a table


def random_distortion(x, generator, amplitude=1.0):
    """Distort each image in one of six ways, drawn at random.

    ::

        "barrel"        r -> r (a r^3 + b r^2 + c r + 1),  r = 1 at half the shorter side
                        a in [0.2, 1.2], b in [0, 1.5], c in [0, 0.6]
        "perspective"   the projective map whose corners lie 0.1 to 0.25 of a side away together, and up to 0.24 each
        "arc"           bent around a circle, 60 to 95 degrees for the width; the image repeats itself outside
        "polar"         wrapped around its centre, a disc whose radius is 0.57 to 2.17 of the shorter side
        "tile"          shrunk by 1 to 1.75, moved by 0.1 to 0.55 of a side; the image repeats itself outside
        "affine"        shrunk to 0.3 to 0.8 of the width and 0.6 to 0.9 of the height, sheared by 0.1 to 0.5 along one
                        side, moved by 0.02 to 0.18 of a side

    They say where in the image each pixel is taken from, in between four pixels bilinearly; outside, where it does not
    repeat itself, the edge goes on. Every place is moved by the random part of a pixel that `random_resampling` draws,
    so that a distortion of little amplitude looks as what that returns.

    Parameters
    ----------
    x : tensor of shape (b, C, H, W)
        Images.
    generator : torch.Generator
        On the CPU.
    amplitude : float in (0, 1], default=1.0
        Share of the way from each pixel's own place to that of the distortion.

    Returns
    -------
    x : tensor of shape (b, C, H, W)

    References
    ----------
    Guo, thesis, section 4.1.2, for the six; the ranges are those of the numbers in its released code, as fractions of
    the image.
    """
    kinds = torch.randint(len(_DISTORTIONS), (len(x),), generator=generator)
    numbers = torch.rand(len(x), _N_NUMBERS, generator=generator)
    shifts = _random_shifts(len(x), generator)
    distorted = torch.empty_like(x)
    for kind, (places_of, wraps) in enumerate(_DISTORTIONS.values()):
        rows = torch.nonzero(kinds == kind)[:, 0]
        if len(rows):
            of_kind = rows.to(x.device)
            distorted[of_kind] = _sampled(
                x[of_kind], places_of, numbers[rows], shifts[rows], amplitude=amplitude, wraps=wraps
            )
    return distorted


def random_resampling(x, generator):
    """Move each image (b, C, H, W) by up to half a pixel along each side, interpolating bilinearly as distortions do.

    What tells these from distorted images is then the distortion, not the interpolation.
    """
    return _sampled(x, _own_places, torch.zeros(len(x), 0), _random_shifts(len(x), generator))


def random_permutation(x, generator, mean, scale, amplitude=1.0):
    """Distort rows of a table: permute the standardised features of each row, and stretch them by 1 to 3.

    ::

        z = (x - mean) / scale,  z' = factor * permuted z
        x' = mean + scale * (z + amplitude (z' - z))

    Parameters
    ----------
    x : tensor of shape (b, d)
        Rows.
    generator : torch.Generator
        On the CPU.
    mean, scale : tensors of shape (d,)
        Mean and standard deviation of each feature; a feature of no deviation stays as it is.
    amplitude : float in (0, 1], default=1.0
        See above.

    Returns
    -------
    x : tensor of shape (b, d)
    """
    order = torch.rand(x.shape, generator=generator).argsort(1).to(x.device)
    factor = torch.empty(len(x), 1).uniform_(1, _LARGEST_FACTOR, generator=generator).to(x.device)
    z = torch.where(scale > 0, (x - mean) / scale, 0.0)
    return x + amplitude * scale * (factor * z.gather(1, order) - z)


def _random_shifts(n, generator):
    return torch.empty(n, 2).uniform_(-_LARGEST_SHIFT, _LARGEST_SHIFT, generator=generator)


def _sampled(x, places_of, numbers, shifts, *, amplitude=1.0, wraps=False):
    """Images with their values at other places; numbers (b, k) in [0, 1], shifts (b, 2) in pixels."""
    height, width = x.shape[2:]
    column = ((torch.arange(width, device=x.device) + 0.5) / width)[None, None, :]  # of the image, from 0 to 1
    row = ((torch.arange(height, device=x.device) + 0.5) / height)[None, :, None]
    numbers, shifts = (each.to(x.device)[:, :, None, None].unbind(1) for each in (numbers, shifts))  # (b, 1, 1) each
    grid = []
    places = places_of(column, row, numbers, (width, height))
    for place, own, shift, side in zip(places, (column, row), shifts, (width, height), strict=True):
        moved = own + amplitude * (place - own) + shift / side
        if wraps:
            moved = moved.remainder(1)
        grid.append((2 * moved - 1).expand(len(x), height, width))
    return grid_sample(x, torch.stack(grid, -1), mode="bilinear", padding_mode="border", align_corners=False)


# Where in the image a pixel at (x, y) is taken from, all in units of the sides (width, height); `numbers` are random.


def _own_places(x, y, numbers, sides):
    return x, y


def _barrel(x, y, numbers, sides):
    a, b, c = _between(numbers[0], 0.2, 1.2), _between(numbers[1], 0, 1.5), _between(numbers[2], 0, 0.6)
    right, down = ((place - 0.5) * side * 2 / min(sides) for place, side in zip((x, y), sides, strict=True))
    r = torch.hypot(right, down)
    factor = a * r**3 + b * r**2 + c * r + 1
    return 0.5 + (x - 0.5) * factor, 0.5 + (y - 0.5) * factor


def _perspective(x, y, numbers, sides):
    together = [_signed(number, 0.1, 0.25) for number in numbers[:2]]
    moves = [_signed(number, 0, 0.24) for number in numbers[2:10]]
    corners = [
        [corner[axis] + together[axis] + moves[2 * k + axis] for axis in range(2)]
        for k, corner in enumerate([(0, 0), (1, 0), (1, 1), (0, 1)])
    ]
    return _onto_quadrilateral(x, y, corners)


def _onto_quadrilateral(x, y, corners):
    """Projective map of the unit square onto four corners, clockwise from (0, 0) (Heckbert 1989)."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    u, v = (x1 - x2, y1 - y2), (x3 - x2, y3 - y2)
    s = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    area = u[0] * v[1] - u[1] * v[0]
    g, h = (s[0] * v[1] - s[1] * v[0]) / area, (u[0] * s[1] - u[1] * s[0]) / area
    w = g * x + h * y + 1
    across = (x1 - x0 + g * x1) * x + (x3 - x0 + h * x3) * y + x0
    down = (y1 - y0 + g * y1) * x + (y3 - y0 + h * y3) * y + y0
    return across / w, down / w


def _arc(x, y, numbers, sides):
    width, height = sides
    radius = width / _between(numbers[0], math.radians(60), math.radians(95))  # of the row in the middle, in pixels
    right, down = (x - 0.5) * width, (y - 0.5) * height
    angle = torch.atan2(right, radius - down)
    return 0.5 + radius * angle / width, 0.5 + (radius - torch.hypot(right, radius - down)) / height


def _polar(x, y, numbers, sides):
    radius = _between(numbers[0], 0.57, 2.17) * min(sides)
    right, down = (x - 0.5) * sides[0], (y - 0.5) * sides[1]
    return 0.5 + torch.atan2(right, down) / (2 * math.pi), torch.hypot(right, down) / radius


def _tile(x, y, numbers, sides):
    shrinkage = _between(numbers[0], 1, 1.75)
    right, down = (_signed(number, 0.1, 0.55) for number in numbers[1:3])
    return 0.5 + shrinkage * (x - 0.5) + right, 0.5 + shrinkage * (y - 0.5) + down


def _affine(x, y, numbers, sides):
    across, along = _between(numbers[0], 0.3, 0.8), _between(numbers[1], 0.6, 0.9)
    shear, is_across = _signed(numbers[2], 0.1, 0.5), (numbers[3] < 0.5).float()
    right, down = (_signed(number, 0.02, 0.18) for number in numbers[4:6])
    x, y = x - 0.5 - right, y - 0.5 - down  # back from (across x + shear y, along y) or (across x, shear x + along y)
    from_x = (x - is_across * shear * y / along) / across
    from_y = (y - (1 - is_across) * shear * x / across) / along
    return 0.5 + from_x, 0.5 + from_y


def _between(number, low, high):
    return low + (high - low) * number


def _signed(number, low, high):
    """From `low` to `high` in absolute value, with either sign."""
    number = 2 * number - 1
    return torch.where(number < 0, -1.0, 1.0) * _between(number.abs(), low, high)


_DISTORTIONS = {  # and whether the image repeats itself outside
    "barrel": (_barrel, False),
    "perspective": (_perspective, False),
    "arc": (_arc, True),
    "polar": (_polar, False),
    "tile": (_tile, True),
    "affine": (_affine, False),
}
