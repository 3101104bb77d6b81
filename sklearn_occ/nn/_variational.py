"""The networks of a variational autoencoder, in the halves between which a cascade branches off."""

from collections import OrderedDict
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from . import _dense
from ._maps import SMALLEST_MAP, stage_maps

_LARGEST_MAP = 9  # what is larger after the thesis's five stages is halved once more
_USUAL_STAGES = 5
_WIDEST_CODE = 512
SLOPE = 0.2


def variational_code_width(shape):
    """The thesis's 512, but at most a quarter of the values of an image; of a table as elsewhere."""
    if len(shape) == 1:
        return _dense.default_code_width(shape)
    return min(_WIDEST_CODE, int(np.prod(shape)) // 4)


def kl_divergence(mean, log_variance):
    """`KL(N(mean, diag(exp(log_variance))) || N(0, 1))` of each row, in nats: two tensors (b, k) -> (b,)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def sampled(mean, log_variance, noise):
    """`mean + exp(log_variance / 2) * noise`; the mean itself where there is no noise."""
    return mean if noise is None else mean + (log_variance / 2).exp() * noise


class GaussianEncoder(nn.Module):
    """A Gaussian of the code with independent coordinates, from a row by way of two halves of a network.

    Parameters
    ----------
    shallow, deep : torch.nn.Module
        Two halves, `(b, *shape) -> near -> (b, n_features)`.
    n_features : int
        Width of what the second half gives.
    n_components : int
        Width of the code.
    """

    def __init__(self, shallow, deep, n_features, n_components):
        super().__init__()
        self.shallow = shallow
        self.deep = deep
        self.latent = nn.Linear(n_features, 2 * n_components)

    def distribution(self, near):
        """Mean and log-variance, two tensors (b, n_components), from what the first half gave."""
        return self.latent(self.deep(near)).chunk(2, 1)


class VariationalAutoencoder(nn.Module):
    """`(x, noise) -> (reconstruction, mean, log_variance)`; without noise the code is its mean.

    Parameters
    ----------
    encoder : GaussianEncoder
        Mean and log-variance of the code.
    decoder : torch.nn.Module
        `(b, n_components) -> (b, *shape)`.
    output_activation : torch.nn.Module, optional
        Applied to the reconstruction.
    """

    def __init__(self, encoder, decoder, output_activation=None):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder if output_activation is None else nn.Sequential(decoder, output_activation)

    def forward(self, x, noise=None):
        mean, log_variance = self.encoder.distribution(self.encoder.shallow(x))
        return self.decoder(sampled(mean, log_variance, noise)), mean, log_variance


def build_variational_encoder(shape, n_components, channels):
    """`GaussianEncoder` for rows of `shape`.

    Images: convolutions with kernel 4, stride 2 and padding 1, each with batch normalisation and leaky ReLU (slope
    0.2), of `channels` maps in the first stage and twice as many in each further one; see `halved_maps`. The first half
    are three of five stages (in general the nearest share). Tables: a linear layer with leaky ReLU in each half.
    """
    if len(shape) == 1:
        widths = _dense.layer_widths(shape[0], n_components)[1:3]
        shallow, deep = (_dense.mlp(pair, slope=SLOPE, last=True) for pair in ((shape[0], widths[0]), widths))
        return GaussianEncoder(shallow, deep, widths[1], n_components)
    maps, split = halved_maps(shape, channels), _split(shape, channels)
    shallow = nn.Sequential(*_stages(maps[: split + 1]))
    deep = nn.Sequential(*_stages(maps[split:]), nn.Flatten())
    return GaussianEncoder(shallow, deep, _size(maps[-1]), n_components).to(memory_format=torch.channels_last)


def near_shape(shape, n_components, channels):
    """Shape of what the first half of `build_variational_encoder` gives of one row."""
    if len(shape) == 1:
        return (_dense.layer_widths(shape[0], n_components)[1],)
    n_maps, sides = halved_maps(shape, channels)[_split(shape, channels)]
    return n_maps, *sides


def build_variational_decoder(shape, n_components, channels):
    """The way back, a mirror image of the encoder in two halves, `deep` and `shallow`; it ends without an activation.

    A dense layer precedes the transposed convolutions. The last one, which makes the image, is followed by nothing.
    """
    if len(shape) == 1:
        widths = _dense.layer_widths(shape[0], n_components)[2:0:-1]
        deep, shallow = _dense.mlp((n_components, *widths), slope=SLOPE, last=True), nn.Linear(widths[-1], shape[0])
        return nn.Sequential(OrderedDict(deep=deep, shallow=shallow))
    maps, split = halved_maps(shape, channels)[::-1], _split(shape, channels)
    dense = nn.Linear(n_components, _size(maps[0]))
    unflatten = nn.Unflatten(1, (maps[0][0], *maps[0][1]))
    cut = len(maps) - 1 - split
    deep = nn.Sequential(dense, unflatten, nn.LeakyReLU(SLOPE), *_transposed_stages(maps[: cut + 1]))
    shallow = nn.Sequential(*list(_transposed_stages(maps[cut:]))[:-2])
    return nn.Sequential(OrderedDict(deep=deep, shallow=shallow)).to(memory_format=torch.channels_last)


def halved_maps(image_shape, channels):
    """`(channels, (height, width))` of the image and of every stage, which halves the sides, rounding down.

    Five stages at 256 x 256, as in the thesis. Elsewhere as many, as long as the shorter side of the last map has 4
    pixels, and more until it has at most 9.
    """

    def goes_on(n_stages, side):
        return side // 2 >= SMALLEST_MAP and (n_stages < _USUAL_STAGES or side > _LARGEST_MAP)

    return stage_maps(image_shape, channels, goes_on, remedy="enlarge them")


def _split(image_shape, channels):
    """Stages in the half near the image: three of five."""
    return round(0.6 * (len(halved_maps(image_shape, channels)) - 1))


def _size(image_map):
    n_channels, (height, width) = image_map
    return n_channels * height * width


def convolutions_of(image_shape, channels):
    """All stages of the encoder of images, a list of layers, and how many numbers the last one gives."""
    maps = halved_maps(image_shape, channels)
    return list(_stages(maps)), _size(maps[-1])


def variational_stage(n_in, n_out):
    """Layers that halve the sides of maps: a convolution, batch normalisation, leaky ReLU."""
    return nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.BatchNorm2d(n_out), nn.LeakyReLU(SLOPE)


def _stages(maps):
    for (n_in, _), (n_out, _) in pairwise(maps):
        yield from variational_stage(n_in, n_out)


def _transposed_stages(maps):
    for (n_in, _), (n_out, sides) in pairwise(maps):
        odd = tuple(side % 2 for side in sides)  # 2 n pixels come back, one more where the side is odd
        yield nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, output_padding=odd)
        yield from (nn.BatchNorm2d(n_out), nn.LeakyReLU(SLOPE))
