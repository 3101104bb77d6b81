"""A dual problem whose kernel fits in memory: pairs of rows, and Newton steps on the rows between the bounds."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

_FLAT = 1e-12  # of the diagonal, the least curvature of a pair: two equal rows, or a kernel that is not positive
_RIDGE = 1e-11  # of the kernel of the free rows, relative to its diagonal
_PAIRS = 1000  # moved before each turn of Newton steps
_MOST_FREE = 1500  # rows for which a Newton step costs less than what it saves
_NEWTON_STEPS = 20  # until pairs move again


def bounded_gradients(alpha, gradient, rounding):
    """Most that the gradient of a row that may gain weight can be, inf for others; least for one that may lose some."""
    return np.where(alpha < 1, gradient + rounding, np.inf), np.where(alpha > 0, gradient - rounding, -np.inf)


def optimize(kernel, alpha, gradient, rounding, *, tol, max_iter):
    """Lower `1/2 a' K a` by moving weight between the rows, in place, until no pair of rows is worth it.

    Parameters
    ----------
    kernel : ndarray of shape (m, m)
        Kernel of the rows.
    alpha : ndarray of shape (m,)
        Weights within [0, 1], whose sum is kept.
    gradient : ndarray of shape (m,)
        `K a`, with the share of rows that are not among these.
    rounding : ndarray of shape (m,)
        How far the gradient may be off; differences within it are not worth a step.
    tol : float
        Stops when no row that may lose weight has a gradient larger by more than that than one that may gain.
    max_iter : int
        Most pairs.

    Returns
    -------
    n_iter : int
        Pairs between which weight was moved.
    """
    n_iter = 0
    while n_iter < max_iter:
        moved = _move_pairs(kernel, alpha, gradient, rounding, tol=tol, max_iter=min(_PAIRS, max_iter - n_iter))
        if not moved:
            break
        n_iter += moved
        _newton(kernel, alpha, gradient)
    return n_iter


def _move_pairs(kernel, alpha, gradient, rounding, *, tol, max_iter):
    """Algorithm 2 of Fan, Chen, Lin (2005), Working set selection using second order information."""
    diagonal = kernel.diagonal().copy()
    flat = max(_FLAT * np.abs(diagonal).max(), np.finfo(float).tiny)
    gain, lose = bounded_gradients(alpha, gradient, rounding)
    for n_iter in range(max_iter):
        i = gain.argmin()
        slope = lose - gain[i]
        if slope.max() <= tol:
            return n_iter
        curvature = diagonal - 2 * kernel[i]
        curvature += diagonal[i]
        np.maximum(curvature, flat, out=curvature)
        decrease = slope * np.abs(slope)
        decrease /= curvature
        j = decrease.argmax()
        room = 1 - alpha[i]
        step = min(slope[j] / curvature[j], room, alpha[j])
        if alpha[i] + step == alpha[i] or alpha[j] - step == alpha[j]:  # below the last digit of a weight
            return n_iter
        alpha[i] = 1.0 if step == room else alpha[i] + step
        alpha[j] -= step
        change = kernel[i] - kernel[j]
        change *= step
        gradient += change
        gain += change
        lose += change
        pair = [i, j]
        gain[pair], lose[pair] = bounded_gradients(alpha[pair], gradient[pair], rounding[pair])
    return max_iter


def _newton(kernel, alpha, gradient):
    """Solve for the rows between the bounds, as far as a bound allows, and again without the row that met it."""
    for _ in range(_NEWTON_STEPS):
        free = np.flatnonzero((alpha > 0) & (alpha < 1))
        if not 2 <= len(free) <= _MOST_FREE:
            return
        square = kernel[np.ix_(free, free)]
        square.flat[:: len(free) + 1] += _RIDGE * square.diagonal().mean()
        try:
            factor = cho_factor(square, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:  # the kernel is not positive here; pairs can do without
            return
        slope = gradient[free]
        down, level = cho_solve(factor, np.column_stack([slope, np.ones(len(free))]), check_finite=False).T
        move = down.sum() / level.sum() * level - down
        if not slope @ move < 0:
            return
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(move > 0, (1 - alpha[free]) / move, np.where(move < 0, -alpha[free] / move, np.inf))
        nearest = reach.argmin()
        step = min(1.0, reach[nearest])
        alpha[free] = np.clip(alpha[free] + step * move, 0, 1)
        if step < 1:
            alpha[free[nearest]] = 1.0 if move[nearest] > 0 else 0.0
        gradient += step * (kernel[:, free] @ move)
        if step == 1:
            return
