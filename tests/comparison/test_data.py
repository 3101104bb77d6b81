"""The data argument: names, npz files of two conventions, folders."""

import sys

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid
from sklearn.datasets import load_digits

from sklearn_occ.__main__ import main
from sklearn_occ.comparison import load_data


@pytest.fixture
def npz(tmp_path):
    """Write arrays to a file and return its path."""

    def write(**arrays):
        np.savez(tmp_path / "file.npz", **arrays)
        return tmp_path / "file.npz"

    return write


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (12, 6, 6), dtype=np.uint8)


def test_digits_with_a_majority_and_a_size():
    digits = load_digits()
    data = load_data("digits", majority="7", image_size=12)
    assert data.name == "digits, majority 7"
    assert data.X_train.shape[1:] == (12, 12)
    assert (data.y_test == -1).sum() == (digits.target != 7).sum()
    assert len(data.X_train) + (data.y_test == 1).sum() == (digits.target == 7).sum()
    assert "Resized to 12 x 12" in data.DESCR


def test_split_arrays_keep_the_majority_rows_only(npz, images):
    y = np.tile([1, -1, 1], 4)
    data = load_data(npz(X_train=images, y_train=y, X_test=images[:3], y_test=y[:3, None]))
    np.testing.assert_array_equal(data.X_train, images[y == 1])
    np.testing.assert_array_equal(data.y_test, [1, -1, 1])
    assert data.X_test.dtype == np.uint8
    assert data.names_test == ["row 0", "row 1", "row 2"]
    whole = load_data(npz(X_train=images, X_test=images[:3], y_test=y[:3]))
    np.testing.assert_array_equal(whole.X_train, images)


def test_one_label_of_several_is_the_majority(npz, images):
    y = np.tile([3, 5, 8], 4)
    path = npz(X_train=images, y_train=y, X_test=images, y_test=y)
    data = load_data(path, majority="5", image_size=4)
    assert data.name == "file.npz, majority 5"
    assert data.X_train.shape == (4, 4, 4)
    np.testing.assert_array_equal(data.y_test, np.where(y == 5, 1, -1))
    named = np.tile(["cat", "dog", "owl"], 4)
    data = load_data(npz(X_train=images, y_train=named, X_test=images, y_test=named), majority="dog")
    np.testing.assert_array_equal(data.y_test, np.where(y == 5, 1, -1))


def test_a_table_with_anomalies_is_halved(npz):
    X = np.arange(80).reshape(20, 4)
    y = np.repeat([0, 1], [14, 6])
    data = load_data(npz(X=X, y=y))
    assert data.X_train.dtype == np.float64
    assert (len(data.X_train), len(data.X_test)) == (7, 13)
    rows = np.concatenate([data.X_train, data.X_test[data.y_test == 1]])
    np.testing.assert_array_equal(np.sort(rows, axis=0), X[:14])
    np.testing.assert_array_equal(data.X_test[data.y_test == -1], X[14:])
    np.testing.assert_array_equal(load_data(npz(X=X, y=y)).X_train, data.X_train)
    other = load_data(npz(X=X, y=y), majority=1)
    np.testing.assert_array_equal(other.X_test[other.y_test == -1], X[:14])


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_ten_classes_with_a_majority_and_a_size(name, tmp_path, monkeypatch):
    shape = (3, 32, 32) if name == "cifar10" else (28, 28)
    np.savez(
        tmp_path / f"{name}.npz",
        X_train=np.zeros((40, *shape), dtype=np.uint8),
        y_train=np.arange(40) % 10,
        X_test=np.zeros((10, *shape), dtype=np.uint8),
        y_test=np.arange(10),
    )
    monkeypatch.setenv("SKLEARN_OCC_DATA", str(tmp_path))
    data = load_data(name, majority=4, image_size=8)
    assert data.name == f"{name}, majority 4"
    assert data.X_train.shape == (4, *shape[:-2], 8, 8)
    assert np.flatnonzero(data.y_test == 1).tolist() == [4]


def bad_files(images):
    y = np.repeat([1, -1], 6)
    split = {"X_train": images, "X_test": images, "y_test": y}
    table = images.reshape(12, -1).astype(float)
    return {
        "holds a, b, expected either X_train": {"a": y, "b": y},
        "y_test of .* holds 0, 1, expected 1 .majority. and -1": split | {"y_test": (y > 0).astype(int)},
        "y of .* holds -1, 1, expected 0 .normal. and 1": {"X": table, "y": y},
        "y_test of .* has shape .11,., but X_test has 12": split | {"y_test": y[1:]},
        "holds NaN or infinity": split | {"X_test": np.where(table > 9, np.nan, 1.0).reshape(12, 6, 6)},
        "shape .12,. and type int64": split | {"X_train": y},
        "type <U1": {"X": np.full((12, 2), "a"), "y": y},
        "trains on samples of shape .6, 6. and tests on .36,.": split | {"X_test": table},
        "12 majority rows to train on, and 12 majority and 0 minority": split | {"y_test": np.abs(y)},
        "0 majority rows to train on, and 0 majority and 12": {"X": table, "y": np.abs(y)},
        "1 majority rows to train on": split | {"X_train": images[:1]},
        "cannot be read as an .npz file of plain arrays": split | {"y_test": np.array([{}] * 12)},
    }


@pytest.mark.parametrize("number", range(12))
def test_what_a_file_must_hold(npz, images, number):
    message, arrays = list(bad_files(images).items())[number]
    with pytest.raises(ValueError, match=message):
        load_data(npz(**arrays))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(60)], ids=["empty", "text", "zip"])
def test_a_file_that_is_no_npz(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="a.npz' cannot be read as an .npz file"):
        load_data(tmp_path / "a.npz")


def test_a_damaged_or_single_array(npz, tmp_path, images):
    path = npz(X_train=images, X_test=images, y_test=images)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read as an .npz file"):
        load_data(path)
    np.save(tmp_path / "b.npy", images)
    with pytest.raises(ValueError, match="b.npy' cannot be read as an .npz file"):
        load_data(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("nowhere", {}, "'nowhere' is neither a file nor a folder, nor one of digits, chestx"),
        ("digits", {"majority": "12"}, "majority is '12', expected a digit"),
        ("mnist", {"majority": "three"}, "majority is 'three', expected a digit"),
        ("fashion_mnist", {"majority": "10"}, "majority is '10', expected the number of a class, 0 to 9"),
        ("cifar10", {"majority": "cat"}, "majority is 'cat', expected the number of a class, 0 to 9"),
        ("chestx", {"majority": "1"}, "but chestx says itself"),
        ("pneumoniamnist", {"majority": "1"}, "but pneumoniamnist says itself"),
        (".", {"majority": "1"}, "but the folder '.' says itself"),
    ],
)
def test_options_that_do_not_fit(data, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_data(data, **options)


def test_options_that_do_not_fit_a_file(npz, images):
    table = npz(X=images.reshape(12, -1), y=np.repeat([0, 1], 6))
    with pytest.raises(ValueError, match="image_size is 8, but the data are a table of 36 columns"):
        load_data(table, image_size=8)
    with pytest.raises(ValueError, match="majority is '9', but y of .* holds 0, 1: choose one"):
        load_data(table, majority="9")


def save_dicom(path, stored):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = stored.astype(np.uint16).tobytes()
    data["PixelData"].VR = "OW"
    data.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path):
    """PNG and DICOM files; the minority is brighter; one name would be markup."""
    rng = np.random.default_rng(0)
    for name, n_files, level in (("train", 6, 40), ("test/majority", 3, 40), ("test/minority", 3, 200)):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(n_files):
            stored = np.clip(rng.normal(level, 10, (8, 8)), 0, 255).astype(np.uint8)
            if number % 2:
                save_dicom(tmp_path / "in" / name / f"{number}.dcm", stored * 16)
            else:
                Image.fromarray(stored).save(tmp_path / "in" / name / f"{number}<b>&.png")
    return tmp_path / "in"


def compare_folder(folder, *arguments):
    output = folder.parent / "out"
    quick = ["--epochs", "2", "--channels", "2", "--seeds", "1", "--methods", "OCSVM", "CAE"]
    return main(["compare", "--data", str(folder), "--output", str(output), *quick, *arguments])


def test_a_folder_of_png_and_dicom(folder, capsys):
    assert compare_folder(folder) == 0
    assert "in: 6 majority samples to train on, 6 to test on (3 majority, 3 minority)." in capsys.readouterr().out
    page = (folder.parent / "out" / "report.html").read_text(encoding="utf-8")
    assert "0&lt;b&gt;&amp;.png" in page
    assert "<b>&" not in page


def test_mixed_sizes_need_image_size(folder, capsys):
    Image.new("L", (9, 7)).save(folder / "train" / "other.png")
    assert compare_folder(folder) == 2
    error = capsys.readouterr().err
    assert "7 x 9" in error
    assert "give --image-size to resize" in error
    assert error.count("\n") == 1
    assert compare_folder(folder, "--image-size", "8") == 0


def test_an_unreadable_image_is_named_and_earlier_results_stay(folder, capsys):
    assert compare_folder(folder) == 0
    output = folder.parent / "out"
    before = {file: file.read_bytes() for file in output.rglob("*") if file.is_file()}
    (folder / "test" / "minority" / "4.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert compare_folder(folder) == 2
    assert "4.png' cannot be read as an image" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in output.rglob("*") if file.is_file()} == before


def test_a_folder_without_its_parts(tmp_path, capsys):
    assert main(["compare", "--data", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "has no sub-folder 'train'" in capsys.readouterr().err


def test_an_absent_pydicom_is_said_in_one_sentence(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert compare_folder(folder) == 2
    assert 'pip install "sklearn_occ[images]"' in capsys.readouterr().err
