"""AnoGAN: how well a generator that was trained on the majority can make a row."""

import sys
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions

from .._docstrings import with_shared_docs
from .._engine import RandomStream, Steps
from .._progress import Count
from ..base._published import published
from ..nn._adversarial import GenerativeAdversarial, build_discriminator
from ..nn._augmentation import AUGMENTATIONS
from ._adversarial_loss import AdversarialLoss, random_codes
from ._base import BaseGenerative, paper_code_width
from ._latent_search import LatentSearch

_SEARCHED_AT_ONCE = {"cpu": (128, 2**16), "cuda": (4096, 2**22)}  # rows, and their values in all restarts


@with_shared_docs
class AnoGAN(BaseGenerative):
    r"""Generative adversarial network, scored by the loss with which its generator G comes closest to a row.

    .. math::

        r(x, z) &= \mathrm{mean}_j\,|x_j - G(z)_j| \\
        d(x, z) &= \mathrm{mean}_k\,|f(x)_k - f(G(z))_k| \\
        L(x, z) &= (1 - s)\, r(x, z) + s\, d(x, z) \\
        z^*(x) &= \arg\min_z L(x, z)

    :math:`r` is the paper's residual loss, :math:`d` its discrimination loss, :math:`s` is `feature_share`, and
    :math:`z^*` is the code with the lowest loss that the search meets. :math:`f` are the features of the discriminator,
    its last feature map. Scores, all at most 0:

    - "reconstruction": :math:`-r(x, z^*)`, in units of X;
    - "feature": :math:`-d(x, z^*)`, in units of the features;
    - "sum": :math:`-L(x, z^*)`, which is (1 - feature_share) reconstruction + feature_share feature.

    `score_parts` gives the first two.

    Training alternates: on each batch the discriminator makes a step that lowers
    :math:`-\mathrm{mean} \log D(x) - \mathrm{mean} \log(1 - D(G(z)))`, then the generator one that lowers
    :math:`-\mathrm{mean} \log D(G(z))`, z uniform in the cube :math:`[-1, 1]^k`, with k the `n_components`. The search
    makes `search_steps` steps of Adam on the code of each row by itself, all rows of a block at once, both networks in
    eval mode. It starts from `n_restarts` random codes that follow from `random_state` alone and are the same for all
    rows, and stays within the cube, since the generator was trained on no other codes and can come close to rows of any
    kind from outside it. A row's score does not depend on the rows beside it; to keep it so over hundreds of steps the
    search runs in float64, unless a network holds code of a user's own. It is what scoring costs: hundreds of passes
    through both networks for each row, also for the training rows when `fit` sets the threshold.

    Parameters
    ----------
    n_restarts : int, default=2
        Starts of the search for each row.
    search_steps : int, default=50
        Steps of the search; 0 takes the best of the starts.
    search_lr : float, default=0.05
        Learning rate of the search, in units of the code, whose coordinates lie in [-1, 1].
    feature_share : float in [0, 1], default=0.1
        Share of the features in the loss of the search (lambda in the paper).
    score_function : {"sum", "reconstruction", "feature"}, default="sum"
        See above; the search lowers the sum in any case.
    augment : {"auto", "shift", "shift-flip", None} or callable, default="auto"
        Change of the training rows before each step. "shift": by whole pixels, up to 5 % of each side but at least
        one, repeating the edge; "shift-flip": mirrored left to right half of the time besides. A callable gets the
        batch and a `torch.Generator` on the CPU, and returns the changed batch, of the same shape and dtype. "auto" is
        "shift" for images, None for a table.
    generator : torch.nn.Module or callable, default=None
        A module (b, n_components) -> (b, *shape), which is copied and keeps its weights, or a factory
        `generator(n_components, shape)` that returns one. It ends without an activation; `output_activation`
        follows it. None: for images `nn.ConvDecoder`, for a table two hidden layers of 32 and 64.
    discriminator : torch.nn.Module or callable, default=None
        A module (b, *shape) -> (b, n_features), the features f, or a factory `discriminator(shape)`; a linear layer to
        the logit of D is put on it. None: for images the convolutions of `nn.ConvEncoder`, for a table two hidden
        layers of 64 and 32.
    n_components : int, default=None
        Width of the code. None: 100 for images, at most a quarter of their values; half of the features of a table, at
        most 32.
    channels : int, default={default of channels}
        Channels of the first stage of the default networks of images; the following stages double them, up to
        eight times.
    {output activation}
        It is the generator's.
    lr : float, default=1e-3
        Learning rate of training; "adam" has betas (0.5, 0.999). Radford et al. have 2e-4; on PneumoniaMNIST's normal
        validation images the mean loss of the search was then 0.121 after 100 epochs, and 0.062 with 1e-3 (one seed, 16
        channels, 100 steps from one start).
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

    Warns
    -----
    ConvergenceWarning
        When the generator has collapsed or learned little: rows generated from 256 random codes, in train mode, have
        less than 0.05 of the variance of the training rows after 100 steps or more, or after any number where that is
        less than half of what they had before training. Or when it has diverged: more than 10 times that variance, and
        more than twice what they had before.

    See Also
    --------
    FAnoGAN : The same with an encoder in place of the search.
    GANomaly : Autoencoder that is trained against a discriminator.

    Notes
    -----
    The search works on blocks of a fixed number of rows (a power of 2, at most 128 on the CPU), the last one padded, so
    that a single row costs as much as a block. `fit` searches all calibration rows once more after training; with
    `checkpoint` a Ctrl-C there does not lose the training, and `verbose` counts the rows. `n_restarts`, `search_steps`,
    `search_lr`, `feature_share` and `score_function` are read when rows are scored; after a change of one of them the
    threshold is still that of the old score until `fit` is called again.

    `history_` has `train_discriminator_loss` and `train_generator_loss` besides their sum `train_loss`. None of them
    says how well rows are made, so EarlyStopping on them has no meaning.

    References
    ----------
    Schlegl et al. (2017), Unsupervised anomaly detection with generative adversarial networks to guide marker
    discovery, equations 1 to 5; sums over pixels and features are means here, so that the score does not grow with the
    image. Radford, Metz, Chintala (2016), Unsupervised representation learning with deep convolutional generative
    adversarial networks, for the optimizer. Codes are uniform, their cube bounds the search; the networks are those of
    `sklearn_occ.nn`, with kernels of 3 x 3. A baseline in Gao et al., Constrained deep one-class feature learning for
    classifying imbalanced medical images, section 3.1, where it is trained with data augmentation.

    Examples
    --------
    >>> from sklearn_occ import AnoGAN
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = AnoGAN(max_epochs=20, channels=8, search_steps=20, n_restarts=1, random_state=0).fit(digits.X_train)
    >>> occ.reconstruct(digits.X_test[:5]).shape
    (5, 8, 8)
    """

    _parameter_constraints: dict = {
        **BaseGenerative._parameter_constraints,
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "search_steps": [Interval(Integral, 0, None, closed="left")],
        "search_lr": [Interval(Real, 0, None, closed="neither")],
        "feature_share": [Interval(Real, 0, 1, closed="both")],
        "score_function": [StrOptions({"sum", "reconstruction", "feature"})],
        "augment": [StrOptions({"auto", *AUGMENTATIONS}), callable, None],
    }
    _adam_betas = (0.5, 0.999)
    _budgets = {"max_epochs": Steps(images=1000, table=1000)}
    from_paper = published(
        {
            "schlegl": {"n_restarts": 1, "search_steps": 500, "feature_share": 0.1, "augment": None, "lr": 2e-4},
            "conocc": {
                "n_restarts": 2,
                "search_steps": 500,
                "feature_share": 0.1,
                "augment": "auto",
                "channels": 64,
                "lr": 1e-3,
                "max_epochs": 1000,
                "batch_size": 128,
            },
        },
        departures="""Schlegl et al. ("schlegl"): patches of 64 x 64 pixels, the learning rate is that of Radford et
        al., and epochs and batches are left at the package's. "conocc" is the baseline of Gao et al., section 3.1, with
        data augmentation and the batches, epochs and learning rate of ConOCC; that the search begins twice is ours.
        Losses are means, not sums, codes are uniform, and kernels 3 x 3.""",
    )
    _score_has_parts = True

    def __init__(
        self,
        *,
        n_restarts=2,
        search_steps=50,
        search_lr=0.05,
        feature_share=0.1,
        score_function="sum",
        augment="auto",
        generator=None,
        discriminator=None,
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
            generator=generator,
            discriminator=discriminator,
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
        self.n_restarts = n_restarts
        self.search_steps = search_steps
        self.search_lr = search_lr
        self.feature_share = feature_share
        self.score_function = score_function
        self.augment = augment

    def _codes(self, rows):
        return self._search(rows, lambda found, x: found.code)

    def _reconstructed(self, rows):
        return self._search(rows, lambda found, x: found.generated)

    def _make_module(self):
        self.n_components_ = self.n_components or paper_code_width(self._shape_of_rows)
        return GenerativeAdversarial(
            self._make_generator(),
            build_discriminator(self.discriminator, self._shape_of_rows, self.channels),
            self._make_output_activation(),
        )

    def _make_criterion(self):
        return AdversarialLoss(self.n_components_, self._augmentation())

    def _augmentation(self):
        augment = self.augment
        if augment == "auto":
            augment = None if self.image_shape_ is None else "shift"
        if isinstance(augment, str) and self.image_shape_ is None:
            raise ValueError(
                f"augment={augment!r} changes images, but X is a table; set augment=None, or image_shape where its "
                "rows are flattened images."
            )
        return AUGMENTATIONS[augment] if isinstance(augment, str) else augment

    def _remedy(self):
        return (
            f"Change lr, now {self.lr:g}, n_components, now {self.n_components_}, or max_epochs, now "
            f"{self.max_epochs_}."
        )

    def _score_samples(self, X):
        return -self._search(X, lambda found, x: getattr(found, self.score_function))

    def _score_parts(self, X):
        found = -self._search(X, lambda found, x: torch.stack([found.reconstruction, found.feature], 1))
        return dict(zip(("reconstruction", "feature"), np.ascontiguousarray(found.T), strict=True))

    def _search(self, X, read):
        with RandomStream(self._fit_state.seed).generator() as generator:
            starts = random_codes(self.n_restarts, self.n_components_, generator)
        search = LatentSearch(
            self.net_.module_,
            starts.to(self.device_),
            n_steps=self.search_steps,
            lr=self.search_lr,
            feature_share=self.feature_share,
        )
        return self.net_.evaluate(
            X,
            self._reported(read, len(X)),
            block_size=self._searched_at_once(),
            module=search,
            dtype=torch.float64 if self.net_.is_plain_in_eval_ else torch.float32,
        )

    def _reported(self, read, n_rows):
        """`read` of a block, and how far the search is, as `verbose` wants it told."""
        block, done = self._searched_at_once(), 0
        count = Count(f"{type(self).__name__}, search: {{done}} of {{total}} rows", n_rows, self.verbose)

        def read_and_report(found, x):
            nonlocal done
            done = min(done + block, n_rows)
            count.show(done)
            if self._verbosity():
                sys.stdout.write(f"search: {done} of {n_rows} rows\n")
            return read(found, x)

        return read_and_report

    def _searched_at_once(self):
        """Rows of a block, a power of 2: memory is that of hundreds of maps for each value."""
        most_rows, most_values = _SEARCHED_AT_ONCE[self.device_.type]
        rows = min(most_rows, most_values // (self.n_features_in_ * self.n_restarts))
        return 2 ** max(0, rows.bit_length() - 1)
