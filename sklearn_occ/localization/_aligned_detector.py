"""AlignedDetector: each place of aligned images is judged by the error that is usual there."""

from numbers import Real

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from .._anomaly_map import SMOOTHING, images_to_map
from .._contract import BaseOneClass
from .._docstrings import with_shared_docs
from .._interruption import was_interrupted
from .._seeds import LARGEST_SEED, seed_unset
from ..reconstruction import PCAReconstruction
from ._pooling import pooled

_LEAST_SHARE = 0.01  # of the root mean square of all scales


@with_shared_docs
class AlignedDetector(MetaEstimatorMixin, BaseOneClass):
    """Standardise the anomaly map of a detector at each place by the maps of the majority.

    ::

        z(p) = (m(p) - mean(p)) / scale(p)     m: the map of the detector, blurred by `smoothing` pixels

        "upper"   map(p) =  z(p)       more error than is usual at p
        "lower"   map(p) = -z(p)       less error, as where texture is missing
        "both"    map(p) = |z(p)|

        score(x) = -mean of the highest `top_fraction` of map(p), at least one place

    `mean(p)` and `scale(p)` are mean and standard deviation of m(p) over the training rows. A scale is at least a
    hundredth of the root mean square of all, and 1 if all are 0. Maps and scores are in standard deviations.

    It is for images that show the same at the same place: edges that differ from image to image, as those of ribs, have
    large errors in every image, and hide small lesions unless it is known where they are. Images of all rows are of one
    size, and the maps of all rows are in memory at once. For a table m is the squared error of each feature, and
    `smoothing` does not count.

    Parameters
    ----------
    estimator : detector with `anomaly_map`, default=None
        Gives the map: any detector of this package that reconstructs, `DeepSVDD`, `SeedEnsemble`, or a `PatchDetector`;
        None is `PCAReconstruction()`. It is cloned for each fit, and every `random_state` in it that is None is set
        from this estimator's; one that is fitted already goes in as `FrozenEstimator(detector)` of scikit-learn. For a
        table it has to have `reconstruct`.
    smoothing : float, default=2.0
        Standard deviation in pixels of the Gaussian blur of m.
    tail : {"upper", "lower", "both"}, default="upper"
        See above.
    top_fraction : float in (0, 1], default=0.01
        Share of the places that makes the score.
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}

    Attributes
    ----------
    estimator_ : estimator
        The fitted detector.
    map_mean_, map_scale_ : ndarray of shape (H, W), or (n_features,) for a table, float64
        See above, in the unit of the detector's map.
    {threshold attributes}

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C ends the fit of the detector, since its maps are those of a whole one.

    References
    ----------
    Defard, Setkov, Loesch, Audigier (2021), PaDiM: a patch distribution modeling framework for anomaly detection and
    localization, section 3.2: one normal distribution for each position of aligned images, there of the features of a
    pretrained network, here of an error.

    Examples
    --------
    >>> from sklearn_occ import AlignedDetector, PCAReconstruction
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = AlignedDetector(PCAReconstruction(n_components=8), smoothing=0).fit(digits.X_train)
    >>> occ.anomaly_map(digits.X_test[:5]).shape, occ.score_samples(digits.X_test).shape
    ((5, 8, 8), (1708,))
    """

    _parameter_constraints: dict = {
        **BaseOneClass._parameter_constraints,
        "estimator": [HasMethods(["fit", "anomaly_map"]), None],
        "smoothing": SMOOTHING,
        "tail": [StrOptions({"upper", "lower", "both"})],
        "top_fraction": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        estimator=None,
        *,
        smoothing=2.0,
        tail="upper",
        top_fraction=0.01,
        contamination=0.1,
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.smoothing = smoothing
        self.tail = tail
        self.top_fraction = top_fraction
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state

    def anomaly_map(self, X):
        """Map of each image in standard deviations, higher = more anomalous.

        Parameters
        ----------
        X : array-like of shape (n, H, W) or (n, C, H, W)
            Images of the shape that was fitted; flattened images are taken too.

        Returns
        -------
        maps : ndarray of shape (n, H, W), float64
            A map does not depend on the other rows of X.

        Raises
        ------
        ValueError
            When a table was fitted.
        """
        return self._maps(images_to_map(self, X))

    def _image_shape_asked_for(self):
        return self.image_shape or getattr(self.estimator, "image_shape", None)

    def _fit(self, X, X_valid):
        random = np.random.RandomState(self._seed)
        detector = PCAReconstruction() if self.estimator is None else clone(self.estimator)
        if self.image_shape_ is None and not hasattr(detector, "reconstruct"):
            raise ValueError(
                f"X is a table, but {type(detector).__name__} has no reconstruct, from which the errors of features "
                "come; pass images or set image_shape, or use a detector that reconstructs."
            )
        self.estimator_ = seed_unset(detector, lambda: random.randint(LARGEST_SEED)).fit(X, None)  # frozen ones want y
        if was_interrupted(self.estimator_):
            raise KeyboardInterrupt("the detector was interrupted; its maps are those of a whole one.")
        errors = self._errors(X)
        self.map_mean_, scale = errors.mean(axis=0), errors.std(axis=0)
        least = _LEAST_SHARE * np.sqrt(np.mean(np.square(scale)))
        self.map_scale_ = np.maximum(scale, least or 1.0)

    def _score_samples(self, X):
        return pooled(-self._maps(X).reshape(len(X), -1), "top", self.top_fraction)

    def _maps(self, X):
        z = (self._errors(X) - self.map_mean_) / self.map_scale_
        return {"upper": z, "lower": -z, "both": np.abs(z)}[self.tail]

    def _errors(self, X):
        """What is standardised, (n, H, W) or (n, n_features)."""
        if self.image_shape_ is None:
            rows = X.astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):  # the caller names the row
                return np.square(self.estimator_.reconstruct(rows) - rows)
        maps = self.estimator_.anomaly_map(X, smoothing=self.smoothing)
        if any(one is None for one in maps):
            raise ValueError(
                f"{type(self.estimator_).__name__} skipped an image, which so has no map; set its on_error='raise', "
                "which names it."
            )
        return np.asarray(maps, dtype=np.float64)
