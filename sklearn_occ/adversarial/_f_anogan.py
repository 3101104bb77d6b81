"""f-AnoGAN: an encoder into the codes of a Wasserstein generator that was trained on the majority."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from .._docstrings import with_shared_docs
from .._engine import LAST_STAGE, FusedAdam, Steps, epochs_or_auto, reconstructed_variance
from ..base._published import published
from ..nn._adversarial import EncodedAdversarial, build_discriminator
from ..nn._autoencoder import build_encoder
from ._base import FEW_STEPS, LEAST_RECONSTRUCTED, BaseGenerative, note_untrained, paper_code_width, steps_of
from ._wasserstein_loss import WassersteinLoss

_WIDEST_CODE = 128  # the paper's
_PAPER = {"feature_weight": 1.0, "penalty_weight": 10.0, "critic_steps": 5, "channels": 64, "batch_size": 64}


@with_shared_docs
class FAnoGAN(BaseGenerative):
    r"""Wasserstein generative adversarial network, and an encoder that finds the code of a row at once (f-AnoGAN).

    .. math::

        r(x) &= -\mathrm{mean}_j\,(x_j - G(E(x))_j)^2 \\
        d(x) &= -\mathrm{mean}_k\,(f(x)_k - f(G(E(x)))_k)^2 \\
        \mathrm{score}(x) &= r(x) + w\, d(x)

    all at most 0. :math:`r`, "reconstruction", is in squared units of X, the paper's residual; :math:`d`, "feature", is
    in squared units of the features; :math:`w` is `feature_weight`. :math:`f` are the features of the critic :math:`C`,
    its last feature map. `score_parts` gives both parts of the score.

    Training has two stages. First generator :math:`G` and critic play, `pretrain_epochs` epochs: on each batch the
    critic makes `critic_steps` steps, with new codes for each, then the generator one. Critic and generator lower

    .. math::

        & \mathrm{mean}\, C(G(z)) - \mathrm{mean}\, C(x) + p\ \mathrm{mean}\,(\|dC(y) / dy\|_2 - 1)^2 \\
        & {-\mathrm{mean}}\, C(G(z))

    with :math:`p` the `penalty_weight`, :math:`z` from :math:`N(0, 1)`, :math:`y = u x + (1 - u) G(z)`, and :math:`u`
    from :math:`U(0, 1)` for each row.

    Then both are frozen, running means and variances included, and the encoder :math:`E` is trained to raise the mean
    of the score (izi_f in the paper). A step changes one network.

    Parameters
    ----------
    feature_weight : float, default=1.0
        Weight of the features in the encoder's loss and in the score, at least 0 (kappa in the paper); 0 is the
        paper's izi.
    penalty_weight : float, default=10.0
        Weight of the gradient penalty, at least 0 (lambda in the paper).
    critic_steps : int, default=5
        Steps of the critic for one of the generator, on the rows of the same batch.
    pretrain_epochs : int or "auto", default="auto"
        Epochs of generator and critic, at least 1. "auto": as many as make {steps of pretrain_epochs} of the generator,
        at least 5.
    pretrain_lr : float or None, default=1e-3
        Learning rate of both, with Adam's betas (0, 0.9); None is `lr`. The authors have 1e-4, and 5e-5 for `lr`: on
        the digits 0, 3, 5 and 8 the mean area under the ROC curve was then 80.2 after 100 and 100 epochs, 92.2 after
        300 and 300, and with 1e-3 in both stages 96.4 after 100 and 100; on PneumoniaMNIST's validation images 68.1
        after 30 and 30, and 82.3 with 1e-3 (one seed, 16 channels).
    encoder : torch.nn.Module or callable, default=None
        A module (b, *shape) -> (b, n_components), which is copied and keeps its weights, or a factory
        `encoder(shape, n_components)` that returns one. None: for images `nn.ConvEncoder`, for a table linear layers
        (`nn.DenseEncoder`).
    generator : torch.nn.Module or callable, default=None
        A module (b, n_components) -> (b, *shape), or a factory `generator(n_components, shape)`. It ends without an
        activation; `output_activation` follows it. None: for images `nn.ConvDecoder`, for a table two hidden layers of
        32 and 64.
    discriminator : torch.nn.Module or callable, default=None
        The critic: a module (b, *shape) -> (b, n_features), the features f, or a factory `discriminator(shape)`; a
        linear layer to C is put on it. It should not mix rows, as batch normalisation does, for the penalty is that of
        each row. None: for images the convolutions of `nn.ConvEncoder` with layer normalisation, for a table two hidden
        layers of 64 and 32.
    n_components : int, default=None
        Width of the code. None: 128 for images, at most a quarter of their values; half of the features of a table, at
        most 32; or what a given `encoder` has.
    {channels and output}
    lr : float, default=1e-3
        Learning rate of the encoder; see `pretrain_lr`.
    max_epochs : int or "auto", default="auto"
        Epochs of the encoder. "auto": as many as make {steps of max_epochs}, at least 5. The authors have 50 000 steps.
    batch_size : int, default=64
        Rows of a training step, in both stages.
    optimizer : {"adam", "adamw", "sgd", "rmsprop"} or callable, default="rmsprop"
        Of the encoder. "sgd" has momentum 0.9. A callable is a `torch.optim` class or a function
        `optimizer(parameters, lr=, weight_decay=)`.
    weight_decay : float, default=0.0
        L2 penalty on the encoder's weights, as the optimizer defines it.
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
    pretrain_epochs_ : int
        Epochs of generator and critic.
    {deep attributes}
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When the generator has collapsed or learned little: rows generated from 256 random codes, in train mode, have
        less than 0.05 of the variance of the training rows after 100 steps or more, or after any number where that is
        less than half of what they had before training. Or when it has diverged: more than 10 times that variance, and
        more than twice what they had before. Or when the encoder has collapsed or learned little: reconstructions of
        the training rows have less than 0.01 of their variance after 100 of its steps or more.

    See Also
    --------
    AnoGAN : The same with a search for each row.
    GANomaly : Autoencoder that is trained against a discriminator.

    Notes
    -----
    The default budget stops before the best that was measured: on PneumoniaMNIST's validation images and two
    digits the mean area under the ROC curve was 86.9 %, and 89.9 % with 1000 steps in both stages.

    `warm_start` adds epochs of the encoder.

    Rows of `history_` have the terms that are lowered, weighted: in the first stage `train_wasserstein_loss` and
    `train_penalty_loss`, which add up to `train_discriminator_loss`, and `train_generator_loss`; in the second
    `train_reconstruction_loss` and `train_feature_loss`. Minus `train_wasserstein_loss` estimates the distance of made
    rows from real ones; the other losses of the first stage have no level to reach.

    References
    ----------
    Schlegl et al. (2019), f-AnoGAN: fast unsupervised anomaly detection with generative adversarial networks. Gulrajani
    et al. (2017), Improved training of Wasserstein GANs, algorithm 1, for the first stage; there each step of the
    critic has other rows. The networks are those of `sklearn_occ.nn`, where the authors have residual
    ones. Codes of the encoder are not bounded, where theirs end in a hyperbolic tangent, which leaves codes beyond 1
    out that the generator was trained on; with it the four digits above had 96.1 after as long. A baseline in Guo,
    Medical image analysis with deep learning under limited supervision (doctoral thesis), section 4.1.

    Examples
    --------
    >>> from sklearn_occ import FAnoGAN
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = FAnoGAN(pretrain_epochs=20, max_epochs=20, channels=8, random_state=0).fit(digits.X_train)
    >>> parts = occ.score_parts(digits.X_test)
    >>> bool(abs(occ.score_samples(digits.X_test) - parts["reconstruction"] - parts["feature"]).max() < 1e-12)
    True
    """

    _parameter_constraints: dict = {
        **BaseGenerative._parameter_constraints,
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "critic_steps": [Interval(Integral, 1, None, closed="left")],
        "pretrain_epochs": epochs_or_auto(),
        "pretrain_lr": [Interval(Real, 0, None, closed="neither"), None],
        "encoder": [callable, None],
    }
    _score_has_parts = True

    _budgets = {"pretrain_epochs": Steps(images=500, table=300), "max_epochs": Steps(images=500, table=300)}
    from_paper = published(
        {
            "schlegl": {**_PAPER, "n_components": 128, "pretrain_epochs": 7, "pretrain_lr": 1e-4, "lr": 5e-5},
            "guo": {
                **_PAPER,
                "pretrain_epochs": 1000,
                "pretrain_lr": 2e-4,
                "lr": 2e-4,
                "max_epochs": 300,
                "optimizer": "adam",
            },
        },
        departures="""Schlegl et al. and their code ("schlegl"), for a very large set of patches of 64 x 64 pixels: set
        `pretrain_epochs` higher for a small one. The encoder has 50 000 steps there, which are `50_000 * 64 / len(X)`
        epochs; `max_epochs` stays "auto". Networks are residual there, and codes of the encoder end in a hyperbolic
        tangent. "guo" is the baseline of Guo's thesis, chapter 5: 1000 to 1500 epochs and 300 to 500 of the encoder,
        "with the default Adam optimizer", of which Adam's betas are the paper's here in the first stage.""",
    )

    def __init__(
        self,
        *,
        feature_weight=1.0,
        penalty_weight=10.0,
        critic_steps=5,
        pretrain_epochs="auto",
        pretrain_lr=1e-3,
        encoder=None,
        generator=None,
        discriminator=None,
        n_components=None,
        channels=8,
        output_activation="auto",
        lr=1e-3,
        max_epochs="auto",
        batch_size=64,
        optimizer="rmsprop",
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
            generator=generator,
            discriminator=discriminator,
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
        self.penalty_weight = penalty_weight
        self.critic_steps = critic_steps
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
        self.encoder = encoder

    def _make_module(self):
        shape = self._shape_of_rows
        encoder, self.n_components_ = build_encoder(
            self.encoder,
            shape,
            self.n_components,
            self.channels,
            default_width=paper_code_width(shape, _WIDEST_CODE),
        )
        critic = build_discriminator(self.discriminator, shape, self.channels, layer_norm=True)
        return EncodedAdversarial(self._make_generator(), critic, encoder, self._make_output_activation())

    def _make_criterion(self):
        return WassersteinLoss(self.n_components_, self.critic_steps, self.penalty_weight, self.feature_weight)

    def _stage_optimizers(self):
        return {"pretrain": (FusedAdam, {"betas": (0.0, 0.9)})}

    def _train(self, net, X, X_valid):
        note_untrained(net, self._made_rows(net))
        if not net.epochs_.get(LAST_STAGE):
            self._pretrain(net, X, X_valid)
        net.freeze("generator")
        net.freeze("discriminator")
        super()._train(net, X, X_valid)

    def _remedy(self):
        name = "lr" if self.pretrain_lr is None else "pretrain_lr"
        return (
            f"Change {name}, now {getattr(self, name):g}, n_components, now {self.n_components_}, or "
            f"pretrain_epochs, now {self.pretrain_epochs_}."
        )

    def _complaint(self, net, X, of_rows):
        complaint, n_steps = super()._complaint(net, X, of_rows), steps_of(net, "encoder")
        if complaint or n_steps < FEW_STEPS:
            return complaint
        share = reconstructed_variance(net, X) / of_rows
        if share >= LEAST_RECONSTRUCTED:
            return None
        return (
            f"The encoder of {type(self).__name__} has collapsed or learned little in {n_steps} steps: reconstructions "
            f"of the training rows have {share:.1g} of their variance, below {LEAST_RECONSTRUCTED:g}. Change lr, now "
            f"{self.lr:g}, or max_epochs, now {self.max_epochs_}."
        )
