"""Kernel expansions `sum_i alpha_i K(x, s_i)` by blocked matrix products."""

import numpy as np

from .._input import as_float

_BLOCK_VALUES = 2**22  # kernel values held at a time: 32 MiB


def rows_as_vectors(X):
    """`X` of shape (n, ...) as float64 (n, d); uint8 images divided by 255."""
    return np.asarray(as_float(X), dtype=np.float64).reshape(len(X), -1)


def expansion(X, vectors, coefficients, kernel, *, gamma, degree, coef0):
    """Evaluate `sum_i coefficients_i K(x, vectors_i)` for each row of `X`.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Rows; converted block by block.
    vectors : ndarray of shape (m, d)
        Support vectors.
    coefficients : ndarray of shape (m,)
        Their weights.
    kernel : {"linear", "poly", "rbf", "sigmoid"}
        Kernel, as in scikit-learn's `OneClassSVM`.
    gamma, degree, coef0 : float
        Its parameters.

    Returns
    -------
    values : ndarray of shape (n,), float64
    """
    # Distances do not change with the origin; near the data x'x - 2 x's + s's loses the fewest digits.
    origin = vectors.mean(0) if kernel == "rbf" else 0.0
    vectors = vectors - origin
    squared_norms = np.einsum("ij,ij->i", vectors, vectors)
    values = np.empty(len(X))
    step = max(1, _BLOCK_VALUES // max(vectors.shape))
    for start in range(0, len(X), step):
        rows = rows_as_vectors(X[start : start + step]) - origin
        product = rows @ vectors.T  # (b, m)
        if kernel == "rbf":
            product *= 2
            product -= squared_norms
            product -= np.einsum("ij,ij->i", rows, rows)[:, None]
            np.minimum(product, 0, out=product)
            product *= gamma
            np.exp(product, out=product)
        elif kernel != "linear":
            product *= gamma
            product += coef0
            product = np.tanh(product, out=product) if kernel == "sigmoid" else product**degree
        values[start : start + step] = product @ coefficients
    return values
