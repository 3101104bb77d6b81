"""What every transformer of images keeps, whatever it computes."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from sklearn_occ import CAE, OCSVM, ConOCC
from sklearn_occ.preprocessing import HOG, ImageFlattener, ImageScaler

TRANSFORMERS = [*(ImageScaler(method) for method in ("l1", "l2", "zscore", "equalize")), HOG(), ImageFlattener()]
each = pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)


@parametrize_with_checks(TRANSFORMERS)
def test_scikit_learn(estimator, check):
    check(estimator)


@each
def test_parameters_are_checked(transformer):
    check_param_validation(type(transformer).__name__, transformer)


@each
def test_images_are_treated_one_by_one(transformer, blobs):
    images, others = blobs(8, size=28), blobs(5, seed=1, size=28)
    together = clone(transformer).fit_transform(images)
    other_fit = clone(transformer).fit(others)
    alone = np.concatenate([other_fit.transform(images[row : row + 1]) for row in range(8)])
    np.testing.assert_array_equal(alone, together)


@each
def test_labels_are_ignored(transformer, blobs):
    images = blobs(6)
    labelled = clone(transformer).fit_transform(images, [1, 1, -1, -1, 1, 1])
    np.testing.assert_array_equal(labelled, clone(transformer).fit_transform(images))


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(transformer, dtype, rng):
    X = rng.random((4, 24, 24))
    result = clone(transformer).fit_transform(X.astype(dtype))
    assert result.dtype == dtype
    np.testing.assert_allclose(
        result, clone(transformer).fit_transform(X), atol=1e-2 if "eq" in repr(transformer) else 1e-4
    )


@each
def test_tensors_and_memory_maps_equal_arrays(transformer, tmp_path, blobs):
    images = blobs(4, size=24)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    expected = clone(transformer).fit_transform(images)
    np.testing.assert_array_equal(clone(transformer).fit_transform(mapped), expected)
    np.testing.assert_array_equal(clone(transformer).fit_transform(torch.from_numpy(images)), expected)


@each
def test_input_is_left_as_it_was(transformer, rng):
    X = rng.random((4, 24, 24))
    before = X.copy()
    clone(transformer).fit_transform(X)
    np.testing.assert_array_equal(X, before)


@each
def test_table_as_a_data_frame(transformer, rng):
    X = rng.random((5, 12))
    fitted = clone(transformer).set_output(transform="pandas").fit(X)
    frame = fitted.transform(X)
    assert list(frame.columns) == list(fitted.get_feature_names_out())
    np.testing.assert_array_equal(frame, clone(transformer).fit_transform(X))


@each
def test_pickle_and_threads(transformer, blobs):
    images = blobs(40, size=28)
    fitted = pickle.loads(pickle.dumps(clone(transformer).fit(images)))
    expected = clone(transformer).fit_transform(images)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(fitted.transform, [images] * 8):
            np.testing.assert_array_equal(result, expected)


@each
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((4, 30, 30, 3)), r"looks like channels last.*np\.moveaxis\(X, -1, 1\)"),
        (np.ones((4, 1, 1, 5, 5)), r"X has 5 axes.*reshape X"),
        (np.ones((1, 8, 8)), r"1 sample\(s\).*minimum of 2"),
        (np.full((3, 8, 8), np.nan), "contains NaN"),
        (np.full((3, 8, 8), np.inf), "contains infinity"),
        ([[[1.0, 2.0]], [[1.0, 2.0, 3.0]]], "items differ in shape"),
    ],
    ids=["channels last", "five axes", "one image", "nan", "inf", "ragged"],
)
def test_bad_images(transformer, X, message):
    with pytest.raises(ValueError, match=message):
        clone(transformer).fit(X)


@each
def test_flat_images_must_fit_image_shape(transformer, rng):
    with pytest.raises(ValueError, match=r"X has 36 columns, but image_shape=\(5, 7\) needs 35"):
        clone(transformer).set_params(image_shape=(5, 7)).fit(rng.random((4, 36)))
    with pytest.raises(ValueError, match=r"image_shape asks for images of shape \(1, 5, 7\)"):
        clone(transformer).set_params(image_shape=(5, 7)).fit(rng.random((4, 6, 6)))


@each
def test_other_images_than_those_fitted(transformer, blobs):
    images = blobs(4, size=24)
    fitted = clone(transformer).fit(images)
    with pytest.raises(ValueError, match=r"X holds images of shape \(1, 20, 24\).*fitted on images"):
        fitted.transform(images[:, :20])
    with pytest.raises(ValueError, match=r"images of shape \(3, 24, 24\).*fitted on images"):
        fitted.transform(np.stack([images] * 3, axis=1))
    with pytest.raises(ValueError, match=r"fitted on uint8 images.*divide X by 255"):
        fitted.transform(images.astype(float))
    with pytest.raises(ValueError, match="fitted on float images with values above 1, but X is uint8"):
        clone(transformer).fit(images.astype(float)).transform(images)
    with pytest.raises(NotFittedError):
        clone(transformer).transform(images)


PIPELINES = {
    "equalize, CAE": lambda: make_pipeline(
        ImageScaler("equalize"), CAE(max_epochs=3, lr=1e-3, channels=4, random_state=0)
    ),
    "zscore, HOG, OCSVM": lambda: make_pipeline(ImageScaler(), HOG(), OCSVM(nu=0.1)),
    "HOG, OCSVM": lambda: make_pipeline(HOG(), OCSVM(nu=0.1)),
    "flat, HOG, StandardScaler, ConOCC": lambda: make_pipeline(
        HOG(image_shape=(28, 28)), StandardScaler(), ConOCC(max_epochs=4, random_state=0)
    ),
}


@pytest.mark.filterwarnings("ignore:The codes of ConOCC:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", PIPELINES)
def test_before_any_detector(name, blobs, rng):
    X_train, X_majority = blobs(60, size=28), blobs(30, seed=1, size=28)
    X_minority = rng.integers(0, 256, (30, 28, 28)).astype(np.uint8)  # noise instead of a spot
    X_test, y_test = np.concatenate([X_majority, X_minority]), np.repeat([1, -1], 30)
    if name.startswith("flat"):
        X_train, X_test = (X.reshape(len(X), -1) / 255 for X in (X_train, X_test))
    pipeline = PIPELINES[name]().fit(X_train)
    assert set(pipeline.predict(X_test)) <= {1, -1}
    assert roc_auc_score(y_test, pipeline.score_samples(X_test)) > 0.95
