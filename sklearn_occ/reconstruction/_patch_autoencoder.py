"""PatchAutoencoder: the convolutional autoencoder of patches of large images."""

from functools import partial

from sklearn.exceptions import ConvergenceWarning

from .._docstrings import with_shared_docs
from .._engine import BaseReconstruction, Steps, total_variance
from .._warning import warn
from ..base._published import published
from ..nn import PatchDecoder, PatchEncoder
from ..nn._autoencoder import default_code_width
from ..nn._losses import ReconstructionLoss
from ..nn._patches import patch_code_width

_LEAST_VARIANCE = 1e-12  # of the rows, in their reconstructions: rounding


@with_shared_docs
class PatchAutoencoder(BaseReconstruction):
    r"""Autoencoder with few channels and no dense layer, scored by the root of its mean squared error.

    .. math::

        L_{AE}(x) &= \sum_j (D(E(x))_j - x_j)^2 \\
        \mathrm{score}(x) &= -\sqrt{L_{AE}(x) / m}

    with :math:`m` the number of pixels. The loss is the mean of :math:`L_{AE}` over the batch, and the score minus the
    RMSE, in units of X, at most 0.

    It is an ordinary detector whose images are patches, made for `PatchDetector`, which cuts them out of large images.
    At 128 x 128 the network has ten convolutions; smaller patches have fewer, so that the last map is 4 to 7 pixels
    wide (`nn.PatchEncoder`).

    Parameters
    ----------
    encoder : torch.nn.Module or callable, default=None
        A module (b, *shape) -> (b, n_components), which is copied and keeps its weights, or a factory
        `encoder(shape, n_components)` that returns one; shape is (C, H, W), or (n_features,) for a table. None:
        for images `nn.PatchEncoder`, for a table linear layers (`nn.DenseEncoder`).
    {decoder}
    n_components : int, default=None
        Width of the code. None: for images that of the last map, 512 at 128 x 128, any other puts a dense layer on
        either side; half of the features of a table, at most 32; or what a given `encoder` has.
    channels : int, default={default of channels}
        Channels of the first stage of the default network of images (2 in the paper); the following stages double
        them, up to 16 times.
    {output activation}
    lr : float, default=1e-3
        Learning rate, the paper's.
    {epochs}
    batch_size : int, default=200
        Rows of a training step, the paper's.
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
    {trained networks}
    {deep attributes}
    {threshold attributes}

    Warns
    -----
    ConvergenceWarning
        When the reconstructions of all training images are equal but for rounding: the units of a layer have died, as
        those of rectified layers of two channels may.

    See Also
    --------
    PatchDetector : Detector that cuts large images into patches for it.
    CAE : Autoencoder of whole images.
    sklearn_occ.nn.PatchEncoder : The network.

    References
    ----------
    Wei et al. (2018), Anomaly detection for medical images based on a one-class classification, sections 4 and 5.
    Kernel (3 x 3), padding and output activation are not given there.

    Examples
    --------
    >>> from sklearn_occ import PatchAutoencoder
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> X = load_one_class_digits(majority=0).X_train
    >>> occ = PatchAutoencoder(channels=2, max_epochs=2, random_state=0).fit(X)
    >>> occ.transform(X).shape
    (89, 32)
    """

    _budgets = {"max_epochs": Steps(images=3000, table=300)}
    from_paper = published(
        {"patches": {"channels": 2, "lr": 1e-3, "max_epochs": 500, "batch_size": 200}},
        departures="""Wei et al., section 5, for patches of 128 x 128 pixels, of which 32 412 train. Kernel, padding and
        output activation are not given; the initial weights are ours.""",
    )

    def __init__(
        self,
        *,
        encoder=None,
        decoder=None,
        n_components=None,
        channels=8,
        output_activation="auto",
        lr=1e-3,
        max_epochs="auto",
        batch_size=200,
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

    @with_shared_docs
    def anomaly_map(self, X, *, kind="root_squared_error", smoothing=0.0):
        """Where each image differs from its reconstruction, higher = more anomalous; kinds as in `CAE.anomaly_map`.

        The default is in the unit of the score, which is minus the root of the mean of its squares.

        Parameters
        ----------
        {images to map}
        kind : {"squared_error", "root_squared_error", "brighter", "darker", "ssim"}, default="root_squared_error"
            See `CAE.anomaly_map`.
        smoothing : float, default=0.0
            Sigma, in pixels, of a Gaussian blur of each map; 0 is none.

        {maps of images}
        """
        return super().anomaly_map(X, kind=kind, smoothing=smoothing)

    def _default_code_width(self, shape):
        return patch_code_width(shape, self.channels) if len(shape) == 3 else default_code_width(shape)

    def _default_networks(self, shape):
        if len(shape) != 3:
            return None, None
        return partial(PatchEncoder, channels=self.channels), partial(PatchDecoder, channels=self.channels)

    def _make_criterion(self):
        return RootMeanSquaredError()

    def _check_trained(self, net, X):
        if self.image_shape_ is None:  # whose network is not rectified, but leaky
            return
        made = (outputs[0].flatten(1) for outputs, _ in net.sweep(X))
        inputs = (x for x, _ in net.get_iterator(X))
        if total_variance(made) < _LEAST_VARIANCE * total_variance(inputs):
            warn(
                f"{type(self).__name__} gives all {len(X)} training images the same reconstruction: units have died, "
                "and the score is the distance from one fixed image. Fit with another random_state, more channels or "
                "lower lr.",
                ConvergenceWarning,
            )


class RootMeanSquaredError(ReconstructionLoss):
    """`mean_batch L_AE` as loss, `-sqrt(L_AE / pixels)` as score."""

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return -(-super().score(outputs, x)).sqrt()
