"""Random changes of images: shifted, mirrored, with coarse noise."""

import math

import torch
from torch.nn.functional import grid_sample

from ._sending import send


def random_shift(x, generator, most=0.05):
    """Move each image by whole pixels, up to the share `most` of its sides, repeating its edge.

    Parameters
    ----------
    x : tensor of shape (b, C, H, W)
        Images.
    generator : torch.Generator
        On the CPU.
    most : float, default=0.05
        Largest shift along a side, in units of the side, rounded to pixels, at least one.

    Returns
    -------
    x : tensor of shape (b, C, H, W)
        The moved images.

    See Also
    --------
    random_flip : Mirror images.
    sklearn_occ.AnoGAN : Detector that changes its training rows so.
    """
    places = []
    for side in x.shape[2:]:
        pixels = max(1, round(most * side))
        shift = torch.randint(-pixels, pixels + 1, (len(x), 1), generator=generator)
        places.append(send((torch.arange(side) + shift).clamp(0, side - 1), x.device))  # (b, side)
    rows, columns = places
    images = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, -1)[images, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def random_flip(x, generator):
    """Mirror each image left to right with probability 1/2.

    Parameters
    ----------
    x : tensor of shape (b, C, H, W)
        Images.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    x : tensor of shape (b, C, H, W)
        The images, of which some are mirrored.

    See Also
    --------
    random_shift : Move images.
    sklearn_occ.AnoGAN : Detector that changes its training rows so.
    """
    flipped = send(torch.randint(2, (len(x), 1, 1, 1), generator=generator, dtype=torch.bool), x.device)
    return torch.where(flipped, x.flip(-1), x)


def random_shift_and_flip(x, generator):
    """Images (b, C, H, W) shifted by up to 5 % of their sides, and mirrored with probability 1/2."""
    return random_flip(random_shift(x, generator), generator)


def coarse_noise(n_images, image_shape, sizes, generator, device="cpu"):
    """Noise with a cell of its own size for each image.

    ::

        noise(y, x) = sum_jk w(y / s + u - j) w(x / s + v - k) g_jk,    w(t) = max(0, 1 - |t|)

    with `g` independent standard normal numbers, one for each node of a grid and channel, `s` the size of a cell and
    `u, v`, uniform in [0, 1), the random offset of the grid. So a pixel has the variance `a(y / s + u) a(x / s + v)`,
    where `a(t) = f^2 + (1 - f)^2` and f is the fraction of t: 1 on a node, 1/4 in the middle of a cell, 4/9 on average;
    pixels two cells apart, along either axis, are independent.

    Parameters
    ----------
    n_images : int
        Images.
    image_shape : tuple (C, H, W)
        Shape of one image.
    sizes : tuple (smallest, largest)
        Sides of a cell in pixels, at least 1; for each image its logarithm is drawn uniformly from that range.
    generator : torch.Generator
        Random numbers, on the CPU.
    device : torch.device or str
        Where the images are made.

    Returns
    -------
    noise : tensor of shape (n_images, C, H, W)
    """
    n_channels, *sides = image_shape
    smallest, largest = sizes
    drawn = torch.rand(n_images, generator=generator, dtype=torch.float64)
    cells = smallest * (largest / smallest) ** drawn
    offsets = torch.rand(n_images, 2, generator=generator, dtype=torch.float64)
    n_nodes = [math.ceil((side - 1) / smallest) + 2 for side in sides]
    nodes = send(torch.randn(n_images, n_channels, *n_nodes, generator=generator), device)
    places = [  # of the pixels on the grid, in [-1, 1] as grid_sample counts
        send(((torch.arange(side) / cells[:, None] + offset[:, None]) * (2 / (n - 1)) - 1).float(), device)
        for side, n, offset in zip(sides, n_nodes, offsets.T, strict=True)
    ]
    y, x = places[0][:, :, None].expand(-1, -1, sides[1]), places[1][:, None, :].expand(-1, sides[0], -1)
    return grid_sample(nodes, torch.stack([x, y], -1), padding_mode="border", align_corners=True)


AUGMENTATIONS = {"shift": random_shift, "shift-flip": random_shift_and_flip}
