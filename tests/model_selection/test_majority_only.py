import numpy as np
import pandas as pd
import pytest
import torch
from conftest import quick
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.feature_selection import VarianceThreshold
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from sklearn_occ import CAE, OCSVM, AlignedDetector
from sklearn_occ.model_selection import MajorityOnly, OneClassKFold


@pytest.mark.filterwarnings("ignore::sklearn_occ.exceptions.LabelsIgnoredWarning")
@parametrize_with_checks(
    [
        MajorityOnly(OCSVM(contamination=0.1)),
        MajorityOnly(CAE(max_epochs=2)),
        MajorityOnly(make_pipeline(StandardScaler(), OneClassSVM())),
    ]
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_parameters_are_checked():
    check_param_validation("MajorityOnly", MajorityOnly(OCSVM()))


@pytest.fixture
def data(rng):
    X = rng.normal(size=(60, 5))
    y = np.ones(60, dtype=int)
    y[::3] = -1
    return X, y


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, torch.tensor], ids=lambda c: c.__name__)
def test_poisoned_minority_leaves_every_step_unchanged(make, data, container):
    X, y = data
    poisoned = X.copy()
    poisoned[y == -1] = 1e6
    steps = (StandardScaler(), VarianceThreshold(), PCA(3), make())
    if container is torch.tensor:
        steps = steps[-1:]  # scikit-learn's own steps take no torch tensors here
    fitted = MajorityOnly(make_pipeline(*steps)).fit(container(poisoned), y).estimator_
    expected = make_pipeline(*[clone(step) for step in steps]).fit(np.asarray(X)[y == 1])
    if len(steps) > 1:
        np.testing.assert_allclose(fitted[0].mean_, expected[0].mean_)
        np.testing.assert_allclose(fitted[1].variances_, expected[1].variances_)
        np.testing.assert_allclose(fitted[2].components_, expected[2].components_)
    scores = fitted[-1].calibration_scores_, expected[-1].calibration_scores_
    rounding = 1e-12 if isinstance(fitted[-1], AlignedDetector) else 0  # its scores are differences
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=rounding)


def test_the_refit_of_a_search_is_the_model_that_was_validated(data):
    X, y = data
    X = np.where(y[:, None] == -1, X + 50, X)
    pipeline = make_pipeline(StandardScaler(), quick("ConOCC"))
    search = GridSearchCV(
        MajorityOnly(pipeline),
        {"estimator__conocc__gamma": [0.1, 1.0]},
        cv=OneClassKFold(4),
        scoring="roc_auc",
    ).fit(X, y)
    best = clone(pipeline).set_params(conocc__gamma=search.best_params_["estimator__conocc__gamma"])
    best.fit(X[y == 1])
    np.testing.assert_array_equal(search.score_samples(X), best.score_samples(X))
    naive = clone(pipeline).fit(X, y)
    assert not np.allclose(naive[0].mean_, best[0].mean_)


def test_cross_val_score(make, data):
    X, y = data
    scores = cross_val_score(MajorityOnly(make()), X, y, cv=OneClassKFold(3), scoring="roc_auc")
    np.testing.assert_array_equal(scores, cross_val_score(make(), X, y, cv=OneClassKFold(3), scoring="roc_auc"))


def test_a_precomputed_kernel_loses_columns_too(data):
    X, y = data
    K = pairwise_kernels(X, metric="rbf", gamma=0.1)
    occ = MajorityOnly(OCSVM(kernel="precomputed")).fit(K, y)
    direct = OCSVM(gamma=0.1).fit(X[y == 1])
    np.testing.assert_allclose(occ.decision_function(K), direct.decision_function(X), rtol=1e-9, atol=1e-12)
    search = GridSearchCV(MajorityOnly(OCSVM(kernel="precomputed")), {"estimator__nu": [0.2]}, cv=OneClassKFold(3))
    assert search.set_params(scoring="roc_auc").fit(K, y).predict(K).shape == (60,)


def test_images(make, blobs):
    X, y = blobs(30), np.repeat([1, -1], 15)
    np.testing.assert_array_equal(MajorityOnly(make()).fit_predict(X, y), make().fit(X[:15]).predict(X))


def test_methods_are_those_of_the_estimator(data):
    X, y = data
    assert not hasattr(MajorityOnly(OCSVM()), "transform")
    assert not hasattr(MajorityOnly(StandardScaler()), "predict")
    scaler = MajorityOnly(StandardScaler())
    np.testing.assert_array_equal(scaler.fit_transform(X, y), StandardScaler().fit(X[y == 1]).transform(X))
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X)
    assert not hasattr(MajorityOnly(OCSVM()), "n_features_in_")
