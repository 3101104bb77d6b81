"""PatchDetector: a detector of patches becomes one of whole images, and says where."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._docstrings import with_shared_docs
from .._engine import BaseDeepOneClass
from ..base._detector import BaseDetector
from ..base._fit_state import FitState
from ..base._inner import LARGEST_SEED, hand_verbose, seed_unset
from ..base._input import as_taken_by
from ..base._published import published
from ..reconstruction import PatchAutoencoder
from ._images import Images, Kind
from ._layout import PatchLayout
from ._patch_maps import PatchMapsMixin
from ._patch_scorer import PatchScorer
from ._regions import pooled
from ._sampling import RenewedPatches, TrainingPatches


@dataclass(eq=False)
class PatchFitState(FitState):
    """What `PatchDetector` keeps besides."""

    kind: Kind | None = None  # what the images trained on have in common, and others have to have too
    layout: PatchLayout | None = None  # where patches lie
    pooling: tuple | None = None  # (pooling, top_fraction), as they were when it was fitted


class PatchDetector(PatchMapsMixin, MetaEstimatorMixin, BaseDetector):
    """Cut images of any size into patches, score these, and pool their scores and maps.

    ::

        "max"    score(image) = min_k s_k                  the most anomalous patch decides
        "mean"   score(image) = mean_k s_k
        "top"    score(image) = mean of the lowest `top_fraction` of the s_k, at least one

    with `s_k` the score of patch k, higher = more like the majority, in the unit of the patch scorer. Patches lie on a
    grid, with a last row and column at the border. The anomaly map is that of the patches, blended.

    Parameters
    ----------
    estimator : detector, default=None
        What scores a patch: any detector of this package, or a pipeline that ends in one, for example
        `make_pipeline(HOG(), OCSVM())`; None is `PatchAutoencoder()`. It is cloned for each fit, and every
        `random_state` in it that is None is set from this estimator's.
    patch_size : int or tuple (h, w), default=128
        Sides of a patch in pixels.
    stride : int or tuple, default=None
        Pixels from one patch to the next. None is half the patch.
    pooling : {"max", "mean", "top"}, default="max"
        See above.
    top_fraction : float in (0, 1], default=0.1
        For `pooling="top"`.
    n_patches : int, default=None
        Patches to train on, at random positions, as many from each image. A network of this package, given as it is and
        not inside a pipeline, ensemble or second stage, gets a new sample in each epoch of its last stage, for which
        files are read again; rows that its own `validation_fraction` holds out stay, but are of the same images. Any
        other estimator gets one sample. None: all patches of the grid, in memory at once.
    foreground : {"otsu"} or callable or None, default="otsu"
        Which pixels show tissue: those brighter, after a blur of 2 pixels, than halfway between the darkest value and
        Otsu's threshold, which itself would leave out the lungs of a chest X-ray, and the holes among them; or a mask
        `foreground(image)`, bool (H, W), of a float image (H, W), or (C, H, W) of several channels. Other patches are
        neither trained on nor scored. None takes all patches.
    min_foreground : float in [0, 1], default=0.5
        Share of foreground that a patch must have.
    on_error : {"raise", "skip"}, default="raise"
        What becomes of an image that cannot be read or used: one smaller than a patch, without a patch of enough
        foreground, with NaN, or of other channels, dtype or range than the first. "skip": it is named and counted in a
        warning, is not trained on, and its score is NaN.
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration images below the threshold. None: the lowest of them is the threshold.
    threshold_data : {"train", "validation"}, default="train"
        Images whose scores set the threshold and the p-values: those trained on, or those held out.
    validation_fraction : float in (0, 1), default=None
        Share of the images that is held out of training, with all their patches; None holds out none.
    random_state : int, RandomState or None, default=None
        Positions of random patches, images held out, and seeds of `estimator`.
    n_jobs : int, default=None
        Threads that read files; as `sklearn_occ.datasets.iter_images` takes it.
    verbose : int or "auto", default="auto"
        "auto" shows how many images are done on one line of stderr, if that is a terminal or belongs to a notebook, in
        the main thread of the main process alone. 0 is silent, 1 prints it every 10 seconds. A fit goes over the images
        several times: to find those that can be used, to cut patches, with `n_patches` for each epoch anew, and to
        score. It is handed to each detector inside whose own `verbose` has its default; one that was set there stays.

    Attributes
    ----------
    estimator_ : estimator
        The fitted patch scorer.
    offset_ : float
        Threshold on the score of an image: `decision_function = score_samples - offset_`.
    calibration_scores_ : ndarray of float64, ascending
        Scores of the images that set the threshold.

    See Also
    --------
    PatchAutoencoder : The default detector inside.
    AlignedDetector : Detector of images that show the same at the same place.
    save_overlay : Write a map as a picture.
    sklearn_occ.datasets.iter_images : Read files in threads.

    References
    ----------
    Wei et al. (2018), Anomaly detection for medical images based on a one-class classification: decomposition of large
    images into patches. The paper scores patches; pooling, blending and foreground are ours.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_occ import CAE, PatchDetector
    >>> images = list(np.random.default_rng(0).uniform(size=(6, 40, 50)))
    >>> scorer = CAE(max_epochs=2, channels=2)
    >>> occ = PatchDetector(scorer, patch_size=16, foreground=None, random_state=0).fit(images)
    >>> occ.score_samples(images).shape, occ.anomaly_map(images)[0].shape
    ((6,), (40, 50))
    """

    _parameter_constraints: dict = {
        **BaseDetector._parameter_constraints,
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "patch_size": [Interval(Integral, 1, None, closed="left"), tuple, list],
        "stride": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "pooling": [StrOptions({"max", "mean", "top"})],
        "top_fraction": [Interval(Real, 0, 1, closed="right")],
        "n_patches": [Interval(Integral, 2, None, closed="left"), None],
        "foreground": [StrOptions({"otsu"}), callable, None],
        "min_foreground": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"raise", "skip"})],
        "verbose": ["verbose", StrOptions({"auto"})],
    }
    _state_class = PatchFitState
    from_paper = published(
        {"inbreast": {"estimator": PatchAutoencoder.from_paper(), "patch_size": 128}},
        departures="""Wei et al., section 5. Which patches are cut is not given, and the paper stops at their scores:
        stride, foreground, pooling and blending are ours.""",
    )

    def __init__(
        self,
        estimator=None,
        *,
        patch_size=128,
        stride=None,
        pooling="max",
        top_fraction=0.1,
        n_patches=None,
        foreground="otsu",
        min_foreground=0.5,
        on_error="raise",
        contamination=0.1,
        threshold_data="train",
        validation_fraction=None,
        random_state=None,
        n_jobs=None,
        verbose="auto",
    ):
        self.estimator = estimator
        self.patch_size = patch_size
        self.stride = stride
        self.pooling = pooling
        self.top_fraction = top_fraction
        self.n_patches = n_patches
        self.foreground = foreground
        self.min_foreground = min_foreground
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.on_error = on_error
        self.verbose = verbose

    def fit(self, X, y=None):
        """Train the patch scorer on the majority images and set the threshold.

        Parameters
        ----------
        X : list of arrays or of paths, or array of shape (n, H, W) or (n, C, H, W)
            Images of any sizes, each (H, W) or (C, H, W): uint8 and uint16 are read as shares of the largest value,
            floats as they are. Paths as `sklearn_occ.datasets.read_image` takes them; files are read when they are
            needed, a few at a time.
        y : array-like of shape (n,), default=None
            1 for the majority, -1 for the minority: images labelled -1 are never trained on.

        Returns
        -------
        self
            The fitted estimator.
        """
        return super().fit(X, y)

    def _read_X(self, X, *, reset):
        kind = self._fit_state.kind  # None when fitting
        return Images(X, n_jobs=self.n_jobs, on_error=self.on_error, verbose=self.verbose, kind=kind)

    def _select(self, X, numbers):
        return X.take(numbers)

    def _inspect(self, X, *, reset):
        """Leave it to `TrainingPatches`, which reads the images once: they may be files."""

    def _draw_seeds(self, random):
        super()._draw_seeds(random)
        scorer = PatchAutoencoder() if self.estimator is None else clone(self.estimator)
        seed_unset(scorer, lambda: random.randint(LARGEST_SEED))
        self.estimator_ = hand_verbose(scorer, self.verbose)

    def _fit(self, X, X_valid):
        state = self._fit_state
        state.layout = PatchLayout(self.patch_size, self.stride, self.foreground, self.min_foreground)
        state.pooling = self.pooling, self.top_fraction
        patches = TrainingPatches(X, state.layout, state.seed)
        X.keep(patches.usable)
        state.training_rows = state.training_rows[patches.usable]
        state.kind = X.kind
        if X_valid is not None:
            X_valid.kind = X.kind
        if self.n_patches is None:
            self.estimator_ = self.estimator_.fit(as_taken_by(self.estimator_, patches.all()))
        else:
            self.estimator_ = self._fitted_on_samples(self.estimator_, patches)

    def _fitted_on_samples(self, scorer, patches):
        sample = as_taken_by(scorer, patches.draw(0, self.n_patches))
        if not isinstance(scorer, BaseDeepOneClass):
            return scorer.fit(sample)
        users, renewed = scorer.callbacks, RenewedPatches(patches.draw)
        try:
            return scorer.set_params(callbacks=[*(users or []), renewed]).fit(sample).set_params(callbacks=users)
        finally:
            renewed.draw = None

    def _usable_scores(self, scores, X):
        usable = scores[np.isfinite(scores)]  # an image that is skipped has none
        if not len(usable):
            raise ValueError(
                f"None of {len(scores)} calibration images can be used, expected at least 1; see the warning."
            )
        return usable

    @with_shared_docs
    def score_samples(self, X):
        """Score each image, higher = more like the majority.

        Parameters
        ----------
        {images as in fit}

        Returns
        -------
        scores : ndarray of shape (n,), float64
            In the unit of the patch scorer; NaN for an image that is skipped.
        """
        check_is_fitted(self)
        return self._score_samples(self._read_X(X, reset=False))

    @with_shared_docs
    def predict(self, X):
        """Label each image: 1 majority, -1 minority, 0 for one that is skipped.

        Parameters
        ----------
        {images as in fit}

        Returns
        -------
        labels : ndarray of shape (n,), int
            One for each image.
        """
        decision = self.decision_function(X)
        return np.where(np.isnan(decision), 0, np.where(decision >= 0, 1, -1))

    @with_shared_docs
    def p_value(self, X):
        """Share of calibration images that look no more normal: `(1 + #{s_cal <= s}) / (n_cal + 1)`.

        A conformal p-value, uniform on new majority images, when the calibration images were held out
        (`threshold_data="validation"`); too small on new images when they were trained on.

        Parameters
        ----------
        {images as in fit}

        Returns
        -------
        p : ndarray of shape (n,), float64
            In (0, 1]; NaN for an image that is skipped.
        """
        scores = self.score_samples(X)
        return np.where(np.isnan(scores), np.nan, self._p_value_of(scores))

    @property
    def _scorer(self):
        return PatchScorer(self.estimator_, self._fit_state.layout)

    def _score_samples(self, X):
        scorer = self._scorer
        of_images = X.results(lambda image: pooled(scorer.scores(image).scores, *self._fit_state.pooling))
        return np.array([np.nan if score is None else score for score in of_images])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags
