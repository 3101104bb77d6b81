"""The default networks of images: figure 1 of ConOCC, at any size from 8 to 512 pixels."""

from itertools import pairwise

import torch
from torch import nn

from .._docstrings import with_shared_docs
from ._maps import SMALLEST_MAP, stage_maps

_CHANNEL_GROWTH = 8  # the last stages have at most 8 times the first one's channels: 64 -> 512
_WIDEST_CODE = 256


def default_code_width(image_shape):
    """The paper's 256, but at most a quarter of the image's values."""
    n_channels, height, width = image_shape
    return max(1, min(_WIDEST_CODE, n_channels * height * width // 4))


class ConvEncoder(nn.Module):
    """Strided 3 x 3 convolutions, then one dense layer to the code (Gao et al., figure 1).

    At 32 x 32 x 1 with `channels=64`: maps of 16x16x64, 8x8x128, 4x4x256, flattened to 4096, code. Each
    stage halves the sides (rounding up) and doubles the channels (up to 512), as long as the shorter side
    of the last map is 4 to 7 pixels. Stride 2, padding 1, batch normalisation and leaky ReLU (slope 0.01),
    which the figure does not give, are our choice.

    Parameters
    ----------
    image_shape : tuple (C, H, W)
        Shape of one image; sides of at least 8 pixels.
    n_components : int
        Width of the code.
    channels : int, default=64
        Channels of the first stage; fewer make the network narrower and faster.
    bias : bool, default=True
        Whether the layers have biases, and batch normalisation a learnt scale and shift.
    layer_norm : bool, default=False
        Whether layer normalisation takes the place of batch normalisation: over all values of a map's image, with a
        learnt scale and shift for each channel. Rows of a batch then do not mix.

    See Also
    --------
    ConvDecoder : The way back.
    DenseEncoder : The default of tables.
    MapEncoder : Encoder without a dense layer, of 4 x 4 kernels.
    PatchEncoder : Encoder without a dense layer and batch normalisation, of few channels.
    sklearn_occ.CAE : Detector with an `encoder`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import ConvEncoder
    >>> ConvEncoder((1, 28, 28), 16, channels=8)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 16])
    """

    def __init__(self, image_shape, n_components, channels=64, *, bias=True, layer_norm=False):
        super().__init__()
        stages = []
        for (n_in, _), (n_out, _) in pairwise(feature_maps(image_shape, channels)):
            convolution = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=bias)
            norm = nn.GroupNorm(1, n_out, affine=bias) if layer_norm else nn.BatchNorm2d(n_out, affine=bias)
            stages += [convolution, norm, nn.LeakyReLU()]
        last_channels, (height, width) = feature_maps(image_shape, channels)[-1]
        self.convolutions = nn.Sequential(*stages)
        self.code = nn.Linear(last_channels * height * width, n_components, bias=bias)
        self.to(memory_format=torch.channels_last)

    @with_shared_docs
    def forward(self, x):  # (b, C, H, W)
        """Encode images.

        {images to codes}
        """
        return self.code(self.convolutions(x).flatten(1))  # (b, n_components)


class ConvDecoder(nn.Module):
    """The mirror image of `ConvEncoder`: a dense layer, then transposed convolutions back to the exact size.

    Parameters
    ----------
    n_components : int
        Width of the code.
    image_shape : tuple (C, H, W)
        Shape of one image; sides of at least 8 pixels.
    channels : int, default=64
        Channels of the last hidden stage, as in the encoder.

    See Also
    --------
    ConvEncoder : The way to the code.
    DenseDecoder : The default of tables.
    sklearn_occ.CAE : Detector with a `decoder`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import ConvDecoder
    >>> ConvDecoder(16, (1, 28, 28), channels=8)(torch.zeros(2, 16)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, n_components, image_shape, channels=64):
        super().__init__()
        maps = feature_maps(image_shape, channels)[::-1]
        self.smallest_map = (maps[0][0], *maps[0][1])
        self.dense = nn.Linear(n_components, maps[0][0] * maps[0][1][0] * maps[0][1][1])
        stages = [nn.LeakyReLU()]
        for (n_in, _), (n_out, sides) in pairwise(maps):
            odd = tuple(1 - side % 2 for side in sides)  # 2 n - 1 pixels come back, one more where the side is even
            stages.append(nn.ConvTranspose2d(n_in, n_out, 3, stride=2, padding=1, output_padding=odd))
            stages += [nn.BatchNorm2d(n_out), nn.LeakyReLU()]
        self.convolutions = nn.Sequential(*stages[:-2])  # the image itself is neither normalised nor rectified
        self.to(memory_format=torch.channels_last)

    @with_shared_docs
    def forward(self, z):  # (b, n_components)
        """Decode codes.

        {codes to images}
        """
        return self.convolutions(self.dense(z).unflatten(1, self.smallest_map))  # (b, C, H, W)


def feature_maps(image_shape, channels, growth=_CHANNEL_GROWTH):
    """`(channels, (height, width))` of the image and of every stage, whose channels double up to `growth` times."""

    def goes_on(n_stages, side):
        return (side + 1) // 2 >= SMALLEST_MAP

    return stage_maps(image_shape, channels, goes_on, growth=growth, rounds_up=True)
