"""OCSVM against scikit-learn's OneClassSVM."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import GridSearchCV
from sklearn.svm import OneClassSVM

from sklearn_occ import OCSVM
from sklearn_occ.model_selection import OneClassKFold
from sklearn_occ.svm import _kernels

KERNELS = [
    {"kernel": "rbf"},
    {"kernel": "rbf", "gamma": "auto"},
    {"kernel": "rbf", "gamma": 0.3},
    {"kernel": "linear"},
    {"kernel": "poly", "degree": 2, "coef0": 1.0},
    {"kernel": "sigmoid", "gamma": 0.01, "coef0": 0.1},
]


@pytest.fixture
def X(rng):
    return rng.normal(size=(300, 8)) * rng.uniform(0.5, 3, 8) + rng.normal(size=8)


@pytest.mark.parametrize("params", KERNELS, ids=str)
@pytest.mark.parametrize("nu", [0.01, 0.2, 0.99])
def test_decision_function_is_scikit_learns(params, nu, X, rng):
    ours, theirs = OCSVM(nu=nu, **params).fit(X), OneClassSVM(nu=nu, **params).fit(X)
    new = np.vstack([X[:50], 3 * rng.normal(size=(150, 8))])
    scale = np.abs(theirs.score_samples(new)).max()
    np.testing.assert_allclose(ours.decision_function(new), theirs.decision_function(new), rtol=1e-6, atol=1e-9 * scale)
    np.testing.assert_allclose(ours.score_samples(new), theirs.score_samples(new), rtol=1e-6, atol=1e-9 * scale)
    np.testing.assert_array_equal(ours.support_, theirs.support_)
    np.testing.assert_array_equal(ours.dual_coef_, theirs.dual_coef_)
    assert ours.offset_ == theirs.offset_[0]
    assert ours.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_rows_far_from_the_origin_lose_no_digits(offset, X):
    ours, theirs = OCSVM(gamma=0.1).fit(X + offset), OneClassSVM(gamma=0.1).fit(X + offset)
    np.testing.assert_allclose(ours.score_samples(X + offset), theirs.score_samples(X + offset), rtol=1e-6)


def test_blocks_do_not_change_scores(X, monkeypatch):
    occ = OCSVM().fit(X)
    scores = occ.score_samples(X)
    monkeypatch.setattr(_kernels, "_BLOCK_VALUES", 2000)
    np.testing.assert_allclose(occ.score_samples(X), scores, rtol=1e-12)


def test_support_counts_rows_of_the_x_that_was_passed(X):
    y = np.ones(300, dtype=int)
    y[:100] = -1
    occ = OCSVM(nu=0.1).fit(X, y)
    assert (occ.support_ >= 100).all()
    np.testing.assert_array_equal(X[occ.support_], occ.support_vectors_)


@pytest.mark.parametrize("kernel", ["rbf", "precomputed"])
def test_nu_1_weighs_all_rows_alike(kernel, X):
    K = pairwise_kernels(X, metric="rbf", gamma=0.1)
    occ = OCSVM(nu=1, gamma=0.1, kernel=kernel).fit(K if kernel == "precomputed" else X)
    scores = occ.score_samples(K if kernel == "precomputed" else X)
    np.testing.assert_allclose(scores, K.sum(1), rtol=1e-9)
    assert occ.offset_ == pytest.approx(OneClassSVM(nu=0.9999, gamma=0.1).fit(X).offset_[0], rel=1e-2)
    assert occ.offset_ == pytest.approx(scores.max(), rel=1e-12)


def test_contamination_other_than_auto(X):
    occ = OCSVM(nu=0.3, contamination=0.05).fit(X)
    assert (occ.predict(X) == -1).sum() == 15
    assert occ.set_contamination("auto").offset_ == OneClassSVM(nu=0.3).fit(X).offset_[0]


@pytest.mark.parametrize("validation", [{}, {"threshold_data": "validation", "validation_fraction": 0.2}], ids=str)
def test_precomputed_kernel_drops_the_columns_of_dropped_rows(X, validation):
    y = np.where(np.arange(300) % 3 == 0, -1, 1)
    K = pairwise_kernels(X, metric="rbf", gamma=0.1)
    given = {"contamination": 0.1, "random_state": 0, **validation}
    precomputed = OCSVM(kernel="precomputed", **given).fit(K, y)
    direct = OCSVM(gamma=0.1, **given).fit(X, y)
    np.testing.assert_array_equal(precomputed.support_, direct.support_)
    np.testing.assert_allclose(precomputed.decision_function(K), direct.decision_function(X), rtol=1e-9, atol=1e-12)


def test_precomputed_kernel_in_a_grid_search(X):
    y = np.where(np.arange(300) % 5 == 0, -1, 1)
    grid = {"nu": [0.1, 0.5]}
    searches = [
        GridSearchCV(OCSVM(**kernel), grid, cv=OneClassKFold(3), scoring="roc_auc").fit(data, y)
        for kernel, data in (
            ({"gamma": 0.1}, X),
            ({"kernel": "precomputed"}, pairwise_kernels(X, metric="rbf", gamma=0.1)),
        )
    ]
    np.testing.assert_allclose(*(search.cv_results_["mean_test_score"] for search in searches))


def test_precomputed_kernel_that_is_not_square(X, blobs):
    with pytest.raises(ValueError, match=r"shape \(300, 8\), but kernel='precomputed'"):
        OCSVM(kernel="precomputed").fit(X)
    with pytest.raises(ValueError, match="kernel='precomputed'"):
        OCSVM(kernel="precomputed").fit(blobs(30))


def test_images_are_their_pixels(blobs):
    X = blobs(60)
    ours = OCSVM(nu=0.2).fit(X)
    theirs = OneClassSVM(nu=0.2).fit(X.reshape(60, -1).astype(np.float32) / np.float32(255))
    np.testing.assert_allclose(
        ours.decision_function(X), theirs.decision_function((X / 255).reshape(60, -1)), atol=1e-5
    )


def test_constant_columns(rng):
    X = rng.normal(size=(40, 4))
    X[:, 2] = 7
    np.testing.assert_allclose(OCSVM().fit(X).score_samples(X), OneClassSVM().fit(X).score_samples(X), rtol=1e-9)
