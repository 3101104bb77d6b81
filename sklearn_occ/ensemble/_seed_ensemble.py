"""SeedEnsemble: one detector fitted with several seeds."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_params
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._device import available_device
from .._docstrings import with_shared_docs
from .._engine import BaseDeepOneClass
from ..base._anomaly_map import SMOOTHING, anomaly_maps, of_kind
from ..base._fit_state import FitState
from ..base._inner import LARGEST_SEED, hand_verbose, in_threads, seed_all, was_interrupted, with_own_checkpoint
from ..base._input import as_taken_by, image_shape_within
from ..base._one_class import BaseOneClass
from ..reconstruction import ConOCC

_MOST_REFERENCES = 1000  # calibration scores that ranks are counted among
_BLOCK_VALUES = 2**20  # rows times references at a time: 8 MB of float64


@dataclass(eq=False)
class EnsembleFitState(FitState):
    """What `SeedEnsemble` keeps besides."""

    references: list | None = None  # for each member the scores that ranks are counted among, and the width of steps


@with_shared_docs
class SeedEnsemble(BaseOneClass):
    r"""One detector fitted several times with different seeds; a row's score is the mean over the fits.

    The score is, for "rank" and for "score",

    .. math::

        & \mathrm{mean}_k\, r_k(x), \quad r_k(x) = \mathrm{mean}_i\, \mathrm{arctan2}(h_k,\ c_{ki} - s_k(x)) / \pi \\
        & \mathrm{mean}_k\, s_k(x)

    with :math:`s_k` the score of member k, :math:`c_{k1}, \dots, c_{kn}` the scores that set its own threshold (its
    `calibration_scores_`) and :math:`h_k` the distance between their quartiles, divided by :math:`\sqrt{n}`.

    A rank is the share of the calibration scores that lie below the score of the row, ties counted half, with each step
    from 0 to 1 spread over about :math:`h_k`, the sampling error of such a share. So it is in (0, 1), has no unit, and
    members of different scale weigh alike. Counted in whole steps it would be 0 for every row below all calibration
    scores; here it falls on, as :math:`h_k / (\pi\, \mathrm{distance})`, so that far rows keep their order. But there
    the ranks crowd: a row that one member finds a hundred times as odd as another loses at most one `n_estimators`-th
    of its score by it, and the threshold between two such rows is thin. Where distances are to count, take "score".

    Parameters
    ----------
    estimator : detector, default=None
        What is fitted: any detector of this package, or a pipeline that ends in one; None is `ConOCC()`. It is cloned
        for each member. Every `random_state` in it is set from this estimator's, a different one in each member, also
        where it was set before. Its `checkpoint`, "fit.pt", becomes "fit-0.pt", "fit-1.pt" and so on, and then this
        estimator's `random_state` has to be an int too if a killed fit is to go on. Detectors of this package get
        images as they are, other first steps of a pipeline get them flattened, uint8 divided by 255.
    n_estimators : int, default=8
        Number of members.
    combination : {"rank", "score"}, default="rank"
        See above.
    vectorized : {"auto"} or bool, default="auto"
        Whether all members are trained in one loop, with their weights stacked: for a network that is trained in one
        stage (`CAE`, `SAE`, `PatchAutoencoder`, `ConOCC`) and is made of layers of torch that draw no random numbers,
        without callbacks, checkpoint or validation fraction of its own. It takes the device memory of all fits at
        once. The scores are those of the fits in turn but for rounding, which training amplifies. "auto": on CUDA,
        where it is possible. True: on the CPU as well, where it is worth while for tables, and an error where it is
        not possible. `n_jobs` then counts for scoring alone.
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
    n_jobs : int, default=None
        Threads in which members are fitted and scored; None is one, -1 as many as there are processors. They share a
        device, and give the same bits as one thread.
    {verbose of what is inside}

    Attributes
    ----------
    estimators_ : list of estimators
        The fitted members.
    {threshold attributes}

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C ends the fit of a member, since the mean needs all of them whole.

    See Also
    --------
    AlignedDetector : Another detector that fits one several times.
    sklearn_occ.comparison.compare : Compare detectors over several seeds.

    References
    ----------
    Lakshminarayanan, Pritzel, Blundell (2017), Simple and scalable predictive uncertainty estimation using deep
    ensembles, section 2.4: networks of one architecture that differ in initial weights and the order of the rows.

    Examples
    --------
    >>> from sklearn_occ import CAE, SeedEnsemble
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> member = CAE(lr=1e-3, max_epochs=5, channels=4)
    >>> occ = SeedEnsemble(member, n_estimators=3, random_state=0).fit(digits.X_train)
    >>> occ.score_samples(digits.X_test).shape, occ.score_std(digits.X_test).shape
    ((1708,), (1708,))
    """

    _parameter_constraints: dict = {
        **BaseOneClass._parameter_constraints,
        "estimator": [HasMethods(["fit", "score_samples"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "combination": [StrOptions({"rank", "score"})],
        "vectorized": [StrOptions({"auto"}), "boolean"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose", StrOptions({"auto"})],
    }
    _state_class = EnsembleFitState

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=8,
        combination="rank",
        vectorized="auto",
        contamination=0.1,
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
        n_jobs=None,
        verbose="auto",
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.combination = combination
        self.vectorized = vectorized
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @with_shared_docs
    def score_std(self, X):
        r"""Spread of the members: the standard deviation of the ranks or scores of which the score is the mean.

        Divided by `sqrt(n_estimators)` it is the standard error of the score as far as seeds are concerned.

        {rows as fitted}

        Returns
        -------
        std : ndarray of shape (n,), float64
            In units of the score; :math:`\sqrt{\sum_k (s_k - \bar{s})^2 / (n - 1)}`, with n the `n_estimators`, and 0
            with a single member.
        """
        check_is_fitted(self)
        of_members = self._of_members(self._read_X(X, reset=False))
        return of_members.std(axis=0, ddof=min(1, len(of_members) - 1))

    @available_if(lambda self: hasattr(self._member, "anomaly_map"))
    @with_shared_docs
    @validate_params({"kind": [str, None], "smoothing": SMOOTHING}, prefer_skip_nested_validation=True)
    def anomaly_map(self, X, *, kind=None, smoothing=0.0):
        """Mean of the members' maps, higher = more anomalous; available where the members have `anomaly_map`.

        It is in the unit of a member's map, whatever `combination` says: pixels, unlike rows, have no scores of
        training rows to be ranked among. So members of `DeepSVDD` weigh by the scale of their codes.

        Parameters
        ----------
        {images to map}
        kind : str, default=None
            Kind of the members' maps, as their `anomaly_map` takes it; None is its default.
        smoothing : float, default=0.0
            Sigma, in pixels, of a Gaussian blur of each member's map; 0 is none.

        {maps of images}
        """
        check_is_fitted(self)
        params = {"smoothing": smoothing, **of_kind(self.estimators_[0], kind)}

        def of_member(member, images):
            return member.anomaly_map(images, **params)

        return anomaly_maps(
            self, X, lambda images: np.mean(self._in_threads(of_member, self.estimators_, images), axis=0)
        )

    @property
    def _member(self):
        return ConOCC() if self.estimator is None else self.estimator

    def _image_shape_asked_for(self):
        return self.image_shape or image_shape_within(self.estimator)

    def _fit(self, X, X_valid):
        random = np.random.RandomState(self._fit_state.seed)
        members = [self._new_member(k, random) for k in range(self.n_estimators)]
        rows = as_taken_by(members[0], X)
        self.estimators_ = self._fit_in_one_loop(members, rows) or self._in_threads(_fitted, members, rows)
        self._fit_state.references = [_references(member, rows) for member in self.estimators_]

    def _new_member(self, k, random):
        member = hand_verbose(with_own_checkpoint(clone(self._member), k), self.verbose)
        return seed_all(member, lambda: random.randint(LARGEST_SEED))

    def _fit_in_one_loop(self, members, rows):
        """The members fitted together, or None where each is to be fitted by itself."""
        if self.vectorized is False or (self.vectorized == "auto" and not runs_on_cuda(members[0])):
            return None
        from ._stacked import StackingError, fit_stacked

        try:
            return fit_stacked([clone(member) for member in members], rows)
        except StackingError as reason:
            if self.vectorized == "auto":
                return None
            raise ValueError(
                f"vectorized=True, but {type(members[0]).__name__} {reason}; set vectorized='auto' or False."
            ) from reason

    def _score_samples(self, X):
        return self._of_members(X).mean(axis=0)

    def _of_members(self, X):
        """Ranks or scores of the members, (n_estimators, n)."""
        scores = self._in_threads(_scores, self.estimators_, as_taken_by(self.estimators_[0], X))
        if self.combination == "rank":
            scores = [_ranks(*of_one) for of_one in zip(scores, self._fit_state.references, strict=True)]
        return np.stack(scores)

    def _in_threads(self, function, members, rows):
        return in_threads(self.n_jobs, function, [(member, rows) for member in members])


def runs_on_cuda(estimator):
    """Whether an estimator would train a network on CUDA."""
    if not isinstance(estimator, BaseDeepOneClass):
        return False
    return available_device(estimator.device, type(estimator).__name__) != "cpu"


def _fitted(member, rows):
    member.fit(rows, None)  # frozen ones want a y
    if was_interrupted(member):
        raise KeyboardInterrupt("a member was interrupted; the ensemble needs all of them whole.")
    return member


def _scores(member, rows):
    return np.asarray(member.score_samples(rows), dtype=np.float64)


def _calibration_scores(member):
    """Of the member, a pipeline's last step or what a wrapper has fitted; None where there are none."""
    if isinstance(member, Pipeline):
        return _calibration_scores(member[-1])
    own, inner = (getattr(member, name, None) for name in ("calibration_scores_", "estimator_"))
    return own if own is not None or inner is None else _calibration_scores(inner)


def _references(member, rows):
    """The scores that ranks are counted among, at most 1000 evenly spaced ones, and the width of their steps."""
    scores = _calibration_scores(member)
    scores = np.sort(_scores(member, rows)) if scores is None else scores
    if len(scores) > _MOST_REFERENCES:
        scores = np.quantile(scores, (np.arange(_MOST_REFERENCES) + 0.5) / _MOST_REFERENCES)
    spread = np.subtract(*np.quantile(scores, [0.75, 0.25])) or np.ptp(scores) or 1.0
    return scores, spread / np.sqrt(len(scores))


def _ranks(scores, references):
    references, width = references
    ranks = np.empty(len(scores))
    step = max(1, _BLOCK_VALUES // len(references))
    with np.errstate(over="ignore"):  # infinitely far is rank 0 or 1
        for start in range(0, len(scores), step):
            distances = references - scores[start : start + step, None]
            ranks[start : start + step] = np.arctan2(width, distances).mean(axis=1) / np.pi
    return ranks
