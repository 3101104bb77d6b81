"""SAE: the sparse autoencoder."""

from numbers import Real

from sklearn.utils._param_validation import Interval
from torch import nn

from .._docstrings import with_shared_docs
from .._engine import BaseReconstruction, Steps
from ..base._published import published
from ..nn._losses import ReconstructionLoss


@with_shared_docs
class SAE(BaseReconstruction):
    r"""Autoencoder with few active code units, scored by its reconstruction error.

    .. math::

        z &= \max(0, E(x)) \\
        L_{AE}(x) &= \sum_j (D(z)_j - x_j)^2 \\
        \mathrm{loss} &= \mathrm{mean}\,(L_{AE}(x) + \alpha \sum_k z_k) \\
        \mathrm{score}(x) &= -L_{AE}(x) / m

    with the mean over the batch and :math:`m` the number of pixels. The score is in squared units of X, at most 0.

    Codes are rectified, so their sum is their L1 norm and many of them are exactly 0.

    Parameters
    ----------
    alpha : float, default=1e-3
        Weight of the sparsity penalty, at least 0.
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
    n_components_ : int
        Width of the code.
    output_activation_ : str
        "sigmoid" or "linear".
    {trained networks}
    {deep attributes}
    {threshold attributes}

    See Also
    --------
    CAE : The same without the penalty.
    ConOCC : The same with codes pulled to their centre.

    References
    ----------
    Glorot, Bordes, Bengio (2011), Deep sparse rectifier neural networks, section 3: rectified codes with an
    L1 penalty. Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical
    images, section 3.1, where SAE is a baseline; the paper gives no weight of the penalty.

    Examples
    --------
    >>> from sklearn_occ import SAE
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> X = load_one_class_digits(majority=0).X_train
    >>> codes = SAE(alpha=1.0, max_epochs=50, channels=8, random_state=0).fit_transform(X)
    >>> bool((codes == 0).mean() > 0.3)
    True
    """

    _parameter_constraints: dict = {
        **BaseReconstruction._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
    }
    _budgets = {"max_epochs": Steps(images=2000, table=300)}
    from_paper = published(
        {"conocc": {"channels": 64, "lr": 1e-3, "max_epochs": 1000, "batch_size": 128}},
        departures="""Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical images,
        sections 2.5 and 3.1, which tried 1e-3 and 1e-4 and does not say which was better, and gives no weight of the
        penalty. `n_components` stays None, which is the paper's 256 from 32 x 32 pixels on.""",
    )
    _code_activation = nn.ReLU

    def __init__(
        self,
        *,
        alpha=1e-3,
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
        self.alpha = alpha

    def _make_criterion(self):
        return SparseReconstructionLoss(self.alpha)


class SparseReconstructionLoss(ReconstructionLoss):
    """`mean_batch (L_AE + alpha * ||z||_1)`, and `-L_AE / pixels` as score.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity penalty.
    """

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    def forward(self, outputs, x):
        """Loss of a batch, a scalar."""
        return super().forward(outputs, x) + self.alpha * outputs[1].abs().sum() / len(x)
