"""DenoisingAutoencoder: a network that removes coarse noise, scored by what it removes from a row as it is."""

from numbers import Integral, Real

import torch
from sklearn.utils._param_validation import Interval

from .._docstrings import with_shared_docs
from .._engine import (
    LAST_STAGE,
    BaseRowMaker,
    DrawingNet,
    Steps,
    mean_and_deviation,
    renew_batch_statistics,
)
from ..base._published import published
from ..nn._augmentation import coarse_noise
from ..nn._losses import ReconstructionLoss
from ..nn._sending import send
from ..nn._unet import Denoiser, build_denoiser


@with_shared_docs
class DenoisingAutoencoder(BaseRowMaker):
    r"""Network that is trained to remove coarse noise, and scores a row by what it takes for noise in the row itself.

    .. math::

        x' &= N(x + n), \quad n = c\, s\, g \\
        \mathrm{loss} &= \mathrm{mean} \sum_j (x'_j - x_j)^2 \\
        \mathrm{score}(x) &= -\frac1m \sum_j (N(x)_j - x_j)^2

    In training :math:`n` is added, with :math:`c` the `noise_std`, :math:`s` the standard deviation of the training
    rows and :math:`g` the noise, and the mean is that over the batch. The score is that without noise, in squared units
    of X, at most 0, with :math:`m` the number of pixels.

    The sums run over the pixels of all channels (the features of a table), of which :math:`s` is one number a channel
    (a feature). The noise of an image is a grid of independent standard normal numbers, `noise_size` pixels from one to
    the next, enlarged bilinearly and moved by a random offset of up to a cell, with a grid of its own for each image,
    channel and step. Its variance is 1 on a node of the grid, 4/9 on average over the pixels. The noise of a table is
    independent in each feature, with standard deviation 1.

    The network that minimises the loss gives :math:`E[x \mid x + n]`: how much of what it sees is more likely noise
    than part of a normal row. A lesion of the size and height of the noise is therefore taken away, although the
    network, unlike an autoencoder with a narrow code, sees the image itself in full; there is no code, and no
    `transform`. Images want values near [0, 1] and tables a `StandardScaler`, since only the noise follows the scale of
    the rows.

    After the last epoch batch normalisation gets the means and variances of the training rows without noise, since
    such rows are scored.

    Parameters
    ----------
    noise_std : float, default=0.6
        Standard deviation of the numbers of the grid, in standard deviations of the training rows: about the height of
        what should be found.
    noise_size : float or tuple (smallest, largest), default=(2, 8)
        Cells of the grid in pixels, at least 1: from the diameter of the smallest lesions to about half of that of the
        largest. The default was best for spots of 2 to 3 pixels and blobs of 10 to 20. Of a range, the logarithm is
        drawn uniformly for each image. Not used for tables.
    denoiser : torch.nn.Module or callable, default=None
        A module (b, *shape) -> (b, *shape), which is copied and keeps its weights, or a factory `denoiser(shape)` that
        returns one; shape is (C, H, W), or (n_features,) for a table. It ends without an activation. None: for
        images `nn.UNet`, for a table linear layers whose output is added to the row (`nn.DenseDenoiser`).
    channels : int, default={default of channels}
        Channels of the first map of the default network of images; each smaller map doubles them.
    depth : int, default=3
        How often the default network of images halves their sides, as long as 4 pixels are left.
    {output activation}
    lr : float, default=2e-3
        Learning rate.
    {epochs}
    batch_size : int, default=32
        Rows of a training step.
    {optimizer}
    {weight decay}
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    {engine parameters}

    Attributes
    ----------
    row_std_ : ndarray of shape (C,), or (n_features,) for a table
        The `s` of the formula.
    output_activation_ : str
        "sigmoid" or "linear".
    {deep attributes}
    {threshold attributes}

    See Also
    --------
    CAE : Autoencoder with a narrow code.
    sklearn_occ.nn.UNet : The network of images.
    sklearn_occ.nn.DenseDenoiser : The network of tables.

    References
    ----------
    Kascenas, Pugeault, O'Neil (2022), Denoising autoencoders for unsupervised anomaly detection in brain MRI, Medical
    Imaging with Deep Learning. There cells have one size, 8 of 128 pixels, noise with a standard deviation of 0.2 is
    added to the brain alone, a place is scored by its absolute error, filtered by medians, and the network is deeper
    and wider. Sizes drawn from a range, and a unit that follows the data, are ours: with one size alone, lesions of
    several sizes were found worse. Alain, Bengio (2014), What regularized auto-encoders learn from the data-generating
    distribution, Journal of Machine Learning Research 15, for what the best network gives.

    Examples
    --------
    >>> from sklearn_occ import DenoisingAutoencoder
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = DenoisingAutoencoder(max_epochs=20, random_state=0).fit(digits.X_train)
    >>> bool(occ.score_samples(digits.X_test[digits.y_test == 1]).mean() > occ.score_samples(digits.X_test).mean())
    True
    """

    _parameter_constraints: dict = {
        **BaseRowMaker._parameter_constraints,
        "noise_std": [Interval(Real, 0, None, closed="neither")],
        "noise_size": [Interval(Real, 1, None, closed="left"), tuple],
        "denoiser": [callable, None],
        "depth": [Interval(Integral, 1, None, closed="left")],
    }
    _net_class = DrawingNet
    _budgets = {"max_epochs": Steps(images=1500, table=1000)}
    from_paper = published(
        {
            "brats": {
                "noise_size": (8, 8),
                "channels": 64,
                "depth": 4,
                "lr": 1e-4,
                "batch_size": 16,
                "weight_decay": 1e-5,
            }
        },
        departures="""Kascenas et al. and their code, for slices of 128 x 128 pixels. 67 200 steps are made there, which
        are `67_200 * 16 / len(X)` epochs; `max_epochs` stays "auto". Its noise has a standard deviation of 0.2 in units
        of an image whose foreground reaches from 0 to 1; `noise_std` counts in standard deviations of the training
        rows, see above, and stays the package's. The learning rate falls along a cosine there (`callbacks`), Adam is
        its "amsgrad", normalisation is by groups, and noise and score are of the brain alone.""",
    )

    def __init__(
        self,
        *,
        noise_std=0.6,
        noise_size=(2, 8),
        denoiser=None,
        channels=8,
        depth=3,
        output_activation="auto",
        lr=2e-3,
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
        self.noise_std = noise_std
        self.noise_size = noise_size
        self.denoiser = denoiser
        self.depth = depth

    @property
    def row_std_(self):
        """Standard deviation of the training rows, of each channel or feature."""
        return self.net_.criterion_.row_std.flatten().cpu().numpy().copy()

    def _make_module(self):
        denoiser = build_denoiser(self.denoiser, self._shape_of_rows, self.channels, self.depth)
        return Denoiser(denoiser, self._make_output_activation())

    def _make_criterion(self):
        return DenoisingLoss(self.noise_std, _pair_of_sizes(self.noise_size), self._shape_of_rows)

    def _train(self, net, X, X_valid):
        if not net.epochs_.get(LAST_STAGE):
            net.criterion_.set_row_std(net.get_iterator(X))
        super()._train(net, X, X_valid)
        renew_batch_statistics(net, X)


class DenoisingLoss(ReconstructionLoss):
    """`sum_j (x'_j - x_j)^2` with noise that it draws: its mean over the batch as loss, `-sum / pixels` as score.

    Parameters
    ----------
    noise_std : float
        Standard deviation of the noise, in standard deviations of the training rows.
    sizes : tuple (smallest, largest)
        Of the cells of the noise of images, in pixels.
    shape : tuple (C, H, W) or (n_features,)
        Shape of one row.

    Attributes
    ----------
    row_std : tensor of shape (C, 1, 1) or (n_features,)
        Standard deviation of the training rows; a buffer.
    """

    def __init__(self, noise_std, sizes, shape):
        super().__init__()
        self.noise_std = noise_std
        self.sizes = sizes
        self.register_buffer("row_std", torch.ones(shape[0], *[1] * (len(shape) - 1)))

    def draw(self, x, generator):
        """The rows, and noise of their shape."""
        if x.ndim == 2:
            noise = send(torch.randn(x.shape, generator=generator), x.device)
        else:
            noise = coarse_noise(len(x), x.shape[1:], self.sizes, generator, x.device)
        return x, self.noise_std * self.row_std * noise

    def set_row_std(self, batches):
        """Take the standard deviation of each channel, or feature, from batches (x, None) of all training rows."""
        _, deviation = mean_and_deviation(batches)
        self.row_std.copy_(deviation.view_as(self.row_std))


def _pair_of_sizes(noise_size):
    if isinstance(noise_size, Real):
        return float(noise_size), float(noise_size)
    is_pair = len(noise_size) == 2 and all(isinstance(size, Real) for size in noise_size)
    if not is_pair or not 1 <= noise_size[0] <= noise_size[1] < float("inf"):
        raise ValueError(
            f"noise_size={noise_size!r}, expected pixels, at least 1, or a pair (smallest, largest) of them."
        )
    return tuple(map(float, noise_size))
