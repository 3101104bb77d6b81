"""AlignedDetector: errors in standard deviations of the errors that are usual at their place."""

import numpy as np
import pytest
from conftest import CtrlC
from scipy.ndimage import gaussian_filter
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sklearn_occ import CAE, OCSVM, AlignedDetector, DeepSVDD, PatchDetector, PCAReconstruction, SeedEnsemble
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.metrics import pixel_roc_auc_score


@pytest.fixture
def X(blobs):
    return blobs(40)


@pytest.mark.parametrize("tail", ["upper", "lower", "both"])
@pytest.mark.parametrize("top_fraction", [0.001, 0.1, 1.0])
def test_map_and_score_by_hand(X, tail, top_fraction):
    occ = AlignedDetector(
        PCAReconstruction(n_components=3), smoothing=1.5, tail=tail, top_fraction=top_fraction, random_state=0
    ).fit(X[:30])
    alone = PCAReconstruction(n_components=3, random_state=0).fit(X[:30])
    errors = np.square(alone.reconstruct(X / 255.0) - X / 255.0)
    errors = np.stack([gaussian_filter(error, 1.5) for error in errors])
    z = (errors - errors[:30].mean(axis=0)) / errors[:30].std(axis=0)
    expected = {"upper": z, "lower": -z, "both": abs(z)}[tail]
    np.testing.assert_allclose(occ.anomaly_map(X), expected, rtol=1e-4, atol=1e-5)
    highest = np.sort(expected.reshape(40, -1), axis=1)[:, -max(1, round(top_fraction * 144)) :]
    np.testing.assert_allclose(occ.score_samples(X), -highest.mean(axis=1), rtol=1e-4, atol=1e-5)


def test_a_table_by_hand(rng):
    X = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
    occ = AlignedDetector(PCAReconstruction(n_components=2), top_fraction=0.5).fit(X[:40])
    alone = PCAReconstruction(n_components=2).fit(X[:40])
    errors = np.square(alone.reconstruct(X) - X)
    z = (errors - errors[:40].mean(axis=0)) / errors[:40].std(axis=0)
    np.testing.assert_allclose(occ.score_samples(X), -np.sort(z, axis=1)[:, -3:].mean(axis=1))
    assert occ.map_mean_.shape == occ.map_scale_.shape == (6,)


def test_rows_held_out_and_the_minority_decide_nothing(X):
    y = np.where(np.arange(40) < 30, 1, -1)
    poisoned = X.copy()
    poisoned[30:] = 255 - poisoned[30:]
    expected = AlignedDetector(random_state=0).fit(X[:30])
    np.testing.assert_array_equal(AlignedDetector(random_state=0).fit(poisoned, y).map_mean_, expected.map_mean_)
    occ = AlignedDetector(threshold_data="validation", validation_fraction=0.25, random_state=0).fit(X)
    held_out = np.isin(occ.score_samples(X), occ.calibration_scores_)
    assert held_out.sum() == 10
    np.testing.assert_allclose(occ.map_mean_, occ.estimator_.anomaly_map(X[~held_out], smoothing=2.0).mean(axis=0))


def test_a_fitted_detector_is_taken_as_it_is(X):
    detector = CAE(max_epochs=2, channels=4, random_state=0).fit(X)
    occ = AlignedDetector(FrozenEstimator(detector)).fit(X)
    assert occ.estimator_.estimator is detector
    np.testing.assert_array_equal(occ.map_mean_, detector.anomaly_map(X, smoothing=2.0).mean(axis=0))


def test_where_errors_never_vary_the_least_scale_holds(X):
    X = X.copy()
    X[:, :, :3] = 7  # a border that is the same in all images
    occ = AlignedDetector(smoothing=0).fit(X)
    least = 0.01 * np.sqrt(np.mean(occ.estimator_.anomaly_map(X).std(axis=0) ** 2))
    np.testing.assert_allclose(occ.map_scale_[:, :3], least)
    changed = X[:1].copy()
    changed[0, 5, 1] = 255
    assert np.unravel_index(occ.anomaly_map(changed)[0].argmax(), (12, 12)) == (5, 1)
    twins = np.stack([X[0], 255 - X[0]])  # the errors of both are the same everywhere
    with pytest.warns(ConvergenceWarning):
        occ = AlignedDetector(PCAReconstruction(n_components=0)).fit(twins)
    assert (occ.map_scale_ == 1).all()


@pytest.mark.parametrize(
    "detector",
    [
        CAE(max_epochs=2, channels=4),
        DeepSVDD(pretrain_epochs=1, max_epochs=2, channels=4),
        SeedEnsemble(CAE(max_epochs=2, channels=4), n_estimators=2),
        PatchDetector(CAE(max_epochs=2, channels=4), patch_size=8, stride=2, foreground=None),
        PatchDetector(OCSVM(), patch_size=4, foreground=None),
    ],
    ids=["CAE", "DeepSVDD", "SeedEnsemble", "PatchDetector", "PatchDetector of OCSVM"],
)
def test_any_detector_with_maps(detector, X):
    occ = AlignedDetector(detector, smoothing=1, random_state=0).fit(X)
    assert detector.random_state is None
    alone = np.asarray(occ.estimator_.anomaly_map(X[:, None], smoothing=1), dtype=np.float64)
    np.testing.assert_allclose(occ.anomaly_map(X), (alone - alone.mean(0)) / alone.std(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(
        occ.score_samples(X), AlignedDetector(detector, smoothing=1, random_state=0).fit(X).score_samples(X)
    )


def test_images_whose_shape_the_detector_knows(X):
    flat = X.reshape(40, -1)
    occ = AlignedDetector(PCAReconstruction(image_shape=(12, 12))).fit(flat)
    np.testing.assert_array_equal(occ.anomaly_map(flat), AlignedDetector().fit(X).anomaly_map(X))


def test_an_ensemble_ranks_among_its_own_scores(X):
    occ = SeedEnsemble(AlignedDetector(CAE(max_epochs=2, channels=4)), n_estimators=2, random_state=0).fit(X)
    ranks = occ.score_samples(X)
    assert ranks.min() < 0.2
    assert ranks.max() > 0.8
    nested = SeedEnsemble(make_pipeline("passthrough", AlignedDetector(CAE(max_epochs=2, channels=4))), n_estimators=2)
    np.testing.assert_array_equal(nested.set_params(random_state=0).fit(X).score_samples(X), ranks)


def test_what_is_refused(X, rng):
    with pytest.raises(ValueError, match="X is a table, but DeepSVDD has no reconstruct"):
        AlignedDetector(DeepSVDD()).fit(rng.normal(size=(20, 5)))
    with pytest.raises(ValueError, match="was fitted on a table, but anomaly_map shows places in images"):
        AlignedDetector().fit(rng.normal(size=(20, 5))).anomaly_map(rng.normal(size=(3, 5)))
    dark = np.concatenate([X, np.zeros_like(X[:1])])
    patches = PatchDetector(PCAReconstruction(), patch_size=4, on_error="skip")
    with (
        pytest.warns(UserWarning, match="1 of 41 images were skipped"),
        pytest.raises(ValueError, match="skipped an image"),
    ):
        AlignedDetector(patches).fit(dark)


def test_ctrl_c_leaves_it_as_it_was(X):
    occ = AlignedDetector(CAE(max_epochs=2, channels=4), random_state=0).fit(X)
    scores = occ.score_samples(X)
    occ.set_params(estimator__callbacks=[CtrlC(1)])
    with pytest.warns(UserWarning, match="interrupted after 0 of 2"), pytest.raises(KeyboardInterrupt, match="whole"):
        occ.fit(X[:20])
    np.testing.assert_array_equal(occ.score_samples(X), scores)


def test_a_faint_dot_stands_out_by_its_place(rng):
    """Among digits, whose strokes have large errors in every image, dots where there is no stroke are found."""
    X = np.clip(load_one_class_digits(majority=0).X_train + rng.normal(0, 0.02, (89, 8, 8)), 0, 1)
    masks, dotted = np.zeros((29, 8, 8), dtype=bool), X[60:].copy()
    empty = np.argwhere(X[:60].max(axis=0) < 0.2)
    for image, mask, (row, column) in zip(dotted, masks, rng.choice(empty, 29), strict=True):
        image[row, column] += 0.1
        mask[row, column] = True
    usual = PCAReconstruction(n_components=10).fit(X[:60]).anomaly_map(dotted)
    aligned = AlignedDetector(PCAReconstruction(n_components=10), smoothing=0).fit(X[:60]).anomaly_map(dotted)
    assert pixel_roc_auc_score(masks, usual) < 0.85
    assert pixel_roc_auc_score(masks, aligned) > 0.95
