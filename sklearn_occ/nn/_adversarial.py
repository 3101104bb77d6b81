"""The networks of a generative adversarial model."""

import copy

from torch import nn

from . import _convolutional, _dense
from ._autoencoder import probe

_TABLE_WIDTHS = (64, 32)  # hidden layers of both networks of a table
_SLOPE = 0.2


class Discriminator(nn.Module):
    """`x -> (features, logit)`: the features that a network gives, flat, and one linear layer on them.

    Parameters
    ----------
    features : torch.nn.Module
        `(b, *shape) -> (b, n_features)`.
    n_features : int
        Width of its output.
    """

    def __init__(self, features, n_features):
        super().__init__()
        self.features = features
        self.logit = nn.Linear(n_features, 1)

    def forward(self, x):
        features = self.features(x)
        return features, self.logit(features).squeeze(1)  # (b, n_features), (b,)


class GenerativeAdversarial(nn.Module):
    """A generator and a discriminator; `x -> (features, logit)` of the discriminator.

    Parameters
    ----------
    generator : torch.nn.Module
        `(b, n_components) -> (b, *shape)`.
    discriminator : Discriminator
        What judges real and generated rows.
    """

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator

    def forward(self, x):
        return self.discriminator(x)


def build_discriminator(discriminator, shape, channels):
    """Discriminator for rows of `shape`.

    Parameters
    ----------
    discriminator : None, torch.nn.Module or callable
        None = the default; a module `(b, *shape) -> (b, n_features)` is copied; else `discriminator(shape)`
        returns one.
    shape : tuple (C, H, W) or (n_features,)
        Shape of one row.
    channels : int
        Channels of the first stage of the default network of images.

    Returns
    -------
    discriminator : Discriminator
    """
    if isinstance(discriminator, nn.Module):
        features = copy.deepcopy(discriminator).cpu()
    elif discriminator is not None:
        features = discriminator(shape)
    elif len(shape) == 3:
        features = nn.Sequential(_convolutional.ConvEncoder(shape, 1, channels).convolutions, nn.Flatten())
    else:
        features = _dense.mlp((shape[0], *_TABLE_WIDTHS), slope=_SLOPE, last=True)
    output = probe(features, shape, f"The discriminator cannot take rows of shape {shape}")
    if output.ndim != 2:
        raise ValueError(
            f"The discriminator turns 2 rows of shape {shape} into shape {tuple(output.shape)}, expected the features "
            "that are matched, (2, n_features); flatten its output."
        )
    return Discriminator(features, output.shape[1])


def default_table_generator(n_components, shape):
    """Generator of rows of a table: two hidden layers, mirrored from the discriminator's."""
    return _dense.mlp((n_components, *_TABLE_WIDTHS[::-1], *shape), slope=_SLOPE)
