"""The networks of a cascade of two variational autoencoders, alone and with a discriminator of what it makes."""

from typing import NamedTuple

import torch
from torch import nn

from . import _dense
from ._adversarial import Discriminator, build_discriminator
from ._variational import (
    SLOPE,
    GaussianEncoder,
    build_variational_decoder,
    build_variational_encoder,
    convolutions_of,
    near_shape,
    sampled,
    variational_code_width,
    variational_stage,
)

_BRANCH_WIDTH = 4  # codes of the branch are so many times as wide as the primary ones


class CascadeOutput(NamedTuple):
    """What a cascade makes of rows.

    `reconstruction` is the combined one, `mean` and `log_variance` are those of both codes, the primary first;
    `primary` and `branch` are the reconstructions of each alone.
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
    """

    def __init__(self, encoder, branch_encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.branch_encoder = branch_encoder
        self.decoder = decoder

    def forward(self, x, noise=None):
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
    output_activation : torch.nn.Module, optional
        Applied to every reconstruction.
    """

    def __init__(self, primary, branch, output_activation=None):
        super().__init__()
        self.primary = primary
        self.branch = branch
        self.activation = output_activation or nn.Identity()

    def forward(self, z):
        primary, branch = code_parts(z)
        return self.combined(self.primary(primary), self.branch(branch))

    def combined(self, first, second):
        """Reconstruction from the outputs of both decoders."""
        return self.activation((first + second) / 2)


def code_parts(z):
    """Primary and branch part of codes side by side."""
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
    """The cascade for rows of `shape`, and the width of its codes together; `n_primary` None is the default."""
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


class JudgedCascade(nn.Module):
    """A generator, and a discriminator of rows and reconstructions; what it gives depends on the stage.

    ::

        (x, noise) while `pretrains`     CascadeOutput of the generator, with noise
        (x, noise) then                  logits (3 b,) of x, of G(x) and of D(mu + noise_std * noise)
        x                                (reconstruction, mean, log_variance, logit of x)

    Parameters
    ----------
    generator : CascadeVariationalAutoencoder
        `G`, with the decoder `D` of its codes `mu`.
    discriminator : Discriminator
        A positive logit says that a row was made.
    noise_std : float
        What the codes of the second kind of made rows are disturbed by, in standard deviations of the prior.
    """

    def __init__(self, generator, discriminator, noise_std):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.noise_std = noise_std
        self.pretrains = False

    def forward(self, x, noise=None):
        if noise is None:
            made = self.generator(x)
            return made.reconstruction, made.mean, made.log_variance, self.discriminator(x)[1]
        if self.pretrains:
            return self.generator(x, noise)
        made = self.generator(x)
        disturbed = self.generator.decoder(made.mean + self.noise_std * noise)
        return self.discriminator(torch.cat([x, made.reconstruction, disturbed]))[1]


def build_judge(shape, channels):
    """Discriminator for rows of `shape`: of images the convolutions of the primary encoder and one dense layer."""
    if len(shape) == 1:
        return build_discriminator(None, shape, channels)
    convolutions, n_features = convolutions_of(shape, channels)
    return Discriminator(nn.Sequential(*convolutions, nn.Flatten()), n_features).to(memory_format=torch.channels_last)
