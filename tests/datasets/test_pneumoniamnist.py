import io

import numpy as np
import pytest

from sklearn_occ.datasets import fetch_pneumoniamnist

RNG = np.random.default_rng(0)
IMAGES = {
    "train": RNG.integers(0, 256, (6, 28, 28), dtype=np.uint8),
    "val": RNG.integers(0, 256, (3, 28, 28), dtype=np.uint8),
    "test": RNG.integers(0, 256, (4, 28, 28), dtype=np.uint8),
}
LABELS = {"train": [0, 1, 1, 0, 1, 0], "val": [1, 0, 1], "test": [1, 1, 0, 1]}


def official_file():
    buffer = io.BytesIO()
    arrays = {f"{split}_images": images for split, images in IMAGES.items()}
    arrays |= {f"{split}_labels": np.array(y, dtype=np.uint8)[:, None] for split, y in LABELS.items()}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def check(data):
    np.testing.assert_array_equal(data.X_train, IMAGES["train"][[0, 3, 5]])
    np.testing.assert_array_equal(data.X_val, IMAGES["val"])
    np.testing.assert_array_equal(data.X_test, IMAGES["test"])
    np.testing.assert_array_equal(data.y_val, [-1, 1, -1])
    np.testing.assert_array_equal(data.y_test, [-1, -1, 1, -1])
    assert data.X_train.dtype == np.uint8
    assert data.image_shape == (1, 28, 28)
    assert "3 training images, all normal; 3 validation images, 1 normal" in data.DESCR


def test_download_of_the_official_file(server, tmp_path):
    server.publish("pneumoniamnist.npz", official_file())
    data = fetch_pneumoniamnist(data_home=tmp_path)
    check(data)
    assert "Zenodo record 10519652" in data.DESCR
    check(fetch_pneumoniamnist(data_home=tmp_path, download_if_missing=False))
    assert server.requests == ["/pneumoniamnist.npz"]


def test_a_provided_file_comes_first(server, tmp_path, monkeypatch):
    arrays = {f"X_{split}": images for split, images in IMAGES.items()}
    arrays |= {f"y_{split}": np.array(y, dtype=np.uint8) for split, y in LABELS.items()}
    np.savez(tmp_path / "pneumoniamnist_28.npz", **arrays)
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    data = fetch_pneumoniamnist(data_home=tmp_path)
    check(data)
    assert "not the publisher's row order" in data.DESCR


def test_offline(server, tmp_path):
    server.publish("pneumoniamnist.npz", official_file())
    server.stop()
    with pytest.raises(OSError, match="check the connection"):
        fetch_pneumoniamnist(data_home=tmp_path)


@pytest.mark.parametrize("parameters", [{"data_home": 3}, {"download_if_missing": "no"}])
def test_bad_parameters_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        fetch_pneumoniamnist(**parameters)


def test_counts_of_the_real_data(real_data):
    real_data("pneumoniamnist_28.npz")
    data = fetch_pneumoniamnist()
    assert [len(X) for X in (data.X_train, data.X_val, data.X_test)] == [1214, 524, 624]
    assert (data.y_val == 1).sum() == 135
    assert (data.y_test == 1).sum() == 234
    train, val, test = ({x.tobytes() for x in X} for X in (data.X_train, data.X_val, data.X_test))
    assert not train & test
    assert not val & test
    assert not train & val
