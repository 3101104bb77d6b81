"""Candidates for support vectors: the optimum of all rows, and how much of the kernel it takes."""

import numpy as np
import pytest
import torch
from dual_problems import assert_optimal, table, values_of, weights
from sklearn.svm import OneClassSVM

from sklearn_occ import OCSVM
from sklearn_occ.svm import _candidates, _ocsvm
from sklearn_occ.svm._kernels import KernelMatrix


def sphere(n, d):
    """Rows as far from the mean as each other, of which most are support vectors."""
    X = np.random.default_rng(0).normal(size=(n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


DATA = {
    "normal": table(800, d=40),
    "clusters": np.repeat(10 * table(16, d=40, seed=1), 50, axis=0) + table(800, d=40),
    "sphere": sphere(800, 40),
    "equal rows": np.repeat(table(60, d=60), [1, 2, 30] * 20, axis=0),
    "one row apart": np.vstack([np.zeros((799, 40)), np.ones((1, 40))]),
    "one row far": np.vstack([table(799, d=40), 1e6 + table(1, d=40)]),
}


@pytest.fixture
def rounds(monkeypatch):
    """How many candidates were added, time after time."""
    sizes, columns = [], KernelMatrix.columns
    monkeypatch.setattr(KernelMatrix, "columns", lambda self, rows: sizes.append(len(rows)) or columns(self, rows))
    return sizes


@pytest.mark.filterwarnings("ignore:OCSVM gives all 800 calibration rows")  # nearly equal rows are, with nu 0.001
@pytest.mark.parametrize("nu", [0.001, 0.01, 0.15, 0.5, 0.999])
@pytest.mark.parametrize("X", DATA.values(), ids=DATA)
def test_the_optimum_is_libsvms(X, nu, rounds):
    ours = OCSVM(nu=nu).fit(X)
    assert rounds
    loose, tight = (OneClassSVM(nu=nu, tol=tol).fit(X) for tol in (1e-3, 1e-9))
    K = values_of(X, "rbf")
    assert_optimal(K, weights(ours, len(X)), ours.offset_, nu)
    objective = [weights(svm, len(X)) @ K @ weights(svm, len(X)) / 2 for svm in (ours, loose)]
    assert objective[0] <= objective[1] * (1 + 1e-5)
    scale = tight.score_samples(X).max()
    np.testing.assert_allclose(ours.score_samples(X), tight.score_samples(X), atol=1e-3 * scale)
    np.testing.assert_allclose(ours.decision_function(X), tight.decision_function(X), atol=1e-3 * scale)


@pytest.mark.parametrize("degrees_of_freedom", [1, 2])
def test_tol_is_at_most_a_share_of_the_largest_score(degrees_of_freedom, rounds):
    X = np.random.default_rng(0).standard_t(degrees_of_freedom, size=(1500, 20))  # whose scores are lower than usual
    svm = OCSVM(nu=0.01).fit(X)
    assert rounds
    alpha, scores = weights(svm, len(X)), svm.score_samples(X)
    assert scores[alpha > 0].max() - scores[alpha < 1].min() <= 1e-4 * scores.max()


@pytest.mark.parametrize("gamma", [1e-4, 0.05, 1.0])
def test_other_widths(gamma, rounds):
    X = DATA["normal"]
    ours, theirs = OCSVM(nu=0.05, gamma=gamma).fit(X), OneClassSVM(nu=0.05, gamma=gamma, tol=1e-9).fit(X)
    assert rounds
    scale = theirs.score_samples(X).max()
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-3 * scale)


def test_the_support_vectors_are_libsvms(rounds):
    X, y = table(1000, d=40), np.where(np.arange(1000) % 5 == 0, -1, 1)
    ours, theirs = OCSVM(nu=0.15, tol=1e-6).fit(X, y), OneClassSVM(nu=0.15, tol=1e-6).fit(X[y == 1])
    assert rounds
    np.testing.assert_array_equal(ours.support_, np.flatnonzero(y == 1)[theirs.support_])
    np.testing.assert_array_equal(ours.support_vectors_, theirs.support_vectors_)
    np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=1e-3)
    assert ours.offset_ == pytest.approx(theirs.offset_[0], rel=1e-6)


@pytest.mark.parametrize("contamination", ["auto", None, 0.1])
def test_the_scores_are_those_of_score_samples(contamination, rounds):
    X = table(1000, d=40)
    occ = OCSVM(nu=0.1, contamination=contamination).fit(X)
    assert rounds
    rtol = 1e-11 if contamination == "auto" else 0  # a threshold may be a row's very score
    np.testing.assert_allclose(occ.calibration_scores_, np.sort(occ.score_samples(X)), rtol=rtol)


def test_rows_that_were_missed_become_candidates(rounds, monkeypatch):
    monkeypatch.setattr(_candidates, "_FIRST", (1.5, 2))
    monkeypatch.setattr(_candidates, "_GROWTH", (0.5, 10))
    pairs, fit = [], OneClassSVM.fit
    monkeypatch.setattr(OneClassSVM, "fit", lambda *a: fit(*a) and pairs.append(a[0].n_iter_))
    X = table(1000, d=40)
    occ = OCSVM(nu=0.01).fit(X)
    assert occ.n_iter_ == sum(pairs)
    assert rounds[:2] == [17, 10]
    assert len(rounds) > 3
    assert len(occ.support_) < sum(rounds) < 400
    assert_optimal(values_of(X, "rbf"), weights(occ, 1000), occ.offset_, 0.01)


def test_missed_rows_are_added_from_everywhere(rounds):
    X = np.repeat(np.random.default_rng(0).normal(size=(100, 50)), 20, axis=0)  # the lowest 20 scores are one row's
    OCSVM(nu=0.001).fit(X)
    assert len(rounds) > 1
    assert sum(rounds) < 500


def test_a_fraction_of_the_kernel_is_computed(rounds):
    occ = OCSVM(nu=0.05).fit(table(3000, d=20))
    assert sum(rounds) < 3 * len(occ.support_) < 800


def test_no_rows_but_those_with_weight_count_where_none_lies_between_the_bounds():
    X = np.repeat(table(2, d=100), 300, axis=0)
    occ = OCSVM(nu=0.01, gamma=1e-3).fit(X)
    assert_optimal(values_of(X, "rbf", 1e-3), weights(occ, 600), occ.offset_, 0.01)


def test_all_rows_are_candidates_where_most_are_support_vectors(rounds):
    X = table(1000, d=40)
    OCSVM(nu=0.01, gamma=1.0).fit(X)  # a narrow kernel
    OCSVM(nu=0.5).fit(X)
    assert rounds == [1000, 1000]
    del rounds[:]
    assert len(OCSVM(nu=0.01).fit(sphere(1000, 20)).support_) > 900
    assert len(rounds) == 3
    assert sum(rounds) == 1000


@pytest.mark.parametrize(("cache_size", "times"), [(4.0, 2), (2.3, 1)])
def test_memory_is_bounded(cache_size, times, rounds):
    X = sphere(1000, 20)
    given = {"nu": 0.01, "cache_size": cache_size}
    ours, theirs = OCSVM(**given).fit(X), OneClassSVM(**given).fit(X)
    assert len(rounds) == times
    assert sum(rounds) * (1000 + sum(rounds)) <= cache_size * 2**17
    np.testing.assert_array_equal(ours.dual_coef_, theirs.dual_coef_)  # libsvm had to do it after all


def test_many_rows_with_a_narrow_kernel_are_left_to_libsvm(rounds, monkeypatch):
    monkeypatch.setattr(_ocsvm, "_FIRST_VALUES", 5e5)
    X = table(1000, d=40)
    OCSVM(nu=0.01, gamma=1.0).fit(X)
    assert not rounds
    OCSVM(nu=0.01).fit(X)
    assert rounds


@pytest.mark.parametrize(
    "other",
    [
        {"solver": "libsvm"},
        {"solver": "dual"},
        {"warm_start": True},
        {"max_iter": 10_000},
        {"kernel": "poly"},
        {"cache_size": 1.0},
        {"gamma": 1e9},
    ],
    ids=str,
)
def test_what_is_not_left_to_candidates(other, rounds):
    X = table(800, d=40)
    OCSVM(**{"nu": 0.1, **other}).fit(X)
    assert not rounds


def test_auto_takes_candidates_where_the_kernel_is_much_work(rounds, monkeypatch):
    OCSVM(nu=0.1).fit(table(300, d=40))
    OCSVM(nu=0.01).fit(table(1500, d=5))
    assert not rounds
    OCSVM(nu=0.9).fit(table(1500, d=5))  # more columns of the kernel
    OCSVM(nu=0.01).fit(table(300, d=400))
    assert len(rounds) >= 2
    del rounds[:]
    monkeypatch.setattr(_ocsvm, "_FIRST_VALUES", 1e5)
    OCSVM(nu=0.1).fit(table(800, d=40))
    assert not rounds


def test_nothing_is_drawn(rounds):
    np.random.seed(0)
    OCSVM(nu=0.1, random_state=0).fit(table(800, d=40))
    assert rounds
    assert np.random.randint(2**31) == np.random.RandomState(0).randint(2**31)


@pytest.mark.gpu
def test_cuda_is_the_cpu(rounds):
    X = table(1000, d=40)
    cpu, cuda = (OCSVM(nu=0.05, device=device).fit(X) for device in ("cpu", "cuda"))
    assert rounds
    assert cuda.device_ == torch.device("cuda")
    scale = cpu.score_samples(X).max()
    np.testing.assert_allclose(cuda.decision_function(X), cpu.decision_function(X), atol=1e-4 * scale)
