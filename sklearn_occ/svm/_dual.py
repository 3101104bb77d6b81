"""The dual of the one-class SVM, solved on the rows near the threshold while the others keep their weights."""

from typing import NamedTuple

import numpy as np

from ._kernels import PrecomputedMatrix
from ._pairs import bounded_gradients, optimize

_FEW = 1000  # rows: the smallest sample, and the fewest solved at once
_SHARE = 8  # of the rows, for both
_MB = 2**20
_RELATIVE_TOL = 1e-4  # of the largest score, where tol is more
_ROUNDING = 1e-13  # of a score, by the terms it is summed from
_PAIRS_WITHOUT_LIMIT = 2 * 10**5, 100  # in all, and for each row


class DualSolution(NamedTuple):
    """Weights of all rows, their scores `K alpha`, the number of pairs that were moved, whether the rule is met."""

    alpha: np.ndarray
    gradient: np.ndarray
    n_iter: int
    is_optimal: bool

    @property
    def rho(self):
        """Score of the rows with a weight between the bounds; where there are none, the middle of what it may be."""
        free = (self.alpha > 0) & (self.alpha < 1)
        if free.any():
            return float(self.gradient[free].mean())
        gain, lose = bounded_gradients(self.alpha, self.gradient, 0.0)
        return float((gain.min() + lose.max()) / 2)

    def for_matrix(self, matrix):
        """The same weights with the scores of another kernel."""
        return self._replace(gradient=_times(matrix, self.alpha))


def solve_dual(matrix, nu, *, tol, cache_size, max_iter, start=None):
    """Minimise `1/2 a' K a` with `0 <= a_i <= 1` and `sum_i a_i = nu n`.

    A random sample of the rows, solved first, tells roughly where the threshold lies: all rows below it start with
    weight 1. Then, in turn, the rows nearest to the threshold are solved with the weights of all others fixed, and the
    scores of all rows are brought up to date, until libsvm's stopping rule holds for all of them. Only products of the
    kernel's blocks are ever as wide as the data: about n times the number of support vectors are computed once.

    Parameters
    ----------
    matrix : KernelMatrix or PrecomputedMatrix
        K, of n rows.
    nu : float in (0, 1)
        See above.
    tol : float
        The largest difference of scores between a row that may lose weight and one that may gain some, beyond rounding;
        1e-4 of the largest score where that is less.
    cache_size : float
        Memory of the kernel of the rows solved at once, in MB.
    max_iter : int
        Most pairs between which weight is moved; -1 stands for 200 000, or 100 for each row if that is more.
    start : DualSolution, optional
        To start from: weights and scores for this matrix and any nu.

    Returns
    -------
    solution : DualSolution

    Raises
    ------
    ValueError
        When kernel values are not finite.
    """
    few, for_each = _PAIRS_WITHOUT_LIMIT
    limit = max(few, for_each * len(matrix)) if max_iter == -1 else max_iter
    return _solve(matrix, nu, _Rules(tol, max(2, int((cache_size * _MB / 8) ** 0.5)), limit), start)


class _Rules(NamedTuple):
    """When to stop, most rows solved at once, and most pairs moved."""

    tol: float
    largest: int
    limit: int


def _solve(matrix, nu, rules, start=None):
    lengths = np.sqrt(np.abs(matrix.diagonal()))  # |K_ij| is at most their product
    if not np.isfinite(lengths).all():
        raise ValueError("The kernel of X has values that are not finite; scale X, or lower gamma or degree.")
    if len(matrix) <= min(_FEW, rules.largest):
        matrix = PrecomputedMatrix(matrix.block(np.arange(len(matrix))))
    if start is None:
        alpha, n_iter = _first_weights(matrix, nu, rules)
        gradient = _times(matrix, alpha)
    else:
        alpha, n_iter = weights_of_lowest(start.gradient, nu * len(matrix)), 0
        gradient = start.gradient + _times(matrix, alpha - start.alpha)
    size = min(rules.largest, max(_FEW, len(matrix) // _SHARE))
    is_stuck = False
    while True:
        largest = np.abs(gradient).max()
        rounding = _ROUNDING * lengths * (lengths @ alpha)
        gain, lose = bounded_gradients(alpha, gradient, rounding)
        tol = min(rules.tol, _RELATIVE_TOL * largest)
        gap = lose.max() - gain.min()
        if gap <= tol or n_iter >= rules.limit or is_stuck:
            return DualSolution(alpha, gradient, n_iter, bool(gap <= rules.tol))
        near = np.union1d(_smallest(gain, size // 2), _smallest(-lose, size // 2))
        weights, left = alpha[near], rules.limit - n_iter
        moved = optimize(matrix.block(near), weights, gradient[near], rounding[near], tol=tol / 2, max_iter=left)
        n_iter, is_stuck = n_iter + moved, not moved
        change = np.zeros(len(alpha))
        change[near] = weights - alpha[near]
        alpha[near] = weights
        gradient += _times(matrix, change)


def _first_weights(matrix, nu, rules):
    n = len(matrix)
    sample = np.random.default_rng(0).permutation(n)[: max(_FEW, n // _SHARE)]  # the same for every fit
    weights, n_iter = np.ones(len(sample)), 0
    if len(sample) < n:
        weights, _, n_iter, _ = _solve(matrix.subset(sample), nu, rules)
    chosen = weights > 0
    return weights_of_lowest(matrix.times(sample[chosen], weights[chosen]), nu * n), n_iter


def weights_of_lowest(scores, total):
    """Weight 1 for the lowest scores, as many as `total` allows, what is left of it for the next, 0 for all others."""
    order = np.argsort(scores, kind="stable")
    whole = int(total)
    alpha = np.zeros(len(scores))
    alpha[order[:whole]] = 1
    alpha[order[whole : whole + 1]] = total - whole
    return alpha


def _times(matrix, weights):
    used = np.flatnonzero(weights)
    return matrix.times(used, weights[used])


def _smallest(values, count):
    return np.arange(len(values)) if count >= len(values) else np.argpartition(values, count)[:count]
