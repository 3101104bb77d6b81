"""VAE: the variational autoencoder, scored by its reconstruction error."""

import torch
from torch import nn

from .._docstrings import with_shared_docs
from .._engine import Steps
from ..base._published import published
from ..nn._losses import mean_squared_error, row_error
from ..nn._sending import send
from ..nn._variational import (
    VariationalAutoencoder,
    build_variational_decoder,
    build_variational_encoder,
    kl_divergence,
    variational_code_width,
)
from ._base import BaseVariational


@with_shared_docs
class VAE(BaseVariational):
    r"""Variational autoencoder that scores a row by how badly it is reconstructed.

    .. math::

        q(z \mid x) &= N(\mu(x),\ \mathrm{diag}(\sigma(x)^2)) \\
        \mathrm{KL}(x) &= \tfrac12 \sum_k (\mu_k^2 + \sigma_k^2 - 1 - \log \sigma_k^2) \\
        \mathrm{loss} &= \mathrm{mean}\,(\|D(z) - x\|^2 + w\, \mathrm{KL}(x)) / m \\
        \mathrm{score}(x) &= -\|D(\mu(x)) - x\|^2 / m

    :math:`q` is the encoder, KL its divergence from :math:`N(0, 1)` in nats, :math:`w` is `kl_weight`, :math:`m` the
    number of pixels of all channels (the features of a table), and the mean is that over the batch, with :math:`z`
    drawn from :math:`q(z \mid x)`. The score is in squared units of X, at most 0. Codes are drawn in training alone:
    scores, codes and reconstructions are those of the mean :math:`\mu(x)`.

    A coordinate of the code is used where it pays: where a principal component of the rows has a variance, in squared
    units of X and summed over the pixels, above `kl_weight / 2` (exact for linear networks). Small or faint images and
    tables with variances below 1/2 are therefore reconstructed by little more than their mean; a smaller weight lets
    the code tell more.

    Parameters
    ----------
    kl_weight : float, default=1.0
        Weight of `KL`, at least 0.
    n_components : int, default=None
        Width of the code. None: 512 for images, at most a quarter of their values; half of the features of a table,
        at most 32.
    channels : int, default={default of channels}
        Channels of the first stage of the network of images; each further stage doubles them.
    {output activation}
    lr : float, default=1e-3
        Learning rate.
    {epochs}
    batch_size : int, default=64
        Rows of a training step.
    {optimizer}
    {weight decay}
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    n_components_ : int
        Width of the code.
    output_activation_ : str
        "sigmoid" or "linear".
    {deep attributes}
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When the codes have collapsed onto the prior, so that every row gets nearly the same reconstruction and the
        score is the distance to the mean row: the mean of `KL` over the training rows is below 1e-3, and the variance
        of their reconstructions below 1e-3 of the variance of the rows.

    See Also
    --------
    CascadeVAE : The same with a second autoencoder for details.
    CVAD : The same with a discriminator.
    CAE : Autoencoder without a distribution.

    Notes
    -----
    Images of 256 x 256 get the network of the thesis: five convolutions with kernel 4, stride 2 and padding 1, of 16 to
    256 channels, each with batch normalisation and leaky ReLU (slope 0.2), two dense layers to :math:`\mu` and
    :math:`\log \sigma^2`, and the mirror image. Other sizes get as many stages as leave a map of 4 pixels or more, and
    more than five until it has at most 9. The network of a table has two hidden layers on either side.

    References
    ----------
    Kingma, Welling (2014), Auto-encoding variational Bayes, ICLR, equation 7 and appendix B. Guo, Medical image
    analysis with deep learning under limited supervision (doctoral thesis), section 4.2.2, where it is the primary part
    of CVAD; learning rate and epochs are section 4.2.3's, the batch size is that of the author's code.

    Examples
    --------
    >>> from sklearn_occ import VAE
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> vae = VAE(max_epochs=20, random_state=0).fit(digits.X_train)
    >>> bool(vae.score_samples(digits.X_test[digits.y_test == 1]).mean() > vae.score_samples(digits.X_test).mean())
    True
    """

    _budgets = {"max_epochs": Steps(images=3000, table=1000)}
    from_paper = published(
        {"guo": {"kl_weight": 1.0, "channels": 16, "lr": 1e-3, "max_epochs": 250, "batch_size": 64}},
        departures="""Guo's thesis, section 4.2, for images of 256 x 256 pixels: 100 to 350 epochs, of which 250 are
        taken; batches are those of the author's code. `n_components` stays None, which is the thesis' 512 from 46 x 46
        pixels on.""",
    )

    def __init__(
        self,
        *,
        kl_weight=1.0,
        n_components=None,
        channels=16,
        output_activation="auto",
        lr=1e-3,
        max_epochs="auto",
        batch_size=64,
        optimizer="adam",
        weight_decay=0.0,
        contamination=0.1,
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
        callbacks=None,
        device="auto",
        precision="float32",
        compile=False,
        capture="auto",
        verbose="auto",
        warm_start=False,
        checkpoint=None,
    ):
        super().__init__(
            kl_weight=kl_weight,
            n_components=n_components,
            channels=channels,
            output_activation=output_activation,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            weight_decay=weight_decay,
            contamination=contamination,
            threshold_data=threshold_data,
            validation_fraction=validation_fraction,
            image_shape=image_shape,
            random_state=random_state,
            callbacks=callbacks,
            device=device,
            precision=precision,
            compile=compile,
            capture=capture,
            verbose=verbose,
            warm_start=warm_start,
            checkpoint=checkpoint,
        )

    def _make_module(self):
        shape = self._shape_of_rows
        self.n_components_ = self.n_components or variational_code_width(shape)
        return VariationalAutoencoder(
            build_variational_encoder(shape, self.n_components_, self.channels),
            build_variational_decoder(shape, self.n_components_, self.channels),
            self._make_output_activation(),
        )

    def _make_criterion(self):
        return VariationalLoss(self.kl_weight, self.n_components_)


class VariationalLoss(nn.Module):
    """Loss and score of a VAE.

    Parameters
    ----------
    kl_weight : float
        Weight of the divergence.
    n_components : int
        Width of the code.
    """

    def __init__(self, kl_weight, n_components):
        super().__init__()
        self.kl_weight = kl_weight
        self.n_components = n_components

    def draw(self, x, generator):
        """The rows, and standard normal numbers (b, n_components)."""
        return x, send(torch.randn(len(x), self.n_components, generator=generator), x.device)

    def forward(self, outputs, x):
        """Loss of a batch, a scalar."""
        reconstruction, mean, log_variance = outputs
        divergence = kl_divergence(mean, log_variance).mean()
        return (mean_squared_error(reconstruction, x) + self.kl_weight * divergence) / x[0].numel()

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return -row_error(outputs[0], x)
