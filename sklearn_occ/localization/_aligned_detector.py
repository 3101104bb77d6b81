"""AlignedDetector: each place of aligned images is judged by the error that is usual there."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_params

from .._docstrings import with_shared_docs
from ..base._anomaly_map import SMOOTHING, images_for_map, of_kind
from ..base._fit_state import FitState
from ..base._inner import LARGEST_SEED, hand_verbose, in_threads, seed_unset, was_interrupted, with_own_checkpoint
from ..base._input import image_shape_within
from ..base._one_class import BaseOneClass, finite
from ..reconstruction import PCAReconstruction
from ._regions import pooled

_LEAST_SHARE = 0.01  # of the root mean square of all scales of images, of a feature's mean error in a table


@dataclass(eq=False)
class AlignedFitState(FitState):
    """What `AlignedDetector` keeps besides: parameters as they were when it was fitted."""

    of_map: dict | None = None  # for `anomaly_map` of the detector inside
    tail: str | None = None
    top_fraction: float | None = None


@with_shared_docs
class AlignedDetector(MetaEstimatorMixin, BaseOneClass):
    """Standardise the anomaly map of a detector at each place by the maps of the majority.

    ::

        z(p) = (m(p) - mean(p)) / scale(p)     m: the map of the detector, blurred by `smoothing` pixels

        "upper"   map(p) =  z(p)       more error than is usual at p
        "lower"   map(p) = -z(p)       less error, as where texture is missing
        "both"    map(p) = |z(p)|

        score(x) = -mean of the highest `top_fraction` of map(p), at least one place

    `mean(p)` and `scale(p)` are mean and standard deviation of m(p) over the training rows, each mapped by a detector
    that was trained without it, as one of `cv` folds was left out. New rows are mapped by one that was trained on all.
    So maps and scores are in standard deviations of new majority rows, but for what a fold would have added to
    training. A scale is at least a hundredth of the root mean square of all, for a table of `mean(p)`, there also the
    error that rounding makes of a constant feature; 1 where that is 0, and for a feature that is 0 throughout.

    The images have to be aligned already, that is, show the same at the same place, and be of one size: edges, as those
    of ribs, have large errors in every image, and hide small lesions unless it is known where they are. The maps of all
    rows are in memory at once. For a table m is the squared error of each feature, and `smoothing` is not used.

    Parameters
    ----------
    estimator : detector with `anomaly_map`, default=None
        Gives the map: any detector of this package that has `anomaly_map`, so not `COCSVM` and `AEGMM`; None is
        `PCAReconstruction()`. It is cloned for each fit, and every `random_state` in it that is None is set from this
        estimator's. One that is fitted already goes in as `FrozenEstimator(detector)` of scikit-learn; `fit` then wants
        other rows than it was trained on, or their maps and scores are not those of new rows. For a table it has to
        have `reconstruct`.
    kind : str, default=None
        Kind of the detector's map, as its `anomaly_map` takes it: "brighter" where lesions are known to be bright. None
        is its default. Not used for tables.
    smoothing : float, default=2.0
        Standard deviation in pixels of the Gaussian blur of m.
    tail : {"upper", "lower", "both"}, default="upper"
        See above.
    top_fraction : float in (0, 1], default=0.01
        Share of the places that makes the score.
    cv : int or None, default=5
        Folds, at least 2; the detector is fitted `cv` + 1 times, and its `checkpoint`, "fit.pt", is "fit-0.pt" and so
        on for the folds. None: it is fitted once, and mean and scale are those of the rows it was trained on, too
        small for new rows where it fits these closely. A frozen detector is not fitted, and has no folds.
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    n_jobs : int, default=None
        Threads in which the detectors of the folds are fitted; None is one, -1 as many as there are processors. They
        share a device, and give the same bits as one thread.
    {verbose of what is inside}

    Attributes
    ----------
    estimator_ : estimator
        The detector fitted on all training rows.
    map_mean_, map_scale_ : ndarray of shape (H, W), or (n_features,) for a table, float64
        See above, in the unit of the detector's map.
    {threshold attributes}

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C ends the fit of the detector, since its maps are those of a whole one.

    See Also
    --------
    PatchDetector : Detector of images that differ in size.
    PCAReconstruction : The default detector inside.
    sklearn_occ.metrics.aupro_score : Figure of maps against masks.

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
        "kind": [str, None],
        "smoothing": SMOOTHING,
        "tail": [StrOptions({"upper", "lower", "both"})],
        "top_fraction": [Interval(Real, 0, 1, closed="right")],
        "cv": [Interval(Integral, 2, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "verbose": ["verbose", StrOptions({"auto"})],
    }
    _state_class = AlignedFitState

    def __init__(
        self,
        estimator=None,
        *,
        kind=None,
        smoothing=2.0,
        tail="upper",
        top_fraction=0.01,
        cv=5,
        contamination=0.1,
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
        n_jobs=None,
        verbose="auto",
    ):
        self.estimator = estimator
        self.kind = kind
        self.smoothing = smoothing
        self.tail = tail
        self.top_fraction = top_fraction
        self.cv = cv
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @with_shared_docs
    @validate_params({"smoothing": SMOOTHING}, prefer_skip_nested_validation=True)
    def anomaly_map(self, X, *, smoothing=0.0):
        """Map of each image in standard deviations, higher = more anomalous.

        Parameters
        ----------
        {images to map}
        smoothing : float, default=0.0
            Standard deviation in pixels of a Gaussian blur of the standardised map, besides that of m.

        {maps of images}
        """
        X = images_for_map(self, X)
        maps = _checked(self._standardised(_checked(self._raw_maps(self.estimator_, X), X)), X)
        return gaussian_filter(maps, (0, smoothing, smoothing)) if smoothing else maps

    def _image_shape_asked_for(self):
        return self.image_shape or image_shape_within(self.estimator)

    def _fit(self, X, X_valid):
        random = np.random.RandomState(self._fit_state.seed)
        detector = PCAReconstruction() if self.estimator is None else clone(self.estimator)
        if self.image_shape_ is None and not hasattr(detector, "reconstruct"):
            raise ValueError(
                f"X is a table, but {type(detector).__name__} has no reconstruct, from which the errors of features "
                "come; pass images or set image_shape, or use a detector that reconstructs."
            )
        folds = None
        if self.cv is not None and not isinstance(detector, FrozenEstimator):
            folds = KFold(self.cv, shuffle=True, random_state=random.randint(LARGEST_SEED))
            if len(X) < (fewest := max(3, self.cv)):
                raise ValueError(
                    f"cv={self.cv} folds of {len(X)} training rows, expected at least {fewest} rows; lower cv, set "
                    "cv=None, or add rows."
                )
        hand_verbose(seed_unset(detector, lambda: random.randint(LARGEST_SEED)), self.verbose)
        state = self._fit_state
        state.of_map = {"smoothing": self.smoothing, **of_kind(detector, self.kind)}
        state.tail, state.top_fraction = self.tail, self.top_fraction
        self.estimator_ = _fitted(detector, X)
        maps = self._raw_maps(self.estimator_, X) if folds is None else self._left_out_maps(detector, X, folds)
        self.map_mean_, self.map_scale_ = _usual(_checked(maps, X), None if self.image_shape_ else X)
        return self._pooled(maps) if folds is None else None

    def _left_out_maps(self, detector, X, folds):
        """Maps of the rows by detectors that were trained without them."""

        def of_fold(k, trained_on, left_out):
            fitted = _fitted(with_own_checkpoint(clone(detector), k), X[trained_on])
            return left_out, self._raw_maps(fitted, X[left_out])

        found = in_threads(self.n_jobs, of_fold, [(k, *rows) for k, rows in enumerate(folds.split(X))])
        maps = np.empty((len(X), *found[0][1].shape[1:]))
        for left_out, of_rows in found:
            maps[left_out] = of_rows
        return maps

    def _score_samples(self, X):
        return self._pooled(_checked(self._raw_maps(self.estimator_, X), X))

    def _pooled(self, maps):
        return pooled(-self._standardised(maps).reshape(len(maps), -1), "top", self._fit_state.top_fraction)

    def _standardised(self, maps):
        with np.errstate(over="ignore"):  # the row is named by who calls
            z = (maps - self.map_mean_) / self.map_scale_
        if self._fit_state.tail == "both":
            return np.abs(z)
        return z if self._fit_state.tail == "upper" else -z

    def _raw_maps(self, detector, X):
        """What is standardised, float64 (n, H, W) or (n, n_features)."""
        if self.image_shape_ is None:
            rows = X.astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                return np.square(detector.reconstruct(rows) - rows)
        maps = detector.anomaly_map(X, **self._fit_state.of_map)
        if any(one is None for one in maps):
            raise ValueError(
                f"{type(detector).__name__} skipped an image, which so has no map; set its on_error='raise', which "
                "names it."
            )
        return np.asarray(maps, dtype=np.float64)


def _checked(maps, X):
    """The maps, if all are finite; else an error that names the row of X."""
    with np.errstate(over="ignore", invalid="ignore"):
        finite(maps.reshape(len(maps), -1).mean(axis=1), X, of="map")
    return maps


def _fitted(detector, X):
    detector.fit(X, None)  # frozen ones want a y
    if was_interrupted(detector):
        raise KeyboardInterrupt("the detector was interrupted; its maps are those of a whole one.")
    return detector


def _usual(maps, table):
    """Mean and scale of each place; `table` is the rows of features that the maps are of, None for images."""
    unit = np.abs(maps).max(axis=0)  # so that no square overflows or vanishes
    unit[unit == 0] = 1.0
    maps = maps / unit
    mean, scale = maps.mean(axis=0) * unit, maps.std(axis=0) * unit
    if table is None:
        highest = scale.max() or 1.0
        least = _LEAST_SHARE * highest * np.sqrt(np.mean(np.square(scale / highest)))
    else:
        rounding = np.finfo(np.float64).eps * np.square(np.abs(table).max(axis=0), dtype=np.float64)
        least = np.where(rounding == 0, 1.0, np.maximum(_LEAST_SHARE * mean, rounding))
    scale = np.maximum(scale, least)
    return mean, np.where(scale == 0, 1.0, scale)
