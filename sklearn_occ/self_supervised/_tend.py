"""TEND: an encoder of the majority, and a head that keeps distorted rows apart from it."""

from functools import partial
from numbers import Real

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from skorch.callbacks import Callback

from .._docstrings import with_shared_docs
from .._engine import (
    LAST_STAGE,
    BaseAutoencoder,
    DrawingNet,
    RandomStream,
    Steps,
    as_network_input,
    epochs_or_auto,
    share_of_epochs,
)
from .._warning import warn
from ..base._published import published
from ..nn import MapDecoder, MapEncoder
from ..nn._autoencoder import default_code_width
from ..nn._margin import MarginHead, MarginNetwork, map_code_width
from ._margin_loss import MarginLoss

_WARM_UP = 0.1  # of the epochs, as the thesis' 10 of about 100
_PAPER = {
    "freeze_encoder": True,
    "pretrain_epochs": 100,
    "warm_up_epochs": 10,
    "channels": 16,
    "lr": 1e-3,
    "max_epochs": 100,
    "batch_size": 32,
}
_MOST_DISTORTED = 1000  # rows that the check of a trained network distorts
_LEAST_DISTANCE = 1e-2  # of distorted rows from the centre, in units of the margin


@with_shared_docs
class TEND(BaseAutoencoder):
    r"""Transformation-based embedding learning for novelty detection: what tells rows from distorted ones.

    .. math::

        c &= \mathrm{head}(E(x)), \quad p = \mathrm{sigmoid}(\mathrm{linear}(c)) \\
        D(x) &= \sum_j (c_j - O_j)^2 \\
        \mathrm{loss} &= \mathrm{CE}(p) + \mathrm{mean}\, D(x) + \mathrm{mean}\, \max(0, R - D(x')) \\
        \mathrm{score}(x) &= -s\, p - (1 - s)\, D(x) / R

    :math:`c` has 512 numbers, and :math:`p` is the probability that x is distorted. CE is the cross-entropy of
    :math:`p`, rows against distorted rows (mean over both); the other means are over rows :math:`x` and over distorted
    rows :math:`x'`. :math:`s` is `probability_share`. The parts of the score are "probability", :math:`-p`, and
    "distance", :math:`-D(x) / R`, all at most 0; `score_parts` gives both.

    Training has two stages. First encoder and decoder are trained as an autoencoder, `pretrain_epochs` epochs of
    :math:`\sum_j (\mathrm{decoder}(E(x))_j - x_j)^2`. Then the encoder is frozen, batch normalisation included, and the
    head is trained: `warm_up_epochs` epochs of the cross-entropy alone, then :math:`O` is set to the mean of :math:`c`
    over the training rows in eval mode, then all three terms; :math:`O` stays.

    In each step each image is distorted in one of six ways: barrel, perspective, arc, polar,
    tile, affine. The other half of the batch are the same images moved by up to half a pixel with the same
    interpolation, so that the head cannot tell them by its traces. Rows of a table are distorted by permuting the
    standardised features of each row and stretching them by 1 to 3; they are not resampled.

    Parameters
    ----------
    margin : float, default=150.0
        Squared distance R from `O` beyond which distorted rows should lie, in squared units of `c`. The thesis has
        150, 250 and 500.
    probability_share : float in [0, 1], default=0.5
        Share of the probability in the score (lambda in the thesis). With 1 the score is `-p` alone, which is the same
        number for all rows whose logit is above 37.
    classifier : bool, default=True
        False leaves the cross-entropy out of the loss, and with it the warm-up, and `p` out of the score: the thesis's
        MarginLearner, `score = -D(x) / R`.
    freeze_encoder : bool, default=True
        False trains the encoder on in the second stage, as the authors' released code does.
    warm_up_epochs : int or "auto", default="auto"
        Epochs of the second stage before `O` is set, at least 0. "auto": a tenth of `max_epochs_`. At most half of
        `max_epochs_` count, so that the margin acts in every fit of two epochs or more; see `warm_up_epochs_`.
    amplitude : float in (0, 1], default=1.0
        Share of the distortions: of the way that each pixel moves, or that the features of a row of a table change.
    pretrain_epochs : int or "auto", default="auto"
        Epochs of the autoencoder, at least 0. "auto": as many as make {steps of pretrain_epochs}, at least 5.
    pretrain_lr : float, default=None
        Learning rate of the autoencoder; None is `lr`.
    encoder : torch.nn.Module or callable, default=None
        A module (b, *shape) -> (b, n_components), which is copied and keeps its weights, or a factory
        `encoder(shape, n_components)` that returns one; shape is (C, H, W), or (n_features,) for a table. None:
        for images `nn.MapEncoder`, for a table linear layers (`nn.DenseEncoder`).
    {decoder}
    n_components : int, default=None
        Width of the code. None: for images that of the last map, 8192 at 128 x 128, any other puts a dense layer on
        either side; half of the features of a table, at most 32; or what a given `encoder` has. The head begins with a
        convolution where the code is a map, else with a dense layer.
    channels : int, default=16
        Channels of the first stage of the default network of images (16 in the thesis); the following stages double
        them, up to 16 times.
    {output activation}
        It is the autoencoder's.
    lr : float, default=1e-3
        Learning rate, the thesis's, of both stages where `pretrain_lr` is None.
    max_epochs : int or "auto", default="auto"
        Epochs of the second stage, warm-up included. "auto": as many as make {steps of max_epochs}, at least 5.
    batch_size : int, default=32
        Rows of a training step, as in the released code; in the second stage as many distorted ones besides.
    {optimizer}
    {weight decay}
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    center_ : ndarray of shape (512,)
        The centre `O`.
    warm_up_epochs_ : int
        Epochs before `O` was set: `min(warm_up_epochs, max_epochs_ // 2)`; 0 without `classifier`.
    pretrain_epochs_ : int
        Epochs of the autoencoder.
    n_components_ : int
        Width of the code.
    output_activation_ : str
        "sigmoid" or "linear", of the decoder of the first stage.
    {deep attributes}
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When the head has collapsed onto `O`: the mean `D` of distorted training rows (the first 1000) is below 1 % of
        `margin`, and below half of what it was when `O` was set.

    See Also
    --------
    DeepSVDD : Hypersphere without distorted rows.
    IntraClassSplitting : Classifier of split majority rows.
    sklearn_occ.nn.MapEncoder : The network of images.

    Notes
    -----
    The loss gains two terms when `O` is set, so a callback that monitors it (EarlyStopping) sees it rise there; give it
    a patience longer than `warm_up_epochs_`. Scored images are not moved.

    References
    ----------
    Guo, thesis on novelty detection and shifts of medical images, section 4.1, equations 4.1 to 4.4 and table 4.1; the
    1 / K of equation 4.3 is read as the mean over a batch. Ranges of the distortions are those of its released code,
    https://github.com/XiaoyuanGuo/TEND_MedicalNoveltyDetection, which interpolates the distorted images alone, trains
    the encoder on, and sets the weight in the score to 0.9.

    Examples
    --------
    >>> from sklearn_occ import TEND
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = TEND(warm_up_epochs=2, pretrain_epochs=2, max_epochs=4, random_state=0).fit(digits.X_train)
    >>> occ.center_.shape, occ.warm_up_epochs_
    ((512,), 2)
    """

    _parameter_constraints: dict = {
        **BaseAutoencoder._parameter_constraints,
        "margin": [Interval(Real, 0, None, closed="neither")],
        "probability_share": [Interval(Real, 0, 1, closed="both")],
        "classifier": ["boolean"],
        "freeze_encoder": ["boolean"],
        "pretrain_epochs": epochs_or_auto(least=0),
        "pretrain_lr": [Interval(Real, 0, None, closed="neither"), None],
        "warm_up_epochs": epochs_or_auto(least=0),
        "amplitude": [Interval(Real, 0, 1, closed="right")],
    }
    _net_class = DrawingNet
    _budgets = {"pretrain_epochs": Steps(images=300, table=1000), "max_epochs": Steps(images=300, table=1000)}
    from_paper = published(
        {
            "R=150": {"margin": 150.0, "classifier": True, **_PAPER},
            "R=250": {"margin": 250.0, "classifier": True, **_PAPER},
            "R=500": {"margin": 500.0, "classifier": True, **_PAPER},
            "MarginLearner": {"margin": 150.0, "classifier": False, **_PAPER},
        },
        departures="""Guo's thesis, section 4.1, for images of 256 x 256 pixels: 50 to 150 epochs for each network, of
        which 100 are taken; batches are those of the released code. Rows are resampled as distorted ones are, see
        above, and batch normalisation follows each convolution.""",
    )
    _score_has_parts = True

    def __init__(
        self,
        *,
        margin=150.0,
        probability_share=0.5,
        classifier=True,
        freeze_encoder=True,
        warm_up_epochs="auto",
        amplitude=1.0,
        pretrain_epochs="auto",
        pretrain_lr=None,
        encoder=None,
        decoder=None,
        n_components=None,
        channels=16,
        output_activation="auto",
        lr=1e-3,
        max_epochs="auto",
        batch_size=32,
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
        self.margin = margin
        self.probability_share = probability_share
        self.classifier = classifier
        self.freeze_encoder = freeze_encoder
        self.pretrain_epochs = pretrain_epochs
        self.pretrain_lr = pretrain_lr
        self.warm_up_epochs = warm_up_epochs
        self.amplitude = amplitude

    @property
    def center_(self):
        """Centre of the embeddings."""
        return self.net_.criterion_.center.cpu().numpy().copy()

    def _prepare(self, X):
        super()._prepare(X)
        warm_up = share_of_epochs(self.warm_up_epochs, _WARM_UP, self.max_epochs_)
        self.warm_up_epochs_ = min(warm_up, self.max_epochs_ // 2) if self.classifier else 0

    def _default_code_width(self, shape):
        return map_code_width(shape, self.channels) if len(shape) == 3 else default_code_width(shape)

    def _default_networks(self, shape):
        if len(shape) != 3:
            return None, None
        return partial(MapEncoder, channels=self.channels), partial(MapDecoder, channels=self.channels)

    def _make_module(self):
        autoencoder = super()._make_module()
        head = MarginHead(getattr(autoencoder.encoder, "code_shape", (self.n_components_,)))
        return MarginNetwork(autoencoder.encoder, autoencoder.decoder, head)

    def _make_criterion(self):
        return MarginLoss(self.margin, self.probability_share, self.classifier, self.amplitude, self._shape_of_rows)

    def _make_callbacks(self):
        return [("margin", MarginSchedule(self.warm_up_epochs_))]

    def _train(self, net, X, X_valid):
        if not net.epochs_.get(LAST_STAGE):
            if net.criterion_.is_table:
                net.criterion_.set_scale(net.get_iterator(X))
            net.criterion_.phase = "reconstruction"
            self._pretrain(net, X, X_valid)
        if self.freeze_encoder:
            net.freeze("encoder")
        super()._train(net, X, X_valid)

    def _check_trained(self, net, X):
        distance, first = distorted_distance(net, X), float(net.criterion_.first_distance)
        if distance < _LEAST_DISTANCE * self.margin and distance < first / 2:
            warn(
                f"The head of {type(self).__name__} has collapsed onto its centre: distorted training rows have a mean "
                f"squared distance of {distance:.2g} from it, below {_LEAST_DISTANCE:g} of the margin, "
                f"{self.margin:g}; it was {first:.2g} when the centre was set. Lower lr, now {self.lr:g}, or train "
                "fewer epochs.",
                ConvergenceWarning,
            )


class MarginSchedule(Callback):
    """Set the phase of the loss, and the centre once, from the number of epochs trained alone.

    Parameters
    ----------
    warm_up_epochs : int
        Epochs before the centre is set.
    """

    def __init__(self, warm_up_epochs):
        self.warm_up_epochs = warm_up_epochs

    def on_epoch_begin(self, net, dataset_train, **kwargs):
        if net.stage_ != LAST_STAGE:
            return
        done = net.epochs_[LAST_STAGE]
        net.criterion_.phase = "classifier" if done < self.warm_up_epochs else "margin"
        if done == self.warm_up_epochs:
            self._set_center(net, dataset_train)

    def on_train_end(self, net, X, **kwargs):
        if net.stage_ == LAST_STAGE and net.epochs_[LAST_STAGE] < self.warm_up_epochs:  # Ctrl-C came before the centre
            self._set_center(net, X)

    def _set_center(self, net, X):
        total = sum(outputs[0].double().sum(0) for outputs, _ in net.sweep(X))
        net.criterion_.center.copy_(total / len(X))
        net.criterion_.first_distance.fill_(distorted_distance(net, X))


@torch.no_grad()
def distorted_distance(net, X):
    """Mean `D` of distorted rows, made of the first of X, in eval mode."""
    with RandomStream(net.seed).generator() as generator:
        distorted = net.criterion_.distorted(as_network_input(X[:_MOST_DISTORTED]), generator)
    distances = [net.criterion_.distances(outputs[0].double()) for outputs, _ in net.sweep(distorted)]
    return float(np.mean(torch.cat(distances).cpu().numpy()))
