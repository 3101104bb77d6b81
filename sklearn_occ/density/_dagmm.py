"""DAGMM: an autoencoder trained together with a Gaussian mixture of its codes and errors."""

from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval
from torch import nn

from .._docstrings import with_shared_docs
from .._engine import LAST_STAGE, BaseReconstruction, Steps
from ..base._published import published
from ..nn._autoencoder import default_code_width
from ..nn._losses import mean_squared_error
from ..nn._mixture import MixtureAutoencoder, mixture_log_density, mixture_statistics

_WIDEST_CODE = 8
_PAPER = {"n_mixtures": 4, "energy_weight": 0.1, "covariance_weight": 0.005, "n_hidden": 10, "dropout": 0.5}


def narrow_code_width(shape):
    """The package's default, at most 8."""
    return min(_WIDEST_CODE, default_code_width(shape))


@with_shared_docs
class DAGMM(BaseReconstruction):
    r"""Deep autoencoding Gaussian mixture model: the density of a row's code and reconstruction errors.

    .. math::

        z &= E(x), \quad x' = D(z) \\
        f &= (z,\ \|x - x'\| / \|x\|,\ \cos(x, x')) \\
        \gamma &= \mathrm{softmax}(M(f)) \\
        e(f) &= -\log \sum_k \phi_k\, N(f; \mu_k, \Sigma_k) \\
        \mathrm{loss} &= \mathrm{mean}\,\|x - x'\|^2 + v\ \mathrm{mean}\,e(f) + w \sum_k \sum_j 1 / \Sigma_{k,jj} \\
        \mathrm{score}(x) &= -e(f)

    :math:`f` are n_components + 2 features, :math:`M` is the estimation network, :math:`\gamma` are the memberships of
    `n_mixtures` components, :math:`e` is the energy in nats, :math:`v` is `energy_weight`, :math:`w` is
    `covariance_weight`, and the means are over the batch. The score is the logarithm of a density: any real number.

    In training :math:`\phi`, :math:`\mu` and :math:`\Sigma` are those of the batch, from its memberships. For the score
    they are computed once more after the last step, from all training rows in eval mode.
    :math:`10^{-6}\, \mathrm{trace}(\Sigma_k) / d + 10^{-12}` is added to the variances of a component, both times, so
    that :math:`\Sigma_k` is regular where features are constant or repeat each other; the mixture is in float64
    throughout. In :math:`f` a norm counts as at least 1 % of the mean norm of the training rows, which matters for rows
    of zeros.

    Parameters
    ----------
    n_mixtures : int, default=4
        Components of the mixture (K in the paper), at least 1.
    energy_weight : float, default=0.1
        Weight of the energy (lambda_1), at least 0.
    covariance_weight : float, default=0.005
        Weight of the inverse variances (lambda_2), at least 0. They keep components from shrinking onto single rows.
    n_hidden : int, default=10
        Width of the hidden layer of the estimation network.
    dropout : float in [0, 1), default=0.5
        Share of its hidden units that are dropped in training.
    {encoder and decoder}
    n_components : int, default=None
        Width of the code. None: 8, but at most a quarter of the values of an image and half of the features of a
        table; or what a given `encoder` has. Gao et al. compare with the 256 of their own network; a covariance of 258
        features is singular in every batch of 128, so that the ridge above decides the energy.
    {channels and output}
    lr : float, default=1e-3
        Learning rate. Zong et al. have 1e-4, with many more steps.
    {training parameters}
    {weight decay}
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    weights_ : ndarray of shape (n_mixtures,)
        `phi` of all training rows; their sum is 1.
    means_ : ndarray of shape (n_mixtures, n_components_ + 2)
        `mu` of all training rows: code, relative error, cosine.
    covariances_ : ndarray of shape (n_mixtures, n_components_ + 2, n_components_ + 2)
        `Sigma` of all training rows, as the score has it.
    n_components_ : int
        Width of the code.
    output_activation_ : str
        "sigmoid" or "linear".
    {deep attributes}
    {threshold attributes}

    See Also
    --------
    AEGMM : The same in two stages.
    CAE : Autoencoder scored by its error alone.

    Notes
    -----
    `batch_size` is at least 2: a single row has no covariance. Where one is left over for the validation loss it counts
    with its reconstruction alone. `valid_loss` has the mixture of each validation batch, not that of the training rows.

    References
    ----------
    Zong et al. (2018), Deep autoencoding Gaussian mixture model for unsupervised anomaly detection, ICLR, sections 3.1
    to 3.3, equations 1 to 7; K, hidden width, dropout and both weights are its section 4.3's. A baseline in Gao et
    al., Constrained deep one-class feature learning for classifying imbalanced medical images, section 3.1.

    Examples
    --------
    >>> from sklearn_occ import DAGMM
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = DAGMM(max_epochs=20, channels=8, random_state=0).fit(digits.X_train)
    >>> occ.means_.shape, round(float(occ.weights_.sum()), 6)
    ((4, 10), 1.0)
    """

    _parameter_constraints: dict = {
        **BaseReconstruction._parameter_constraints,
        "n_mixtures": [Interval(Integral, 1, None, closed="left")],
        "energy_weight": [Interval(Real, 0, None, closed="left")],
        "covariance_weight": [Interval(Real, 0, None, closed="left")],
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
    }
    _default_code_width = staticmethod(narrow_code_width)
    _budgets = {"max_epochs": Steps(images=1000, table=300)}
    from_paper = published(
        {
            "kddcup": {**_PAPER, "n_components": 1, "lr": 1e-4, "max_epochs": 200, "batch_size": 1024},
            "conocc": {**_PAPER, "channels": 64, "lr": 1e-3, "max_epochs": 1000, "batch_size": 128},
        },
        departures="""Zong et al., section 4.3, for the table KDDCUP ("kddcup"; epochs and batches are those of public
        code): layers there are of 60, 30 and 10 units with hyperbolic tangents, here of `nn.DenseEncoder`. "conocc" is
        the baseline of Gao et al., section 3.1, with the autoencoder, batches, epochs and learning rate of ConOCC, but
        for the width of the code, see `n_components`.""",
    )

    def __init__(
        self,
        *,
        n_mixtures=4,
        energy_weight=0.1,
        covariance_weight=0.005,
        n_hidden=10,
        dropout=0.5,
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
        self.n_mixtures = n_mixtures
        self.energy_weight = energy_weight
        self.covariance_weight = covariance_weight
        self.n_hidden = n_hidden
        self.dropout = dropout

    @property
    def weights_(self):
        """Weights of the components."""
        return self.net_.criterion_.log_weights.exp().cpu().numpy()

    @property
    def means_(self):
        """Means of the components."""
        return self.net_.criterion_.means.cpu().numpy().copy()

    @property
    def covariances_(self):
        """Covariances of the components."""
        return self.net_.criterion_.covariances.cpu().numpy().copy()

    def _make_module(self):
        autoencoder = super()._make_module()
        return MixtureAutoencoder(
            autoencoder.encoder,
            autoencoder.decoder,
            self.n_components_,
            self.n_mixtures,
            n_hidden=self.n_hidden,
            dropout=self.dropout,
        )

    def _make_criterion(self):
        return MixtureLoss(self.energy_weight, self.covariance_weight, self.n_components_ + 2, self.n_mixtures)

    def _train(self, net, X, X_valid):
        if not net.epochs_.get(LAST_STAGE):
            net.module_.set_norm_floor(x for x, _ in net.get_iterator(X))
        super()._train(net, X, X_valid)
        features, logits = zip(*(outputs[1:] for outputs, _ in net.sweep(X)), strict=True)
        net.criterion_.set_mixture(torch.cat(features), torch.cat(logits))


class MixtureLoss(nn.Module):
    """Loss and score of DAGMM (equations 5 to 7).

    Parameters
    ----------
    energy_weight, covariance_weight : float
        Weights of the mean energy and of the inverse variances.
    n_features, n_mixtures : int
        Sizes of the mixture.

    Attributes
    ----------
    log_weights, means, covariances : float64 tensors of shape (K,), (K, d), (K, d, d)
        The mixture that scores; buffers.
    """

    def __init__(self, energy_weight, covariance_weight, n_features, n_mixtures):
        super().__init__()
        self.energy_weight = energy_weight
        self.covariance_weight = covariance_weight
        self.register_buffer("log_weights", torch.zeros(n_mixtures, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(n_mixtures, n_features, dtype=torch.float64))
        self.register_buffer("covariances", torch.zeros(n_mixtures, n_features, n_features, dtype=torch.float64))

    def forward(self, outputs, x):
        """Loss of a batch with its own mixture, a scalar."""
        reconstruction, features, logits = outputs
        loss = mean_squared_error(reconstruction, x)
        if len(x) == 1:  # no covariance
            return loss
        mixture = mixture_statistics(features, logits)
        energy = -mixture_log_density(features, *mixture).mean()
        inverse_variances = mixture[2].diagonal(dim1=1, dim2=2).reciprocal().sum()
        return loss + self.energy_weight * energy + self.covariance_weight * inverse_variances

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return mixture_log_density(outputs[1], self.log_weights, self.means, self.covariances)

    def set_mixture(self, features, logits):
        """Keep the mixture of these rows."""
        for kept, statistic in zip(
            (self.log_weights, self.means, self.covariances), mixture_statistics(features, logits), strict=True
        ):
            kept.copy_(statistic)
