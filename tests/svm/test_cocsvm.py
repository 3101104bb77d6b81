"""COCSVM against the Pipeline of its parts."""

import numpy as np
import pytest
from conftest import CtrlC, quick
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import OneClassSVM

from sklearn_occ import CAE, COCSVM, OCSVM, ConOCC, DeepSVDD
from sklearn_occ.model_selection import MajorityOnly
from sklearn_occ.preprocessing import ImageScaler


@pytest.fixture
def X(blobs):
    return blobs(60)


def test_it_is_the_pipeline_of_its_parts(X, blobs):
    stages = {"autoencoder": CAE(max_epochs=5, lr=1e-3, channels=4, random_state=7), "svm": OCSVM(nu=0.2)}
    ours, pipeline = COCSVM(**stages, contamination="auto").fit(X), Pipeline(list(stages.items())).fit(X)
    new = blobs(40, seed=1)
    np.testing.assert_array_equal(ours.decision_function(new), pipeline.decision_function(new))
    np.testing.assert_array_equal(ours.predict(new), pipeline.predict(new))
    np.testing.assert_array_equal(ours.transform(new), pipeline["autoencoder"].transform(new))
    np.testing.assert_array_equal(ours.reconstruct(new), pipeline["autoencoder"].reconstruct(new))


def test_flat_bytes_are_the_pipeline_too(X):
    flat = X.reshape(60, -1)
    stages = {"autoencoder": CAE(max_epochs=2, channels=4, image_shape=(12, 12), random_state=7), "svm": OCSVM()}
    ours, pipeline = COCSVM(**stages, contamination="auto").fit(flat), Pipeline(list(stages.items())).fit(flat)
    np.testing.assert_array_equal(ours.decision_function(flat), pipeline.decision_function(flat))


@pytest.mark.parametrize(
    "wrap", [lambda e: make_pipeline(ImageScaler("l2"), e), MajorityOnly], ids=["pipeline", "meta"]
)
def test_a_nested_first_stage_gets_images_and_the_seed(X, wrap):
    fits = [COCSVM(autoencoder=wrap(CAE(max_epochs=2, channels=4)), random_state=0).fit(X) for _ in range(2)]
    np.testing.assert_array_equal(*(occ.score_samples(X) for occ in fits))
    inner = fits[0].autoencoder_
    assert (inner[-1] if isinstance(inner, Pipeline) else inner.estimator_).image_shape_ == (1, 12, 12)


def test_a_second_stage_without_a_threshold(X):
    with pytest.raises(ValueError, match=r"KernelDensity has no offset_; set contamination"):
        COCSVM(autoencoder=PCA(5), svm=KernelDensity(), contamination="auto").fit(X)
    occ = COCSVM(autoencoder=PCA(5), svm=KernelDensity(), contamination=0.1).fit(X)
    assert (occ.predict(X) == -1).sum() == 6


def test_defaults(X):
    occ = COCSVM(autoencoder=CAE(max_epochs=1), random_state=0).fit(X)
    assert isinstance(occ.svm_, OCSVM) and occ.svm_.get_params()["nu"] == 0.5
    assert (occ.predict(X) == -1).mean() <= 0.1
    own = COCSVM(autoencoder=CAE(max_epochs=1), contamination="auto", random_state=0).fit(X)
    assert own.offset_ == own.svm_.offset_


def test_the_default_autoencoder_is_cae(X, monkeypatch):
    monkeypatch.setattr(CAE, "_train", lambda self, net, X, X_valid: net.epochs_.update(train=0))
    assert isinstance(COCSVM(random_state=0).fit(X).autoencoder_, CAE)


def test_nested_parameters():
    occ = quick("COCSVM").set_params(autoencoder__lr=0.5, svm__nu=0.9)
    assert (occ.autoencoder.lr, occ.svm.nu) == (0.5, 0.9)


def test_its_seed_reaches_the_stages_that_have_none(X):
    fixed = [
        COCSVM(autoencoder=CAE(max_epochs=2, channels=4), random_state=3).fit(X).score_samples(X) for _ in range(2)
    ]
    np.testing.assert_array_equal(*fixed)
    own = COCSVM(autoencoder=CAE(max_epochs=2, channels=4, random_state=1), random_state=3).fit(X)
    assert own.autoencoder_.random_state == 1


def test_threshold_of_the_whole(X):
    occ = quick("COCSVM", contamination=0.2).fit(X)
    assert (occ.predict(X) == -1).sum() == 12
    assert occ.set_contamination("auto").offset_ == occ.svm_.offset_


def test_rows_held_out_are_kept_from_both_stages(X):
    occ = quick("COCSVM", threshold_data="validation", validation_fraction=0.25).fit(X)
    assert len(occ.calibration_scores_) == 15
    assert len(occ.svm_.calibration_scores_) == 45
    assert len(occ.autoencoder_.calibration_scores_) == 45


@pytest.mark.parametrize("stage", [ConOCC(max_epochs=3, channels=4), PCA(5)], ids=lambda e: type(e).__name__)
def test_any_estimator_with_codes(stage, X):
    occ = COCSVM(autoencoder=stage, random_state=0).fit(X)
    assert occ.reconstruct(X).shape == X.shape
    if isinstance(stage, PCA):
        rows = (X.astype(np.float32) / np.float32(255)).reshape(60, -1)
        expected = OneClassSVM().fit(PCA(5, random_state=0).fit_transform(rows))
        codes = occ.transform(X)
        np.testing.assert_allclose(occ.score_samples(X), expected.score_samples(codes), rtol=1e-2)


def test_scikit_learns_svm_as_second_stage(X):
    occ = COCSVM(autoencoder=PCA(5), svm=OneClassSVM(nu=0.1), contamination="auto", random_state=0).fit(X)
    np.testing.assert_allclose(occ.score_samples(X), occ.svm_.score_samples(occ.transform(X)))
    assert occ.offset_ == occ.svm_.offset_[0]


@pytest.mark.parametrize(
    "wrap",
    [lambda e: make_pipeline(ImageScaler(), e), lambda e: make_pipeline(e, PCA(2)), MajorityOnly],
    ids=["last step", "first step", "meta"],
)
def test_ctrl_c_in_a_nested_first_stage(wrap, X):
    stage = wrap(CAE(max_epochs=5, channels=4, callbacks=[CtrlC(2)]))
    with pytest.warns(UserWarning, match="interrupted after 1 of 5"), pytest.raises(KeyboardInterrupt, match="first"):
        COCSVM(autoencoder=stage, random_state=0).fit(X)


def test_a_way_back_only_where_the_first_stage_has_one(X):
    one_way = DeepSVDD(pretrain_epochs=1, max_epochs=1, channels=4)
    for stage, way_back in ((None, True), (PCA(5), True), (one_way, False), (MajorityOnly(one_way), False)):
        occ = COCSVM(autoencoder=stage, random_state=0)
        for fitted in (False, True) if stage is not None else (False,):
            occ = occ.fit(X) if fitted else occ
            assert hasattr(occ, "inverse_transform") == hasattr(occ, "reconstruct") == way_back
    with pytest.raises(AttributeError, match="COCSVM.* has no attribute 'reconstruct'"):
        occ.reconstruct(X)
