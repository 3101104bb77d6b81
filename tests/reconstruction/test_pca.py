"""PCAReconstruction: formula, number of components, codes, blocks, and that the components are the right ones."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from sklearn_occ import COCSVM, PCAReconstruction
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.reconstruction import _pca


def by_svd(train, new, k):
    """Codes up to their signs, reconstructions and scores of float64 rows, from NumPy's SVD."""
    mean = train.mean(0)
    W = np.linalg.svd(train - mean, full_matrices=False)[2][:k]
    codes = (new - mean) @ W.T
    rows = mean + codes @ W
    return codes, rows, -((rows - new) ** 2).mean(1)


def spread(rng, n, d):
    """A table whose directions differ in variance, so that the components are unique."""
    return rng.normal(size=(n, d)) * 0.8 ** np.arange(d) @ np.linalg.qr(rng.normal(size=(d, d)))[0]


@pytest.fixture
def X(rng):
    return spread(rng, 60, 12)


@pytest.mark.parametrize("svd_solver", ["auto", "full", "covariance_eigh", "arpack"])
@pytest.mark.parametrize(("n", "d"), [(60, 12), (15, 40), (300, 7)])
def test_formula(svd_solver, n, d, rng):
    X, new = np.split(spread(rng, n + 20, d), [n])
    codes, rows, scores = by_svd(X, new, 5)
    occ = PCAReconstruction(n_components=5, svd_solver=svd_solver, random_state=0).fit(X)
    np.testing.assert_allclose(occ.score_samples(new), scores, rtol=1e-10)
    np.testing.assert_allclose(occ.reconstruct(new), rows, rtol=0, atol=1e-10)
    np.testing.assert_allclose(np.abs(occ.transform(new)), np.abs(codes), rtol=0, atol=1e-10)


def test_randomised_components_are_close_and_follow_the_seed(rng):
    X = spread(rng, 600, 550)
    exact = PCAReconstruction(n_components=10, svd_solver="full").fit(X).score_samples(X)
    first, again, other = (
        PCAReconstruction(n_components=10, random_state=seed).fit(X).score_samples(X) for seed in (0, 0, 1)
    )
    np.testing.assert_allclose(exact, by_svd(X, X, 10)[2], rtol=1e-10)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other) and not np.array_equal(first, exact)
    np.testing.assert_allclose(first, exact, rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_formula_on_images(dtype, blobs):
    X = blobs(70, channels=2)
    X = X if dtype == np.uint8 else (X / 255).astype(dtype)
    flat = (X.astype(np.float32) / np.float32(255) if dtype == np.uint8 else X).reshape(70, -1).astype(np.float64)
    _, rows, scores = by_svd(flat[:40], flat, 6)
    occ = PCAReconstruction(n_components=6).fit(X[:40])
    np.testing.assert_allclose(occ.score_samples(X), scores, rtol=1e-10)
    np.testing.assert_allclose(occ.reconstruct(X).reshape(70, -1), rows, atol=1e-6)


@pytest.mark.parametrize("svd_solver", ["auto", "covariance_eigh"])
@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_columns_far_from_the_origin_lose_no_digits(svd_solver, offset, rng):
    X = spread(rng, 300, 7)
    scores = PCAReconstruction(n_components=3).fit(X).score_samples(X)
    moved = PCAReconstruction(n_components=3, svd_solver=svd_solver).fit(X + offset).score_samples(X + offset)
    np.testing.assert_allclose(moved, scores, rtol=1e-12 * offset)


def test_a_small_residual_keeps_its_digits(rng):
    # Rows in a plane, moved off it by 1e-9: ||x||^2 - ||z||^2 would leave rounding errors alone.
    basis = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    plane = rng.normal(size=(200, 2)) @ basis[:2]
    occ = PCAReconstruction(n_components=2).fit(plane)
    np.testing.assert_allclose(occ.score_samples(plane + 1e-9 * basis[3]), -1e-18 / 6, rtol=1e-4)


def test_a_share_of_the_variance_takes_the_fewest_components_that_keep_more(X):
    variance = np.linalg.svd(X - X.mean(0), compute_uv=False) ** 2
    kept = np.cumsum(variance) / variance.sum()
    for k in (1, 4, 9):
        assert PCAReconstruction(n_components=kept[k - 1] - 1e-9).fit(X).n_components_ == k
        assert PCAReconstruction(n_components=kept[k - 1] + 1e-9).fit(X).n_components_ == k + 1


def test_not_all_directions_are_kept(X):
    all_but_a_little = 1 - 1e-15
    for rows, most in ((X, 11), (X[:8], 6), (X[:2], 0)):
        capped = PCAReconstruction(n_components=all_but_a_little)
        if most:
            assert capped.fit(rows).score_samples(rows).max() < 0
            whole = PCAReconstruction(n_components=most).fit(rows)
            np.testing.assert_allclose(capped.score_samples(X), whole.score_samples(X), rtol=1e-9)
        else:  # two rows are as far from their mean as each other
            with pytest.warns(ConvergenceWarning, match="cannot tell rows apart"):
                capped.fit(np.round(rows))
        assert capped.n_components_ == most
        with pytest.raises(
            ValueError, match=rf"n_components={most + 1}, but .* at most {most + 1} .* expected at most {most},"
        ):
            PCAReconstruction(n_components=most + 1).fit(rows)


@pytest.mark.parametrize("svd_solver", ["arpack", "randomized"])
@pytest.mark.parametrize("n_components", [0, 0.5])
def test_truncated_solvers_need_a_number(svd_solver, n_components, X):
    with pytest.raises(ValueError, match=f"'{svd_solver}' needs a whole number .*n_components={n_components}; use"):
        PCAReconstruction(n_components=n_components, svd_solver=svd_solver).fit(X)


@pytest.mark.parametrize("n_features", [1, 5])
def test_no_component_leaves_the_distance_from_the_mean(n_features, X):
    X = X[:, :n_features]
    occ = PCAReconstruction(**({} if n_features == 1 else {"n_components": 0})).fit(X)
    np.testing.assert_allclose(occ.score_samples(X), -((X - X.mean(0)) ** 2).mean(1), rtol=1e-10)
    codes = occ.transform(X)
    assert codes.shape == (60, 0) and len(occ.get_feature_names_out()) == 0
    np.testing.assert_allclose(occ.inverse_transform(codes), np.tile(X.mean(0), (60, 1)), rtol=1e-10)


@pytest.mark.parametrize("svd_solver", ["full", "covariance_eigh"])
def test_rank_deficient_rows(svd_solver, rng):
    basis = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    X = rng.normal(size=(80, 3)) @ basis[:3] + 4
    new = np.vstack([X[:5], X[:5] + 2 * basis[7]])
    for n_components in (3, 0.9999, 6):
        occ = PCAReconstruction(n_components=n_components, svd_solver=svd_solver).fit(X)
        expected = np.repeat([0, -4 / 10], 5)
        if n_components != 6:  # further components are any directions off the plane
            np.testing.assert_allclose(occ.score_samples(new), expected, atol=1e-10)
        assert (occ.score_samples(new[:5]) > -1e-20).all()
    constant = np.hstack([X, np.full((80, 2), 7.0)])
    occ = PCAReconstruction(n_components=2, svd_solver=svd_solver).fit(constant)
    np.testing.assert_allclose(occ.score_samples(constant), by_svd(constant, constant, 2)[2], rtol=1e-8)


@pytest.mark.parametrize("shape", [(12, 12), (1, 12, 12), (144,)], ids=str)
def test_codes_rows_and_scores_belong_together(shape, blobs):
    X = (blobs(50) / 255).reshape(50, *shape)
    occ = PCAReconstruction(image_shape=(12, 12)).fit(X)
    codes, rows = occ.transform(X), occ.reconstruct(X)
    assert rows.shape == occ.inverse_transform(codes).shape == X.shape
    np.testing.assert_allclose(occ.inverse_transform(codes), rows, rtol=0, atol=1e-12)
    np.testing.assert_allclose(occ.transform(rows), codes, rtol=0, atol=1e-12)
    np.testing.assert_allclose(occ.reconstruct(rows), rows, rtol=0, atol=1e-12)
    np.testing.assert_allclose(occ.score_samples(X), -((rows - X).reshape(50, -1) ** 2).mean(1), rtol=1e-10)
    np.testing.assert_allclose(codes, occ.pca_.transform(X.reshape(50, -1)), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layout_and_dtype_of_codes_and_rows(dtype, blobs):
    X = blobs(50)
    rows = (X / 255).astype(dtype)
    occ = PCAReconstruction(n_components=8).fit(rows)
    assert occ.transform(rows).dtype == occ.reconstruct(rows).dtype == dtype
    assert occ.inverse_transform(occ.transform(rows)).dtype == dtype
    assert occ.reconstruct(rows[:, None]).shape == (50, 1, 12, 12)
    assert occ.reconstruct(rows.reshape(50, -1)).shape == (50, 144)
    assert occ.score_samples(rows).dtype == np.float64
    assert PCAReconstruction().fit(X).transform(X).dtype == np.float32
    assert occ.pca_.components_.dtype == occ.pca_.mean_.dtype == np.float64


def test_feature_names_and_pandas_output(X):
    occ = PCAReconstruction(n_components=4).set_output(transform="pandas").fit(X)
    names = [f"pcareconstruction{k}" for k in range(4)]
    assert list(occ.transform(X).columns) == list(occ.get_feature_names_out()) == names


def test_codes_of_another_width_are_refused(X):
    occ = PCAReconstruction(n_components=4).fit(X)
    with pytest.raises(ValueError, match="X has 3 columns, but codes of this PCAReconstruction have 4"):
        occ.inverse_transform(np.zeros((2, 3)))


def test_blocks_and_memory_maps_change_nothing(blobs, tmp_path, monkeypatch):
    X = blobs(100)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    occ = PCAReconstruction().fit(X)
    outputs = [occ.score_samples(X), occ.transform(X), occ.reconstruct(X), occ.inverse_transform(occ.transform(X))]
    seen = []
    centred = PCAReconstruction._centred
    monkeypatch.setattr(PCAReconstruction, "_centred", lambda self, rows: seen.append(len(rows)) or centred(self, rows))
    monkeypatch.setattr(_pca, "_BLOCK_VALUES", 7 * 144)
    codes = occ.transform(mapped)
    in_blocks = [occ.score_samples(mapped), codes, occ.reconstruct(mapped), occ.inverse_transform(codes)]
    assert max(seen) == 7 and sum(seen) == 300
    np.testing.assert_allclose(in_blocks[0], outputs[0], rtol=1e-11)
    for a, b in zip(in_blocks[1:], outputs[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_x_is_not_written_to(X):
    before = X.copy()
    PCAReconstruction().fit(X).score_samples(X)
    np.testing.assert_array_equal(X, before)


def test_pickles_hold_no_data(blobs):
    few, many = (len(pickle.dumps(PCAReconstruction(n_components=5).fit(blobs(n)))) for n in (20, 400))
    assert many - few < 380 * 17  # of each row its score and its index


def test_a_far_row_has_a_finite_score(blobs):
    X = blobs(20) / 255
    occ = PCAReconstruction(n_components=4).fit(X)
    X[3, 1, 1] = 1e39
    left = 1 - (occ.pca_.components_[:, 13] ** 2).sum()  # of a unit vector along that pixel
    assert occ.score_samples(X)[3] == pytest.approx(-1e78 * left / 144, rel=1e-10)
    X[3, 1, 1] = 1e160
    with pytest.raises(ValueError, match=r"score of row 3 is -inf .*largest value of that row is 1e\+160"):
        occ.score_samples(X)


def test_a_variance_that_is_not_finite_is_refused(X):
    with pytest.raises(ValueError, match=r"variance of X is not finite.*the largest is .*e\+200: scale X"):
        PCAReconstruction().fit(X * 1e200)


def test_it_is_a_first_stage_of_cocsvm(blobs):
    X = blobs(40)
    occ = COCSVM(autoencoder=PCAReconstruction(n_components=5), random_state=0).fit(X)
    np.testing.assert_array_equal(occ.transform(X), PCAReconstruction(n_components=5).fit(X).transform(X))
    assert occ.reconstruct(X).shape == X.shape


def test_the_components_find_digits_better_than_random_directions(rng):
    found = {"fitted": [], "random": []}
    for majority in range(10):
        digits = load_one_class_digits(majority=majority)
        occ = PCAReconstruction().fit(digits.X_train)
        found["fitted"].append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
        occ.pca_.components_ = np.linalg.qr(rng.normal(size=(64, occ.n_components_)))[0].T
        found["random"].append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    assert np.mean(found["fitted"]) > 0.98
    assert (np.array(found["fitted"]) > found["random"]).all()
