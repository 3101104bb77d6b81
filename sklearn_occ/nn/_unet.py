"""UNet, DenseDenoiser, Denoiser: networks from rows to rows that take the row past their narrow layers."""

import copy
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from ._autoencoder import probe
from ._dense import mlp
from ._maps import SMALLEST_MAP, stage_maps

_NARROWEST, _WIDEST = 64, 512  # hidden layers of a table


class UNet(nn.Module):
    """Convolutions on maps of falling size and back, each size joined to its like (Ronneberger et al.).

    At 32 x 32 x 1 with `channels=8` and `depth=3`: maps of 32x32x8, 16x16x16, 8x8x32 and 4x4x64, then 8x8x32, 16x16x16
    and 32x32x8, where what rises from below stands beside the map of the way down, and a 1 x 1 convolution to the
    image's channels. On each map two 3 x 3 convolutions with padding 1, batch normalisation and ReLU; down by the
    maximum of 2 x 2 pixels, up by a transposed 2 x 2 convolution, whose last row or column is left out where a side is
    odd.

    Parameters
    ----------
    image_shape : tuple (C, H, W)
        Shape of one image; sides of at least 8 pixels.
    channels : int, default=8
        Channels of the first map; each smaller one doubles them.
    depth : int, default=3
        How often the sides are halved (rounding up), as long as the shorter one keeps 4 pixels.

    See Also
    --------
    DenseDenoiser : The default of tables.
    sklearn_occ.DenoisingAutoencoder : Detector with a `denoiser`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import UNet
    >>> UNet((1, 32, 32), channels=4)(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(self, image_shape, channels=8, depth=3):
        super().__init__()

        def goes_on(n_stages, side):
            return n_stages < depth and (side + 1) // 2 >= SMALLEST_MAP

        n_halvings = len(stage_maps(image_shape, channels, goes_on, rounds_up=True)) - 1
        widths = [channels * 2**k for k in range(n_halvings + 1)]
        self.down = nn.ModuleList(_convolutions(*pair) for pair in pairwise([image_shape[0], *widths]))
        levels = range(n_halvings)[::-1]
        self.rise = nn.ModuleList(nn.ConvTranspose2d(widths[k + 1], widths[k], 2, stride=2) for k in levels)
        self.up = nn.ModuleList(_convolutions(2 * widths[k], widths[k]) for k in levels)
        self.last = nn.Conv2d(channels, image_shape[0], 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, x):  # (b, C, H, W)
        """Turn images into images.

        Parameters
        ----------
        x : tensor of shape (b, C, H, W)
            Images.

        Returns
        -------
        x : tensor of shape (b, C, H, W)
            Images, without an activation.
        """
        maps = [self.down[0](x)]
        for convolutions in self.down[1:]:
            maps.append(convolutions(max_pool2d(maps[-1], 2, ceil_mode=True)))
        below = maps.pop()
        for rise, convolutions in zip(self.rise, self.up, strict=True):
            beside = maps.pop()
            height, width = beside.shape[2:]
            below = convolutions(torch.cat([beside, rise(below)[:, :, :height, :width]], 1))
        return self.last(below)  # (b, C, H, W)


class DenseDenoiser(nn.Module):
    """`x -> x + layers(x)` for a table: three linear layers, leaky ReLU (slope 0.01) between them.

    Both hidden layers have four times as many units as there are features, at least 64 and at most 512.

    Parameters
    ----------
    n_features : int
        Features of a row.

    See Also
    --------
    UNet : The default of images.
    sklearn_occ.DenoisingAutoencoder : Detector with a `denoiser`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import DenseDenoiser
    >>> DenseDenoiser(6)(torch.zeros(2, 6)).shape
    torch.Size([2, 6])
    """

    def __init__(self, n_features):
        super().__init__()
        width = int(np.clip(4 * n_features, _NARROWEST, _WIDEST))
        self.layers = mlp([n_features, width, width, n_features], slope=0.01)

    def forward(self, x):  # (b, n_features)
        """Turn rows into rows.

        Parameters
        ----------
        x : tensor of shape (b, n_features)
            Rows.

        Returns
        -------
        x : tensor of shape (b, n_features)
            Rows.
        """
        return x + self.layers(x)


class Denoiser(nn.Module):
    """`x, noise -> (denoiser(x + noise),)`; without noise, `x -> (denoiser(x),)`.

    Parameters
    ----------
    denoiser : torch.nn.Module
        `(b, *shape) -> (b, *shape)`.
    output_activation : torch.nn.Module, optional
        Applied to what the denoiser gives.
    """

    def __init__(self, denoiser, output_activation=None):
        super().__init__()
        self.denoiser = denoiser if output_activation is None else nn.Sequential(denoiser, output_activation)

    def forward(self, x, *noise):
        return (self.denoiser(sum(noise, x)),)


def build_denoiser(denoiser, shape, channels, depth):
    """Network from rows of `shape` to rows of `shape`.

    Parameters
    ----------
    denoiser : None, torch.nn.Module or callable
        None = the default; a module is copied; else `denoiser(shape)`.
    shape : tuple (C, H, W) or (n_features,)
        Shape of one row.
    channels, depth : int
        Of the default network of images.
    """
    if isinstance(denoiser, nn.Module):
        built = copy.deepcopy(denoiser)
    elif denoiser is not None:
        built = denoiser(shape)
    else:
        built = UNet(shape, channels, depth) if len(shape) == 3 else DenseDenoiser(*shape)
    output = probe(built, shape, f"The denoiser cannot take rows of shape {shape}")
    if tuple(output.shape[1:]) != tuple(shape):
        raise ValueError(
            f"The denoiser turns rows of shape {shape} into rows of shape {tuple(output.shape[1:])}, expected the same "
            "shape; change its last layers, or pass denoiser=None for the default."
        )
    return built


def _convolutions(n_in, n_out):
    layers = []
    for n_from in (n_in, n_out):
        layers += [nn.Conv2d(n_from, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
    return nn.Sequential(*layers)
