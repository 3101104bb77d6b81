"""OCSVM: the one-class support vector machine."""

from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import OneClassSVM
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.utils import get_map_location

from .._device import available_device
from .._docstrings import with_shared_docs
from .._warning import warn
from ..base._fit_state import FitState
from ..base._one_class import BaseOneClass
from ..base._published import published
from ._candidates import n_first_candidates, solve_on_candidates
from ._dual import solve_dual
from ._kernels import Kernel, KernelMatrix, PrecomputedMatrix, expansion, rows_as_vectors, spread

_PAIRS = 1000, 0.5  # in all and for each row, after which "auto" leaves a problem to libsvm
_WORK_OF_CANDIDATES = 2e7  # n^2 (d + 22 nu) from which they gained more than the rounds cost, about 2 ms
_FEATURES = 22  # that nu = 1 is worth in this: libsvm then computes more columns of the kernel
_FIRST_VALUES = 1e7  # of the kernel of the first candidates, 76 MiB, up to which they were faster than the dual solver
_WORK_OF_LIBSVM = 4e8  # nu n^2 (d + 40) from which the dual solver was faster, some tenths of a second


@dataclass(eq=False)
class OCSVMFitState(FitState):
    """What `OCSVM` keeps besides."""

    gamma: float | None = None  # the number that the parameter stands for
    origin: np.ndarray | None = None  # (n_features,), what "rbf" takes off all rows, their mean; 0 for other kernels
    radius: float | None = None  # the largest distance of a row from it; 0.0 if gamma="scale", which needs none
    rho: float | None = None  # the solver's own threshold
    last_solution: tuple | None = None  # of a warm start: rows, kernel and solution that the next fit begins with


@with_shared_docs
class OCSVM(BaseOneClass):
    """Exact nu-one-class support vector machine on the pixels of an image or the features of a table.

    ::

        score(x) = sum_i alpha_i K(x, s_i),     min_alpha 1/2 alpha' K alpha,  0 <= alpha_i <= 1, sum_i
        alpha_i = nu n

    over the n majority rows; the rows with `alpha_i > 0` are the support vectors `s_i`. Kernels are computed by
    matrix products of blocks, in float64, on the CPU or on CUDA; memory does not grow with the number of rows scored.

    Parameters
    ----------
    kernel : {"rbf", "linear", "poly", "sigmoid", "precomputed"}, default="rbf"
        `exp(-gamma ||x - s||^2)`, `x's`, `(gamma x's + coef0)^degree`, `tanh(gamma x's + coef0)`; or `X`
        holds the kernel itself: (n, n) when fitting, (rows, n) when scoring. A row that is not trained on
        loses its column too.
    gamma : {"scale", "auto"} or float, default="scale"
        Width of the kernel, in 1 / (squared units of X): "scale" is `1 / (n_features * X.var())` over the
        rows trained on, "auto" `1 / n_features`.
    nu : float in (0, 1], default=0.5
        With the default, which is scikit-learn's, half of the training rows are labelled -1 unless `contamination` sets
        another threshold. Upper bound on the share of training rows below `rho`, lower bound on the share of support
        vectors. At 1 every row has weight 1 (a kernel density estimate) and `rho` is the highest score.
    degree : int, default=3
        Degree of the polynomial kernel.
    coef0 : float, default=0.0
        Constant of the polynomial and the sigmoid kernel.
    solver : {"auto", "dual", "libsvm"}, default="auto"
        "dual" solves the problem on the rows nearest to the threshold, again and again, while the others keep their
        weights; the kernel of all rows with the support vectors is computed once. "libsvm" is scikit-learn's
        `OneClassSVM`. Both have the same stopping rule, and where the kernel is positive definite the same solution;
        the sigmoid kernel is not, and then each finds a point where the rule holds. "auto" takes "dual" for the
        kernel "rbf" and many rows, and for a warm start, and begins anew with libsvm where the rule is not met after
        half as many pairs as there are rows, as with narrow kernels. Where the kernel "rbf" of the
        rows is enough work, and that of the candidates is not too much, it lets libsvm solve for candidates for support
        vectors, adds those of the other rows that break the stopping rule, and ends where none does; where most rows
        seem to be support vectors all are candidates. What would need more than `cache_size` is begun anew with "dual"
        or libsvm, to which all is left with `max_iter`.
    tol : float, default=1e-3
        Tolerance of the solver's stopping rule, in units of the score; "dual" and "auto" with candidates take at most
        1e-4 of the largest score, and "dual" leaves differences that are no more than rounding.
    shrinking : bool, default=True
        Whether libsvm leaves out rows that have reached a bound.
    cache_size : float, default=200
        Memory in MB: of the kernel of the rows that "dual" solves at once, of that of the candidates with all rows, of
        libsvm's kernel cache.
    max_iter : int, default=-1
        Limit on the solver's iterations; -1 sets none for libsvm, and for "dual" 200 000, or 100 for each row if
        that is more. A `ConvergenceWarning` says where it was met.
    contamination : "auto", float in (0, 0.5] or None, default="auto"
        "auto": the threshold is the solver's own, rho. A float: that share of the calibration rows lies
        below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
        The solver itself draws nothing.
    device : str or torch.device, default="auto"
        Where kernels are computed, but libsvm's: "auto" takes CUDA where there is one, else the CPU; or "cpu",
        "cuda", "cuda:1".
    warm_start : bool, default=False
        Whether "dual" starts from the solution of the last `fit` to the same rows, with another `nu` or `gamma` for
        instance. The result meets the same stopping rule. With another `nu` alone only the change is computed; with
        another kernel little is gained. The last solution, two numbers for each row, is kept and pickled. Of the same
        rows the same are held out again, unless an int `random_state` was changed.

    Attributes
    ----------
    support_ : ndarray of shape (n_support,)
        Indices of the support vectors among the rows of `X`.
    support_vectors_ : ndarray of shape (n_support, n_features)
        The support vectors; empty for a precomputed kernel.
    dual_coef_ : ndarray of shape (1, n_support)
        Their weights alpha.
    n_iter_ : int
        Iterations of the solver: pairs of rows between which weight was moved.
    device_ : torch.device
        Where kernels are computed; the CPU where a fit on CUDA is unpickled without one, of which skorch's
        `DeviceWarning` tells.
    {threshold attributes}

    See Also
    --------
    COCSVM : The same on the codes of an autoencoder.
    DeepSVDD : Hypersphere around the codes of a trained network.
    sklearn_occ.pipelines.make_hog_ocsvm : The same on features of edges.
    sklearn.svm.OneClassSVM : The one of scikit-learn.

    References
    ----------
    Schoelkopf, Platt, Shawe-Taylor, Smola, Williamson (2001), Estimating the support of a high-dimensional
    distribution, equations 3.7 to 3.10.
    Fan, Chen, Lin (2005), Working set selection using second order information for training support vector machines.

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_occ import OCSVM
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> scores = OCSVM(nu=0.1).fit(digits.X_train).score_samples(digits.X_test)
    >>> print(f"{roc_auc_score(digits.y_test, scores):.3f}")
    1.000
    """

    _parameter_constraints: dict = {
        **BaseOneClass._parameter_constraints,
        "kernel": [StrOptions({"rbf", "linear", "poly", "sigmoid", "precomputed"})],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0, None, closed="neither")],
        "nu": [Interval(Real, 0, 1, closed="right")],
        "degree": [Interval(Integral, 0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "solver": [StrOptions({"auto", "dual", "libsvm"})],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "shrinking": ["boolean"],
        "cache_size": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, -1, None, closed="left")],
        "device": [str, torch.device],
        "warm_start": ["boolean"],
        "contamination": [StrOptions({"auto"}), *BaseOneClass._parameter_constraints["contamination"]],
    }
    from_paper = published(
        {"splitting": {"kernel": "rbf", "gamma": "auto", "nu": 0.15}, "conocc": {"kernel": "rbf"}},
        departures="""Baselines: "splitting" of Schlachter et al., Deep one-class classification using intra-class
        splitting; "conocc" of Gao et al., Constrained deep one-class feature learning for classifying imbalanced
        medical images, section 3.1, which names the kernel alone.""",
    )
    _state_class = OCSVMFitState

    def __init__(
        self,
        *,
        kernel="rbf",
        gamma="scale",
        nu=0.5,
        degree=3,
        coef0=0.0,
        solver="auto",
        tol=1e-3,
        shrinking=True,
        cache_size=200,
        max_iter=-1,
        contamination="auto",
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
        device="auto",
        warm_start=False,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.nu = nu
        self.degree = degree
        self.coef0 = coef0
        self.solver = solver
        self.tol = tol
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.max_iter = max_iter
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state
        self.device = device
        self.warm_start = warm_start

    def _read_X(self, X, *, reset):
        X = super()._read_X(X, reset=reset)
        if self.kernel == "precomputed" and (X.ndim > 2 or (reset and len(X) != X.shape[1])):
            raise ValueError(
                f"X has shape {X.shape}, but kernel='precomputed' takes the kernel of the rows with the rows fitted: "
                "(n, n) when fitting, (rows, n) when scoring."
            )
        return X

    def _fit(self, X, X_valid):
        rows = rows_as_vectors(X)
        if self.kernel == "precomputed" and rows.shape[1] > len(rows):
            rows = rows[:, self._fit_state.training_rows]
        state = self._fit_state
        state.gamma = self._gamma_for(rows)
        self.device_ = torch.device(available_device(self.device, type(self).__name__))
        state.origin, state.radius = np.zeros(rows.shape[1]), 0.0
        if self.kernel == "rbf":
            state.origin = rows.mean(0)
            if self.gamma != "scale":  # with which gamma radius^2 is at most n
                state.radius = float(np.linalg.norm(rows - state.origin, axis=1).max())
        if self.nu == 1:
            return self._weigh_all_rows(rows)
        if self.solver == "auto" and self._is_worth_candidates(*rows.shape):
            solution = self._solve_on_candidates(rows)
            if solution is not None:
                return self._take(rows, solution)
        if self.solver == "libsvm" or (self.solver == "auto" and not self._is_worth_dual(*rows.shape)):
            return self._solve_by_libsvm(rows)
        return self._solve_dual(rows)

    def _gamma_for(self, rows):
        if self.gamma == "auto":
            return 1 / rows.shape[1]
        if self.gamma != "scale":
            return self.gamma
        variance = rows.var() if self.kernel not in ("linear", "precomputed") else 0.0
        return 1 / (rows.shape[1] * variance) if variance > 0 else 1.0

    def _keeps_seed(self):
        was_drawn = self._fit_state.seed is not None
        return self.warm_start and was_drawn and not isinstance(self.random_state, Integral)

    def _first_state(self):
        is_followed = self.warm_start and hasattr(self, "_fit_state")
        return copy(self._fit_state) if is_followed else super()._first_state()

    def _is_worth_candidates(self, n_rows, n_features):
        may_be = self.kernel == "rbf" and not self._kernel().is_direct and not self.warm_start and self.max_iter == -1
        is_enough = n_rows**2 * (n_features + _FEATURES * self.nu) > _WORK_OF_CANDIDATES
        return may_be and is_enough and n_rows * n_first_candidates(n_rows, self.nu) <= _FIRST_VALUES

    def _is_worth_dual(self, n_rows, n_features):
        return self.warm_start or (self.kernel == "rbf" and self.nu * n_rows**2 * (n_features + 40) > _WORK_OF_LIBSVM)

    def _solve_on_candidates(self, rows):
        matrix, most = KernelMatrix(self._kernel(), rows), self.cache_size * 2**20 / 8
        return solve_on_candidates(
            matrix, self.nu, self._libsvm("precomputed"), most_first=min(_FIRST_VALUES, most), most=most
        )

    def _solve_dual(self, rows):
        matrix = PrecomputedMatrix(rows) if self.kernel == "precomputed" else KernelMatrix(self._kernel(), rows)
        kernel_is = self.kernel, self._fit_state.gamma, self.degree, self.coef0
        start = None
        if self.warm_start:
            rows_are = rows.shape, blake2b(np.ascontiguousarray(rows)).digest()
            last_rows, last_kernel, last = self._fit_state.last_solution or (None, None, None)
            if last_rows == rows_are:
                start = last if last_kernel == kernel_is else last.for_matrix(matrix)
        gives_up = self.solver == "auto" and not self.warm_start and self.max_iter == -1
        max_iter = int(_PAIRS[0] + _PAIRS[1] * len(rows)) if gives_up else self.max_iter
        solution = solve_dual(matrix, self.nu, tol=self.tol, cache_size=self.cache_size, max_iter=max_iter, start=start)
        if not solution.is_optimal:
            if gives_up:
                return self._solve_by_libsvm(rows)
            warn(
                f"The solver of OCSVM was ended after {solution.n_iter} pairs (max_iter={self.max_iter}) before it met "
                f"tol={self.tol:g}; raise max_iter or tol, or scale X.",
                ConvergenceWarning,
            )
        if self.warm_start:
            self._fit_state.last_solution = rows_are, kernel_is, solution
        return self._take(rows, solution)

    def _take(self, rows, solution):
        used = np.flatnonzero(solution.alpha)
        self.support_ = self._fit_state.training_rows[used]
        self.support_vectors_ = np.empty((0, 0)) if self.kernel == "precomputed" else rows[used]
        self.dual_coef_ = solution.alpha[None, used]
        self.n_iter_ = solution.n_iter
        self._fit_state.rho = solution.rho
        return solution.gradient if self.contamination == "auto" else None  # else a threshold may be a row's very score

    def _libsvm(self, kernel):
        solver = OneClassSVM(
            kernel=kernel,
            gamma=self._fit_state.gamma,
            nu=self.nu,
            degree=self.degree,
            coef0=self.coef0,
            tol=self.tol,
            shrinking=self.shrinking,
            cache_size=self.cache_size,
            max_iter=self.max_iter,
        )
        # No parameter, and without effect: else fit draws from NumPy's generator.
        solver.random_state = self._fit_state.seed
        return solver

    def _solve_by_libsvm(self, rows):
        solver = self._libsvm(self.kernel).fit(rows)
        self.support_ = self._fit_state.training_rows[solver.support_]
        self.support_vectors_ = solver.support_vectors_
        self.dual_coef_ = solver.dual_coef_
        self.n_iter_ = solver.n_iter_
        self._fit_state.rho = float(solver.offset_[0])

    def _weigh_all_rows(self, rows):
        # nu = 1 leaves one solution, alpha_i = 1, for which no finite rho is the best; its limit is the highest score.
        self.support_ = self._fit_state.training_rows
        self.support_vectors_ = np.empty((0, 0)) if self.kernel == "precomputed" else rows
        self.dual_coef_ = np.ones((1, len(rows)))
        self.n_iter_ = 0
        scores = rows.sum(1) if self.kernel == "precomputed" else self._score_samples(rows)
        self._fit_state.rho = float(scores.max())
        return scores

    def _kernel(self):
        state = self._fit_state
        parameters = {"gamma": state.gamma, "degree": self.degree, "coef0": self.coef0}
        return Kernel(self.kernel, **parameters, origin=state.origin, radius=state.radius, device=self.device_)

    def _score_samples(self, X):
        if self.kernel == "precomputed":
            return rows_as_vectors(X) @ spread(self.dual_coef_[0], self.support_, X.shape[1])
        return expansion(X, self.support_vectors_, self.dual_coef_[0], self._kernel())

    def _own_offset(self):
        return self._fit_state.rho

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "device_"):
            self.device_ = get_map_location(self.device_)  # the CPU, with a warning, where there is no CUDA any more

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags
