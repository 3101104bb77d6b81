"""The networks of patches: strided convolutions with few channels and no dense layer, as Wei et al. have them."""

from itertools import pairwise
from math import prod

from torch import nn

from ._convolutional import feature_maps

_BIAS = 0.1
_CHANNEL_GROWTH = 16  # 2 channels in the first stage, 32 in the fifth


def patch_code_width(image_shape, channels):
    """Number of values in the last map of `PatchEncoder`."""
    n_channels, sides = feature_maps(image_shape, channels, _CHANNEL_GROWTH)[-1]
    return n_channels * prod(sides)


class PatchEncoder(nn.Sequential):
    """Strided 3 x 3 convolutions with ReLU, whose last map is the code (Wei et al., equation 3).

    At 128 x 128 x 1 with `channels=2`: maps of 64x64x2, 32x32x4, 16x16x8, 8x8x16, 4x4x32, flattened to 512. Each stage
    halves the sides (rounding up) and doubles the channels (up to 16 times), as long as the shorter side of the last
    map is 4 to 7 pixels. The kernel's size, the padding, 1, and the initial weights (variance 1 / inputs of a unit,
    biases 0.1) are our choice: with torch's own, all units of a layer died in three of eight fits of 64 x 64 X-ray
    patches, with these in none.

    Parameters
    ----------
    image_shape : tuple (C, H, W)
        Shape of one patch; sides of at least 8 pixels.
    n_components : int
        Width of the code. Where it is not that of the last map, a dense layer without activation follows.
    channels : int, default=2
        Channels of the first stage.

    See Also
    --------
    PatchDecoder : The way back.
    sklearn_occ.PatchAutoencoder : Detector that takes it by default.
    ConvEncoder : The default encoder of the other methods.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import PatchEncoder
    >>> PatchEncoder((1, 32, 32), 128)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 128])
    """

    def __init__(self, image_shape, n_components, channels=2):
        layers = []
        for (n_in, _), (n_out, _) in pairwise(feature_maps(image_shape, channels, _CHANNEL_GROWTH)):
            layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.ReLU()]
        layers.append(nn.Flatten())
        width = patch_code_width(image_shape, channels)
        if n_components != width:
            layers.append(nn.Linear(width, n_components))
        super().__init__(*layers)
        _start_alive(self)


class PatchDecoder(nn.Sequential):
    """The mirror image of `PatchEncoder`: transposed convolutions with ReLU, back to the exact size.

    Parameters
    ----------
    n_components : int
        Width of the code.
    image_shape : tuple (C, H, W)
        Shape of one patch; sides of at least 8 pixels.
    channels : int, default=2
        Channels of the last hidden stage, as in the encoder.

    See Also
    --------
    PatchEncoder : The way to the code.
    ConvDecoder : The default decoder of the other methods.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import PatchDecoder
    >>> PatchDecoder(128, (1, 32, 32))(torch.zeros(2, 128)).shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(self, n_components, image_shape, channels=2):
        maps = feature_maps(image_shape, channels, _CHANNEL_GROWTH)[::-1]
        width = patch_code_width(image_shape, channels)
        layers = [] if n_components == width else [nn.Linear(n_components, width), nn.ReLU()]
        layers.append(nn.Unflatten(1, (maps[0][0], *maps[0][1])))
        for (n_in, _), (n_out, sides) in pairwise(maps):
            even = tuple(1 - side % 2 for side in sides)  # 2 n - 1 pixels come back, one more where the side is even
            layers += [nn.ConvTranspose2d(n_in, n_out, 3, stride=2, padding=1, output_padding=even), nn.ReLU()]
        super().__init__(*layers[:-1])  # the patch itself is not rectified
        _start_alive(self)
        nn.init.zeros_(self[-1].bias)


def _start_alive(network):
    """Draw weights of variance 1 / (inputs of a unit) and set biases to 0.1: few units are rectified at first."""
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            n_inputs = layer.in_channels * prod(layer.kernel_size)
            if isinstance(layer, nn.ConvTranspose2d):  # whose unit is reached by that part of the kernel
                n_inputs /= prod(layer.stride)
            nn.init.normal_(layer.weight, 0, n_inputs**-0.5)
            nn.init.constant_(layer.bias, _BIAS)
