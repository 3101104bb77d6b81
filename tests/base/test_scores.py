"""The contract's promises on scores: layout, dtype, batch, order, seed, labels, persistence."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import network_in
from sklearn.base import clone

from sklearn_occ import AlignedDetector

SIZES = [(8, 8), (9, 13), (28, 28), (33, 50), (100, 100)]


def assert_close(a, b, name, kind):
    in_double = name == "OCSVM" or kind == "table"
    np.testing.assert_allclose(a, b, rtol=1e-11 if in_double else 1e-6, atol=0)


def test_flat_images_score_as_shaped_ones(make, blobs):
    X = blobs(40).astype(np.float32) / 255
    shaped = make().fit(X)
    flat = make(image_shape=(12, 12)).fit(X.reshape(40, -1))
    np.testing.assert_array_equal(shaped.score_samples(X), flat.score_samples(X.reshape(40, -1)))
    np.testing.assert_array_equal(shaped.score_samples(X), shaped.score_samples(X[:, None]))
    assert shaped.image_shape_ == flat.image_shape_ == (1, 12, 12)
    assert shaped.n_features_in_ == 144


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_score_as_floats_over_255(make, blobs, dtype):
    X = blobs(40)
    as_bytes = make().fit(X)
    as_floats = make().fit(X.astype(dtype) / dtype(255))
    scores = as_bytes.score_samples(X)
    if dtype is np.float32:
        np.testing.assert_array_equal(scores, as_floats.score_samples(X.astype(dtype) / dtype(255)))
    else:
        rounding = 1e-6 if isinstance(as_bytes, AlignedDetector) else 0  # its scores are differences
        np.testing.assert_allclose(scores, as_floats.score_samples(X / 255), rtol=1e-5, atol=rounding)
    assert scores.dtype == np.float64


def test_a_table_of_bytes_keeps_its_values(make, blobs):
    X = blobs(40).reshape(40, -1)[:, :20]
    np.testing.assert_array_equal(
        make().fit(X).score_samples(X), make().fit(X.astype(float)).score_samples(X.astype(float))
    )


@pytest.mark.parametrize("kind", ["table", "images", "large images"])
def test_a_row_scores_the_same_in_any_company(make, blobs, rng, kind):
    X = {"table": rng.normal(size=(150, 7)), "images": blobs(150), "large images": blobs(40, size=(61, 47))}[kind]
    occ = make().fit(X)
    name = type(occ).__name__
    scores = occ.score_samples(X)
    order = rng.permutation(len(X))
    assert_close(occ.score_samples(X[order]), scores[order], name, kind)
    assert_close(np.concatenate([occ.score_samples(X[i : i + 1]) for i in range(10)]), scores[:10], name, kind)
    assert_close(np.concatenate([occ.score_samples(part) for part in np.array_split(X, 3)]), scores, name, kind)
    at_every_place = occ.score_samples(np.repeat(X[:1], len(X), axis=0))
    assert_close(at_every_place, np.full(len(X), scores[0]), name, kind)


def test_a_row_at_its_place_scores_the_same_bits_in_any_number_of_rows(make_deep, blobs):
    X = blobs(300, size=28)
    deep = network_in(make_deep().fit(X))
    scores = deep.score_samples(X)
    for n in (1, 2, 3, 17, 64, 65):
        np.testing.assert_array_equal(deep.score_samples(X[:n]), scores[:n])


def test_same_seed_same_bits(make, blobs):
    X = blobs(40)
    first, second = make(random_state=3).fit(X), make(random_state=3).fit(X)
    np.testing.assert_array_equal(first.score_samples(X), second.score_samples(X))
    np.testing.assert_array_equal(first.fit(X).score_samples(X), second.score_samples(X))


def test_other_seed_other_scores(make_deep, blobs):
    X = blobs(40)
    scores = [make_deep(random_state=seed).fit(X).score_samples(X) for seed in (3, 4)]
    assert not np.allclose(*scores)


def test_global_generators_are_left_alone(make, blobs):
    X = blobs(40)
    torch_state, (_, numpy_state, position, *_) = torch.get_rng_state(), np.random.get_state()
    occ = make(random_state=3, validation_fraction=0.2).fit(X)
    occ.score_samples(X)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])
    assert position == np.random.get_state()[2]


def test_no_seed_draws_from_numpys_generator(make_deep, blobs):
    X = blobs(40)
    scores = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        scores.append(make_deep(random_state=None).fit(X).score_samples(X))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_rows_labelled_minority_are_never_trained_on(make, rng):
    X = rng.normal(size=(60, 5))
    y = np.ones(60, dtype=int)
    y[::4] = -1
    poisoned = X.copy()
    poisoned[y == -1] = 1e30
    kept = X[y == 1]
    expected = make().fit(kept)
    for labels in (y, y.astype(float), list(y), pd.Series(y)):
        occ = make().fit(poisoned, labels)
        np.testing.assert_array_equal(occ.score_samples(kept), expected.score_samples(kept))
        assert occ.offset_ == expected.offset_


def test_fit_predict_honours_labels(make, blobs):
    X = blobs(40)
    y = np.repeat([1, -1], 20)
    X[y == -1] = 255
    occ = make()
    np.testing.assert_array_equal(occ.fit_predict(X, y), make().fit(X[:20]).predict(X))


def test_pickle_clone_and_copies(make, blobs, tmp_path):
    X = blobs(40)
    occ = make().fit(X)
    scores = occ.score_samples(X)
    joblib.dump(occ, tmp_path / "occ.joblib")
    for other in (pickle.loads(pickle.dumps(occ)), copy.deepcopy(occ), joblib.load(tmp_path / "occ.joblib")):
        np.testing.assert_array_equal(other.score_samples(X), scores)
        np.testing.assert_array_equal(other.fit(X).score_samples(X), scores)
    fresh = clone(occ)
    assert not hasattr(fresh, "offset_")
    np.testing.assert_array_equal(fresh.fit(X).score_samples(X), scores)


def test_torch_tensors_lists_and_memory_maps(make, blobs, tmp_path):
    X = blobs(40)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = make().fit(X).score_samples(X)
    for other in (torch.from_numpy(X), list(X), mapped):
        np.testing.assert_array_equal(make().fit(other).score_samples(other), expected)


def test_data_frames(make, rng):
    X = pd.DataFrame(rng.normal(size=(30, 4)), columns=list("abcd"))
    occ = make().fit(X)
    assert list(occ.feature_names_in_) == list("abcd")
    np.testing.assert_array_equal(occ.score_samples(X), make().fit(X.to_numpy()).score_samples(X.to_numpy()))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size(make, blobs, size, channels):
    X = blobs(12, size=size, channels=channels)
    occ = make().fit(X)
    assert occ.image_shape_ == (channels, *size)
    assert np.isfinite(occ.score_samples(X)).all()
    if hasattr(occ, "reconstruct"):
        assert occ.reconstruct(X).shape == X.shape
    if hasattr(occ, "inverse_transform"):
        assert occ.inverse_transform(occ.transform(X)).shape == X.shape


@pytest.mark.parametrize("channels", [2, 4])
def test_any_number_of_channels(make, blobs, channels):
    X = blobs(12, channels=channels)
    assert make().fit(X).score_samples(X).shape == (12,)


def test_fitted_attributes(make, blobs):
    occ = make(validation_fraction=0.25).fit(blobs(40))
    assert occ.n_features_in_ == 144
    assert len(occ.calibration_scores_) == 30  # of the rows trained on
    assert (np.diff(occ.calibration_scores_) >= 0).all()
    assert isinstance(occ.offset_, float)


def test_deep_attributes(make_deep, blobs):
    occ = make_deep(validation_fraction=0.25).fit(blobs(40))
    deep = network_in(occ)
    assert deep.device_ == torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert [row["epoch"] for row in deep.history_] == list(range(1, sum(deep.net_.epochs_.values()) + 1))
    assert deep.net_.epochs_["train"] == deep.max_epochs
    assert deep.output_activation_ == "sigmoid"
    coder = occ if hasattr(occ, "transform") else deep
    if hasattr(coder, "transform"):
        assert coder.n_components_ == coder.transform(blobs(3)).shape[1]


def test_pickles_hold_no_data(make_deep, blobs):
    few, many = (make_deep().fit(blobs(n, size=32)) for n in (20, 400))
    stages = [vars(occ).get("autoencoder_", occ) for occ in (few, many)]  # an SVM keeps its support vectors
    assert len(pickle.dumps(stages[1])) - len(pickle.dumps(stages[0])) < 0.2 * 380 * 32 * 32
