"""GANomaly: how far a row's code is from the code of what is made of it."""

import copy
from numbers import Real

import torch
from sklearn.utils._param_validation import Interval
from torch.nn.functional import l1_loss, mse_loss

from .._docstrings import with_shared_docs
from .._engine import LAST_STAGE, AdversarialNet, BaseReconstruction, RandomStream, Steps, as_network_input
from ..base._published import published
from ..nn._adversarial import Recoder, RecodingAdversarial, build_discriminator, keeping_statistics
from ..nn._autoencoder import build_encoder
from ._adversarial_loss import judgement_loss
from ._base import (
    LEAST_RECONSTRUCTED,
    LOOKED_AT,
    FirstVariance,
    complaint_of_generator,
    made_in_training,
    note_untrained,
    paper_code_width,
    warn_of_variance,
)


@with_shared_docs
class GANomaly(BaseReconstruction):
    r"""Encoder, decoder and second encoder, trained against a discriminator; scored by how far the two codes are apart.

    .. math::

        z &= E(x), \quad x' = D(z), \quad z' = E'(x') \\
        \mathrm{score}(x) &= -\mathrm{mean}_k\,(z_k - z'_k)^2

    The score is in squared units of the code, at most 0. Training alternates: on each batch the generator, which is all
    three networks, makes a step that lowers

    .. math::

        u\ \mathrm{mean}_k\,(f(x)_k - f(x')_k)^2 + v\ \mathrm{mean}_j\,|x_j - x'_j| + w\ \mathrm{mean}_k\,(z_k - z'_k)^2

    where :math:`u` is `feature_weight`, :math:`v` is `reconstruction_weight`, :math:`w` is `code_weight`, the means are
    also over the batch, and :math:`f` are the features of the discriminator, its last feature map; then the
    discriminator one that lowers :math:`-\mathrm{mean} \log P(x) - \mathrm{mean} \log(1 - P(x'))`, :math:`P` being its
    probability that a row is real. A step leaves the other player as it is, running means and variances of batch
    normalisation included. Rows are scored in eval mode, so that a score does not depend on other rows.

    Parameters
    ----------
    feature_weight : float, default=1.0
        Weight of the feature matching, at least 0; 0 leaves the discriminator without influence.
    reconstruction_weight : float, default=50.0
        Weight of the L1 distance, at least 0.
    code_weight : float, default=1.0
        Weight of the distance of the codes, at least 0.
    {encoder and decoder}
        The second encoder is like the first, with weights of its own; it begins as a copy of a given one.
    discriminator : torch.nn.Module or callable, default=None
        A module (b, *shape) -> (b, n_features), the features f, or a factory `discriminator(shape)`; a linear layer to
        the logit of P is put on it. None: for images the convolutions of `nn.ConvEncoder`, for a table two hidden
        layers of 64 and 32.
    n_components : int, default=None
        Width of the code. None: 100 for images, at most a quarter of their values; half of the features of a table, at
        most 32; or what a given `encoder` has.
    {channels and output}
    lr : float, default=2e-4
        Learning rate of both players. The authors'; on the ten digits, each against the others, the mean area under the
        ROC curve was 94.8 after 500 epochs, and 96.7 with 1e-3; on PneumoniaMNIST's validation images 83.2 after 50,
        and 79.9 with 1e-3 (one seed, 16 channels).
    {epochs}
        The authors have 15 over sets of tens of thousands of rows.
    batch_size : int, default=64
        Rows of a training step.
    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or callable, default="adam"
        "sgd" has momentum 0.9. A callable is a `torch.optim` class or a function
        `optimizer(parameters, lr=, weight_decay=)`.
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
    {trained networks}
    {deep attributes}
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When the generator has collapsed or learned little: reconstructions of 256 training rows, made in train mode,
        have less than 0.01 of the variance of all after 100 steps or more, or after any number where that is less than
        half of what they had before training. Or when it has diverged: more than 10 times that variance, and more than
        twice what they had before.

    See Also
    --------
    FAnoGAN : Encoder that is trained after the generator.
    AnoGAN : Search for a code in place of an encoder.
    sklearn_occ.CAE : Autoencoder without a discriminator.

    Notes
    -----
    The default budget stops before the best that was measured: on PneumoniaMNIST's validation images and two
    digits the mean area under the ROC curve was 86.9 %, and 89.1 % with 3000 steps.

    The squared error of the reconstruction, which `anomaly_map` shows, is no part of the score.

    `history_` has `train_generator_loss` and `train_discriminator_loss` besides their sum `train_loss`, and the
    weighted terms of the first, `train_feature_loss`, `train_reconstruction_loss` and `train_code_loss`.

    The authors' code never leaves train mode, so that its scores depend on the rows of a test batch, and reports the
    best epoch on the test set; published figures that rest on it are no measure for those here. It also gives the
    discriminator new weights when its loss falls below 1e-5, which is not done here.

    References
    ----------
    Akcay, Atapour-Abarghouei, Breckon (2018), GANomaly: semi-supervised anomaly detection via adversarial training,
    for losses and weights; there the score is the L1 norm of the difference, in the authors' code its mean square, as
    here. The networks are those of `sklearn_occ.nn`, with kernels of 3 x 3. A baseline in Guo, Medical image analysis
    with deep learning under limited supervision (doctoral thesis), section 4.2.

    Examples
    --------
    >>> from sklearn_occ import GANomaly
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = GANomaly(max_epochs=20, channels=8, random_state=0).fit(digits.X_train)
    >>> occ.reconstruct(digits.X_test[:5]).shape, occ.transform(digits.X_test[:5]).shape
    ((5, 8, 8), (5, 16))
    """

    _parameter_constraints: dict = {
        **BaseReconstruction._parameter_constraints,
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "code_weight": [Interval(Real, 0, None, closed="left")],
        "discriminator": [callable, None],
    }
    _net_class = AdversarialNet
    _adam_betas = (0.5, 0.999)
    _budgets = {"max_epochs": Steps(images=1000, table=3000)}
    from_paper = published(
        {
            "ganomaly": {
                "feature_weight": 1.0,
                "reconstruction_weight": 50.0,
                "code_weight": 1.0,
                "n_components": 100,
                "channels": 64,
                "lr": 2e-4,
                "max_epochs": 15,
                "batch_size": 64,
            }
        },
        departures="""Akcay et al. and their code, for tens of thousands of images of 32 x 32 pixels: set `max_epochs`
        higher for fewer. Rows are scored in eval mode, kernels are 3 x 3, and the discriminator does not begin
        anew.""",
    )
    _default_code_width = staticmethod(paper_code_width)

    def __init__(
        self,
        *,
        feature_weight=1.0,
        reconstruction_weight=50.0,
        code_weight=1.0,
        encoder=None,
        decoder=None,
        discriminator=None,
        n_components=None,
        channels=16,
        output_activation="auto",
        lr=2e-4,
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
            encoder=encoder,
            decoder=decoder,
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
        self.feature_weight = feature_weight
        self.reconstruction_weight = reconstruction_weight
        self.code_weight = code_weight
        self.discriminator = discriminator

    def _make_module(self):
        autoencoder, shape = super()._make_module(), self._shape_of_rows
        if self.encoder is None:
            reencoder = build_encoder(None, shape, self.n_components_, self.channels)[0]
        else:
            reencoder = copy.deepcopy(autoencoder.encoder)
        return RecodingAdversarial(
            Recoder(autoencoder.encoder, autoencoder.decoder, reencoder),
            build_discriminator(self.discriminator, shape, self.channels),
        )

    def _make_criterion(self):
        return RecodingLoss(self.feature_weight, self.reconstruction_weight, self.code_weight)

    def _train(self, net, X, X_valid):
        note_untrained(net, self._made_rows(net, X))
        super()._train(net, X, X_valid)

    def _check_trained(self, net, X):
        def complaint(of_rows):
            return complaint_of_generator(
                self,
                net,
                self._made_rows(net, X),
                of_rows,
                are="reconstructions of the training rows",
                least_share=LEAST_RECONSTRUCTED,
            )

        warn_of_variance(net, X, complaint)

    def _made_rows(self, net, X):
        with RandomStream(net.seed).generator() as generator:
            some = torch.randperm(len(X), generator=generator)[:LOOKED_AT]
        return made_in_training(net, lambda rows: keeping_statistics(net.module_, rows)[0], as_network_input(X[some]))

    def _remedy(self):
        return (
            f"Change lr, now {self.lr:g}, or max_epochs, now {self.max_epochs_}, or raise reconstruction_weight, now "
            f"{self.reconstruction_weight:g}."
        )


class RecodingLoss(FirstVariance):
    """Losses of both players and score of GANomaly.

    Parameters
    ----------
    feature_weight, reconstruction_weight, code_weight : float
        Weights of the terms of the generator's loss.
    """

    rounds = {LAST_STAGE: (("generator", "discriminator"),)}
    terms = {"generator": ("feature", "reconstruction", "code")}

    def __init__(self, feature_weight, reconstruction_weight, code_weight):
        super().__init__()
        self.feature_weight = feature_weight
        self.reconstruction_weight = reconstruction_weight
        self.code_weight = code_weight

    def draw(self, x, generator):
        """Return the rows of a turn; nothing is random."""
        return (x,)

    def forward(self, outputs, x, *, player):
        """Loss of the discriminator, a scalar, or the three terms of the generator's, (3,)."""
        if player == "discriminator":
            return judgement_loss(*outputs)
        (made, code, recode), of_made, of_rows = outputs
        return torch.stack(
            [
                self.feature_weight * mse_loss(of_made, of_rows),
                self.reconstruction_weight * l1_loss(made, x),
                self.code_weight * mse_loss(recode, code),
            ]
        )

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        _, code, recode = outputs
        return -(code - recode).square().mean(1)
