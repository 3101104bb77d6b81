"""The contract's promises on bad input: one sentence with what came, what was expected and the remedy."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_occ import CAE, OCSVM, AlignedDetector, AnoGAN, PCAReconstruction, SeedEnsemble
from sklearn_occ.base._input import as_taken_by
from sklearn_occ.preprocessing import HOG


@pytest.fixture
def images(blobs):
    return blobs(20)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(make, rng, bad):
    X = rng.normal(size=(20, 5))
    occ = make().fit(X)
    X[3, 2] = bad
    for call in (make().fit, occ.score_samples):
        with pytest.raises(ValueError, match="NaN|infinity"):
            call(X)


def test_wrong_number_of_features(make, rng):
    X = rng.normal(size=(20, 5))
    with pytest.raises(ValueError, match=r"X has 4 features, but .* is expecting 5 features"):
        make().fit(X).score_samples(X[:, :4])


def test_wrong_image_size(make, images):
    occ = make().fit(images)
    with pytest.raises(ValueError, match=r"shape \(1, 11, 12\).*was fitted on images of shape \(1, 12, 12\)"):
        occ.score_samples(images[:, 1:])


def test_wrong_number_of_channels(make, blobs):
    occ = make().fit(blobs(20, channels=3))
    with pytest.raises(ValueError, match=r"shape \(1, 12, 12\).*was fitted on images of shape \(3, 12, 12\)"):
        occ.score_samples(blobs(20))


def test_images_where_a_table_was_fitted(make, rng, images):
    with pytest.raises(ValueError, match="was fitted on a table"):
        make().fit(rng.normal(size=(20, 144))).score_samples(images)


def test_image_shape_that_does_not_fit(make, images):
    with pytest.raises(ValueError, match=r"144 columns, but image_shape=\(10, 12\) needs 120"):
        make(image_shape=(10, 12)).fit(images.reshape(20, -1))
    with pytest.raises(ValueError, match="image_shape asks for images of shape"):
        make(image_shape=(10, 12)).fit(images)
    with pytest.raises(ValueError, match=r"image_shape=\(144,\), expected \(height, width\)"):
        make(image_shape=(144,)).fit(images.reshape(20, -1))


def test_channels_last(make, blobs):
    X = np.moveaxis(blobs(20, channels=3), 1, -1)
    with pytest.raises(ValueError, match=r"np\.moveaxis\(X, -1, 1\)"):
        make().fit(X)


def test_too_many_axes(make, images):
    with pytest.raises(ValueError, match="X has 5 axes"):
        make().fit(images[:, None, None])


def test_no_rows(make, images):
    with pytest.raises(ValueError, match="0 sample"):
        make().fit(images[:0])
    with pytest.raises(ValueError, match="0 sample"):
        make().fit(images).score_samples(images[:0])


def test_image_shape_with_channels_last(make, images):
    with pytest.raises(ValueError, match=r"image_shape=\(12, 4, 3\) looks like channels last"):
        make(image_shape=(12, 4, 3)).fit(images.reshape(20, -1))
    with pytest.raises(ValueError, match="whole numbers"):
        make(image_shape=("a", 2)).fit(images.reshape(20, -1))


def test_a_refused_fit_leaves_the_estimator_as_it_was(make, blobs):
    from sklearn.exceptions import NotFittedError

    X, occ = blobs(20), make()
    with pytest.raises(ValueError, match="identical"):
        occ.fit(np.ones((5, 9, 9)))
    with pytest.raises(NotFittedError):
        occ.score_samples(X)
    scores = occ.fit(X).score_samples(X)
    with pytest.raises(ValueError, match="identical"):
        occ.fit(np.ones((5, 9, 9)))
    np.testing.assert_array_equal(occ.score_samples(X), scores)


@pytest.mark.parametrize("shape", [(3,), (300, 300)], ids=str)
def test_rows_that_differ_behind_two_equal_ones_are_taken(shape, rng):
    X = rng.uniform(size=(20, *shape))
    X[1] = X[0]
    OCSVM().fit(X)
    X[:] = X[0]
    X[-1, ..., -1] += 1
    OCSVM().fit(X)


def test_tensors_of_any_kind(make, images):
    X = torch.from_numpy(images / 255)
    expected = make().fit(images / 255).score_samples(images / 255)
    for tensor in (X.clone().requires_grad_(), [row.clone().requires_grad_() for row in X]):
        np.testing.assert_array_equal(make().fit(tensor).score_samples(tensor), expected)
    assert np.isfinite(make().fit(X.bfloat16()).score_samples(X.bfloat16())).all()


def test_images_of_different_sizes_in_a_list(make, images):
    with pytest.raises(ValueError, match="differ in shape"):
        make().fit([*images, images[0, 1:]])


def test_bytes_at_fit_and_large_floats_at_scoring(make, images):
    occ = make().fit(images)
    with pytest.raises(ValueError, match="was fitted on uint8 images.*divide X by 255"):
        occ.score_samples(images.astype(float))
    assert np.isfinite(occ.score_samples(images / 255)).all()


@pytest.mark.filterwarnings("ignore:The codes of ConOCC")
def test_large_floats_at_fit_and_bytes_at_scoring(make, images):
    with pytest.raises(ValueError, match="was fitted on float images with values above 1"):
        make().fit(images.astype(float)).score_samples(images)


def test_one_row(make, rng):
    with pytest.raises(ValueError, match="1 sample"):
        make().fit(rng.normal(size=(1, 5)))
    with pytest.raises(ValueError, match="1 majority row"):
        make().fit(rng.normal(size=(3, 5)), [1, -1, -1])


def test_identical_rows(make):
    with pytest.raises(ValueError, match="All 10 majority rows of X are identical"):
        make().fit(np.ones((10, 5)))


def test_labels(make, rng):
    X = rng.normal(size=(10, 5))
    with pytest.raises(ValueError, match="labels every row -1"):
        make().fit(X, -np.ones(10))
    with pytest.raises(ValueError, match="9 labels, but X has 10 rows"):
        make().fit(X, np.ones(9))


def test_a_score_that_is_not_finite_names_the_row(make, blobs):
    X = blobs(20) / 255
    occ = make().fit(X)
    X[3, 1, 1] = 1e39
    if isinstance(occ, OCSVM):  # the kernel of a far row is 0, which is finite
        assert occ.score_samples(X)[3] == 0
        return
    if isinstance(occ, AnoGAN):  # absolute differences, in float64
        assert -1e38 < occ.score_samples(X)[3] < -1e36
        return
    if isinstance(occ, PCAReconstruction | AlignedDetector):  # it works in float64, which holds the square of 1e39
        assert -1e82 < occ.score_samples(X)[3] < -1e75
        X[3, 1, 1] = 1e160
    with pytest.raises(ValueError, match=r"(score|map) of row 3 is .*largest value of that row is 1e\+(39|160)"):
        occ.score_samples(X)


def test_validation_rows(make, rng):
    X = rng.normal(size=(10, 5))
    with pytest.raises(ValueError, match="validation_fraction is None; set it"):
        make(threshold_data="validation").fit(X)
    with pytest.raises(ValueError, match="leaves fewer than 2 to train on"):
        make(validation_fraction=0.95).fit(X)


def test_sample_weight_is_refused(make, rng):
    X = rng.normal(size=(10, 5))
    with pytest.raises(TypeError, match="sample_weight"):
        make().fit(X, sample_weight=np.ones(10))


def test_not_fitted(make, rng):
    from sklearn.exceptions import NotFittedError

    for method in ("score_samples", "decision_function", "predict", "p_value"):
        with pytest.raises(NotFittedError):
            getattr(make(), method)(rng.normal(size=(3, 5)))


def test_collapse_warns(rng):
    # A decoder that ignores its code and rows of equal norm: every score is the same.
    from sklearn.exceptions import ConvergenceWarning

    class Constant(torch.nn.Module):
        def forward(self, z):
            return z[:, :1].expand(-1, 6) * 0

    X = np.eye(6)
    occ = CAE(decoder=Constant(), encoder=torch.nn.Linear(6, 2), max_epochs=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match="the model has collapsed"):
        occ.fit(X)


def test_absent_cuda_device(rng):
    with pytest.raises(ValueError, match=r"device='cuda' of CAE is not available .*use device='auto' or 'cpu'"):
        CAE(device="cuda", max_epochs=1).fit(rng.normal(size=(10, 5)))


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "meta"])
def test_unknown_device(rng, device):
    with pytest.raises(ValueError, match=f"device='{device}' of CAE is not"):
        CAE(device=device, max_epochs=1).fit(rng.normal(size=(10, 5)))


def test_images_too_small_for_the_default_network(blobs):
    with pytest.raises(ValueError, match=r"7 x 12 pixels are too small.*at least 8 x 8"):
        CAE(max_epochs=1).fit(blobs(10, size=(7, 12)))


@pytest.mark.parametrize(
    "estimator",
    [
        SeedEnsemble(),
        SeedEnsemble(CAE()),
        make_pipeline("passthrough", CAE()),
        Pipeline([("nothing", None), ("detector", SeedEnsemble())]),
        SeedEnsemble(make_pipeline("passthrough", HOG(), OCSVM())),
        SeedEnsemble(PCA()),  # flattens them for its members
        AlignedDetector(),
    ],
)
def test_detectors_of_this_package_get_images_as_they_are(estimator, images):
    assert as_taken_by(estimator, images) is images


@pytest.mark.parametrize("estimator", [IsolationForest(), PCA(), make_pipeline("passthrough", StandardScaler(), CAE())])
def test_other_estimators_get_rows_of_floats(estimator, images):
    np.testing.assert_array_equal(as_taken_by(estimator, images), images.reshape(20, -1) / np.float32(255))
