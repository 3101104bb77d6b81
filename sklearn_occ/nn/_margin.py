"""The networks of TEND: an encoder whose last map is the code, its mirror image, and a head on the code."""

from itertools import pairwise
from math import prod

import torch
from torch import nn

from .._docstrings import with_shared_docs
from ._maps import stage_maps

_CHANNEL_GROWTH = 16  # 16 channels in the first stage, 256 in the fifth
_LARGEST_MAP = 8
_KERNEL = {"kernel_size": 4, "stride": 2, "padding": 1}
_EMBEDDING = 512
_HIDDEN = 128


class MapEncoder(nn.Module):
    """Strided 4 x 4 convolutions, each with batch normalisation and ReLU; the last map is the code (Guo, table 4.1).

    At 256 x 256 x 1 with `channels=16`: maps of 128x128x16, 64x64x32, 32x32x64, 16x16x128, 8x8x256, flattened to
    16384. Each stage halves the sides (rounding down) and doubles the channels (up to 16 times), until the shorter side
    is 4 to 8 pixels.

    Parameters
    ----------
    image_shape : tuple (C, H, W)
        Shape of one image; sides of at least 8 pixels.
    n_components : int
        Width of the code. Where it is not that of the last map, a dense layer without activation follows.
    channels : int, default=16
        Channels of the first stage.

    Attributes
    ----------
    code_shape : tuple
        Shape (C, H, W) of the map that the code is, or (n_components,).

    See Also
    --------
    MapDecoder : The way back.
    sklearn_occ.TEND : Detector that takes it by default.
    ConvEncoder : The default encoder of the other methods.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import MapEncoder
    >>> encoder = MapEncoder((1, 32, 32), 512, channels=4)
    >>> encoder(torch.zeros(2, 1, 32, 32)).shape, encoder.code_shape
    (torch.Size([2, 512]), (8, 8, 8))
    """

    def __init__(self, image_shape, n_components, channels=16):
        super().__init__()
        maps = halved_maps(image_shape, channels)
        stages = []
        for (n_in, _), (n_out, _) in pairwise(maps):
            stages += [nn.Conv2d(n_in, n_out, **_KERNEL), nn.BatchNorm2d(n_out), nn.ReLU()]
        self.convolutions = nn.Sequential(*stages)
        n_channels, sides = maps[-1]
        width = n_channels * prod(sides)
        is_map = n_components == width
        self.code_shape = (n_channels, *sides) if is_map else (n_components,)
        self.code = nn.Identity() if is_map else nn.Linear(width, n_components)
        self.to(memory_format=torch.channels_last)

    @with_shared_docs
    def forward(self, x):  # (b, C, H, W)
        """Encode images.

        {images to codes}
        """
        return self.code(self.convolutions(x).flatten(1))  # (b, n_components)


class MapDecoder(nn.Module):
    """The mirror image of `MapEncoder`: transposed convolutions back to the exact size.

    Parameters
    ----------
    n_components : int
        Width of the code.
    image_shape : tuple (C, H, W)
        Shape of one image; sides of at least 8 pixels.
    channels : int, default=16
        Channels of the last hidden stage, as in the encoder.

    See Also
    --------
    MapEncoder : The way to the code.
    ConvDecoder : The default decoder of the other methods.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import MapDecoder
    >>> MapDecoder(20, (1, 32, 32), channels=4)(torch.zeros(2, 20)).shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(self, n_components, image_shape, channels=16):
        super().__init__()
        maps = halved_maps(image_shape, channels)[::-1]
        n_channels, sides = maps[0]
        width = n_channels * prod(sides)
        self.smallest_map = (n_channels, *sides)
        self.dense = (
            nn.Identity() if n_components == width else nn.Sequential(nn.Linear(n_components, width), nn.ReLU())
        )
        stages = []
        for (n_in, _), (n_out, sides) in pairwise(maps):
            odd = tuple(side % 2 for side in sides)  # 2 n pixels come back, one more where the side is odd
            stages += [nn.ConvTranspose2d(n_in, n_out, **_KERNEL, output_padding=odd), nn.BatchNorm2d(n_out), nn.ReLU()]
        self.convolutions = nn.Sequential(*stages[:-2])  # the image itself is neither normalised nor rectified
        self.to(memory_format=torch.channels_last)

    @with_shared_docs
    def forward(self, z):  # (b, n_components)
        """Decode codes.

        {codes to images}
        """
        return self.convolutions(self.dense(z).unflatten(1, self.smallest_map))  # (b, C, H, W)


class MarginHead(nn.Module):
    """From a code to its embedding c, and from that to a logit: `code -> (c, logit)`.

    On a map of n channels a 4 x 4 convolution with stride 2 to 2 n channels, batch normalisation and ReLU, then a dense
    layer to the 512 numbers of c; on any other code a dense layer of 128 and ReLU in place of the first three. The
    logit is one linear layer on c.

    Parameters
    ----------
    code_shape : tuple (C, H, W) or (n_components,)
        Of what the code is; a map's sides are at least 2.
    """

    width = _EMBEDDING

    def __init__(self, code_shape):
        super().__init__()
        if len(code_shape) == 3:
            n_channels, *sides = code_shape
            first = [nn.Unflatten(1, code_shape), nn.Conv2d(n_channels, 2 * n_channels, **_KERNEL)]
            first += [nn.BatchNorm2d(2 * n_channels), nn.ReLU(), nn.Flatten()]
            n_inputs = 2 * n_channels * prod(side // 2 for side in sides)
        else:
            first = [nn.Linear(*code_shape, _HIDDEN), nn.ReLU()]
            n_inputs = _HIDDEN
        self.embedding = nn.Sequential(*first, nn.Linear(n_inputs, self.width))
        self.logit = nn.Linear(self.width, 1)

    def forward(self, code):  # (b, n_components)
        c = self.embedding(code)
        return c, self.logit(c).squeeze(1)  # (b, 512), (b,)


class MarginNetwork(nn.Module):
    """An autoencoder, `x -> (D(E(x)), E(x))`, while `pretrains`; then its encoder with a head, `x -> (c, logit)`.

    Distorted rows go through the network in one batch with the rows, below them.
    """

    def __init__(self, encoder, decoder, head):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.pretrains = False

    def forward(self, x, *distorted):
        code = self.encoder(torch.cat([x, *distorted]))
        return (self.decoder(code), code) if self.pretrains else self.head(code)


def map_code_width(image_shape, channels):
    """Number of values in the last map of `MapEncoder`."""
    n_channels, sides = halved_maps(image_shape, channels)[-1]
    return n_channels * prod(sides)


def halved_maps(image_shape, channels):
    """`(channels, (height, width))` of the image and of every stage of `MapEncoder`."""

    def goes_on(n_stages, side):
        return n_stages == 0 or side > _LARGEST_MAP

    return stage_maps(image_shape, channels, goes_on, growth=_CHANNEL_GROWTH)
