"""Small random changes of images."""

import torch

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
    random_resampling : Move images by a part of a pixel.
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
    """
    flipped = send(torch.randint(2, (len(x), 1, 1, 1), generator=generator, dtype=torch.bool), x.device)
    return torch.where(flipped, x.flip(-1), x)


def random_shift_and_flip(x, generator):
    """Images (b, C, H, W) shifted by up to 5 % of their sides, and mirrored with probability 1/2."""
    return random_flip(random_shift(x, generator), generator)


AUGMENTATIONS = {"shift": random_shift, "shift-flip": random_shift_and_flip}
