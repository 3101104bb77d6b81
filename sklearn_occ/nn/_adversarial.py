"""The networks of generative adversarial models."""

import copy

import torch
from torch import nn
from torch.func import functional_call

from . import _convolutional, _dense
from ._autoencoder import probe
from ._losses import gradient_penalty

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

    See Also
    --------
    ConvEncoder : Network whose convolutions judge images by default.
    sklearn_occ.AnoGAN : Detector with a `discriminator`.
    sklearn_occ.GANomaly : Detector with a `discriminator`.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import Discriminator
    >>> features, logit = Discriminator(torch.nn.Linear(6, 4), 4)(torch.zeros(2, 6))
    >>> features.shape, logit.shape
    (torch.Size([2, 4]), torch.Size([2]))
    """

    def __init__(self, features, n_features):
        super().__init__()
        self.features = features
        self.logit = nn.Linear(n_features, 1)

    def forward(self, x):
        """Judge rows.

        Parameters
        ----------
        x : tensor of shape (b, *shape)
            Rows.

        Returns
        -------
        features : tensor of shape (b, n_features)
            What the network gives.
        logit : tensor of shape (b,)
            One number for each row.
        """
        features = self.features(x)
        return features, self.logit(features).squeeze(1)  # (b, n_features), (b,)


class GenerativeAdversarial(nn.Module):
    """A generator and a discriminator; what it gives depends on whose turn it is.

    ::

        x                                  (features, logit) of the discriminator
        (x, codes), "generator"            logits of G(codes), (b,)
        (x, codes), "discriminator"        logits of x and of G(codes), (b,) each

    Parameters
    ----------
    generator : torch.nn.Module
        `(b, n_components) -> (b, *shape)`.
    discriminator : Discriminator
        What judges real and generated rows.
    output_activation : torch.nn.Module, optional
        What follows the generator in `made`. It is no part of it, so that a trained generator can be given to another
        detector.
    """

    def __init__(self, generator, discriminator, output_activation=None):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.output_activation = nn.Identity() if output_activation is None else output_activation

    def forward(self, x, codes=None, *, player=None):
        if player is None:
            return self.discriminator(x)
        if player == "generator":
            return self.discriminator(self.made(codes))[1]
        return self.discriminator(x)[1], self.discriminator(self.made(codes).detach())[1]

    def made(self, codes, *, keeps_statistics=False):
        """Rows of the codes (b, n_components), (b, *shape).

        With `keeps_statistics` the generator's running means and variances are left as they were.
        """
        rows = keeping_statistics(self.generator, codes) if keeps_statistics else self.generator(codes)
        return self.output_activation(rows)


class EncodedAdversarial(GenerativeAdversarial):
    """A generator, a discriminator, which is a critic, and an encoder to the generator's codes.

    ::

        x, or the turn of "encoder"                (G(E(x)), E(x), f(x), f(G(E(x))))
        (x, codes, shares), "generator"            critic of G(codes), (b,)
        (x, codes, shares), "discriminator"        critic of G(codes) and of x, (b,) each, and the gradient penalty

    f are the features of the critic. The penalty is that of the rows mixed of x and G(codes) by the shares.

    Parameters
    ----------
    generator, discriminator, output_activation : torch.nn.Module
        As in `GenerativeAdversarial`.
    encoder : torch.nn.Module
        `(b, *shape) -> (b, n_components)`.
    """

    def __init__(self, generator, discriminator, encoder, output_activation=None):
        super().__init__(generator, discriminator, output_activation)
        self.encoder = encoder

    def forward(self, x, codes=None, shares=None, *, player=None):
        if player == "generator":
            return keeping_statistics(self.discriminator, self.made(codes))[1]
        if player == "discriminator":
            return self._judged(x, codes, shares)
        code = self.encoder(x.clone())  # copies, as a network may work in place
        made = self.made(code.clone())
        features = self.discriminator.features
        return made, code, features(x.clone()), features(made.clone())

    def _judged(self, x, codes, shares):
        with torch.no_grad():
            made = self.made(codes, keeps_statistics=True)
        mixed = shares * x + (1 - shares) * made
        with torch.autocast(x.device.type, enabled=False):
            penalty = gradient_penalty(lambda rows: keeping_statistics(self.discriminator, rows)[1], mixed)
        return self.discriminator(made)[1], self.discriminator(x.clone())[1], penalty


class Recoder(nn.Module):
    """Encoder, decoder, encoder: `x -> (x', z, z')` with `z = E(x)`, `x' = D(z)` and `z' = E'(x')`.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        `(b, *shape) -> (b, n_components)` and back.
    reencoder : torch.nn.Module
        The second encoder, with weights of its own.
    """

    def __init__(self, encoder, decoder, reencoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.reencoder = reencoder

    def forward(self, x):
        code = self.encoder(x.clone())
        made = self.decoder(code.clone())
        return made, code, self.reencoder(made.clone())


class RecodingAdversarial(GenerativeAdversarial):
    """A `Recoder` as generator, and a discriminator of rows, with features f; it gives what the turn asks for.

    ::

    x                       (x', z, z') of the generator
    x, "generator"          (x', z, z'), f(x'), f(x)
    x, "discriminator"      logits of x and of x', (b,) each
    """

    def forward(self, x, *, player=None):
        if player == "discriminator":
            with torch.no_grad():
                made = keeping_statistics(self.generator, x)[0]
            return self.discriminator(x.clone())[1], self.discriminator(made)[1]
        recoded = self.generator(x)
        if player is None:
            return recoded
        of_rows, of_made = (keeping_statistics(self.discriminator.features, rows.clone()) for rows in (x, recoded[0]))
        return recoded, of_made, of_rows

    @property
    def encoder(self):
        """The generator's first encoder."""
        return self.generator.encoder

    @property
    def decoder(self):
        """The generator's decoder."""
        return self.generator.decoder


def keeping_statistics(module, *args):
    """`module(*args)`, after which running means and variances of the module are as they were."""
    return functional_call(module, {name: buffer.clone() for name, buffer in module.named_buffers()}, args)


def build_discriminator(discriminator, shape, channels, *, layer_norm=False):
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
    layer_norm : bool, default=False
        Whether that network has layer normalisation, not batch normalisation.

    Returns
    -------
    discriminator : Discriminator
    """
    if isinstance(discriminator, nn.Module):
        features = copy.deepcopy(discriminator)
    elif discriminator is not None:
        features = discriminator(shape)
    elif len(shape) == 3:
        convolutions = _convolutional.ConvEncoder(shape, 1, channels, layer_norm=layer_norm).convolutions
        features = nn.Sequential(convolutions, nn.Flatten())
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
