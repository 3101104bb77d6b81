"""The shallow baselines: the paper's settings, any input, scikit-learn's tools, and the comparison."""

import csv

import numpy as np
import pytest
from skimage.feature import hog
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.svm import OneClassSVM

from sklearn_occ.__main__ import main
from sklearn_occ.comparison import load_data
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.model_selection import MajorityOnly, OneClassKFold
from sklearn_occ.pipelines import make_fine_hog_ocsvm, make_hog_ocsvm, make_isolation_forest
from sklearn_occ.pipelines._baselines import BASELINES

each = pytest.mark.parametrize("make", BASELINES.values(), ids=BASELINES)


def test_each_name_is_of_its_pipeline():
    assert [BASELINES[name]()[0].pixels_per_cell for name in ("HOG-OCSVM", "FineHOG-OCSVM")] == [8, 4]
    assert list(BASELINES["IsolationForest"]().named_steps) == ["imageflattener", "isolationforest"]


def test_settings_of_the_paper(blobs):
    images, others = blobs(30, size=28), blobs(10, seed=1, size=28)

    def features(X):
        options = {"orientations": 9, "pixels_per_cell": (8, 8), "cells_per_block": (3, 3), "block_norm": "L2-Hys"}
        return np.array([hog(image / 255, **options) for image in X])

    assert features(images).shape == (30, 81)
    expected = OneClassSVM(nu=0.15, gamma=1 / 81, tol=1e-6).fit(features(images)).score_samples(features(others))
    found = make_hog_ocsvm().set_params(ocsvm__tol=1e-6).fit(images).score_samples(others)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_preset_is_finer(blobs):
    images, others = blobs(30, size=28), blobs(10, seed=1, size=28)
    options = {"orientations": 9, "pixels_per_cell": (4, 4), "cells_per_block": (3, 3), "block_norm": "L2-Hys"}
    V, W = (np.array([hog(image / 255, **options) for image in X]) for X in (images, others))
    expected = OneClassSVM(nu=0.15, gamma=1.0, tol=1e-6).fit(V).score_samples(W)
    found = make_fine_hog_ocsvm().set_params(ocsvm__tol=1e-6).fit(images).score_samples(others)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_forest_is_scikit_learns_on_pixels(blobs):
    images, others = blobs(30, channels=3), blobs(10, seed=1, channels=3)
    forest = IsolationForest(n_estimators=100, max_samples="auto", random_state=3)
    expected = forest.fit(images.reshape(30, -1) / np.float32(255)).score_samples(others.reshape(10, -1) / 255)
    occ = make_isolation_forest(random_state=3).fit(images)
    np.testing.assert_allclose(occ.score_samples(others), expected, rtol=1e-6)
    assert not np.array_equal(make_isolation_forest(random_state=4).fit(images).score_samples(others), expected)


@each
def test_scores_are_higher_for_the_majority(make, blobs):
    digits = load_one_class_digits(0)
    occ = make(random_state=0).fit(digits.X_train)
    assert roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)) > 0.98
    decisions = occ.decision_function(digits.X_test)
    assert roc_auc_score(digits.y_test, decisions) > 0.98
    np.testing.assert_array_equal(occ.predict(digits.X_test), np.where(decisions >= 0, 1, -1))
    stripes = np.random.default_rng(0).integers(0, 256, (20, 28, 1), dtype=np.uint8).repeat(28, axis=2)
    occ = make(random_state=0).fit(blobs(60, size=28))
    assert occ.score_samples(blobs(20, seed=1, size=28)).min() > occ.score_samples(stripes).max()


@each
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_images_of_any_form(make, channels, blobs):
    images, others = blobs(20, size=(30, 26), channels=channels), blobs(6, seed=1, size=(30, 26), channels=channels)
    scores = make(random_state=0).fit(images).score_samples(others)
    assert scores.shape == (6,)
    assert len(set(scores)) == 6
    floats = (X.astype(np.float32) / np.float32(255) for X in (images, others))
    as_floats, others_as_floats = floats
    np.testing.assert_array_equal(make(random_state=0).fit(as_floats).score_samples(others_as_floats), scores)
    with pytest.raises(ValueError, match="fitted on images"):
        make().fit(images).score_samples(others[..., :-1])


def test_flat_images_with_their_shape(blobs):
    images, others = blobs(20, size=28) / 255, blobs(6, seed=1, size=28) / 255
    flat = make_hog_ocsvm(image_shape=(28, 28)).fit(images.reshape(20, -1))
    expected = make_hog_ocsvm().fit(images).score_samples(others)
    np.testing.assert_array_equal(flat.score_samples(others.reshape(6, -1)), expected)
    forest = make_isolation_forest(random_state=0).fit(images)
    np.testing.assert_array_equal(forest.score_samples(others.reshape(6, -1)), forest.score_samples(others))


@each
def test_tables(make, rng):
    X = rng.normal(size=(80, 12))
    occ = make(random_state=0).fit(X)
    assert np.isfinite(occ.score_samples(X)).all()
    assert occ.n_features_in_ == 12
    with pytest.raises(ValueError, match="12 features"):
        occ.score_samples(X[:, :5])


def test_a_far_row_of_a_table_is_isolated(rng):
    X = rng.normal(size=(200, 4))
    occ = make_isolation_forest(random_state=0).fit(X)
    assert occ.score_samples(np.full((1, 4), 8.0))[0] < occ.score_samples(X).min()


@each
def test_clones_and_seeds(make, blobs):
    images = blobs(30)
    occ = make(random_state=7)
    scores = occ.fit(images).score_samples(images)
    np.testing.assert_array_equal(clone(occ).fit(images).score_samples(images), scores)
    assert {key for key in occ.get_params() if key.endswith("__random_state")}


GRIDS = {
    "HOG-OCSVM": {"estimator__ocsvm__nu": [0.05, 0.5]},
    "FineHOG-OCSVM": {"estimator__ocsvm__gamma": [0.1, 1.0]},
    "IsolationForest": {"estimator__isolationforest__n_estimators": [2, 50]},
}


@pytest.mark.parametrize("name", BASELINES)
def test_grid_search_on_images(name):
    digits = load_one_class_digits(0)
    X = np.concatenate([digits.X_train, digits.X_test[::20]])
    y = np.concatenate([np.ones(len(digits.X_train), dtype=int), digits.y_test[::20]])
    search = GridSearchCV(
        MajorityOnly(BASELINES[name](random_state=0)), GRIDS[name], cv=OneClassKFold(3), scoring="roc_auc"
    ).fit(X, y)
    found = search.cv_results_["mean_test_score"]
    assert (found > 0.8).all()
    assert found[0] != found[1]
    alone = BASELINES[name](random_state=0).set_params(
        **{key.removeprefix("estimator__"): value for key, value in search.best_params_.items()}
    )
    expected = alone.fit(X[y == 1]).score_samples(X)
    np.testing.assert_array_equal(search.best_estimator_.score_samples(X), expected)


def compare(output, *arguments):
    quick = ["--epochs", "2", "--seeds", "2", "--output", str(output)]
    assert main(["compare", *quick, *map(str, arguments)]) == 0
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_in_the_comparison(tmp_path, capsys):
    rows = compare(tmp_path, "--majority", 4, "--channels", 4, "--methods", "hog-ocsvm", "isolationforest", "CAE")
    assert [row["method"] for row in rows] == ["HOG-OCSVM"] * 2 + ["IsolationForest"] * 2 + ["CAE"] * 2
    assert [row["epochs"] for row in rows] == ["", "", "", "", "2", "2"]
    data = load_data("digits", majority=4)
    for row in rows[:4]:
        occ = BASELINES[row["method"]](random_state=int(row["seed"])).fit(data.X_train)
        assert float(row["auc"]) == pytest.approx(roc_auc_score(data.y_test, occ.score_samples(data.X_test)))
    assert rows[2]["auc"] != rows[3]["auc"]
    capsys.readouterr()
    compare(tmp_path, "--majority", 4, "--methods", "HOGOCSVM,Isolation-Forest")
    assert "4 of 4 fits, 4 of them read from" in capsys.readouterr().out


def test_in_the_comparison_of_a_table(tmp_path, rng):
    X = rng.normal(size=(60, 12))
    X[40:] += 6
    np.savez(tmp_path / "table.npz", X=X, y=np.repeat([0, 1], [40, 20]))
    rows = compare(tmp_path / "out", "--data", tmp_path / "table.npz", "--methods", *BASELINES)
    assert [row["method"] for row in rows] == ["HOG-OCSVM"] * 2 + ["FineHOG-OCSVM"] * 2 + ["IsolationForest"] * 2
    assert [float(row["auc"]) for row in rows[4:]] == [1, 1]
    assert 0 <= float(rows[0]["auc"]) == float(rows[1]["auc"]) <= 1
