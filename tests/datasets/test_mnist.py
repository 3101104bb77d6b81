"""MNIST and Fashion-MNIST, which are published in one format."""

import gzip
import io
import struct

import numpy as np
import pytest

from sklearn_occ.datasets import fetch_fashion_mnist, fetch_mnist

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
TRAIN_LABELS = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4, 4], dtype=np.uint8)
TEST = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
TEST_LABELS = np.array([4, 0, 4, 9, 1], dtype=np.uint8)


def idx(array):
    """The idx format, as its publisher describes it."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)  # the same in each process that collects


class Fetched:
    """A fetcher, what its files' names start with, and the name of the user's own file."""

    def __init__(self, fetch, prefix, own):
        self.fetch, self.prefix, self.own = fetch, prefix, own


@pytest.fixture(params=["mnist", "fashion_mnist"])
def fetched(request):
    if request.param == "mnist":
        return Fetched(fetch_mnist, "", "mnist.npz")
    return Fetched(fetch_fashion_mnist, "fashion-mnist-", "fashion_mnist.npz")


def publish(server, prefix, train=TRAIN):
    server.publish(f"{prefix}train-images-idx3-ubyte.gz", idx(train))
    server.publish(f"{prefix}train-labels-idx1-ubyte.gz", idx(TRAIN_LABELS))
    server.publish(f"{prefix}t10k-images-idx3-ubyte.gz", idx(TEST))
    server.publish(f"{prefix}t10k-labels-idx1-ubyte.gz", idx(TEST_LABELS))
    return server


@pytest.fixture
def published(server, fetched):
    return publish(server, fetched.prefix)


def test_download_of_the_four_files(published, tmp_path, fetched):
    data = fetched.fetch(4, data_home=tmp_path)
    np.testing.assert_array_equal(data.X_train, TRAIN[[4, 10, 11]])
    np.testing.assert_array_equal(data.X_test, TEST)
    np.testing.assert_array_equal(data.y_test, [1, -1, 1, -1, -1])
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    assert data.X_test.flags.writeable
    assert data.image_shape == (1, 28, 28)
    assert "3 training images, all of" in data.DESCR
    assert "5 test images, 2 of" in data.DESCR
    assert "four idx files" in data.DESCR
    assert len(published.requests) == 4

    np.testing.assert_array_equal(fetched.fetch(9, data_home=tmp_path).X_train, TRAIN[[9]])
    assert len(published.requests) == 4


def test_the_files_of_both_lie_in_one_folder(server, tmp_path):
    publish(server, "")
    publish(server, "fashion-mnist-", train=255 - TRAIN)
    for _ in range(2):
        np.testing.assert_array_equal(fetch_mnist(9, data_home=tmp_path).X_train, TRAIN[[9]])
        np.testing.assert_array_equal(fetch_fashion_mnist(9, data_home=tmp_path).X_train, 255 - TRAIN[[9]])
    assert len(server.requests) == 8


def test_a_class_of_fashion_mnist_has_a_name(tmp_path, monkeypatch):
    np.savez(tmp_path / "fashion_mnist.npz", X_train=TRAIN, y_train=TRAIN_LABELS, X_test=TEST, y_test=TEST_LABELS)
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    assert fetch_fashion_mnist(5).DESCR.startswith("Fashion-MNIST: Sandal (class 5) against the rest\n")


def test_a_provided_file_comes_first(published, tmp_path, monkeypatch, fetched):
    name = fetched.own
    np.savez(tmp_path / name, X_train=TEST, y_train=TEST_LABELS, X_test=TRAIN, y_test=TRAIN_LABELS)
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    data = fetched.fetch(0, data_home=tmp_path)
    np.testing.assert_array_equal(data.X_train, TEST[[1]])
    np.testing.assert_array_equal(data.X_test, TRAIN)
    assert published.requests == []
    assert f"{name} in SKLEARN_OCC_DATA" in data.DESCR


def archive_of(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        archive_of(X_train=TRAIN, y_train=TRAIN_LABELS),
        archive_of(X_train=TRAIN)[:200],
        archive_of(X_train=TRAIN, y_train=np.array([{}] * 12), X_test=TEST, y_test=TEST_LABELS),
        archive_of(X_train=TRAIN)[64:],
    ],
    ids=["empty", "text", "incomplete", "cut", "pickle", "without a beginning"],
)
def test_a_provided_file_that_is_broken_is_named(tmp_path, monkeypatch, fetched, content):
    (tmp_path / fetched.own).write_bytes(content)
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"mnist\.npz' cannot be read as an \.npz file of the arrays X_train, y_train"):
        fetched.fetch()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"X_train": TRAIN[:, None]},
            r"X_train of .* is uint8 of shape \(12, 1, 28, 28\), expected uint8 of shape \(n, 28",
        ),
        (
            {"X_test": TEST.reshape(5, -1)},
            r"X_test of .* is uint8 of shape \(5, 784\), expected uint8 of shape \(n, 28",
        ),
        ({"X_test": TEST / 255}, r"X_test of .* is float64 of shape \(5, 28, 28\), expected uint8"),
        ({"X_train": np.uint8(3)}, r"X_train of .* is uint8 of shape \(\), expected"),
        ({"y_train": TRAIN_LABELS[:, None]}, r"y_train of .* has shape \(12, 1\), expected \(12,\), one label"),
        ({"y_test": TEST_LABELS[:4]}, r"y_test of .* has shape \(4,\), expected \(5,\), one label"),
        ({"y_train": TRAIN_LABELS % 4}, r"y_train of .* holds no 4, so that there is nothing to train on"),
    ],
)
def test_a_provided_file_with_other_arrays_is_named(tmp_path, monkeypatch, fetched, changes, message):
    arrays = {"X_train": TRAIN, "y_train": TRAIN_LABELS, "X_test": TEST, "y_test": TEST_LABELS}
    np.savez(tmp_path / fetched.own, **arrays | changes)
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=message):
        fetched.fetch(4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"\x00\x00\x0d\x01 floats", mtime=0), "is no idx file of unsigned bytes"),
        (gzip.compress(b"\x00\x00\x08", mtime=0), "has 3 bytes, but its header announces 4"),
        (
            gzip.compress(gzip.decompress(idx(TRAIN))[:-1], mtime=0),
            r"has 9423 bytes, but .* array of shape \(12, 28, 28\): remove it",
        ),
        (gzip.compress(gzip.decompress(idx(TRAIN))[:9], mtime=0), "has 9 bytes, but its header announces 16"),
        (idx(TRAIN)[:-200], "cannot be unzipped .*: remove it"),
        (b"<html>moved</html>", "cannot be unzipped .*: remove it"),
    ],
)
def test_a_file_of_another_format_is_named(published, tmp_path, fetched, content, message):
    published.publish(f"{fetched.prefix}train-images-idx3-ubyte.gz", content)
    with pytest.raises(ValueError, match=rf"train-images-idx3-ubyte\.gz' {message}"):
        fetched.fetch(data_home=tmp_path)


@pytest.mark.parametrize(
    "parameters", [{"majority": 10}, {"majority": 1.5}, {"data_home": 3}, {"download_if_missing": "no"}]
)
def test_bad_parameters_are_named(parameters, fetched):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        fetched.fetch(**parameters)


def test_missing_and_not_to_be_downloaded(published, tmp_path, fetched):
    with pytest.raises(OSError, match="download_if_missing=True"):
        fetched.fetch(data_home=tmp_path, download_if_missing=False)
    assert published.requests == []


@pytest.mark.parametrize(("majority", "n_train", "n_test"), [(0, 5923, 980), (1, 6742, 1135), (5, 5421, 892)])
def test_counts_of_the_real_data(real_data, majority, n_train, n_test):
    real_data("mnist.npz")
    data = fetch_mnist(majority)
    assert data.X_train.shape == (n_train, 28, 28)
    assert data.X_test.shape == (10000, 28, 28)
    assert (data.y_test == 1).sum() == n_test
    assert not {x.tobytes() for x in data.X_train} & {x.tobytes() for x in data.X_test}
