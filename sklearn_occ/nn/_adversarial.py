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
    build_discriminator : Build one for rows of a given shape.
    GenerativeAdversarial : A generator with a discriminator.

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
    output_activation : torch.nn.Module, default=None
        What follows the generator in `made`. It is no part of it, so that a trained generator can be given to another
        detector.

    See Also
    --------
    EncodedAdversarial : The same with an encoder to the generator's codes.
    RecodingAdversarial : The same with an autoencoder as generator.
    sklearn_occ.AnoGAN : The detector that trains it.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import GenerativeAdversarial, build_discriminator
    >>> judge = build_discriminator(None, (6,), 8)
    >>> networks = GenerativeAdversarial(torch.nn.Linear(3, 6), judge)
    >>> x, codes = torch.zeros(4, 6), torch.zeros(4, 3)
    >>> networks(x, codes, player="generator").shape
    torch.Size([4])
    """

    def __init__(self, generator, discriminator, output_activation=None):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.output_activation = nn.Identity() if output_activation is None else output_activation

    def forward(self, x, codes=None, *, player=None):
        """Give what the player whose turn it is needs, as above.

        Parameters
        ----------
        x : tensor of shape (b, *shape)
            Rows.
        codes : tensor of shape (b, n_components), default=None
            Codes that the generator makes rows of; None only where `player` is None.
        player : {"generator", "discriminator"}, default=None
            Whose turn it is; None in scoring.

        Returns
        -------
        outputs : tensor or tuple of tensors
            See the table of the class.
        """
        if player is None:
            return self.discriminator(x)
        if player == "generator":
            return self.discriminator(self.made(codes))[1]
        return self.discriminator(x)[1], self.discriminator(self.made(codes).detach())[1]

    def made(self, codes, *, keeps_statistics=False):
        """Make rows of codes.

        Parameters
        ----------
        codes : tensor of shape (b, n_components)
            Codes.
        keeps_statistics : bool, default=False
            Whether the generator's running means and variances are left as they were.

        Returns
        -------
        rows : tensor of shape (b, *shape)
            What the generator makes, behind the output activation.
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
    generator, discriminator : torch.nn.Module
        As in `GenerativeAdversarial`.
    encoder : torch.nn.Module
        `(b, *shape) -> (b, n_components)`.
    output_activation : torch.nn.Module, default=None
        As in `GenerativeAdversarial`.

    See Also
    --------
    GenerativeAdversarial : The same without an encoder.
    gradient_penalty : The penalty.
    sklearn_occ.FAnoGAN : The detector that trains it.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import EncodedAdversarial, build_discriminator
    >>> judge = build_discriminator(None, (6,), 8)
    >>> networks = EncodedAdversarial(torch.nn.Linear(3, 6), judge, torch.nn.Linear(6, 3))
    >>> made, code, features, features_made = networks(torch.zeros(4, 6))
    >>> made.shape, code.shape
    (torch.Size([4, 6]), torch.Size([4, 3]))
    """

    def __init__(self, generator, discriminator, encoder, output_activation=None):
        super().__init__(generator, discriminator, output_activation)
        self.encoder = encoder

    def forward(self, x, codes=None, shares=None, *, player=None):
        """Give what the player whose turn it is needs, as above.

        Parameters
        ----------
        x : tensor of shape (b, *shape)
            Rows.
        codes : tensor of shape (b, n_components), default=None
            Codes that the generator makes rows of.
        shares : tensor of shape (b, 1, ...), default=None
            Share of x in each mixed row, between 0 and 1.
        player : {"generator", "discriminator", "encoder"}, default=None
            Whose turn it is; None in scoring, which gives what "encoder" does.

        Returns
        -------
        outputs : tensor or tuple of tensors
            See the table of the class.
        """
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

    See Also
    --------
    RecodingAdversarial : The same with a discriminator.
    Autoencoder : An encoder and a decoder alone.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import Recoder
    >>> recoder = Recoder(torch.nn.Linear(6, 3), torch.nn.Linear(3, 6), torch.nn.Linear(6, 3))
    >>> made, code, recoded = recoder(torch.zeros(4, 6))
    >>> made.shape, code.shape, recoded.shape
    (torch.Size([4, 6]), torch.Size([4, 3]), torch.Size([4, 3]))
    """

    def __init__(self, encoder, decoder, reencoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.reencoder = reencoder

    def forward(self, x):
        """Encode rows, decode the codes and encode what was decoded.

        Parameters
        ----------
        x : tensor of shape (b, *shape)
            Rows.

        Returns
        -------
        made : tensor of shape (b, *shape)
            The rows that were made, `x'`.
        code : tensor of shape (b, n_components)
            Codes of the rows, `z`.
        recoded : tensor of shape (b, n_components)
            Codes of the rows that were made, `z'`.
        """
        code = self.encoder(x.clone())
        made = self.decoder(code.clone())
        return made, code, self.reencoder(made.clone())


class RecodingAdversarial(GenerativeAdversarial):
    """A `Recoder` as generator, and a discriminator of rows, with features f; it gives what the turn asks for.

    ::

    x                       (x', z, z') of the generator
    x, "generator"          (x', z, z'), f(x'), f(x)
    x, "discriminator"      logits of x and of x', (b,) each

    Parameters
    ----------
    generator : Recoder
        What makes rows.
    discriminator : Discriminator
        What judges real and made rows.
    output_activation : torch.nn.Module, default=None
        As in `GenerativeAdversarial`; None, as the decoder of a `Recoder` has its own.

    See Also
    --------
    Recoder : The generator.
    GenerativeAdversarial : A generator of drawn codes.
    sklearn_occ.GANomaly : The detector that trains it.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import Recoder, RecodingAdversarial, build_discriminator
    >>> recoder = Recoder(torch.nn.Linear(6, 3), torch.nn.Linear(3, 6), torch.nn.Linear(6, 3))
    >>> networks = RecodingAdversarial(recoder, build_discriminator(None, (6,), 8))
    >>> of_rows, of_made = networks(torch.zeros(4, 6), player="discriminator")
    >>> of_rows.shape, of_made.shape
    (torch.Size([4]), torch.Size([4]))
    """

    def forward(self, x, *, player=None):
        """Give what the player whose turn it is needs, as above.

        Parameters
        ----------
        x : tensor of shape (b, *shape)
            Rows.
        player : {"generator", "discriminator"}, default=None
            Whose turn it is; None in scoring.

        Returns
        -------
        outputs : tuple
            See the table of the class.
        """
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
    """`module(*args)`, after which running means and variances of the module are as they were.

    Parameters
    ----------
    module : torch.nn.Module
        A network.
    *args : tensors
        What it takes.

    Returns
    -------
    outputs : tensor or tuple of tensors
        What the network gives.

    See Also
    --------
    GenerativeAdversarial.made : Rows of codes, with statistics that change or stay.
    """
    return functional_call(module, {name: buffer.clone() for name, buffer in module.named_buffers()}, args)


def build_discriminator(discriminator, shape, channels, *, layer_norm=False):
    """Build a discriminator for rows of `shape`.

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
        The network, with one linear layer on its features.

    See Also
    --------
    Discriminator : What is returned.
    build_judge : Discriminator of a cascade of variational autoencoders.
    build_encoder : Encoder for rows of a given shape.
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
    """Build a generator of rows of a table: two hidden layers, mirrored from the discriminator's.

    Parameters
    ----------
    n_components : int
        Width of the codes.
    shape : tuple (n_features,)
        Shape of one row.

    Returns
    -------
    generator : torch.nn.Module
        `(b, n_components) -> (b, n_features)`, with no activation behind the last layer.

    See Also
    --------
    build_discriminator : The network against which it is trained.
    DenseDecoder : Decoder of the autoencoders of tables.
    """
    return _dense.mlp((n_components, *_TABLE_WIDTHS[::-1], *shape), slope=_SLOPE)
