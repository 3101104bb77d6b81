"""CVAD: a cascade of variational autoencoders, and a discriminator of what it makes."""

from numbers import Real

import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn.functional import softplus

from .._docstrings import with_shared_docs
from .._engine import LAST_STAGE, Steps, epochs_or_auto
from ..base._published import published
from ..nn._cascade import JudgedCascade, build_cascade, build_judge
from ..nn._losses import ScoreOfParts, row_error
from ._base import BaseCascade
from ._cascade_vae import CascadeLoss

_PAPER = {
    "pretrain_epochs": 250,
    "branch_weight": 1.0,
    "kl_weight": 1.0,
    "channels": 16,
    "lr": 1e-3,
    "max_epochs": 20,
    "batch_size": 64,
}


@with_shared_docs
class CVAD(BaseCascade):
    """Cascade variational autoencoder with a discriminator: how badly a row is reconstructed, and how made it looks.

    ::

        S(x) = ||G(x) - x||^2 / m                            G: a CascadeVAE, with codes mu; squared units of X
        p(x) = sigmoid of the discriminator at x             probability that x was made, in (0, 1)

    Scores, all but "average" at most 0::

        "reconstruction"   -S(x)
        "probability"      -p(x)
        "sum"              -(S + p)                                        reconstruction + probability
        "average"          -1/2 ((S - S_min) / (S_max - S_min) + p)
                           = 1/2 ((reconstruction + S_min) / (S_max - S_min) + probability)

    `m` is the number of pixels of all channels (the features of a table); `S_min` and `S_max` are those of the rows
    that were trained on (their difference counts as 1 where they are equal), and scaled errors of other rows are not
    cut off at 0 or 1.

    Training has two stages. First the generator is trained as `CascadeVAE`, `pretrain_epochs` epochs. Then it is
    frozen, running means and variances included, and the discriminator is trained with::

        x''  = D(mu + noise_std * e)                         D: the decoders of G; e drawn from N(0, 1)
        loss = mean over the batch of  -log(1 - p(x)) - 1/2 log p(G(x)) - 1/2 log p(x'')

    The generator does not learn from the discriminator. `score_parts` gives the first two scores, `reconstruct_parts`
    what either autoencoder of `G` makes of a row.

    Parameters
    ----------
    noise_std : float, default=0.1
        By how much the codes of the second kind of made rows are disturbed, in standard deviations of the prior, at
        least 0. The thesis calls the disturbance minor and gives no number.
    score_function : {"average", "sum", "reconstruction", "probability"}, default="average"
        See above: "average" is equation 4.8, "sum" section 5.2.4. With "sum", errors of images in
        [0, 1] are small beside `p`.
    objective : {"branches", "combined"}, default="branches"
        Loss of the generator, see `CascadeVAE`.
    branch_weight : float, default=1.0
        Weight of its branch, at least 0.
    kl_weight : float, default=1.0
        Weight of its divergences, at least 0; see `VAE` for what 1 means.
    pretrain_epochs : int or "auto", default="auto"
        Epochs of the generator, at least 1. "auto": as many as make {steps of pretrain_epochs}, at least 5.
    pretrain_lr : float or None, default=1e-3
        Learning rate of the generator; 1e-5 in section 5.2.4. None is `lr`.
    n_components : int, default=None
        Width of its primary code; that of the branch is four times as wide. None: 512 for images, at most a quarter of
        their values; half of the features of a table, at most 32.
    channels : int, default={default of channels}
        Channels of the first stage of the network of images; each further stage doubles them.
    {output activation}
    lr : float, default=1e-3
        Learning rate of the discriminator.
    max_epochs : int or "auto", default="auto"
        Epochs of the discriminator. "auto": as many as make {steps of max_epochs}, at least 5.
    batch_size : int, default=64
        Rows of a training step; three times as many pass through the discriminator.
    {optimizer}
    {weight decay}
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    pretrain_epochs_ : int
        Epochs of the generator.
    error_range_ : tuple of float
        `S_min` and `S_max`; after a warm start those of its rows.
    n_components_ : int
        Width of both codes together, five times that of the primary one.
    output_activation_ : str
        "sigmoid" or "linear".
    {deep attributes}
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When the codes have collapsed onto the prior, see `VAE`.

    See Also
    --------
    CascadeVAE : The same without the discriminator.
    VAE : The primary autoencoder alone.
    GANomaly : Another autoencoder that is trained against a discriminator.

    Notes
    -----
    The discriminator has the convolutions of the primary encoder (see `VAE`) and one dense layer; that of a table has
    two hidden layers of 64 and 32. Rows and both kinds of made rows go through it together, so that batch normalisation
    cannot tell them apart by the batch they come in.

    The discriminator learns what the generator leaves out, which is above all sharpness. It can find a sharp anomaly
    less made than a blurred row of the majority; compare both parts before relying on it.

    Equation 4.8 divides by `S_max - S_min` without subtracting `S_min`, which would weigh the parts by how well the
    rows are reconstructed. The author's code takes both from the test set, which makes a row's score depend on other
    rows, and trains with `G(x)` alone.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), sections 4.2.2 and
    4.2.3, equations 4.5 to 4.8, and section 5.2.4.

    Examples
    --------
    >>> from sklearn_occ import CVAD
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = CVAD(pretrain_epochs=20, max_epochs=5, random_state=0).fit(digits.X_train)
    >>> parts = occ.score_parts(digits.X_test)
    >>> least, greatest = occ.error_range_
    >>> average = ((parts["reconstruction"] + least) / (greatest - least) + parts["probability"]) / 2
    >>> bool(abs(occ.score_samples(digits.X_test) - average).max() < 1e-12)
    True
    """

    _parameter_constraints: dict = {
        **BaseCascade._parameter_constraints,
        "pretrain_epochs": epochs_or_auto(),
        "pretrain_lr": [Interval(Real, 0, None, closed="neither"), None],
        "noise_std": [Interval(Real, 0, None, closed="left")],
        "score_function": [StrOptions({"average", "sum", "reconstruction", "probability"})],
        "objective": [StrOptions({"branches", "combined"})],
        "branch_weight": [Interval(Real, 0, None, closed="left")],
    }
    _score_has_parts = True

    _budgets = {"pretrain_epochs": Steps(images=1200, table=1200), "max_epochs": Steps(images=300, table=300)}
    from_paper = published(
        {
            "section 4.2": {"pretrain_lr": 1e-3, "score_function": "average", "objective": "branches", **_PAPER},
            "section 5.2": {"pretrain_lr": 1e-5, "score_function": "sum", "objective": "combined", **_PAPER},
        },
        departures="""Guo's thesis, for images of 256 x 256 pixels: 100 to 350 epochs of the generator in section 4.2,
        250 to 500 in section 5.2.4, of which 250 are taken, 10 to 20 of the discriminator; batches are those of the
        author's code, `noise_std` is not given. The error is scaled by that of the training rows, see Notes.""",
    )

    def __init__(
        self,
        *,
        noise_std=0.1,
        score_function="average",
        objective="branches",
        branch_weight=1.0,
        kl_weight=1.0,
        pretrain_epochs="auto",
        pretrain_lr=1e-3,
        n_components=None,
        channels=8,
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
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
        self.noise_std = noise_std
        self.score_function = score_function
        self.objective = objective
        self.branch_weight = branch_weight

    @property
    def error_range_(self):
        """Least and greatest error of the rows trained on."""
        return tuple(self.net_.criterion_.error_range.tolist())

    @property
    def _cascade(self):
        return self.net_.module_.generator

    def _make_module(self):
        shape = self._shape_of_rows
        generator, self.n_components_ = build_cascade(
            shape, self.n_components, self.channels, self._make_output_activation()
        )
        return JudgedCascade(generator, build_judge(shape, self.channels), self.noise_std)

    def _make_criterion(self):
        generator_loss = CascadeLoss(self.objective, self.branch_weight, self.kl_weight, self.n_components_)
        return JudgedLoss(generator_loss, self.score_function)

    def _train(self, net, X, X_valid):
        if not net.epochs_.get(LAST_STAGE):
            self._pretrain(net, X, X_valid)
        net.freeze("generator")
        net.criterion_.set_error_range(
            torch.cat([net.criterion_.errors(*batch) for batch in net.sweep(X, net.module_.generator)])
        )
        super()._train(net, X, X_valid)


class JudgedLoss(ScoreOfParts):
    """Losses of both stages and score of CVAD.

    Parameters
    ----------
    generator_loss : CascadeLoss
        What the generator is trained with.
    score_function : str
        "average", "sum", "reconstruction" or "probability".

    Attributes
    ----------
    error_range : float64 tensor of shape (2,)
        Least and greatest error of the rows trained on; a buffer.
    """

    part_names = ("reconstruction", "probability")

    def __init__(self, generator_loss, score_function):
        super().__init__()
        self.generator_loss = generator_loss
        self.score_function = score_function
        self.register_buffer("error_range", torch.tensor([0.0, 1.0], dtype=torch.float64))

    def draw(self, x, generator):
        """The rows, and standard normal numbers, as many as the codes have."""
        return self.generator_loss.draw(x, generator)

    def forward(self, outputs, x):
        """Loss of a batch, a scalar: of the generator's outputs, or of the discriminator's 3 b logits."""
        if not isinstance(outputs, torch.Tensor):
            return self.generator_loss(outputs, x)
        rows, made = outputs.tensor_split([len(x)])
        return softplus(rows).mean() + softplus(-made).mean()

    def errors(self, outputs, x):
        """Mean squared error of each row, (b,)."""
        return row_error(outputs[0], x)

    def set_error_range(self, errors):
        """Keep the least and the greatest of these errors."""
        self.error_range.copy_(torch.stack(errors.aminmax()))

    def part(self, name, outputs, x):
        """Score of that name of each row, (b,)."""
        if name == "reconstruction":
            return -self.errors(outputs, x)
        if name == "probability":
            return -outputs[3].sigmoid()
        parts = self.parts(outputs, x)
        if name == "sum":
            return parts["reconstruction"] + parts["probability"]
        least, spread = self.error_range[0], self.error_range.diff()
        scaled = (parts["reconstruction"] + least) / torch.where(spread > 0, spread, 1.0)
        return (scaled + parts["probability"]) / 2
