import io
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from sklearn_occ.datasets import _chest_xray, fetch_chest_xray_pneumonia

# Grey levels of constant images: JPEG keeps them exactly, and so does resizing.
TRAIN, NORMAL, PNEUMONIA = [10, 20, 30], [40, 50], [60, 70, 80]


def jpeg(level, size, mode="L"):
    buffer = io.BytesIO()
    Image.new(mode, size, color=level if mode == "L" else (level,) * 3).save(buffer, format="JPEG", quality=100)
    return buffer.getvalue()


def archive():
    """A few JPEG files in the folders of ChestXRay2017.zip, in no order, with a Mac's own files between."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for folder, levels in (
            ("test/PNEUMONIA", PNEUMONIA),
            ("test/NORMAL", NORMAL),
            ("train/NORMAL", TRAIN),
        ):
            for level in reversed(levels):
                mode = "RGB" if level == 80 else "L"
                file.writestr(f"chest_xray/{folder}/IM-{level}.jpeg", jpeg(level, (90 + level, 70), mode))
            file.writestr(f"chest_xray/{folder}/.DS_Store", b"x")
            file.writestr(f"__MACOSX/chest_xray/{folder}/._IM-10.jpeg", b"x")
        file.writestr("chest_xray/train/PNEUMONIA/person1.jpeg", jpeg(99, (80, 80)))
    return buffer.getvalue()


def levels(images):
    assert all(image.min() == image.max() for image in images)
    return [int(image[0, 0]) for image in images]


def test_download_of_the_archive(server, tmp_path):
    server.publish("ChestXRay2017.zip", archive(), "sha256")
    data = fetch_chest_xray_pneumonia(image_size=32, data_home=tmp_path)
    assert data.X_train.shape == (3, 32, 32)
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    assert levels(data.X_train) == TRAIN
    assert levels(data.X_test) == NORMAL + PNEUMONIA
    np.testing.assert_array_equal(data.y_test, [1, 1, -1, -1, -1])
    assert data.image_shape == (1, 32, 32)
    assert "3 training images, all normal; 5 test images, 2 normal and 3" in data.DESCR
    assert "ChestXRay2017.zip of Mendeley Data" in data.DESCR
    assert "1349" in data.DESCR

    server.stop()
    assert fetch_chest_xray_pneumonia(image_size=8, data_home=tmp_path).X_test.shape == (5, 8, 8)
    (tmp_path / "ChestXRay2017.zip").unlink()
    again = fetch_chest_xray_pneumonia(image_size=32, data_home=tmp_path, download_if_missing=False)
    for name in ("X_train", "X_test", "y_test"):
        np.testing.assert_array_equal(again[name], data[name])
    assert server.requests == ["/ChestXRay2017.zip"]


def test_an_interrupted_conversion_leaves_no_half_file(server, tmp_path, monkeypatch):
    def half(path, **arrays):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    server.publish("ChestXRay2017.zip", archive(), "sha256")
    with monkeypatch.context() as patch:
        patch.setattr(_chest_xray.np, "savez_compressed", half)
        with pytest.raises(KeyboardInterrupt):
            fetch_chest_xray_pneumonia(image_size=32, data_home=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ChestXRay2017.zip"]
    assert levels(fetch_chest_xray_pneumonia(image_size=32, data_home=tmp_path).X_train) == TRAIN


def test_offline(server, tmp_path):
    server.publish("ChestXRay2017.zip", archive(), "sha256")
    server.stop()
    with pytest.raises(OSError, match=r"save it as '.*ChestXRay2017\.zip'"):
        fetch_chest_xray_pneumonia(data_home=tmp_path)


@pytest.fixture
def provided(tmp_path, monkeypatch):
    """Files as SKLEARN_OCC_DATA holds them, the grey level telling the row."""

    def images(levels, size):
        return np.repeat(np.array(levels, dtype=np.uint8), size * size).reshape(-1, size, size)

    y_test = np.array([1, 0, 1], dtype=np.uint8)
    np.savez(
        tmp_path / "chestx_100.npz",
        X_train=images([1, 2], 100),
        y_train=np.zeros(2, dtype=np.uint8),
        X_test=images([3, 4, 5], 100),
        y_test=y_test,
    )
    np.savez(
        tmp_path / "chestx_64.npz",
        X_train=images([11, 99, 12, 98], 64),
        y_train=np.array([0, 1, 0, 1], dtype=np.uint8),
        X_test=images([13, 14, 15], 64),
        y_test=y_test,
    )
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("size", "train", "test", "origin"),
    [
        (100, [1, 2], [3, 4, 5], "chestx_100.npz, the Kaggle images at 100 x 100"),
        (64, [11, 12], [13, 14, 15], "chestx_64.npz, the Kaggle images"),
        (28, [1, 2], [3, 4, 5], "resized to 28 x 28"),
        (120, [1, 2], [3, 4, 5], "resized to 120 x 120"),
    ],
)
def test_a_provided_file_comes_first(provided, size, train, test, origin):
    data = fetch_chest_xray_pneumonia(image_size=size)
    assert data.X_train.shape == (2, size, size)
    assert data.X_train.dtype == np.uint8
    assert levels(data.X_train) == train
    assert levels(data.X_test) == test
    np.testing.assert_array_equal(data.y_test, [-1, 1, -1])
    assert data.image_shape == (1, size, size)
    assert origin in data.DESCR
    assert ("resized to" in data.DESCR) is (size in (28, 120))


def test_64_pixels_are_made_from_100_where_only_those_are_provided(provided):
    (provided / "chestx_64.npz").unlink()
    assert levels(fetch_chest_xray_pneumonia(image_size=64).X_train) == [1, 2]


def test_without_scikit_image_the_error_says_what_to_install(provided, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.transform", None)
    with pytest.raises(ImportError, match=r"Resizing images needs skimage\.transform.*sklearn_occ\[images\]"):
        fetch_chest_xray_pneumonia(image_size=50)
    assert len(fetch_chest_xray_pneumonia().X_train) == 2


@pytest.mark.parametrize(
    "parameters", [{"image_size": 0}, {"image_size": 10.5}, {"data_home": 3}, {"download_if_missing": "no"}]
)
def test_bad_parameters_are_named(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        fetch_chest_xray_pneumonia(**parameters)


@pytest.mark.parametrize("size", [100, 64])
def test_counts_of_the_real_data(real_data, size):
    real_data(f"chestx_{size}.npz")
    data = fetch_chest_xray_pneumonia(image_size=size)
    assert data.X_train.shape == (1341, size, size)
    assert data.X_test.shape == (624, size, size)
    assert (data.y_test == 1).sum() == 234
    assert (data.y_test == -1).sum() == 390
    assert not {x.tobytes() for x in data.X_train} & {x.tobytes() for x in data.X_test}


def test_resized_real_data_keep_the_brightness_of_every_image(real_data):
    real_data("chestx_100.npz")
    large, small = fetch_chest_xray_pneumonia(), fetch_chest_xray_pneumonia(image_size=25)
    np.testing.assert_allclose(small.X_test.mean((1, 2)), large.X_test.mean((1, 2)), atol=2)
