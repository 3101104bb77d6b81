"""The default networks of tables: linear layers whose widths shrink geometrically."""

from itertools import pairwise

import numpy as np
from torch import nn

_N_HIDDEN = 2
_WIDEST_CODE = 32


def default_code_width(shape):
    """Half of the features, at most 32, at least 1."""
    return int(np.clip(shape[0] // 2, 1, _WIDEST_CODE))


class DenseEncoder(nn.Sequential):
    """`n_features -> n_components` in three linear layers, leaky ReLU (slope 0.01) between them.

    Parameters
    ----------
    image_shape : tuple (n_features,)
        Shape of one row.
    n_components : int
        Width of the code.
    bias : bool, default=True
        Whether the layers have biases.

    See Also
    --------
    DenseDecoder : The way back.
    ConvEncoder : The default of images.
    sklearn_occ.CAE : Detector with an `encoder`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import DenseEncoder
    >>> DenseEncoder((30,), 8)(torch.zeros(2, 30)).shape
    torch.Size([2, 8])
    """

    def __init__(self, image_shape, n_components, *, bias=True):
        super().__init__(*_layers(layer_widths(image_shape[0], n_components), bias))


class DenseDecoder(nn.Sequential):
    """`n_components -> n_features`, the mirror image of `DenseEncoder`.

    Parameters
    ----------
    n_components : int
        Width of the code.
    image_shape : tuple (n_features,)
        Shape of one row.

    See Also
    --------
    DenseEncoder : The way to the code.
    ConvDecoder : The default of images.
    sklearn_occ.CAE : Detector with a `decoder`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import DenseDecoder
    >>> DenseDecoder(8, (30,))(torch.zeros(2, 8)).shape
    torch.Size([2, 30])
    """

    def __init__(self, n_components, image_shape):
        super().__init__(*_layers(layer_widths(image_shape[0], n_components)[::-1]))


def layer_widths(n_features, n_components):
    """Widths of a row, of two hidden layers and of the code, in geometric sequence."""
    return [round(width) for width in np.geomspace(n_features, n_components, _N_HIDDEN + 2).tolist()]


def _layers(widths, bias=True):
    for k, (n_in, n_out) in enumerate(pairwise(widths)):
        yield nn.Linear(n_in, n_out, bias=bias)
        if k < _N_HIDDEN:
            yield nn.LeakyReLU()


def mlp(widths, *, slope, last=False):
    """Linear layers of the given widths with leaky ReLU between them, and after the last one with `last`."""
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(slope)]
    return nn.Sequential(*(layers if last else layers[:-1]))
