"""OCSVM: the one-class support vector machine."""

from numbers import Integral, Real

import numpy as np
from sklearn.svm import OneClassSVM
from sklearn.utils._param_validation import Interval, StrOptions

from .._contract import BaseOneClass
from .._docstrings import with_shared_docs
from ._kernels import expansion, rows_as_vectors


@with_shared_docs
class OCSVM(BaseOneClass):
    """Exact nu-one-class support vector machine on the pixels of an image or the features of a table.

    ::

        score(x) = sum_i alpha_i K(x, s_i),     min_alpha 1/2 alpha' K alpha,  0 <= alpha_i <= 1, sum_i
        alpha_i = nu n

    over the n majority rows; the rows with `alpha_i > 0` are the support vectors `s_i`. The dual problem is
    solved by libsvm (scikit-learn's `OneClassSVM`), in float64. Scores are computed by matrix products in
    blocks, in float64 and memory that does not grow with the number of rows.

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
        Upper bound on the share of training rows below `rho`, lower bound on the share of support vectors.
        At 1 every row has weight 1 (a kernel density estimate) and `rho` is the highest score.
    degree : int, default=3
        Degree of the polynomial kernel.
    coef0 : float, default=0.0
        Constant of the polynomial and the sigmoid kernel.
    tol : float, default=1e-3
        Tolerance of the solver's stopping rule, in units of the score.
    shrinking : bool, default=True
        Whether the solver leaves out rows that have reached a bound.
    cache_size : float, default=200
        Memory of the solver's kernel cache, in MB.
    max_iter : int, default=-1
        Limit on the solver's iterations; -1 sets none.
    contamination : "auto", float in (0, 0.5] or None, default="auto"
        "auto": the threshold is the solver's own, rho. A float: that share of the calibration rows lies
        below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
        The solver itself draws nothing.

    Attributes
    ----------
    support_ : ndarray of shape (n_support,)
        Indices of the support vectors among the rows of `X`.
    support_vectors_ : ndarray of shape (n_support, n_features)
        The support vectors; empty for a precomputed kernel.
    dual_coef_ : ndarray of shape (1, n_support)
        Their weights alpha.
    n_iter_ : int
        Iterations of the solver.
    {threshold attributes}

    References
    ----------
    Schoelkopf, Platt, Shawe-Taylor, Smola, Williamson (2001), Estimating the support of a high-dimensional
    distribution, equations 3.7 to 3.10.

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
        "tol": [Interval(Real, 0, None, closed="neither")],
        "shrinking": ["boolean"],
        "cache_size": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, -1, None, closed="left")],
        "contamination": [StrOptions({"auto"}), *BaseOneClass._parameter_constraints["contamination"]],
    }

    def __init__(
        self,
        *,
        kernel="rbf",
        gamma="scale",
        nu=0.5,
        degree=3,
        coef0=0.0,
        tol=1e-3,
        shrinking=True,
        cache_size=200,
        max_iter=-1,
        contamination="auto",
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.nu = nu
        self.degree = degree
        self.coef0 = coef0
        self.tol = tol
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.max_iter = max_iter
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state

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
        if self.kernel == "precomputed":
            rows = rows[:, self._training_rows]
        variance = rows.var()
        self._gamma = {
            "scale": 1 / (rows.shape[1] * variance) if variance > 0 else 1.0,
            "auto": 1 / rows.shape[1],
        }.get(self.gamma, self.gamma)
        if self.nu == 1:
            self._weigh_all_rows(rows)
        else:
            self._solve(rows)

    def _solve(self, rows):
        solver = OneClassSVM(
            kernel=self.kernel,
            gamma=self._gamma,
            nu=self.nu,
            degree=self.degree,
            coef0=self.coef0,
            tol=self.tol,
            shrinking=self.shrinking,
            cache_size=self.cache_size,
            max_iter=self.max_iter,
        ).fit(rows)
        self.support_ = self._training_rows[solver.support_]
        self.support_vectors_ = solver.support_vectors_
        self.dual_coef_ = solver.dual_coef_
        self.n_iter_ = solver.n_iter_
        self._rho = float(solver.offset_[0])

    def _weigh_all_rows(self, rows):
        # nu = 1 leaves one solution, alpha_i = 1, for which libsvm finds no finite rho; its limit is the highest score.
        self.support_ = self._training_rows
        self.support_vectors_ = np.empty((0, 0)) if self.kernel == "precomputed" else rows
        self.dual_coef_ = np.ones((1, len(rows)))
        self.n_iter_ = 0
        self._rho = float((rows.sum(1) if self.kernel == "precomputed" else self._score_samples(rows)).max())

    def _score_samples(self, X):
        if self.kernel == "precomputed":
            return rows_as_vectors(X)[:, self.support_] @ self.dual_coef_[0]
        return expansion(
            X,
            self.support_vectors_,
            self.dual_coef_[0],
            self.kernel,
            gamma=self._gamma,
            degree=self.degree,
            coef0=self.coef0,
        )

    def _own_offset(self):
        return self._rho

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags
