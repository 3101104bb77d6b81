"""The networks of a cascade of two variational autoencoders."""

from typing import NamedTuple

import torch
from torch import nn

from . import _dense
from ._variational import (
    SLOPE,
    GaussianEncoder,
    build_variational_decoder,
    build_variational_encoder,
    near_shape,
    sampled,
    variational_code_width,
    variational_stage,
)

_BRANCH_WIDTH = 4  # codes of the branch are so many times as wide as the primary ones


class CascadeOutput(NamedTuple):
    """What a cascade makes of rows.

    Parameters
    ----------
    reconstruction : tensor of shape (b, *shape)
        The combined reconstruction.
    mean, log_variance : tensors of shape (b, 5 k)
        Those of both codes, the primary first.
    primary, branch : tensors of shape (b, *shape)
        The reconstruction of each decoder alone.

    See Also
    --------
    CascadeVariationalAutoencoder : The network that gives it.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import build_cascade
    >>> cascade, width = build_cascade((6,), 2, 16, None)
    >>> made = cascade(torch.zeros(4, 6))
    >>> made.reconstruction.shape, made.mean.shape
    (torch.Size([4, 6]), torch.Size([4, 10]))
    """

    reconstruction: torch.Tensor  # (b, *shape)
    mean: torch.Tensor  # (b, 5 k)
    log_variance: torch.Tensor  # (b, 5 k)
    primary: torch.Tensor  # (b, *shape)
    branch: torch.Tensor  # (b, *shape)


class CascadeVariationalAutoencoder(nn.Module):
    """`(x, noise) -> CascadeOutput`; without noise the codes are their means.

    Parameters
    ----------
    encoder : GaussianEncoder
        The primary encoder, of k numbers.
    branch_encoder : GaussianEncoder
        What takes the output of the first half of `encoder` and that of `decoder.primary` side by side; of 4 k numbers.
    decoder : CascadeDecoder
        The way back from both codes.

    See Also
    --------
    build_cascade : Build one for rows of a given shape.
    VariationalAutoencoder : The primary one alone.
    JudgedCascade : The same with a discriminator.
    sklearn_occ.CascadeVAE : The detector that trains it.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import build_cascade
    >>> cascade, width = build_cascade((6,), 2, 16, None)
    >>> cascade(torch.zeros(4, 6), torch.randn(4, width)).branch.shape
    torch.Size([4, 6])
    """

    def __init__(self, encoder, branch_encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.branch_encoder = branch_encoder
        self.decoder = decoder

    def forward(self, x, noise=None):
        """Encode rows, draw codes and decode them.

        Parameters
        ----------
        x : tensor of shape (b, *shape)
            Rows.
        noise : tensor of shape (b, 5 k), default=None
            Standard normal numbers for both codes, the primary first; None takes the means.

        Returns
        -------
        output : CascadeOutput
            Reconstructions, means and log-variances.
        """
        noises = (None, None) if noise is None else code_parts(noise)
        near = self.encoder.shallow(x)
        mean, log_variance = self.encoder.distribution(near)
        middle = self.decoder.primary.deep(sampled(mean, log_variance, noises[0]))
        both = self.branch_encoder.shallow(torch.cat([near, middle], 1))
        branch_mean, branch_log_variance = self.branch_encoder.distribution(both)
        first = self.decoder.primary.shallow(middle)
        second = self.decoder.branch(sampled(branch_mean, branch_log_variance, noises[1]))
        return CascadeOutput(
            self.decoder.combined(first, second),
            torch.cat([mean, branch_mean], 1),
            torch.cat([log_variance, branch_log_variance], 1),
            self.decoder.activation(first),
            self.decoder.activation(second),
        )


class CascadeDecoder(nn.Module):
    """`z -> combined reconstruction`, from both codes side by side, the primary first.

    The combined reconstruction is the activation of the mean of what both decoders give.

    Parameters
    ----------
    primary, branch : torch.nn.Module
        Decoders without an activation, the primary in two halves, `deep` and `shallow`.
    output_activation : torch.nn.Module, default=None
        Applied to every reconstruction.

    See Also
    --------
    CascadeVariationalAutoencoder : The network it is a part of.
    build_variational_decoder : Build each of the two decoders.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import CascadeDecoder, build_variational_decoder
    >>> primary, branch = (build_variational_decoder((6,), width, 16) for width in (2, 8))
    >>> CascadeDecoder(primary, branch)(torch.zeros(4, 10)).shape
    torch.Size([4, 6])
    """

    def __init__(self, primary, branch, output_activation=None):
        super().__init__()
        self.primary = primary
        self.branch = branch
        self.activation = output_activation or nn.Identity()

    def forward(self, z):
        """Decode both codes and combine what they give.

        Parameters
        ----------
        z : tensor of shape (b, 5 k)
            Codes, the primary first.

        Returns
        -------
        reconstruction : tensor of shape (b, *shape)
            The combined reconstruction.
        """
        primary, branch = code_parts(z)
        return self.combined(self.primary(primary), self.branch(branch))

    def combined(self, first, second):
        """Combine the outputs of both decoders.

        Parameters
        ----------
        first, second : tensors of shape (b, *shape)
            What each decoder gives, without an activation.

        Returns
        -------
        reconstruction : tensor of shape (b, *shape)
            The activation of their mean.
        """
        return self.activation((first + second) / 2)


def code_parts(z):
    """Split codes that stand side by side.

    Parameters
    ----------
    z : tensor of shape (b, 5 k)
        Codes, the primary first.

    Returns
    -------
    primary : tensor of shape (b, k)
        The primary part.
    branch : tensor of shape (b, 4 k)
        The part of the branch.

    See Also
    --------
    CascadeDecoder : Network that takes both parts.
    """
    return z.tensor_split([z.shape[1] // (1 + _BRANCH_WIDTH)], 1)


def build_branch_encoder(near, n_components):
    """Branch encoder for a primary encoder whose first half gives a shape `near`.

    One stage, then mean and log-variance. Images: a convolution like the primary ones, of twice as many maps as that
    half gives. Tables: a linear layer with leaky ReLU, as wide as that half.
    """
    width, *sides = near
    if not sides:
        return GaussianEncoder(
            _dense.mlp((2 * width, width), slope=SLOPE, last=True), nn.Identity(), width, n_components
        )
    shallow = nn.Sequential(*variational_stage(2 * width, 2 * width))
    n_features = 2 * width * (sides[0] // 2) * (sides[1] // 2)
    return GaussianEncoder(shallow, nn.Flatten(), n_features, n_components).to(memory_format=torch.channels_last)


def build_cascade(shape, n_primary, channels, output_activation):
    """Build the cascade for rows of `shape`, and say how wide its codes are together.

    Parameters
    ----------
    shape : tuple (C, H, W) or (n_features,)
        Shape of one row.
    n_primary : int or None
        Width of the primary code; None = `variational_code_width(shape)`. That of the branch is four times as wide.
    channels : int
        Channels of the first stage of the networks of images.
    output_activation : torch.nn.Module or None
        Applied to every reconstruction.

    Returns
    -------
    cascade : CascadeVariationalAutoencoder
        The network.
    width : int
        Width of both codes together.

    See Also
    --------
    build_variational_encoder : Build the primary encoder alone.
    build_judge : Discriminator of its reconstructions.
    """
    n_primary = n_primary or variational_code_width(shape)
    n_branch = _BRANCH_WIDTH * n_primary
    encoder = build_variational_encoder(shape, n_primary, channels)
    decoder = CascadeDecoder(
        build_variational_decoder(shape, n_primary, channels),
        build_variational_decoder(shape, n_branch, channels),
        output_activation,
    )
    branch_encoder = build_branch_encoder(near_shape(shape, n_primary, channels), n_branch)
    return CascadeVariationalAutoencoder(encoder, branch_encoder, decoder), n_primary + n_branch
