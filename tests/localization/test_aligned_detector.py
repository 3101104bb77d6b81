"""AlignedDetector: errors in standard deviations of the errors that are usual at their place."""

import numpy as np
import pytest
from conftest import CtrlC
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from sklearn_occ import CAE, COCSVM, OCSVM, AlignedDetector, DeepSVDD, PatchDetector, PCAReconstruction, SeedEnsemble
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.metrics import pixel_roc_auc_score


@pytest.fixture
def X(blobs):
    return blobs(40)


def left_out_errors(occ, X, error):
    """`error(detector, rows)` of the rows X, by detectors trained without their fold, as `occ` drew it."""
    random = np.random.RandomState(np.random.RandomState(occ.random_state).randint(2**31 - 1))
    found = None
    for trained_on, left_out in KFold(occ.cv, shuffle=True, random_state=random.randint(2**31 - 1)).split(X):
        of_fold = error(clone(occ.estimator).fit(X[trained_on]), X[left_out])
        found = np.empty((len(X), *of_fold.shape[1:])) if found is None else found
        found[left_out] = of_fold
    return found


def blurred_errors(detector, images):
    errors = np.square(detector.reconstruct(images / 255.0) - images / 255.0)
    return np.stack([gaussian_filter(error, 1.5) for error in errors])


@pytest.mark.parametrize("tail", ["upper", "lower", "both"])
@pytest.mark.parametrize(("top_fraction", "cv"), [(0.001, 5), (0.1, 3), (1.0, None)])
def test_map_and_score_by_hand(X, tail, top_fraction, cv):
    detector = PCAReconstruction(n_components=3)
    occ = AlignedDetector(detector, smoothing=1.5, tail=tail, top_fraction=top_fraction, cv=cv, random_state=0).fit(
        X[:30]
    )
    errors = blurred_errors(clone(detector).fit(X[:30]), X)
    usual = errors[:30] if cv is None else left_out_errors(occ, X[:30], blurred_errors)

    def expected(errors):
        z = (errors - usual.mean(axis=0)) / usual.std(axis=0)
        maps = {"upper": z, "lower": -z, "both": abs(z)}[tail]
        highest = np.sort(maps.reshape(len(maps), -1), axis=1)[:, -max(1, round(top_fraction * 144)) :]
        return maps, -highest.mean(axis=1)

    np.testing.assert_allclose(occ.anomaly_map(X), expected(errors)[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(occ.score_samples(X), expected(errors)[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(occ.calibration_scores_, np.sort(occ.score_samples(X[:30])))
    once_more = np.stack([gaussian_filter(one, 2) for one in occ.anomaly_map(X[:3])])
    np.testing.assert_allclose(occ.anomaly_map(X[:3], smoothing=2), once_more)
    occ.set_params(smoothing=0, tail="both", top_fraction=0.5)  # which count at the next fit
    np.testing.assert_allclose(occ.score_samples(X), expected(errors)[1], rtol=1e-4, atol=1e-5)


def test_kind_of_the_map_that_is_standardised(X):
    detector = PCAReconstruction(n_components=3).fit(X[:20])
    occ = AlignedDetector(FrozenEstimator(detector), kind="brighter").fit(X[20:])
    usual = detector.anomaly_map(X[20:], kind="brighter", smoothing=2)
    z = (detector.anomaly_map(X[:5], kind="brighter", smoothing=2) - usual.mean(0)) / occ.map_scale_
    np.testing.assert_allclose(occ.anomaly_map(X[:5]), z)
    occ.set_params(kind=None)  # which counts at the next fit
    np.testing.assert_allclose(occ.anomaly_map(X[:5]), z)
    with pytest.raises(ValueError, match="'kind' parameter"):
        AlignedDetector(kind="louder").fit(X)
    unfitted = AlignedDetector(DeepSVDD(channels=4, pretrain_epochs=1, max_epochs=1), kind="brighter", random_state=0)
    with pytest.raises(ValueError, match="kind='brighter', but the map of DeepSVDD is of one kind; set kind=None"):
        unfitted.fit(X)
    assert not hasattr(unfitted, "estimator_")
    ensemble = SeedEnsemble(PCAReconstruction(), n_estimators=2)
    assert AlignedDetector(ensemble, kind="darker", cv=None, random_state=0).fit(X).score_samples(X).shape == (len(X),)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_table_by_hand(rng, dtype):
    X = (rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))).astype(dtype)
    occ = AlignedDetector(PCAReconstruction(n_components=2), top_fraction=0.5, random_state=0).fit(X[:40])

    def squared(detector, rows):
        return np.square(detector.reconstruct(rows.astype(np.float64)) - rows)

    usual = left_out_errors(occ, X[:40], squared)
    z = (squared(PCAReconstruction(n_components=2).fit(X[:40]), X) - usual.mean(axis=0)) / usual.std(axis=0)
    np.testing.assert_allclose(occ.score_samples(X), -np.sort(z, axis=1)[:, -3:].mean(axis=1))
    assert occ.map_mean_.shape == occ.map_scale_.shape == (6,)


def test_new_rows_of_the_majority_have_the_unit_of_the_training_rows(rng):
    """Also where the detector fits closely what it was trained on."""
    X = rng.normal(size=(400, 8, 8))
    z = (
        AlignedDetector(PCAReconstruction(n_components=50), smoothing=0, random_state=0)
        .fit(X[:200])
        .anomaly_map(X[200:])
    )
    assert abs(z.mean()) < 0.2
    assert 0.8 < z.std() < 1.2
    close = AlignedDetector(PCAReconstruction(n_components=50), smoothing=0, cv=None).fit(X[:200]).anomaly_map(X[200:])
    assert close.mean() > 0.5


def test_units_of_features_do_not_matter(rng):
    X = rng.normal(size=(200, 4))
    odd = X[:20] + np.array([8, 0, 0, 0])
    for unit in (1.0, 1e-90, 1e3, 1e90):
        scale = [1, 1, 1, unit]
        occ = AlignedDetector(PCAReconstruction(n_components=0), random_state=0).fit(X * scale)
        assert (occ.predict(odd * scale) == -1).all()


def test_rows_held_out_and_the_minority_decide_nothing(X):
    y = np.where(np.arange(40) < 30, 1, -1)
    poisoned = X.copy()
    poisoned[30:] = 255 - poisoned[30:]
    expected = AlignedDetector(random_state=0).fit(X[:30])
    np.testing.assert_array_equal(AlignedDetector(random_state=0).fit(poisoned, y).map_mean_, expected.map_mean_)
    occ = AlignedDetector(threshold_data="validation", validation_fraction=0.25, random_state=0).fit(X)
    held_out = np.isclose(occ.score_samples(X)[:, None], occ.calibration_scores_, rtol=1e-9).any(axis=1)
    assert held_out.sum() == 10
    expected = AlignedDetector(random_state=0, cv=None).fit(X[~held_out])
    np.testing.assert_array_equal(occ.set_params(cv=None).fit(X).map_mean_, expected.map_mean_)


def test_a_fitted_detector_is_taken_as_it_is(X):
    detector = CAE(max_epochs=2, channels=4, random_state=0).fit(X)
    occ = AlignedDetector(FrozenEstimator(detector)).fit(X)
    assert occ.estimator_.estimator is detector
    np.testing.assert_allclose(occ.map_mean_, detector.anomaly_map(X, smoothing=2.0).mean(axis=0), rtol=1e-5)
    flat = AlignedDetector(FrozenEstimator(detector)).fit(X.reshape(40, -1))  # which knows the shape
    np.testing.assert_allclose(flat.map_mean_, occ.map_mean_)


@pytest.mark.parametrize("axes", [(40, 12, 12), (40, 1, 12, 12)])
def test_a_fitted_patch_detector_is_taken_as_it_is(X, axes):
    detector = PatchDetector(PCAReconstruction(), patch_size=4, foreground=None).fit(X.reshape(axes))
    occ = AlignedDetector(FrozenEstimator(detector), smoothing=0).fit(X)
    np.testing.assert_allclose(occ.map_mean_, np.mean(detector.anomaly_map(X), axis=0), rtol=1e-5)
    assert occ.anomaly_map(X).dtype == np.float64


def test_a_fitted_detector_inside_others(X):
    autoencoder = CAE(max_epochs=2, channels=4).fit(X)
    frozen = COCSVM(autoencoder=FrozenEstimator(autoencoder)).fit(X)
    np.testing.assert_array_equal(frozen.transform(X), autoencoder.transform(X))
    assert SeedEnsemble(FrozenEstimator(autoencoder), n_estimators=1).fit(X).estimators_[0].estimator is autoencoder


def test_one_that_was_interrupted_before_is_taken_too(X):
    detector = CAE(max_epochs=3, channels=4, callbacks=[CtrlC(1)])
    with pytest.warns(UserWarning, match="interrupted"):
        detector.fit(X)
    assert AlignedDetector(FrozenEstimator(detector)).fit(X).predict(X).shape == (40,)


def test_checkpoints_of_the_folds(X, tmp_path):
    detector = CAE(max_epochs=2, channels=4, checkpoint=tmp_path / "fit.pt")
    occ = AlignedDetector(detector, cv=2, random_state=0).fit(X)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fit-0.pt", "fit-1.pt", "fit.pt"]
    np.testing.assert_array_equal(clone(occ).fit(X).score_samples(X), occ.score_samples(X))


def test_where_errors_never_vary_the_least_scale_holds(X):
    X = X.copy()
    X[:, :, :3] = 7  # a border that is the same in all images
    occ = AlignedDetector(smoothing=0).fit(X)
    least = 0.01 * np.sqrt(np.mean(occ.map_scale_**2))
    np.testing.assert_allclose(occ.map_scale_[:, :3], least, rtol=1e-3)
    changed = X[:1].copy()
    changed[0, 5, 1] = 255
    assert np.unravel_index(occ.anomaly_map(changed)[0].argmax(), (12, 12)) == (5, 1)
    twins = np.stack([X[0], 255 - X[0]])  # the errors of both are the same everywhere
    with pytest.warns(ConvergenceWarning):
        occ = AlignedDetector(PCAReconstruction(n_components=0), cv=None).fit(twins)
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
    occ = AlignedDetector(detector, smoothing=1, cv=None, random_state=0).fit(X)
    assert detector.random_state is None
    alone = np.asarray(occ.estimator_.anomaly_map(X, smoothing=1), dtype=np.float64)
    np.testing.assert_allclose(occ.anomaly_map(X), (alone - alone.mean(0)) / alone.std(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(occ.score_samples(X), clone(occ).fit(X).score_samples(X))


def test_images_whose_shape_the_detector_knows(X):
    flat = X.reshape(40, -1)
    occ = AlignedDetector(PCAReconstruction(image_shape=(12, 12)), random_state=0).fit(flat)
    expected = AlignedDetector(random_state=0).fit(X).anomaly_map(X)
    np.testing.assert_array_equal(occ.anomaly_map(flat), expected)
    inside = AlignedDetector(SeedEnsemble(PCAReconstruction(image_shape=(12, 12)), n_estimators=1), random_state=0)
    np.testing.assert_allclose(inside.fit(flat).anomaly_map(flat), expected, rtol=1e-6, atol=1e-6)


def test_detectors_around_and_inside(X):
    maps = SeedEnsemble(AlignedDetector(cv=2), n_estimators=2, random_state=0).fit(X).anomaly_map(X, smoothing=1.0)
    assert maps.shape == (40, 12, 12)
    patches = PatchDetector(PCAReconstruction(), patch_size=4, foreground=None)
    ensemble = SeedEnsemble(AlignedDetector(patches, cv=2), n_estimators=2, random_state=0).fit(X)
    assert ensemble.anomaly_map(X).shape == (40, 12, 12)
    small = PatchDetector(PCAReconstruction(image_shape=(4, 4)), patch_size=4, foreground=None)  # the shape of a patch
    for occ in (SeedEnsemble(small, n_estimators=2), AlignedDetector(small, cv=2)):
        assert occ.fit(X).anomaly_map(X[:3])[0].shape == (12, 12)
    forest = PatchDetector(IsolationForest(), patch_size=4, foreground=None)
    assert SeedEnsemble(forest, n_estimators=2).fit(X).score_samples(X).shape == (40,)
    assert AlignedDetector(AlignedDetector(cv=2), cv=2).fit(X).anomaly_map(X).shape == (40, 12, 12)


def test_an_ensemble_ranks_among_its_own_scores(X):
    occ = SeedEnsemble(AlignedDetector(CAE(max_epochs=2, channels=4), cv=2), n_estimators=2, random_state=0).fit(X)
    ranks = occ.score_samples(X)
    assert ranks.min() < 0.2
    assert ranks.max() > 0.8
    nested = SeedEnsemble(
        make_pipeline("passthrough", AlignedDetector(CAE(max_epochs=2, channels=4), cv=2)), n_estimators=2
    )
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
        AlignedDetector(patches, cv=None).fit(dark)


@pytest.mark.parametrize("tail", ["upper", "lower", "both"])
def test_an_infinite_error_is_no_score(rng, tail):
    X = rng.normal(size=(30, 4))
    occ = AlignedDetector(PCAReconstruction(n_components=0), tail=tail).fit(X)
    X[3, 1] = 1e200
    with pytest.raises(ValueError, match=r"The map of row 3 is inf .*largest value of that row is 1e\+200"):
        occ.score_samples(X)


def test_the_row_is_named_by_its_number_in_X(rng):
    X = rng.normal(size=(30, 4))
    frozen = FrozenEstimator(PCAReconstruction(n_components=0).fit(X))
    X[17, 1] = 1e200
    with pytest.raises(ValueError, match="The map of row 17 is inf"):
        AlignedDetector(frozen).fit(X)
    images = rng.uniform(size=(20, 8, 8)) * 1e-140
    occ = AlignedDetector(smoothing=0).fit(images)
    images[3] = 1e20
    with pytest.raises(ValueError, match="The map of row 3 is inf"):
        occ.anomaly_map(images)


@pytest.mark.parametrize("value", [0.0, 5.3])
def test_a_constant_feature_decides_nothing(rng, value):
    X = np.insert(rng.normal(size=(200, 5)), 2, value, axis=1)
    with_it, without = (
        AlignedDetector(PCAReconstruction(n_components=2), random_state=0).fit(rows).score_samples(rows)
        for rows in (X, np.delete(X, 2, axis=1))
    )
    np.testing.assert_allclose(with_it, np.minimum(without, 0), rtol=1e-6, atol=1e-6)  # its z is 0


def test_few_rows(X):
    with pytest.raises(ValueError, match="cv=5 folds of 4 training rows, expected at least 5 rows; lower cv"):
        AlignedDetector().fit(X[:4])
    assert np.isfinite(AlignedDetector(cv=2).fit(X[:6]).score_samples(X)).all()


def test_the_seed_reaches_the_detector(X):
    detector = CAE(max_epochs=2, channels=4)
    scores = [AlignedDetector(detector, cv=2, random_state=seed).fit(X).score_samples(X) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_ctrl_c_leaves_it_as_it_was(X):
    occ = AlignedDetector(CAE(max_epochs=2, channels=4), cv=2, random_state=0).fit(X)
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
