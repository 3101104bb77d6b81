"""A cascade of variational autoencoders with a discriminator, which tells rows from what the cascade makes of them."""

import torch
from torch import nn

from ._adversarial import Discriminator, build_discriminator
from ._variational import convolutions_of


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

    See Also
    --------
    CascadeVariationalAutoencoder : The generator.
    build_judge : Build the discriminator.
    sklearn_occ.CVAD : The detector that trains it.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import JudgedCascade, build_cascade, build_judge
    >>> cascade, width = build_cascade((6,), 2, 16, None)
    >>> networks = JudgedCascade(cascade, build_judge((6,), 16), noise_std=1.0)
    >>> networks(torch.zeros(4, 6), torch.randn(4, width)).shape
    torch.Size([12])
    """

    def __init__(self, generator, discriminator, noise_std):
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.noise_std = noise_std
        self.pretrains = False

    def forward(self, x, noise=None):
        """Give what the stage needs, as above.

        Parameters
        ----------
        x : tensor of shape (b, *shape)
            Rows.
        noise : tensor of shape (b, 5 k), default=None
            Standard normal numbers for both codes; None in scoring.

        Returns
        -------
        outputs : CascadeOutput, tensor or tuple of tensors
            See the table of the class.
        """
        if noise is None:
            made = self.generator(x)
            return made.reconstruction, made.mean, made.log_variance, self.discriminator(x)[1]
        if self.pretrains:
            return self.generator(x, noise)
        made = self.generator(x)
        disturbed = self.generator.decoder(made.mean + self.noise_std * noise)
        return self.discriminator(torch.cat([x, made.reconstruction, disturbed]))[1]


def build_judge(shape, channels):
    """Build the discriminator of a cascade for rows of `shape`.

    Of images: the convolutions of the primary encoder and one dense layer.

    Parameters
    ----------
    shape : tuple (C, H, W) or (n_features,)
        Shape of one row.
    channels : int
        Channels of the first stage of the network of images.

    Returns
    -------
    discriminator : Discriminator
        The network.

    See Also
    --------
    JudgedCascade : Network that holds it.
    build_discriminator : Discriminator of the other adversarial methods.
    """
    if len(shape) == 1:
        return build_discriminator(None, shape, channels)
    convolutions, n_features = convolutions_of(shape, channels)
    return Discriminator(nn.Sequential(*convolutions, nn.Flatten()), n_features).to(memory_format=torch.channels_last)
