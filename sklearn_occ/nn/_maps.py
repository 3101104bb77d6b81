"""The sizes of the maps of the default networks of images, whose sides are halved from stage to stage."""

from math import inf

SMALLEST_MAP = 4  # pixels
_SMALLEST_SIDE = 8
_REMEDY = "enlarge them, or pass networks of your own"


def stage_maps(image_shape, channels, goes_on, *, growth=inf, rounds_up=False, remedy=_REMEDY):
    """`(channels, (height, width))` of the image and of every stage.

    Parameters
    ----------
    image_shape : tuple (C, H, W)
        Shape of one image; sides of at least 8 pixels.
    channels : int
        Channels of the first stage; each further one doubles them.
    goes_on : callable
        `goes_on(n_stages, side)`, whether there is one more stage behind so many, the last of which has maps with a
        shorter side of `side` pixels.
    growth : int, default=inf
        Up to how many times `channels` the channels double.
    rounds_up : bool, default=False
        Whether half of an odd side is rounded up.
    remedy : str
        What the error of too small an image advises.
    """
    n_channels, *sides = image_shape
    if min(sides) < _SMALLEST_SIDE:
        raise ValueError(
            f"Images of {sides[0]} x {sides[1]} pixels are too small for the default network, which needs at least "
            f"{_SMALLEST_SIDE} x {_SMALLEST_SIDE}; {remedy}."
        )
    maps = [(n_channels, tuple(sides))]
    while goes_on(len(maps) - 1, min(maps[-1][1])):
        halves = tuple((side + rounds_up) // 2 for side in maps[-1][1])
        maps.append((channels * min(2 ** (len(maps) - 1), growth), halves))
    return maps
