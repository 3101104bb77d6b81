"""CAE: the convolutional autoencoder, scored by its reconstruction error."""

from .._docstrings import with_shared_docs
from ..engine import BaseReconstruction
from ..nn import ReconstructionLoss


@with_shared_docs
class CAE(BaseReconstruction):
    """Autoencoder that scores a row by how badly it is reconstructed.

    ::

        L_AE(x) = sum_j (D(E(x))_j - x_j)^2          loss: its mean over the batch
        score(x) = -L_AE(x) / (number of pixels)     in squared units of X, at most 0

    The sum runs over the pixels of all channels (the features of a table).

    Parameters
    ----------
    {encoder and decoder}
    {width of the code}
    {channels and output}
    lr : float, default=1e-4
        Learning rate; of the paper's two, 1e-3 and 1e-4, the one that it found better.
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
    {deep attributes}
    {threshold attributes}

    References
    ----------
    Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical images,
    section 3.1, where CAE is the autoencoder of ConOCC without its constraint. Stride, batch normalisation
    and activations are not given there; see `sklearn_occ.nn.ConvEncoder`. The paper scores by the sum over
    pixels; the mean here differs by a constant factor.

    Examples
    --------
    >>> from sklearn_occ import CAE
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> cae = CAE(lr=1e-3, max_epochs=20, channels=8, random_state=0).fit(digits.X_train)
    >>> bool(cae.score_samples(digits.X_test[digits.y_test == 1]).mean() > cae.score_samples(digits.X_test).mean())
    True
    """

    def __init__(
        self,
        *,
        encoder=None,
        decoder=None,
        n_components=None,
        channels=64,
        output_activation="auto",
        lr=1e-4,
        max_epochs=1000,
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
        verbose=0,
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
            verbose=verbose,
            warm_start=warm_start,
            checkpoint=checkpoint,
        )

    def _make_criterion(self):
        return ReconstructionLoss()
