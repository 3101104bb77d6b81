"""The dual of the one-class SVM, solved on candidates for support vectors, to which missed ones are added."""

import numpy as np
from sklearn import config_context

from ._dual import DualSolution

_FIRST = 1.5, 150  # candidates: for each row that may have weight 1, and besides
_GROWTH = 0.5, 100  # most that are added: of the candidates, and in all where that is more
_ALL = 0.7  # of the rows: instead of more candidates, all rows are taken
_NARROW = 3  # mean of gamma times the squared distance from the mean, above which most rows are support vectors
_HOPELESS = 0.5  # of the other rows missed after more were added: so are most
_RELATIVE_TOL = 1e-4  # of the largest score, where tol is more
_MARGIN = 0.99  # as the largest score moves a little when all is solved again


def solve_on_candidates(matrix, nu, solver, *, most_first, most):
    """Minimise `1/2 a' K a` with `0 <= a_i <= 1` and `sum_i a_i = nu n`, for the kernel "rbf" about the mean.

    The rows farthest from the mean are solved by libsvm as if there were no others. Where others then break its
    stopping rule, and so would gain weight, some of these, of all scores, are added, and all is solved again. The
    kernel of each candidate with all rows is computed once, as a product of matrices, and gives the scores too. Where
    most rows seem to be support vectors, all are candidates.

    Parameters
    ----------
    matrix : KernelMatrix
        K, of n rows.
    nu : float in (0, 1)
        See above.
    solver : OneClassSVM
        libsvm with its settings, for a precomputed kernel. It is fitted again and again, with other nu, and with a
        lower tol where that is more than 1e-4 of the largest score found.
    most_first, most : float
        Kernel values to compute at most before the first solution, and to hold at most.

    Returns
    -------
    solution : DualSolution or None
        None where more kernel values would be needed.
    """
    n, far = len(matrix), matrix.exponents()
    total = nu * n
    # a guess at the largest score: it is at least the largest weight, and so nu; the other term is usual
    solver.tol = min(solver.tol, _RELATIVE_TOL * max(nu, total * np.exp(-2 * far.mean())))
    candidates, among, columns, n_iter = np.arange(0), np.empty((0, 0)), [], 0
    is_other = np.ones(n, dtype=bool)
    count = n if far.mean() > _NARROW else n_first_candidates(n, nu)
    new = np.argpartition(far, -count)[-count:] if count < n else np.arange(n)
    if count * n > most_first:
        return None
    while (m := len(candidates) + len(new)) * (n + m) <= most:
        if len(new):
            candidates = np.concatenate([candidates, new])
            is_other[new] = False
            columns.append(matrix.columns(new))
            among = _enlarged(among, columns[-1], candidates)
        solver.nu = nu if m == n else total / m
        with config_context(assume_finite=True, skip_parameter_validation=True):
            solver.fit(among)
        n_iter += int(solver.n_iter_)
        weights = np.zeros(m)
        weights[solver.support_] = solver.dual_coef_[0]
        gradient = _combined(columns, weights)
        highest = gradient[candidates[solver.support_]].max()
        missed = np.flatnonzero(is_other & (gradient < highest - solver.tol))
        if not len(missed):
            finest = _RELATIVE_TOL * gradient.max()
            if solver.tol <= finest:
                alpha = np.zeros(n)
                alpha[candidates] = weights
                return DualSolution(alpha, gradient, n_iter, True)
            solver.tol, new = _MARGIN * finest, missed  # which are none: all is solved again
            continue
        is_hopeless = len(columns) > 1 and len(missed) > _HOPELESS * (n - m)
        new = _spaced(missed, gradient, m)
        if is_hopeless or _or_all(m + len(new), n) == n:
            new = np.flatnonzero(is_other)
    return None


def n_first_candidates(n_rows, nu):
    """How many rows are the first candidates, unless the kernel is narrow."""
    for_each, besides = _FIRST
    return _or_all(int(for_each * nu * n_rows) + besides, n_rows)


def _or_all(count, n_rows):
    return n_rows if count > _ALL * n_rows else count


def _spaced(missed, gradient, n_candidates):
    """Every k-th of the missed rows in the order of their scores; the lowest alone may be neighbours of each other."""
    share, least = _GROWTH
    most = max(least, int(share * n_candidates))
    return missed[np.argsort(gradient[missed], kind="stable")[:: -(-len(missed) // most)]]


def _enlarged(among, columns, candidates):
    """The kernel of the candidates, of which the last are new and have the `columns`."""
    n, n_new, n_rows = len(candidates), *columns.shape
    if n_new == n_rows:
        return columns
    larger = np.empty((n, n))
    larger[: n - n_new, : n - n_new] = among
    np.take(columns, candidates, axis=1, out=larger[n - n_new :], mode="clip")  # the mode that needs no further copy
    larger[: n - n_new, n - n_new :] = larger[n - n_new :, : n - n_new].T
    return larger


def _combined(columns, weights):
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return sum(part @ column for part, column in zip(np.split(weights, ends), columns, strict=True))
