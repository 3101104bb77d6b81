import gzip
import struct

import numpy as np
import pytest

from sklearn_occ.datasets import fetch_mnist

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
TRAIN_LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4, 4], dtype=np.uint8)
TEST = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
TEST_LABELS = np.array([4, 0, 4, 9, 1], dtype=np.uint8)


def idx(array):
    """The idx format, as its publisher describes it."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def published(server):
    server.publish("train-images-idx3-ubyte.gz", idx(TRAIN))
    server.publish("train-labels-idx1-ubyte.gz", idx(TRAIN_LABELS))
    server.publish("t10k-images-idx3-ubyte.gz", idx(TEST))
    server.publish("t10k-labels-idx1-ubyte.gz", idx(TEST_LABELS))
    return server


def test_download_of_the_four_files(published, tmp_path):
    data = fetch_mnist(4, data_home=tmp_path)
    np.testing.assert_array_equal(data.X_train, TRAIN[[4, 10, 11]])
    np.testing.assert_array_equal(data.X_test, TEST)
    np.testing.assert_array_equal(data.y_test, [1, -1, 1, -1, -1])
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    assert data.X_test.flags.writeable
    assert data.image_shape == (1, 28, 28)
    assert "3 training images, all of them the digit 4" in data.DESCR
    assert "four idx files" in data.DESCR
    assert len(published.requests) == 4

    np.testing.assert_array_equal(fetch_mnist(9, data_home=tmp_path).X_train, TRAIN[[9]])
    assert len(published.requests) == 4


def test_a_provided_file_comes_first(published, tmp_path, monkeypatch):
    np.savez(tmp_path / "mnist.npz", X_train=TEST, y_train=TEST_LABELS, X_test=TRAIN, y_test=TRAIN_LABELS)
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    data = fetch_mnist(0, data_home=tmp_path)
    np.testing.assert_array_equal(data.X_train, TEST[[1]])
    np.testing.assert_array_equal(data.X_test, TRAIN)
    assert published.requests == []
    assert "mnist.npz in SKLEARN_OCC_DATA" in data.DESCR


def test_a_file_of_another_format_is_named(published, tmp_path):
    published.publish("train-images-idx3-ubyte.gz", gzip.compress(b"\x00\x00\x0d\x01 floats"))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz' is no idx file"):
        fetch_mnist(data_home=tmp_path)


@pytest.mark.parametrize(
    "parameters", [{"majority": 10}, {"majority": 1.5}, {"data_home": 3}, {"download_if_missing": "no"}]
)
def test_bad_parameters_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        fetch_mnist(**parameters)


def test_missing_and_not_to_be_downloaded(published, tmp_path):
    with pytest.raises(OSError, match="download_if_missing=True"):
        fetch_mnist(data_home=tmp_path, download_if_missing=False)
    assert published.requests == []


@pytest.mark.parametrize(("majority", "n_train", "n_test"), [(0, 5923, 980), (1, 6742, 1135), (5, 5421, 892)])
def test_counts_of_the_real_data(real_data, majority, n_train, n_test):
    real_data("mnist.npz")
    data = fetch_mnist(majority)
    assert data.X_train.shape == (n_train, 28, 28)
    assert data.X_test.shape == (10000, 28, 28)
    assert (data.y_test == 1).sum() == n_test
    assert not {x.tobytes() for x in data.X_train} & {x.tobytes() for x in data.X_test}
