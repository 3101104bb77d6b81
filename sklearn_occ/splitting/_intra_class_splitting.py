"""IntraClassSplitting: a classifier of typical against atypical rows of the majority."""

from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn import Module

from .._docstrings import with_shared_docs
from .._engine import (
    LAST_STAGE,
    LEAST_DISTINCT,
    BaseCodes,
    Steps,
    as_network_input,
    count_distinct,
    epochs_or_auto,
)
from .._warning import warn
from ..base._published import published
from ..nn._autoencoder import Autoencoder, build_decoder, build_encoder
from ..nn._similarity import StructuralSimilarity
from ._split_rows import SplitRows, SplittingNet
from ._splitting_loss import NegativeSquaredError, SplittingLoss, SplittingNetwork, UsersSimilarity

_MOST_COMPARED = 1000  # rows
_FEWEST_ROWS = 4  # two of each kind, which make pairs
_PAPER = {
    "pretrain_epochs": 150,
    "channels": 64,
    "lr": 1e-3,
    "max_epochs": 100,
    "batch_size": 64,
    "weight_decay": 1e-6,
}


@with_shared_docs
class IntraClassSplitting(BaseCodes):
    r"""Intra-class splitting: a binary classifier of the majority's typical and atypical rows.

    Atypical is the share rho of the training rows with the lowest :math:`\mathrm{sim}(x, x')`, :math:`x'` their
    reconstruction. With the code :math:`z = E(x)`, which `transform` gives, and the square taken coordinate by
    coordinate,

    .. math::

        l(x) &= w z + b, \quad y = \mathrm{sigmoid}(l) \\
        \mathrm{dist}(z, z') &= \mathrm{sigmoid}(v (z - z')^2 + c) \\
        \mathrm{score}(x) &= -l(x)

    :math:`l` is the logit of "atypical", dist is in (0, 1), and the score is any real number; the paper's probability
    of the majority is sigmoid(score). The three losses are, of pairs of typical rows, of typical and atypical rows, and
    of pairs of atypical rows,

    .. math::

        \mathrm{closeness} &= -\mathrm{mean} \log(1 - \mathrm{dist}(z_i, z_j)) \\
        \mathrm{intra\_class} &= (-\mathrm{mean}_{typical} \log(1 - y) - \mathrm{mean}_{atypical} \log y) / 2 \\
        \mathrm{dispersion} &= -\mathrm{mean} \log \mathrm{dist}(z_i, z_j)

    Training has two stages. First an autoencoder is trained, `pretrain_epochs` epochs of :math:`\sum_j (x'_j - x_j)^2`,
    and the rows are split by its reconstructions in eval mode. Then :math:`E` and `w`, `b`, `v`, `c` are trained: for
    each batch one step with each of the three losses, in that order. A batch has `batch_size` typical rows and as many
    atypical ones, or all of them if there are fewer; the pairs are those of neighbours in the shuffled batch. A pass
    takes every typical row once, but for a last batch of a single row. The similarity of x and x' is:

    - "ssim": the mean over inner pixels of :math:`\mathrm{SSIM}(x, x')`, as in `CAE(score_function="ssim")`;
    - "squared_error": :math:`-\mathrm{mean}_j\,(x_j - x'_j)^2`.

    The paper's variants: `constraints=False` is its NNwDS, a classifier of the split without closeness and
    dispersion; `rho=None, constraints=False` its NaiveNN, whose rows all have the same label.

    Parameters
    ----------
    rho : float in (0, 0.5] or None, default=0.1
        Share of the training rows that are atypical, rounded, at least two rows. None splits nothing: there is no
        autoencoder, and all rows are typical.
    similarity : {"auto", "ssim", "squared_error"} or callable, default="auto"
        "auto" is "ssim" for images and "squared_error" for tables. A callable `similarity(x, reconstruction)`
        gets two float64 arrays of some rows, (b, C, H, W) or (b, n_features), and returns (b,) numbers, higher = more
        alike.
    constraints : bool, default=True
        Whether closeness and dispersion are trained.
    symmetric : bool, default=True
        Whether `dist` takes the squared difference, as above. False takes the difference with its sign, `z - z'`, as
        the paper's section 3.1 has it; closeness and dispersion can then not both be met, see Notes. Not used with
        `constraints=False`.
    pretrain_epochs : int or "auto", default="auto"
        Epochs of the autoencoder. "auto": as many as make {steps of pretrain_epochs}, at least 5. 0 takes trained
        modules `pretrain_encoder` and `pretrain_decoder` as they are, so that several fits share one autoencoder:
        `encoder_` and `decoder_` of a fitted `CAE`.
    pretrain_lr : float, default=None
        Learning rate of the autoencoder; None is `lr`.
    encoder : torch.nn.Module or callable, default=None
        E, the paper's backbone: a module (b, *shape) -> (b, n_components), which is copied and keeps its weights, or a
        factory `encoder(shape, n_components)` that returns one; shape is (C, H, W), or (n_features,) for a table. Leaky
        ReLU (slope 0.2) follows it. None: for images `nn.ConvEncoder`, for a table linear layers (`nn.DenseEncoder`).
        The paper has AlexNet, which has dropout and pooling and no batch normalisation.
    pretrain_encoder, pretrain_decoder : torch.nn.Module or callable, default=None
        Networks of the autoencoder, as `encoder` and `decoder` of `CAE` take them, with weights of their own.
    {width of the code}
        The same for both encoders, unless a given `pretrain_encoder` has another.
    {channels and output}
    lr : float, default=1e-3
        Learning rate, of both stages where `pretrain_lr` is None. The paper gives none.
    max_epochs : int or "auto", default="auto"
        Passes over the typical rows in the second stage. "auto": as many as make {steps of max_epochs}, at least 5; a
        step with each loss counts as one.
    batch_size : int, default=64
        Rows of a training step of the autoencoder, and typical rows of a step of the classifier, at least 2.
    {optimizer}
    weight_decay : float, default=1e-6
        L2 penalty on the weights, as the optimizer defines it. The paper has it on the convolutions.
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    atypical_indices_ : ndarray of int
        Row numbers in the fitted `X` of the atypical rows, ascending; empty with `rho=None`. In a `PatchDetector` they
        are those of the last sample of patches.
    split_threshold_ : float
        Up to this similarity a row is atypical: that of the most similar atypical row. Rows held out are split by it
        for `valid_loss`, whose pairs are neighbours among all typical, or all atypical, rows held out; where there are
        fewer than two of a kind, its term is 0. -inf with `rho=None`.
    pretrain_epochs_ : int
        Epochs of the autoencoder.
    n_components_ : int
        Width of the code.
    output_activation_ : str
        "sigmoid" or "linear", of the autoencoder.
    {deep attributes}
        The second stage also has `train_closeness_loss`, `train_intra_class_loss`, `train_dispersion_loss`, whose sum
        is `train_loss`.
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When of the first 1000 training rows fewer than 95 % of those that differ have a score of their own: the
        features have collapsed.

    See Also
    --------
    TEND : Classifier of rows and distorted ones.
    CAE : Autoencoder like the one that splits the rows.

    Notes
    -----
    The split is only as good as the autoencoder; look at the images of `atypical_indices_`, and raise `pretrain_epochs`
    where the `train_loss` of the first stage still falls. A background of exactly 0 needs more: where a reconstruction
    has a hundredth there, SSIM halves, and the split follows how little of an image is background. Scale such images
    to [-1, 1], or set `similarity="squared_error"`: on MNIST's digit 1 against the others the area under the ROC
    curve is 99.6 scaled, and 81.7 with bytes. It is no rule: with SSIM at [-1, 1] PneumoniaMNIST's validation images
    have 91.4, not 91.9, the 8 x 8 digits 60.6, not 82.1 (16 channels, seed 0).

    Training lowers the scores of the atypical rows, which are training rows: with `threshold_data="train"` and a
    `contamination` near `rho` the threshold lies in the gap between the two kinds. Rows that are not in memory are
    read one by one in the second stage, the atypical ones at random.

    With `symmetric=False` closeness + dispersion is at least :math:`2 \log 2`, whatever the weights. The neighbour of a
    batch's last row is its first, so that the differences of the pairs add up to 0; as -log is convex, closeness is at
    least :math:`\log(1 + e^c)` and dispersion at least :math:`\log(1 + e^{-c})`, with the same c. Training brings the
    sum near its least value, which a distance of 0.5 for all pairs has: the classifier is then nearly that of
    `constraints=False`.

    The logit has no bound, and far from all training rows it may go either way: a classifier of rows that lie side by
    side says nothing about what lies beyond both. In tables, whose anomalies are often far out, it can call them the
    most typical of all: on the 30 features of `wdbc`, the area under the ROC curve is 45, 2 and 1 (three seeds).

    References
    ----------
    Schlachter, Liao, Yang, Deep one-class classification using intra-class splitting, sections 2.1 to 2.3 and 3.1,
    equations 1 to 4. There the distance has the difference with its sign, as with `symmetric=False`; how many rows of
    each kind equation 3 has is not said, so they are weighed alike.

    Examples
    --------
    >>> from sklearn_occ import IntraClassSplitting
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = IntraClassSplitting(pretrain_epochs=20, max_epochs=20, channels=8, random_state=0).fit(digits.X_train)
    >>> scores = occ.score_samples(digits.X_train)
    >>> len(scores), len(occ.atypical_indices_), bool(scores[occ.atypical_indices_].mean() < scores.mean())
    (89, 9, True)
    """

    _parameter_constraints: dict = {
        **BaseCodes._parameter_constraints,
        "rho": [Interval(Real, 0, 0.5, closed="right"), None],
        "similarity": [StrOptions({"auto", "ssim", "squared_error"}), callable],
        "constraints": ["boolean"],
        "symmetric": ["boolean"],
        "pretrain_epochs": epochs_or_auto(least=0),
        "pretrain_lr": [Interval(Real, 0, None, closed="neither"), None],
        "encoder": [callable, None],
        "pretrain_encoder": [callable, None],
        "pretrain_decoder": [callable, None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
    }
    _net_class = SplittingNet
    _budgets = {"pretrain_epochs": Steps(images=100, table=100), "max_epochs": Steps(images=100, table=100)}
    from_paper = published(
        {
            "ICS": {"rho": 0.1, "constraints": True, "symmetric": False, **_PAPER},
            "NNwDS": {"rho": 0.1, "constraints": False, **_PAPER},
            "NaiveNN": {"rho": None, "constraints": False, **_PAPER},
        },
        departures="""Schlachter et al., section 3.1: share of atypical rows, batches and weight decay, which there is
        that of convolutions alone. The paper trains until all losses converge and gives no learning rate; the 150 and
        100 epochs and the rate are ours, as are the networks, where it has AlexNet. `symmetric=False` is the paper's
        distance, with which closeness and dispersion cannot both be met, see Notes.""",
    )
    _has_way_back = False

    def __init__(
        self,
        *,
        rho=0.1,
        similarity="auto",
        constraints=True,
        symmetric=True,
        pretrain_epochs="auto",
        pretrain_lr=None,
        encoder=None,
        pretrain_encoder=None,
        pretrain_decoder=None,
        n_components=None,
        channels=16,
        output_activation="auto",
        lr=1e-3,
        max_epochs="auto",
        batch_size=64,
        optimizer="adam",
        weight_decay=1e-6,
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
        self.rho = rho
        self.similarity = similarity
        self.constraints = constraints
        self.symmetric = symmetric
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
        self.encoder = encoder
        self.pretrain_encoder = pretrain_encoder
        self.pretrain_decoder = pretrain_decoder

    def _rows_of_epoch(self, parameter, n_rows):
        return n_rows - self._n_atypical(n_rows) if parameter == "max_epochs" else n_rows

    def _n_atypical(self, n_rows):
        return 0 if self.rho is None else max(2, round(self.rho * n_rows))

    def _stages(self):
        return {} if self.rho is None else super()._stages()

    @property
    def split_threshold_(self):
        """Up to this similarity a row is atypical."""
        return float(self.net_.criterion_.threshold)

    def _make_module(self):
        autoencoder = None if self.rho is None else self._make_autoencoder()
        encoder, self.n_components_ = build_encoder(self.encoder, self._shape_of_rows, self.n_components, self.channels)
        return SplittingNetwork(encoder, self.n_components_, autoencoder, self.constraints, self.symmetric)

    def _make_autoencoder(self):
        shape = self._shape_of_rows
        encoder, width = build_encoder(
            self.pretrain_encoder, shape, self.n_components, self.channels, name="pretrain_encoder"
        )
        decoder = build_decoder(self.pretrain_decoder, width, shape, self.channels, name="pretrain_decoder")
        return Autoencoder(encoder, decoder, output_activation=self._make_output_activation())

    def _make_criterion(self):
        similarity = self._make_similarity()  # which refuses "ssim" of a table
        return SplittingLoss(None if self.rho is None else similarity, self.constraints)

    def _make_similarity(self):
        if callable(self.similarity):
            return UsersSimilarity(self.similarity)
        is_table = self.image_shape_ is None
        if self.similarity == "ssim" and is_table:
            raise ValueError(
                "similarity='ssim' compares images, but X is a table; set similarity='squared_error', or image_shape "
                "where its rows are flattened images."
            )
        if self.similarity == "squared_error" or is_table:
            return NegativeSquaredError()
        return StructuralSimilarity(self.image_shape_[1:], self._fit_state.value_range)

    def _train(self, net, X, X_valid):
        if self.rho is None:
            super()._train(net, X, X_valid)
            self.atypical_indices_ = self._fit_state.training_rows[:0]
            return
        if len(X) < _FEWEST_ROWS:
            raise ValueError(
                f"{type(self).__name__} got {len(X)} majority rows to train on, expected at least {_FEWEST_ROWS}, two "
                "of each kind; add rows, or set rho=None."
            )
        given = (self.pretrain_encoder, self.pretrain_decoder)
        if not (self.pretrain_epochs or all(isinstance(network, Module) for network in given)):
            raise ValueError(
                "pretrain_epochs=0 leaves the autoencoder that splits the rows untrained; pass trained modules as "
                "pretrain_encoder and pretrain_decoder, or set pretrain_epochs to at least 1."
            )
        if not net.epochs_.get(LAST_STAGE):
            self._pretrain(net, X, X_valid)
        net.freeze("autoencoder")
        rows = SplitRows(X, self._n_atypical(len(X)), net.similarities, net.criterion_.threshold)
        super()._train(net, rows, X_valid)
        self.atypical_indices_ = self._fit_state.training_rows[rows.atypical.numpy()]

    def _check_trained(self, net, X):
        rows = X[:_MOST_COMPARED]
        n_scores = len(np.unique(self._score_samples(rows.cpu().numpy())))
        n_rows = count_distinct([as_network_input(rows)])
        if n_scores < LEAST_DISTINCT * n_rows:
            warn(
                f"The features of {type(self).__name__} have collapsed: {n_rows} different training rows have "
                f"{n_scores} different scores. Lower lr, now {self.lr:g}, or max_epochs, now {self.max_epochs_}.",
                ConvergenceWarning,
            )
