"""DeepSVDD: an encoder that maps the majority close to a fixed centre."""

from numbers import Real

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from skorch.callbacks import Callback
from torch import nn

from .._docstrings import with_shared_docs
from .._engine import (
    LAST_STAGE,
    LEAST_DISTINCT,
    BaseAutoencoder,
    RandomStream,
    Steps,
    all_codes,
    count_distinct,
    epochs_or_auto,
    share_of_epochs,
    total_variance,
)
from .._warning import warn
from ..base._anomaly_map import SMOOTHING, anomaly_maps
from ..base._published import published
from ._gradient_map import GradientMap
from ._hypersphere_loss import HypersphereLoss

_WARM_UP, _WARM_UP_SHARE = 10, 0.1  # epochs before the radius is first set; or with "auto", of all
_LEAST_RESPONSE = 1e-3  # of the code to shuffled values, see `_response_to_shuffling`
_MOST_SHUFFLED = 1000  # rows
_PAPER = {"objective": "one-class", "lr": 1e-4, "max_epochs": 150, "batch_size": 200, "weight_decay": 5e-7}


@with_shared_docs
class DeepSVDD(BaseAutoencoder):
    r"""Deep support vector data description: the distance of a row's code from a fixed centre.

    .. math:: d^2(x) = \|E(x) - c\|^2

    The loss for "one-class" and for "soft-boundary" is, with means over the batch,

    .. math::

        & \mathrm{mean}\, d^2(x) \\
        & R^2 + \frac{1}{\nu}\, \mathrm{mean}\, \max(0, d^2(x) - R^2)

    Scores, in squared units of the code:

    - "one-class": :math:`-d^2(x)`, at most 0;
    - "soft-boundary": :math:`R^2 - d^2(x)`, at most :math:`R^2`.

    Training has two stages. First encoder and decoder are trained as an autoencoder, `pretrain_epochs` epochs of
    :math:`\sum_j (D(E(x))_j - x_j)^2`. Then :math:`c` is the mean code of the training rows in eval mode, coordinates
    nearer to 0 than 0.1 are moved to 0.1 or -0.1, and the encoder alone is trained with the loss above; :math:`c`
    stays. :math:`R^2` is no gradient parameter: it is 0 for ten epochs (with `max_epochs="auto"` for a tenth of them),
    then before each epoch the :math:`1 - \nu` quantile of :math:`d^2` of all training rows in eval mode, and once more
    at the end.

    A network that can produce a constant maps everything onto :math:`c`. The default encoder therefore has no biases,
    batch normalisation without learnt scale and shift, and leaky ReLU, which is unbounded. An `encoder` of your own
    should be built so too; what training made of it is checked, see Warns.

    Parameters
    ----------
    objective : {"one-class", "soft-boundary"}, default="one-class"
        See above.
    nu : float in (0, 1], default=0.1
        Share of the training rows outside the hypersphere: the quantile of :math:`R^2`, and the weight of rows
        outside in the "soft-boundary" loss.
    pretrain_epochs : int or "auto", default="auto"
        Epochs of the autoencoder, at least 0; 0 starts from random weights. "auto": as many as make
        {steps of pretrain_epochs}, at least 5.
    pretrain_lr : float, default=None
        Learning rate of the autoencoder; None is `lr`.
    {encoder and decoder}
    {width of the code}
    {channels and output}
    lr : float, default=1e-4
        Learning rate, of both stages where `pretrain_lr` is None.
    {training parameters}
    weight_decay : float, default=5e-7
        L2 penalty on the weights, as the optimizer defines it.
    contamination : "auto", float in (0, 0.5] or None, default="auto"
        "auto": the threshold is the hypersphere, :math:`d^2(x) = R^2`. A float: that share of the calibration rows lies
        below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    center_ : ndarray of shape (n_components_,)
        The centre `c`.
    pretrain_epochs_ : int
        Epochs of the autoencoder.
    radius_ : float
        :math:`R`, for both objectives the square root of the :math:`1 - \nu` quantile of :math:`d^2` of the training
        rows.
    n_components_ : int
        Width of the code.
    output_activation_ : str
        "sigmoid" or "linear", of the decoder of the first stage.
    {deep attributes}
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When the encoder has collapsed. Rows that resemble no training row are made of the first 1000 by shuffling the
        values of each pixel over the rows; their mean :math:`d^2`, in units of :math:`\|c\|^2`, is below 1e-3 of the
        variance of the rows in units of their mean squared length. Or fewer than 95 % of the distinct training rows
        have a distance of their own. With a single feature shuffled rows are the training rows, so that the first says
        little.

    See Also
    --------
    ConOCC : Autoencoder whose codes are pulled to their centre.
    TEND : Codes of distorted rows are pushed away from the centre as well.
    OCSVM : Support vector machine without a network.

    References
    ----------
    Ruff et al. (2018), Deep one-class classification, equations 3 and 4 and propositions 1 to 3. A baseline in Gao et
    al., Constrained deep one-class feature learning for classifying imbalanced medical images, section 3.1,
    with the encoder of ConOCC. Ruff et al. lower the learning rate to a tenth after 50 epochs (skorch's
    `LRScheduler` in `callbacks` does so), and set R from each batch.

    Examples
    --------
    >>> from sklearn_occ import DeepSVDD
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = DeepSVDD(pretrain_epochs=20, max_epochs=20, channels=8, random_state=0).fit(digits.X_train)
    >>> bool((abs(occ.center_) >= 0.0999).all()), round(float((occ.predict(digits.X_train) == 1).mean()), 1)
    (True, 0.9)
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "objective": [StrOptions({"one-class", "soft-boundary"})],
        "nu": [Interval(Real, 0, 1, closed="right")],
        "pretrain_epochs": epochs_or_auto(least=0),
        "pretrain_lr": [Interval(Real, 0, None, closed="neither"), None],
        "contamination": [StrOptions({"auto"}), *BaseAutoencoder._parameter_constraints["contamination"]],
    }
    _bias = False
    _budgets = {"pretrain_epochs": Steps(images=1000, table=50), "max_epochs": Steps(images=2000, table=100)}
    from_paper = published(
        {
            "mnist": {**_PAPER, "n_components": 32, "pretrain_epochs": 150},
            "cifar10": {**_PAPER, "n_components": 128, "pretrain_epochs": 350},
            "conocc": {
                "objective": "one-class",
                "pretrain_epochs": 150,
                "channels": 64,
                "lr": 1e-4,
                "max_epochs": 1000,
                "batch_size": 128,
                "weight_decay": 5e-7,
            },
        },
        departures="""Ruff et al. and their code ("mnist", "cifar10"): there the learning rate falls to a tenth after 50
        epochs (skorch's `LRScheduler` in `callbacks` does so, in the last stage), the autoencoder of MNIST has a weight
        decay of 5e-4, and the networks have kernels of 5 x 5 and pooling. "conocc" is the baseline of Gao et al.,
        section 3.1, with the encoder, batches and epochs of ConOCC; it gives no other number.""",
    )

    def __init__(
        self,
        *,
        objective="one-class",
        nu=0.1,
        pretrain_epochs="auto",
        pretrain_lr=None,
        encoder=None,
        decoder=None,
        n_components=None,
        channels=16,
        output_activation="auto",
        lr=1e-4,
        max_epochs="auto",
        batch_size=128,
        optimizer="adam",
        weight_decay=5e-7,
        contamination="auto",
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
        self.objective = objective
        self.nu = nu
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr

    @property
    def center_(self):
        """Centre of the codes."""
        return self.net_.criterion_.center.cpu().numpy().copy()

    @property
    def radius_(self):
        """Radius of the hypersphere."""
        return float(self.net_.criterion_.squared_radius) ** 0.5

    @with_shared_docs
    @validate_params({"smoothing": SMOOTHING}, prefer_skip_nested_validation=True)
    def anomaly_map(self, X, *, smoothing=0.0):
        r"""Where a difference from the mean image moves the code, higher = more anomalous.

        .. math:: \mathrm{map}(x)_j = \sum \left| \frac{\partial d^2}{\partial x_j} (x_j - m_j) \right|

        in squared units of the code, at least 0. The sum is over the channels, and :math:`m` is the mean of the
        training images. To first order a value says by how much :math:`d^2` would change if that pixel were replaced by
        that of :math:`m`; the sum over the pixels is no part of the score.

        Parameters
        ----------
        {images to map}
        smoothing : float, default=0.0
            Sigma, in pixels, of a Gaussian blur of each map; 0 is none. Convolutions with a stride reach neighbouring
            pixels through different weights, which 1 or 2 pixels even out.

        {maps of images}
        """
        return anomaly_maps(self, X, self._gradient_maps, smoothing)

    def _gradient_maps(self, images):
        return self.net_.evaluate(
            images,
            lambda maps, x: maps,
            block_size=self._block_size(),
            module=GradientMap(self.net_.module_.encoder, self.net_.criterion_),
            # At the kinks of leaky ReLU a rounding error chooses the gradient; a user's code may know float32 only.
            dtype=torch.float64 if self.net_.is_plain_in_eval_ else torch.float32,
        )

    def _make_module(self):
        autoencoder = super()._make_module()
        return PretrainedEncoder(autoencoder.encoder, autoencoder.decoder)

    def _make_criterion(self):
        return HypersphereLoss(self.objective, self.nu, self.n_components_, self._shape_of_rows)

    def _make_callbacks(self):
        return [("radius", RadiusSchedule(self._warm_up()))] if self.objective == "soft-boundary" else []

    def _warm_up(self):
        """Epochs before the radius is first set: the paper's ten, or a tenth of those that "auto" stands for."""
        given = "auto" if self.max_epochs == "auto" else _WARM_UP
        return share_of_epochs(given, _WARM_UP_SHARE, self.max_epochs_)

    def _identity(self, X, X_valid, **more):
        return super()._identity(X, X_valid, warm_up=self._warm_up(), **more)

    def _train(self, net, X, X_valid):
        if not net.epochs_.get(LAST_STAGE):
            self._pretrain(net, X, X_valid)
            net.criterion_.set_center(all_codes(net, X))
            net.criterion_.mean_row.copy_(sum(x.double().sum(0) for x, _ in net.get_iterator(X)) / len(X))
        super()._train(net, X, X_valid)
        codes = all_codes(net, X)
        net.criterion_.set_radius(codes)
        self._warn_of_collapse(net, X, codes)

    def _warn_of_collapse(self, net, X, codes):
        n_distinct, n_rows = len(net.criterion_.distances(codes).unique()), len(X)
        if n_distinct < LEAST_DISTINCT * n_rows:  # duplicates among the rows are no sign
            n_rows = count_distinct(x for x, _ in net.get_iterator(X))
        response = self._response_to_shuffling(net, X[:_MOST_SHUFFLED])
        if response < _LEAST_RESPONSE or n_distinct < LEAST_DISTINCT * n_rows:
            warn(
                f"{type(self).__name__} has collapsed: shuffled rows are away from the centre by {response:.1g} of "
                f"what their values differ, expected at least {_LEAST_RESPONSE:g}, and the {n_rows} distinct training "
                f"rows have {n_distinct} distinct distances. Use an encoder without biases, learnt batch-norm shifts "
                "and bounded activations, fewer epochs or a lower lr.",
                ConvergenceWarning,
            )

    def _response_to_shuffling(self, net, X):
        """Mean `d2` of shuffled rows by `||c||^2`, over the variance of the rows by their mean squared length.

        Each pixel (feature) is shuffled over the rows by itself: rows that resemble none, of the same values.
        """
        with RandomStream(self._fit_state.seed).generator() as generator:
            order = torch.rand((len(X), X[0].numel()), generator=generator).argsort(0).to(X.device)
        shuffled = X.flatten(1).gather(0, order).reshape(X.shape)
        moved = (
            net.criterion_.distances(all_codes(net, shuffled)).mean() / net.criterion_.center.double().square().sum()
        )
        variance = total_variance(x for x, _ in net.get_iterator(X))
        length = sum(float(x.double().square().sum()) for x, _ in net.get_iterator(X)) / len(X)
        return float(moved) * length / variance

    def _score_samples(self, X):
        return self._evaluate(X, self.net_.criterion_.score_of_codes, module=self.net_.module_.encoder)

    def _own_offset(self):
        return 0.0 if self.objective == "soft-boundary" else -float(self.net_.criterion_.squared_radius)


class PretrainedEncoder(nn.Module):
    """`x -> (decoder(encoder(x)), encoder(x))` while `pretrains`, then `(None, encoder(x))`."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.pretrains = False

    def forward(self, x):
        code = self.encoder(x)
        return self.decoder(code) if self.pretrains else None, code


class RadiusSchedule(Callback):
    """Set the radius before each epoch of the last stage: to 0 for some, then from all training rows.

    Parameters
    ----------
    warm_up_epochs : int
        Epochs of radius 0.
    """

    def __init__(self, warm_up_epochs):
        self.warm_up_epochs = warm_up_epochs

    def on_epoch_begin(self, net, dataset_train, **kwargs):
        if net.epochs_.get(LAST_STAGE, 0) < self.warm_up_epochs:
            net.criterion_.squared_radius.fill_(0)
        else:
            net.criterion_.set_radius(all_codes(net, dataset_train))
