"""Rows, kernels and the conditions of an optimum, for the tests of OCSVM."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import pairwise_kernels


def table(n, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * rng.uniform(0.5, 2, d) + rng.normal(size=d) + 2


def values_of(X, kernel, gamma="scale", degree=3, coef0=0.0):
    given = {"gamma": 1 / (X.shape[1] * X.var()) if gamma == "scale" else gamma, "degree": degree, "coef0": coef0}
    return pairwise_kernels(X, metric=kernel, filter_params=True, **given)


def weights(svm, n):
    alpha = np.zeros(n)
    alpha[svm.support_] = svm.dual_coef_[0]
    return alpha


def assert_optimal(K, alpha, rho, nu, tol=1e-3):
    """The conditions of Karush, Kuhn and Tucker, which name the optimum without another solver."""
    scores, slack = K @ alpha, 1e-9 * np.abs(K).max() * len(K)
    assert alpha.sum() == pytest.approx(nu * len(K), rel=1e-9)
    assert alpha.min() >= 0 and alpha.max() <= 1
    assert (scores[alpha < 1] >= rho - tol - slack).all()
    assert (scores[alpha > 0] <= rho + tol + slack).all()
