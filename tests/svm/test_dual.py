"""The dual solver: the optimum by its own conditions and by libsvm, whatever the kernel, the rows and the memory."""

import pickle

import numpy as np
import pytest
import torch
from dual_problems import assert_optimal, table, values_of, weights
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import OneClassSVM
from skorch.exceptions import DeviceWarning

from sklearn_occ import OCSVM
from sklearn_occ.svm import _dual, _kernels, _ocsvm, _pairs
from sklearn_occ.svm._kernels import KernelMatrix, PrecomputedMatrix

KERNELS = {
    "rbf": {"kernel": "rbf"},
    "narrow": {"kernel": "rbf", "gamma": 2.0},
    "wide": {"kernel": "rbf", "gamma": 1e-3},
    "linear": {"kernel": "linear"},
    "poly": {"kernel": "poly", "degree": 2, "coef0": 1.0, "gamma": 0.1},
    "sigmoid": {"kernel": "sigmoid", "gamma": 1e-3, "coef0": 0.5},
}


@pytest.mark.parametrize("nu", [0.001, 0.05, 0.3, 0.999])
@pytest.mark.parametrize("params", KERNELS.values(), ids=KERNELS)
def test_the_optimum_is_libsvms(params, nu):
    X = table(700)
    ours = OCSVM(nu=nu, solver="dual", **params).fit(X)
    loose, tight = (OneClassSVM(nu=nu, tol=tol, **params).fit(X) for tol in (1e-3, 1e-9))
    K = values_of(X, **params)
    assert_optimal(K, weights(ours, 700), ours.offset_, nu)
    objective = [weights(svm, 700) @ K @ weights(svm, 700) / 2 for svm in (ours, loose)]
    assert objective[0] <= objective[1] * (1 + 1e-5)
    scale = np.abs(tight.score_samples(X)).max()
    np.testing.assert_allclose(ours.decision_function(X), tight.decision_function(X), atol=1e-3 * scale)


@pytest.mark.parametrize("nu", [0.02, 0.15, 0.5])
def test_the_support_vectors_are_libsvms(nu):
    X = table(3000, d=8)
    ours = OCSVM(nu=nu, solver="dual", tol=1e-6).fit(X)
    theirs = OneClassSVM(nu=nu, tol=1e-6).fit(X)
    np.testing.assert_array_equal(ours.support_, theirs.support_)
    np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=1e-3)
    np.testing.assert_array_equal(X[ours.support_], ours.support_vectors_)
    assert ours.offset_ == pytest.approx(theirs.offset_[0], rel=1e-7)


@pytest.mark.filterwarnings("ignore:OCSVM gives all 2 calibration rows")  # two rows are symmetric
@pytest.mark.parametrize("n", [2, 3, 5, 11])
@pytest.mark.parametrize("nu", [0.001, 0.3, 0.5, 0.97])
def test_few_rows(n, nu):
    X = table(n)
    ours, theirs = OCSVM(nu=nu, solver="dual").fit(X), OneClassSVM(nu=nu, tol=1e-9).fit(X)
    assert_optimal(values_of(X, "rbf"), weights(ours, n), ours.offset_, nu)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), atol=2e-3)


@pytest.mark.parametrize("nu", [0.01, 0.4])
def test_equal_rows(nu):
    X = np.repeat(table(60), [1, 2, 30] * 20, axis=0)
    ours, theirs = OCSVM(nu=nu, solver="dual").fit(X), OneClassSVM(nu=nu, tol=1e-9).fit(X)
    assert_optimal(values_of(X, "rbf"), weights(ours, len(X)), ours.offset_, nu)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=2e-3)


@pytest.mark.parametrize("nu", [0.01, 0.4])
@pytest.mark.parametrize("cache_size", [1e-6, 0.02, 0.5])
def test_memory_is_bounded_and_changes_nothing(nu, cache_size, monkeypatch):
    sizes, block = [], KernelMatrix.block
    monkeypatch.setattr(KernelMatrix, "block", lambda self, rows: sizes.append(len(rows)) or block(self, rows))
    X = table(900)
    ours = OCSVM(nu=nu, solver="dual", cache_size=cache_size).fit(X)
    assert max(sizes) <= max(2, (cache_size * 2**20 / 8) ** 0.5)
    assert_optimal(values_of(X, "rbf"), weights(ours, 900), ours.offset_, nu)


def test_few_kernel_values_are_computed(monkeypatch):
    columns, times = [], KernelMatrix.times
    monkeypatch.setattr(
        KernelMatrix, "times", lambda self, *a: columns.append(len(self) * len(a[0])) or times(self, *a)
    )
    X = table(6000)
    occ = OCSVM(nu=0.1, solver="dual").fit(X)
    assert sum(columns) < 2 * 6000 * len(occ.support_)


def test_far_rows_and_far_origins():
    X = table(500) + 1e5
    X[:3] += 100
    ours, theirs = OCSVM(nu=0.1, gamma=0.1, solver="dual").fit(X), OneClassSVM(nu=0.1, gamma=0.1, tol=1e-9).fit(X)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), atol=1e-3)


def test_a_kernel_that_is_not_positive_ends_where_the_rule_holds():
    X = table(400)
    params = {"kernel": "sigmoid", "gamma": 0.3, "coef0": -1.0}
    K = values_of(X, **params)
    assert np.linalg.eigvalsh(K)[0] < -1e-3
    occ = OCSVM(nu=0.2, solver="dual", **params).fit(X)
    assert_optimal(K, weights(occ, 400), occ.offset_, 0.2)


def test_newton_steps_save_pairs(monkeypatch, rng):
    X = (rng.normal(size=(350, 3)) @ rng.normal(size=(3, 30)) + 0.1 * rng.normal(size=(350, 30))) ** 3
    X /= X.std(0)
    params = {"kernel": "linear", "nu": 0.5, "solver": "dual"}
    with_steps = OCSVM(**params).fit(X - X.mean(0))
    monkeypatch.setattr(_pairs, "_NEWTON_STEPS", 0)
    without = OCSVM(**params).fit(X - X.mean(0))
    assert with_steps.n_iter_ < 0.3 * without.n_iter_


def test_values_beyond_the_tolerance_end_at_rounding():
    X = 1e3 * table(200)
    occ = OCSVM(kernel="poly", degree=5, gamma=1.0, nu=0.3, solver="dual").fit(X)
    assert_optimal(values_of(X, "poly", 1.0, 5), weights(occ, 200), occ.offset_, 0.3)


@pytest.mark.parametrize("scale", [1e-8, 1e4, 1e8])
def test_scores_that_cancel_end_at_rounding(scale):
    X = (table(500, d=10) - table(500, d=10).mean(0)) * scale
    occ = OCSVM(kernel="linear", nu=0.5, solver="dual").fit(X)  # whose optimum is 0, which rounding hides
    assert np.abs(occ.score_samples(X)).max() < 1e-6 * 250 * np.square(X).sum(1).max()


@pytest.mark.parametrize(("scale", "gamma"), [(1e7, 1.0), (1e8, 20.0), (1e8, 1e-16)])
def test_distances_whose_digits_a_product_would_lose(scale, gamma):
    X = table(300, d=5) * scale
    for solver in ("dual", "libsvm"):
        occ = OCSVM(nu=0.3, gamma=gamma, solver=solver).fit(X)
        theirs = OneClassSVM(nu=0.3, gamma=gamma, tol=1e-9).fit(X)
        np.testing.assert_allclose(occ.score_samples(X), theirs.score_samples(X), rtol=3e-3)


def test_one_far_row_does_not_loosen_the_rule():
    X = table(500, d=5)
    X[0] *= 1e5
    params = {"kernel": "poly", "degree": 2, "gamma": 0.1, "coef0": 1.0, "nu": 0.1}
    ours, theirs = OCSVM(solver="dual", **params).fit(X), OneClassSVM(**params).fit(X)
    K = values_of(X, "poly", 0.1, 2, 1.0)
    objectives = [weights(svm, 500) @ K @ weights(svm, 500) for svm in (ours, theirs)]
    assert objectives[0] <= objectives[1] * (1 + 1e-5)


def test_a_kernel_that_overflows_is_refused():
    with pytest.raises(ValueError, match=r"kernel of X has values that are not finite; scale X"):
        OCSVM(kernel="linear", solver="dual").fit(table(50) * 1e160)


def test_weight_moves_where_it_lowers_the_objective_most():
    kernel = np.diag([1.0, 9.0, 1.0])  # row 1, the steepest, lowers it by 1 / (2 * 10), row 2 by 0.9^2 / (2 * 2)
    alpha, gradient = np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.9])
    assert _pairs.optimize(kernel, alpha, gradient, np.zeros(3), tol=0.0, max_iter=1) == 1
    np.testing.assert_allclose(alpha, [0.45, 1.0, 0.55])


def spy_on_rounds(monkeypatch):
    """Pairs moved, and the tolerance, of each time that some rows are solved at once."""
    rounds, optimize = [], _dual.optimize

    def spy(*args, tol, max_iter):
        rounds.append((optimize(*args, tol=tol, max_iter=max_iter), tol))
        return rounds[-1][0]

    monkeypatch.setattr(_dual, "optimize", spy)
    return rounds


def test_rows_solved_at_once_are_left_half_the_tolerance(monkeypatch):
    rounds = spy_on_rounds(monkeypatch)
    OCSVM(nu=0.1, solver="dual", tol=1e-6).fit(table(2000))
    assert {tol for _, tol in rounds} == {0.5e-6}


@pytest.mark.filterwarnings("ignore:The solver of OCSVM was ended")
def test_no_round_moves_more_pairs_than_are_left(monkeypatch):
    rounds = spy_on_rounds(monkeypatch)
    params = {"nu": 0.1, "solver": "dual", "tol": 1e-8, "cache_size": 0.5}
    OCSVM(**params).fit(table(2000))
    ends = np.cumsum([moved for moved, _ in rounds])
    assert len(ends) > 3
    for limit in (ends[:-1] + ends[1:]) // 2:  # in the middle of every round but the first
        assert OCSVM(max_iter=int(limit), **params).fit(table(2000)).n_iter_ <= limit


def test_a_step_below_the_last_digit_of_a_weight_is_none():
    alpha, gradient = np.array([0.5, 0.5]), np.array([0.0, 1e-17])
    assert _pairs.optimize(np.eye(2), alpha, gradient, np.zeros(2), tol=0.0, max_iter=100) == 0


def test_a_matrix_that_is_no_kernel_ends_with_a_warning(rng, monkeypatch):
    monkeypatch.setattr(_dual, "_PAIRS_WITHOUT_LIMIT", (3000, 1))
    with pytest.warns(ConvergenceWarning, match=r"ended after 3000 pairs \(max_iter=-1\)"):
        OCSVM(kernel="precomputed", nu=0.3, solver="dual").fit(rng.normal(size=(300, 300)))


@pytest.mark.parametrize("solver", ["dual", "libsvm"])
def test_rows_held_out_set_the_threshold_of_either_solver(solver):
    X = table(400)
    given = {"threshold_data": "validation", "validation_fraction": 0.25, "contamination": 0.1, "random_state": 0}
    occ = OCSVM(nu=0.3, solver=solver, **given).fit(X)
    held_out = np.setdiff1d(np.arange(400), occ._fit_state.training_rows)
    np.testing.assert_array_equal(occ.calibration_scores_, np.sort(occ.score_samples(X)[np.sort(held_out)]))
    auto = OCSVM(nu=0.3, solver=solver, **{**given, "contamination": "auto"}).fit(X)
    assert len(auto.calibration_scores_) == 100


def test_scoring_holds_one_block_of_kernel_values(monkeypatch):
    X = table(2000)
    occ = OCSVM(nu=0.3, solver="dual").fit(X)
    monkeypatch.setattr(_kernels, "_BLOCK_VALUES", 10_000)
    sizes, mm = [], torch.mm
    monkeypatch.setattr(torch, "mm", lambda *a, out: sizes.append(out.numel()) or mm(*a, out=out))
    occ.score_samples(X)
    KernelMatrix(occ._kernel(), X).times(np.arange(500), np.ones(500))
    assert max(sizes) <= 10_000


def test_precomputed_kernel():
    X = table(400)
    K = pairwise_kernels(X, metric="rbf", gamma=0.1)
    y = np.where(np.arange(400) % 4 == 0, -1, 1)
    for given in ({}, {"y": y}):
        ours = OCSVM(kernel="precomputed", solver="dual").fit(K, **given)
        direct = OCSVM(gamma=0.1, solver="dual").fit(X, **given)
        np.testing.assert_array_equal(ours.support_, direct.support_)
        np.testing.assert_allclose(ours.decision_function(K), direct.decision_function(X), atol=1e-9)


def test_auto_takes_libsvm_for_few_rows_and_for_hard_kernels(monkeypatch):
    X = table(300)
    calls = []
    solve = _ocsvm.solve_dual
    monkeypatch.setattr(_ocsvm, "solve_dual", lambda *a, **k: calls.append(k) or solve(*a, **k))
    OCSVM().fit(X)
    OCSVM(kernel="poly").fit(X)
    assert not calls
    monkeypatch.setattr(_ocsvm, "_WORK_OF_LIBSVM", 0)
    OCSVM(kernel="poly").fit(X)
    OCSVM(solver="libsvm").fit(X)
    assert not calls
    OCSVM(kernel="precomputed").fit(values_of(X, "rbf"))
    assert not calls
    OCSVM().fit(X)
    OCSVM(kernel="poly", warm_start=True).fit(X)
    assert len(calls) == 2


def test_auto_leaves_a_narrow_kernel_to_libsvm(monkeypatch):
    X = table(3200, d=2)
    monkeypatch.setattr(_ocsvm, "_WORK_OF_LIBSVM", 0)
    ours, theirs = OCSVM(nu=0.3, gamma=30.0).fit(X), OneClassSVM(nu=0.3, gamma=30.0).fit(X)
    np.testing.assert_array_equal(ours.dual_coef_, theirs.dual_coef_)
    assert ours.n_iter_ == theirs.n_iter_ > 2500


@pytest.mark.parametrize("max_iter", [1, 40])
def test_max_iter_ends_it_with_a_warning(max_iter):
    with pytest.warns(ConvergenceWarning, match=rf"max_iter={max_iter}\) before it met tol=1e-05"):
        occ = OCSVM(nu=0.1, solver="dual", tol=1e-5, max_iter=max_iter).fit(table(2000))
    assert occ.n_iter_ == max_iter
    assert occ.dual_coef_.sum() == pytest.approx(200)


def test_the_same_fit_twice_and_pickled():
    X = table(1500)
    first, second = (OCSVM(nu=0.2, solver="dual", random_state=seed).fit(X) for seed in (0, 1))
    np.testing.assert_array_equal(first.dual_coef_, second.dual_coef_)
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.score_samples(X), first.score_samples(X))


@pytest.mark.parametrize(
    "change", [{"nu": 0.12}, {"gamma": 0.3}, {"kernel": "linear"}, {"kernel": "poly", "degree": 2}], ids=str
)
def test_a_warm_start_ends_at_the_same_optimum(change):
    X = table(2000)
    first = {"kernel": "poly", "degree": 3} if change.get("degree") else {}
    warm = OCSVM(nu=0.1, solver="dual", warm_start=True, **first).fit(X).set_params(**change).fit(X)
    cold = OCSVM(**{"nu": 0.1, "solver": "dual", **change}).fit(X)
    np.testing.assert_allclose(warm.decision_function(X), cold.decision_function(X), atol=4e-3)
    K = values_of(X, **{"kernel": "rbf", **{key: value for key, value in change.items() if key != "nu"}})
    assert_optimal(K, weights(warm, 2000), warm.offset_, warm.nu)


def test_a_warm_start_computes_the_change_only(monkeypatch):
    X = table(4000)
    columns, times = [], KernelMatrix.times
    monkeypatch.setattr(
        KernelMatrix, "times", lambda self, *a: columns.append(len(self) * len(a[0])) or times(self, *a)
    )

    def computed(occ):
        columns.clear()
        occ.fit(X)
        return sum(columns)

    warm = OCSVM(nu=0.2, solver="dual", warm_start=True).fit(X)
    assert computed(warm.set_params(nu=0.22)) < 0.3 * computed(OCSVM(nu=0.22, solver="dual"))
    assert computed(warm) <= len(warm.support_) / 10 * 4000  # nothing has changed


def test_a_warm_start_does_not_trust_other_rows():
    warm = OCSVM(nu=0.1, solver="dual", warm_start=True).fit(table(500))
    other = table(500, seed=1)
    for rows in (other, other.reshape(1000, 3), table(500)):
        np.testing.assert_array_equal(warm.fit(rows).dual_coef_, OCSVM(nu=0.1, solver="dual").fit(rows).dual_coef_)
    assert warm.set_params(warm_start=False).fit(other)._fit_state.last_solution is None


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)], ids=["None", "RandomState"])
def test_a_warm_start_holds_out_the_same_rows(random_state, monkeypatch):
    starts, solve = [], _ocsvm.solve_dual
    monkeypatch.setattr(
        _ocsvm, "solve_dual", lambda *a, start, **k: starts.append(start) or solve(*a, start=start, **k)
    )
    X, params = table(500), {"nu": 0.1, "solver": "dual", "validation_fraction": 0.2, "random_state": random_state}
    warm = OCSVM(warm_start=True, **params).fit(X)
    trained_on = warm._fit_state.training_rows
    np.testing.assert_array_equal(warm.set_params(nu=0.2).fit(X)._fit_state.training_rows, trained_on)
    assert starts[0] is None
    assert starts[1] is not None
    assert len(np.setdiff1d(warm.set_params(random_state=5).fit(X)._fit_state.training_rows, trained_on))
    cold = OCSVM(**params).fit(X)
    trained_on = cold._fit_state.training_rows
    assert len(np.setdiff1d(cold.fit(X)._fit_state.training_rows, trained_on))


@pytest.mark.parametrize("contamination", [None, 0.1])
def test_no_row_is_lost_to_rounding(contamination):
    X = table(1999)  # of which the 200th score from below is the threshold
    occ = OCSVM(nu=0.4, solver="dual", contamination=contamination).fit(X)
    np.testing.assert_array_equal(occ.calibration_scores_, np.sort(occ.score_samples(X)))
    assert (occ.predict(X) == -1).sum() == (0 if contamination is None else 199)


def test_the_solvers_scores_are_the_calibration_scores():
    X = table(1999)
    occ = OCSVM(nu=0.4, solver="dual").fit(X)
    np.testing.assert_allclose(occ.calibration_scores_, np.sort(occ.score_samples(X)), rtol=1e-11)


def test_weights_of_the_lowest():
    np.testing.assert_array_equal(_dual.weights_of_lowest(np.array([3.0, 1, 2, 0]), 2.25), [0, 1, 0.25, 1])
    np.testing.assert_array_equal(_dual.weights_of_lowest(np.array([3.0, 1]), 0.5), [0, 0.5])
    np.testing.assert_array_equal(_dual.weights_of_lowest(np.array([3.0, 1]), 2.0), [1, 1])


def test_rho_between_its_bounds_when_no_weight_is_free():
    solution = _dual.DualSolution(np.array([1.0, 1, 0, 0]), np.array([1.0, 2, 5, 9]), 0, True)
    assert solution.rho == 3.5


def test_precomputed_matrix_is_the_matrix(rng):
    K = rng.normal(size=(6, 6))
    matrix = PrecomputedMatrix(K)
    np.testing.assert_allclose(matrix.times(np.array([1, 4]), np.array([2.0, 3.0])), 2 * K[:, 1] + 3 * K[:, 4])
    np.testing.assert_array_equal(matrix.block(np.array([0, 2])), K[[0, 2]][:, [0, 2]])
    assert len(matrix.subset(np.array([0, 2, 5]))) == 3


def test_an_absent_device_is_named():
    with pytest.raises(ValueError, match="device='cuda:77' of OCSVM is not available"):
        OCSVM(device="cuda:77").fit(table(10))


@pytest.mark.parametrize("solver", ["dual", "libsvm"])
def test_a_model_fitted_on_cuda_unpickles_where_there_is_none(solver):
    X = table(50)
    occ = OCSVM(solver=solver).fit(X)
    scores = occ.score_samples(X)
    occ.device_ = torch.device("cuda")  # what a fit on CUDA leaves behind
    with pytest.warns(DeviceWarning, match="no CUDA devices are available"):
        loaded = pickle.loads(pickle.dumps(occ))
    assert loaded.device_ == torch.device("cpu")
    np.testing.assert_array_equal(loaded.score_samples(X), scores)


@pytest.mark.gpu
@pytest.mark.parametrize("params", KERNELS.values(), ids=KERNELS)
def test_cuda_is_the_cpu(params):
    X = table(3000)
    cpu, cuda = (OCSVM(nu=0.1, solver="dual", device=device, **params).fit(X) for device in ("cpu", "cuda"))
    assert cuda.device_ == torch.device("cuda")
    scale = np.abs(cpu.score_samples(X)).max()
    np.testing.assert_allclose(cuda.decision_function(X), cpu.decision_function(X), atol=1e-4 * scale)


def test_blocks_of_the_kernel_share_their_memory(monkeypatch):
    addresses, mm = [], torch.mm
    monkeypatch.setattr(_kernels, "_BLOCK_VALUES", 2**12)
    monkeypatch.setattr(torch, "mm", lambda *a, out: addresses.append(out.data_ptr()) or mm(*a, out=out))
    X = table(900)
    occ = OCSVM(nu=0.1, solver="dual").fit(X)
    addresses.clear()
    scores = occ.score_samples(X)
    assert len(addresses) > 10
    assert len(set(addresses)) == 1
    np.testing.assert_allclose(scores, values_of(X, "rbf") @ weights(occ, 900), rtol=1e-9)


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid"])
def test_the_diagonal_is_that_of_the_kernel(kernel):
    X = table(50)
    params = {"gamma": 0.1, "degree": 3, "coef0": 0.5}
    matrix = KernelMatrix(_kernels.Kernel(kernel, **params, origin=X.mean(0), radius=1.0, device="cpu"), X)
    np.testing.assert_allclose(matrix.diagonal(), np.diag(matrix.block(np.arange(50))), rtol=1e-9)
