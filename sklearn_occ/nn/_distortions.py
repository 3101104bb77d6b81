"""Strong distortions that turn rows of the majority into rows that are not, and the resampling of those that are."""

import torch
from torch.nn.functional import grid_sample

from ._places import DISTORTIONS, N_NUMBERS, distorted_places, own_places
from ._sending import send

_LARGEST_SHIFT = 0.5  # pixels
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
    kinds = torch.randint(len(DISTORTIONS), (len(x),), generator=generator)
    numbers = torch.rand(len(x), N_NUMBERS, generator=generator)
    shifts = _random_shifts(len(x), generator)
    own = own_places(_sides(x), x.device)
    places, wraps = distorted_places(own, kinds, numbers)
    return _sampled(x, own + amplitude * (places - own), shifts, wraps)


def random_resampling(x, generator):
    """Move each image (b, C, H, W) by up to half a pixel along each side, interpolating bilinearly as distortions do.

    What tells these from distorted images is then the distortion, not the interpolation.
    """
    return _sampled(x, own_places(_sides(x), x.device), _random_shifts(len(x), generator))


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
    order = send(torch.rand(x.shape, generator=generator).argsort(1), x.device)
    factor = send(torch.empty(len(x), 1).uniform_(1, _LARGEST_FACTOR, generator=generator), x.device)
    z = torch.where(scale > 0, (x - mean) / scale, 0.0)
    return x + amplitude * scale * (factor * z.gather(1, order) - z)


def _sides(x):
    """Width and height."""
    return x.shape[3], x.shape[2]


def _random_shifts(n, generator):
    return torch.empty(n, 2).uniform_(-_LARGEST_SHIFT, _LARGEST_SHIFT, generator=generator)


def _sampled(x, places, shifts, wraps=None):
    """Images with their values at other places, (b, 2, H, W) or (2, H, W), moved by shifts (b, 2) in pixels.

    `wraps` (b, 1, 1, 1) is 1 for an image that repeats itself outside, else 0.
    """
    shifts = shifts / torch.tensor(_sides(x))
    moved = places + send(shifts[:, :, None, None], x.device)
    if wraps is not None:
        moved = moved - wraps * moved.floor()
    grid = (2 * moved - 1).movedim(1, -1)
    return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
