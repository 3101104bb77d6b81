"""ConOCC: an autoencoder whose codes are pulled towards their centre."""

from numbers import Real

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback

from .._docstrings import with_shared_docs
from .._engine import (
    LAST_STAGE,
    BaseReconstruction,
    Steps,
    all_codes,
    epochs_or_auto,
    reconstructed_variance,
    share_of_epochs,
    total_variance,
)
from .._warning import warn
from ..base._published import published
from ..nn._losses import ScoreOfParts, mean_squared_error, squared_error

_VARIANCE_FLOOR = 1e-3  # of the variance of the rows
_PERIOD = 1 / 16  # of the epochs, between two updates of the centre; the paper has 60 of 1000
_PAPER = {
    "gamma": 10.0,
    "update_interval": 60,
    "score_function": "reconstruction",
    "channels": 64,
    "lr": 1e-3,
    "max_epochs": 1000,
    "batch_size": 128,
}


@with_shared_docs
class ConOCC(BaseReconstruction):
    r"""Constrained deep one-class features: reconstruct the majority from a compact code.

    .. math::

        L_{AE}(x) &= \sum_j (D(z)_j - x_j)^2, \quad z = E(x) \\
        L_{con}(x) &= \|z - \mu\|^2 \\
        \mathrm{loss} &= \mathrm{mean}\,(L_{AE}(x) + \gamma\, L_{con}(x))

    The mean is that over the batch. :math:`\mu`, `mu` below, is the mean code of the training set in eval mode,
    computed anew every `update_interval` epochs; until it first is, the loss is :math:`L_{AE}` alone. `schedule` says
    when which term is trained. Scores, with :math:`m` the number of pixels:

    - "reconstruction": :math:`-L_{AE}(x) / m`, in squared units of X;
    - "distance": :math:`-\|z - \mu\|^2`, in squared units of the code;
    - "sum": :math:`-(L_{AE}(x) + \gamma\, L_{con}(x)) / m`, which is reconstruction + gamma * distance / m.

    `score_parts` gives the first two.

    Parameters
    ----------
    gamma : float, default=10.0
        Weight of the constraint, at least 0; 0 is a CAE. It matters little with the "alternating" schedule: Adam's
        steps do not depend on the scale of a loss that is trained alone.
    update_interval : int or "auto", default="auto"
        Epochs between two updates of `mu` (T in the paper). "auto": a sixteenth of `max_epochs_`. At most half of
        `max_epochs_` counts, so that `mu` acts in every fit of two epochs or more; see `update_interval_`.
    schedule : {"alternating", "joint"}, default="alternating"
        "alternating": `update_interval` epochs of `L_AE`, then one epoch of `gamma * L_con` in which the encoder alone
        is trained, and so on; so the paper's experiments are described (section 2.5). "joint": both terms in every
        step from the first `mu` on, as in equations 3 to 5; with the paper's gamma of 10 the codes then often collapse
        onto `mu`, see Warns.
    score_function : {"reconstruction", "distance", "sum"}, default="reconstruction"
        See above; the paper's is "reconstruction" (equation 6).
    {encoder and decoder}
    {width of the code}
    {channels and output}
    lr : float, default=1e-3
        Learning rate.
    {training parameters}
    {weight decay}
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    center_ : ndarray of shape (n_components_,)
        Centre of the codes.
    update_interval_ : int
        Epochs between two updates of `mu`: `min(update_interval, max(1, max_epochs_ // 2))`.
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
        When the codes of the training rows have collapsed onto `mu`, so that every row gets nearly the same
        reconstruction and the score is the distance to the mean image: the variance of their
        reconstructions is below 1e-3 of the variance of the rows, and below half of what it was when `mu`
        was first set. (The codes' own variance has no scale: a decoder can amplify a small one.)

    See Also
    --------
    CAE : The same without the constraint.
    DeepSVDD : Hypersphere around the codes, without a decoder.
    sklearn_occ.plotting.CodeMapDisplay : Picture of the codes and their centre.

    Notes
    -----
    The loss gains a term when `mu` is first set, so a callback that monitors it (EarlyStopping, with the training or
    the validation loss) sees it rise there; give it a patience longer than `update_interval_`, and do not let it go
    back to weights from before the last `mu`.

    References
    ----------
    Gao, Liu, Arefan, Panigrahy, Wu, Constrained deep one-class feature learning for classifying imbalanced
    medical images, equations 1 to 6 and section 2.5. The network is that of its figure 1; stride, batch
    normalisation and activations are not given there, see `sklearn_occ.nn.ConvEncoder`.

    Examples
    --------
    >>> from sklearn_occ import ConOCC
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = ConOCC(update_interval=10, channels=8, max_epochs=20, random_state=0).fit(digits.X_train)
    >>> occ.transform(digits.X_test[:5]).shape, occ.update_interval_
    ((5, 16), 10)
    """

    _parameter_constraints: dict = {
        **BaseReconstruction._parameter_constraints,
        "gamma": [Interval(Real, 0, None, closed="left")],
        "update_interval": epochs_or_auto(),
        "schedule": [StrOptions({"joint", "alternating"})],
        "score_function": [StrOptions({"reconstruction", "distance", "sum"})],
    }
    _budgets = {"max_epochs": Steps(images=1000, table=300)}
    from_paper = published(
        {
            "experiments": {**_PAPER, "schedule": "alternating"},
            "joint": {**_PAPER, "schedule": "joint"},
        },
        departures="""Gao et al., section 2.5 ("experiments": the constraining layer is trained after every `T` epochs)
        and equations 3 to 5 ("joint"). `n_components` stays None, which is the paper's 256 from 32 x 32 pixels on. The
        paper resizes images to 100 x 100 pixels. Stride, batch normalisation and activations are not given.""",
    )
    _score_has_parts = True

    def __init__(
        self,
        *,
        gamma=10.0,
        update_interval="auto",
        schedule="alternating",
        score_function="reconstruction",
        encoder=None,
        decoder=None,
        n_components=None,
        channels=16,
        output_activation="auto",
        lr=1e-3,
        max_epochs="auto",
        batch_size=128,
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
        self.gamma = gamma
        self.update_interval = update_interval
        self.schedule = schedule
        self.score_function = score_function

    @property
    def center_(self):
        """Centre of the codes."""
        return self.net_.criterion_.center.cpu().numpy().copy()

    def _prepare(self, X):
        super()._prepare(X)
        interval = share_of_epochs(self.update_interval, _PERIOD, self.max_epochs_)
        self.update_interval_ = min(interval, max(1, self.max_epochs_ // 2))

    def _make_criterion(self):
        return ConstrainedLoss(self.gamma, self.n_components_, self.score_function)

    def _make_callbacks(self):
        return [("center", CenterSchedule(self.update_interval_, self.schedule))]

    def _check_trained(self, net, X):
        variance, of_rows = reconstructed_variance(net, X), total_variance(x for x, _ in net.get_iterator(X))
        if variance < _VARIANCE_FLOOR * of_rows and variance < net.criterion_.free_variance / 2:
            warn(
                f"The codes of {type(self).__name__} have collapsed onto mu: the reconstructions of the training rows "
                f"have {variance / of_rows:.1g} of the rows' variance, below {_VARIANCE_FLOOR:g}, so the score is "
                f"little more than the distance to the mean row. Lower gamma, now {self.gamma:g}.",
                ConvergenceWarning,
            )


class ConstrainedLoss(ScoreOfParts):
    """Loss and scores of ConOCC (equations 1 to 3 and 6).

    Parameters
    ----------
    gamma : float
        Weight of the constraint.
    n_components : int
        Width of the code.
    score_function : str
        "reconstruction", "distance" or "sum".

    Attributes
    ----------
    center : tensor of shape (n_components,)
        `mu`; a buffer.
    free_variance : tensor, a scalar
        Variance of the reconstructions when `mu` was first set; a buffer.
    phase : str
        "reconstruction" (`L_AE`), "both" or "constraint" (`gamma * L_con`).
    """

    part_names = ("reconstruction", "distance")

    def __init__(self, gamma, n_components, score_function="reconstruction"):
        super().__init__()
        self.gamma = gamma
        self.score_function = score_function
        self.phase = "reconstruction"
        self.register_buffer("center", torch.zeros(n_components))
        self.register_buffer("free_variance", torch.tensor(0.0))

    def forward(self, outputs, x):
        """Loss of a batch in the present phase, a scalar."""
        reconstruction, code = outputs
        if self.phase == "constraint":
            return self.gamma * mean_squared_error(code, self.center)
        loss = mean_squared_error(reconstruction, x)
        return loss if self.phase == "reconstruction" else loss + self.gamma * mean_squared_error(code, self.center)

    def part(self, name, outputs, x):
        """Score of that name of each row, (b,)."""
        reconstruction, code = outputs
        if name == "distance":
            return -squared_error(code, self.center)
        loss = squared_error(reconstruction, x)
        if name == "sum":
            loss = loss + self.gamma * squared_error(code, self.center)
        return -loss / x[0].numel()


class CenterSchedule(Callback):
    """Set `mu` and the phase of the loss between epochs, from the number of epochs trained alone.

    Parameters
    ----------
    interval : int
        Epochs between two updates.
    schedule : str
        "joint" or "alternating".
    """

    def __init__(self, interval, schedule):
        self.interval = interval
        self.schedule = schedule

    def on_epoch_begin(self, net, **kwargs):
        done = net.epochs_[LAST_STAGE]
        if self.schedule == "joint":
            net.criterion_.phase = "reconstruction" if done < self.interval else "both"
        elif self._in_period(done) == self.interval and net.criterion_.gamma:
            net.criterion_.phase = "constraint"
            net.freeze("decoder")
        else:
            net.criterion_.phase = "reconstruction"
            net.unfreeze("decoder")

    def on_epoch_end(self, net, dataset_train, **kwargs):
        if self._in_period(net.epochs_[LAST_STAGE]) == (0 if self.schedule == "joint" else self.interval):
            self._set_center(net, dataset_train)

    def on_train_end(self, net, X, **kwargs):
        if self.schedule == "alternating":
            net.unfreeze("decoder")
        if net.epochs_[LAST_STAGE] < self.interval:  # Ctrl-C came before the first update
            self._set_center(net, X)

    def _set_center(self, net, X):
        if net.epochs_[LAST_STAGE] <= self.interval:
            net.criterion_.free_variance.fill_(reconstructed_variance(net, X))
        net.criterion_.center.copy_(all_codes(net, X).mean(0))

    def _in_period(self, epochs):
        return epochs % (self.interval if self.schedule == "joint" else self.interval + 1)
