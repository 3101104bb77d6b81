"""CAE: the convolutional autoencoder, scored by its reconstruction error."""

from sklearn.utils._param_validation import StrOptions

from .._docstrings import with_shared_docs
from .._engine import BaseReconstruction, Steps
from ..base._published import published
from ..nn._losses import ReconstructionLoss, ScoreOfParts, row_error
from ..nn._similarity import StructuralSimilarity


@with_shared_docs
class CAE(BaseReconstruction):
    r"""Autoencoder that scores a row by how badly it is reconstructed.

    .. math:: L_{AE}(x) = \sum_j (D(E(x))_j - x_j)^2

    The loss is its mean over the batch. Scores, with :math:`m` the number of pixels and :math:`x' = D(E(x))`:

    - "reconstruction": :math:`-L_{AE}(x) / m`, in squared units of X, at most 0;
    - "ssim": the mean over inner pixels of :math:`\mathrm{SSIM}(x', x)`, in [-1, 1], of images only.

    The sum runs over the pixels of all channels (the features of a table). SSIM, the structural similarity, is one
    minus `anomaly_map(kind="ssim")`; inner pixels have 5 or more pixels between them and the border (a quarter of a
    side below 20 pixels). `score_parts` gives both scores of images, whichever is chosen.

    Parameters
    ----------
    score_function : {"reconstruction", "ssim"}, default="reconstruction"
        See above. The loss is the same for both.
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
    SAE : The same with sparse codes.
    ConOCC : The same with codes pulled to their centre.
    PCAReconstruction : The same without a network.
    VAE : Variational autoencoder.

    Notes
    -----
    The default budget stops before the best that was measured: on PneumoniaMNIST's validation images and two
    digits the mean area under the ROC curve was 85.2 %, and 87.8 % with 32 channels and 3000 steps.

    References
    ----------
    Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical images,
    section 3.1, where CAE is the autoencoder of ConOCC without its constraint. Stride, batch normalisation
    and activations are not given there; see `sklearn_occ.nn.ConvEncoder`. The paper scores by the sum over
    pixels; the mean here differs by a constant factor. The "ssim" score is a baseline in Schlachter, Liao, Yang, Deep
    one-class classification using intra-class splitting, section 3.1.

    Examples
    --------
    >>> from sklearn_occ import CAE
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> cae = CAE(lr=1e-3, max_epochs=20, channels=8, random_state=0).fit(digits.X_train)
    >>> bool(cae.score_samples(digits.X_test[digits.y_test == 1]).mean() > cae.score_samples(digits.X_test).mean())
    True
    """

    _parameter_constraints: dict = {
        **BaseReconstruction._parameter_constraints,
        "score_function": [StrOptions({"reconstruction", "ssim"})],
    }
    _budgets = {"max_epochs": Steps(images=2000, table=300)}
    from_paper = published(
        {"conocc": {"channels": 64, "lr": 1e-4, "max_epochs": 1000, "batch_size": 128}},
        departures="""Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical images,
        sections 2.5 and 3.1: of the learning rates 1e-3 and 1e-4 the better one on its test data. `n_components` stays
        None, which is the paper's 256 from 32 x 32 pixels on.""",
    )
    _score_has_parts = True

    def __init__(
        self,
        *,
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
        self.score_function = score_function

    def _make_criterion(self):
        if self.image_shape_ is not None:
            return ComparisonLoss(self.score_function, self.image_shape_[1:], self._fit_state.value_range)
        if self.score_function == "ssim":
            raise ValueError(
                "score_function='ssim' compares images, but X is a table; set score_function='reconstruction', or "
                "image_shape where its rows are flattened images."
            )
        return ComparisonLoss()


class ComparisonLoss(ScoreOfParts, ReconstructionLoss):
    """`L_AE` as loss, the error of the reconstruction or its structural similarity to the row as score.

    Parameters
    ----------
    score_function : str, default="reconstruction"
        "reconstruction" or "ssim".
    sides : tuple (H, W), optional
        Of the images; None for a table, which has no "ssim".
    data_range : float, optional
        Range of their values.
    """

    def __init__(self, score_function="reconstruction", sides=None, data_range=None):
        super().__init__()
        self.score_function = score_function
        self.part_names = ("reconstruction",) if sides is None else ("reconstruction", "ssim")
        self.of_images = sides, data_range
        self.similarity = StructuralSimilarity(sides, data_range) if score_function == "ssim" else None

    def part(self, name, outputs, x):
        """Score of that name of each row, (b,)."""
        if name == "reconstruction":
            return -row_error(outputs[0], x)
        similarity = self.similarity
        if similarity is None:  # asked for by `score_parts` alone; its matrices grow with the square of the sides
            similarity = StructuralSimilarity(*self.of_images).to(x.device)
        return similarity(x, outputs[0])
