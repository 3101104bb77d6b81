import shutil
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sklearn_occ.datasets import load_image_folder, read_image

FOLDERS = ("train", "test/majority", "test/minority")


def save(path, level, size=(6, 4), mode="L"):
    """A constant image of `size` (width, height); "I;16" is written as a 16-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "I;16":
        Image.fromarray(np.full(size[::-1], level, dtype=np.uint16)).save(path)
    else:
        Image.new(mode, size, color=level if mode == "L" else (level,) * 3).save(path)


@pytest.fixture
def folder(tmp_path):
    """Grey 8-bit images whose levels tell the row: 3, 1, 2 to train on, 4, 5 majority, 7, 6 minority."""
    levels_of = {"c": 2, "a": 3, "b": 1}, {"x": 4, "y": 5}, {"v": 6, "u": 7}
    for name, levels in zip(FOLDERS, levels_of, strict=True):
        for letter, level in levels.items():
            save(tmp_path / name / f"{letter}.png", level)
    return tmp_path


def test_rows_files_and_labels_in_the_order_of_the_names(folder):
    (folder / "train" / ".DS_Store").write_bytes(b"x")
    data = load_image_folder(str(folder))
    assert data.X_train.shape == (3, 4, 6)
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    assert data.X_train[:, 0, 0].tolist() == [3, 1, 2]
    assert data.X_test[:, 0, 0].tolist() == [4, 5, 7, 6]
    assert data.y_test.tolist() == [1, 1, -1, -1]
    assert data.files_train == [str(folder / "train" / f"{letter}.png") for letter in "abc"]
    for row, file in zip(data.X_test, data.files_test, strict=True):
        np.testing.assert_array_equal(row, read_image(file))
    assert data.image_shape == (1, 4, 6)
    assert "Images: 4 x 6, uint8; their own size" in data.DESCR
    assert "3 training images, all majority; 4 test images, 2 majority" in data.DESCR


def test_colour(tmp_path):
    for name in FOLDERS:
        save(tmp_path / name / "a.png", 9, mode="RGB")
    data = load_image_folder(tmp_path)
    assert data.X_train.shape == (1, 3, 4, 6)
    assert data.image_shape == (3, 4, 6)
    resized = load_image_folder(tmp_path, image_size=5)
    np.testing.assert_array_equal(resized.X_test, np.full((2, 3, 5, 5), 9, dtype=np.uint8))
    assert resized.image_shape == (3, 5, 5)


def test_one_deeper_file_makes_all_float(folder):
    save(folder / "test/minority/w.png", 32768, mode="I;16")
    data = load_image_folder(folder)
    assert data.X_train.dtype == data.X_test.dtype == np.float32
    np.testing.assert_array_equal(data.X_train[:, 0, 0], np.float32([3, 1, 2]) / np.float32(255))
    np.testing.assert_allclose(data.X_test[-1], 32768 / 65535, rtol=1e-6)


def test_dicom_files_of_any_name(folder):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    dicom = Dataset()
    dicom.file_meta = meta
    dicom.Rows, dicom.Columns, dicom.SamplesPerPixel, dicom.PhotometricInterpretation = 4, 6, 1, "MONOCHROME1"
    dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit, dicom.PixelRepresentation = 8, 8, 7, 0
    dicom.PixelData = bytes([51]) * 24
    dicom["PixelData"].VR = "OB"
    dicom.save_as(folder / "train" / "d.dcm", enforce_file_format=True)
    shutil.copy(folder / "train" / "d.dcm", folder / "train" / "1.2.840.113")
    data = load_image_folder(folder)
    np.testing.assert_allclose(data.X_train[:, 0, 0], [0.8, 3 / 255, 1 / 255, 2 / 255, 0.8], rtol=1e-6)


def test_image_size_resizes_with_antialiasing(folder):
    stripes = np.tile(np.array([255, 0, 0, 255], dtype=np.uint8), (40, 10))  # (40, 40), two pixels wide
    Image.fromarray(stripes).save(folder / "train" / "a.png")
    with pytest.raises(ValueError, match="give image_size="):
        load_image_folder(folder)
    data = load_image_folder(folder, image_size=10)
    assert data.X_train.shape == (3, 10, 10)
    assert data.X_train.dtype == np.uint8
    # without a blur, the two black columns in the middle of every four would be taken
    inside = data.X_train[0][2:-2, 2:-2].astype(int)
    assert abs(inside - 127.5).max() < 26
    assert np.ptp(data.X_train[1]) == 0  # a constant image stays constant, at its level
    assert data.X_train[1, 0, 0] == 1
    assert "resized to 10 x 10" in data.DESCR


def test_resized_floats_stay_in_the_unit_interval(tmp_path):
    for number, name in enumerate(FOLDERS):
        noise = np.random.default_rng(number).choice([0, 65535], (30, 50)).astype(np.uint16)
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(noise).save(tmp_path / name / "a.png")
    for size in (8, 64):
        data = load_image_folder(tmp_path, image_size=size)
        assert data.X_train.dtype == np.float32
        assert 0 <= data.X_train.min() < data.X_train.max() <= 1


def test_mixed_sizes_name_two_files_and_the_remedy(folder):
    save(folder / "test/majority/z.png", 1, size=(6, 5))
    with pytest.raises(ValueError, match="give image_size=") as caught:
        load_image_folder(folder)
    message = str(caught.value)
    assert f"{str(folder / 'train' / 'a.png')!r} has 4 x 6 pixels" in message
    assert f"{str(folder / 'test' / 'majority' / 'z.png')!r} has 5 x 6" in message


@pytest.mark.parametrize("image_size", [None, 8])
def test_grey_with_colour_names_one_of_each(folder, image_size):
    save(folder / "test/minority/z.png", 1, mode="RGB")
    with pytest.raises(ValueError, match=r"a\.png' is grey and .*z\.png' is colour: convert"):
        load_image_folder(folder, image_size=image_size)
    save(folder / "train/a.png", 1, mode="RGB")
    with pytest.raises(ValueError, match=r"b\.png' is grey and .*a\.png' is colour: convert"):
        load_image_folder(folder, image_size=image_size)


@pytest.mark.parametrize("name", FOLDERS)
def test_an_absent_and_an_empty_folder_are_named(folder, name):
    shutil.rmtree(folder / name)
    with pytest.raises(FileNotFoundError, match=f"has no sub-folder '{name}': create the three, 'train', "):
        load_image_folder(folder)
    (folder / name).mkdir(parents=True)
    with pytest.raises(ValueError, match="is empty: put"):
        load_image_folder(folder)
    (folder / name / ".hidden").write_bytes(b"x")
    with pytest.raises(ValueError, match="is empty: put"):
        load_image_folder(folder)


def test_an_unreadable_file_is_named(folder):
    bad = folder / "test" / "minority" / "notes.txt"
    bad.write_text("not an image")
    with pytest.raises(ValueError, match=r"notes\.txt' is neither a PNG"):
        load_image_folder(folder)
    bad.unlink()
    cut = folder / "train" / "b.png"
    cut.write_bytes(cut.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"b\.png' cannot be read as an image"):
        load_image_folder(folder)


def breaks(folder):
    """Break a header, the pixels behind a whole header, and the absence of an image."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 6), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "train" / "b.png")
    content = (folder / "train" / "b.png").read_bytes()
    (folder / "train" / "b.png").write_bytes(content[:50])
    (folder / "test/majority" / "notes.txt").write_text("not an image")
    (folder / "test/minority" / "u.png").write_bytes(b"")
    return [str(folder / name) for name in ("test/majority/notes.txt", "test/minority/u.png", "train/b.png")]


@pytest.mark.parametrize("n_jobs", [None, 3])
@pytest.mark.parametrize("image_size", [None, 8])
def test_broken_files_are_skipped_counted_and_named(folder, n_jobs, image_size):
    whole = load_image_folder(folder, image_size=image_size)
    assert whole.files_left_out == []
    broken = breaks(folder)
    with pytest.raises(ValueError, match=r"notes\.txt' is neither a PNG"):
        load_image_folder(folder, image_size=image_size, n_jobs=n_jobs)
    with pytest.warns(UserWarning, match="3 of 8 files could not be read and were left out: ") as caught:
        data = load_image_folder(folder, image_size=image_size, n_jobs=n_jobs, on_error="skip")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert all(repr(name) in str(caught[0].message) for name in broken)
    assert sorted(data.files_left_out) == broken
    np.testing.assert_array_equal(data.X_train, whole.X_train[[0, 2]])
    np.testing.assert_array_equal(data.X_test, whole.X_test[[0, 1, 3]])
    assert data.y_test.tolist() == [1, 1, -1]
    assert [Path(file).name for file in data.files_train] == ["a.png", "c.png"]
    assert [Path(file).name for file in data.files_test] == ["x.png", "y.png", "v.png"]
    assert "2 training images, all majority; 3 test images, 2 majority (label 1) and\n1 minority" in data.DESCR
    assert "3 files left out" in data.DESCR


@pytest.mark.parametrize("image_size", [None, 8])
@pytest.mark.parametrize("mode", ["I;16", "RGB"])
def test_a_skipped_file_decides_neither_size_nor_dtype(folder, image_size, mode):
    whole = load_image_folder(folder, image_size=image_size)
    cut = folder / "train" / "0.png"
    save(cut, 900 if mode == "I;16" else 9, size=(40, 40), mode=mode)
    cut.write_bytes(cut.read_bytes()[:50])
    with pytest.warns(UserWarning, match=r"1 of 8 files .*0\.png") as caught:
        data = load_image_folder(folder, image_size=image_size, on_error="skip")
    assert len(caught) == 1
    assert data.files_left_out == [str(cut)]
    assert data.X_train.dtype == data.X_test.dtype == np.uint8
    np.testing.assert_array_equal(data.X_train, whole.X_train)
    np.testing.assert_array_equal(data.X_test, whole.X_test)


def test_five_of_many_broken_files_are_named(folder):
    for number in range(7):
        (folder / "train" / f"{number}.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"7 of 14 files .*4\.png' and 2 more\. The first one's error: .*0\.png"):
        data = load_image_folder(folder, on_error="skip")
    assert len(data.X_train) == 3
    assert len(data.files_left_out) == 7


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("part", ["header", "pixels"])
def test_a_sub_folder_of_broken_files_is_an_error(folder, name, part):
    for file in (folder / name).iterdir():
        file.write_bytes(b"" if part == "header" else file.read_bytes()[:50])
    count = len(list((folder / name).iterdir()))
    with pytest.raises(ValueError, match=f"None of the {count} files of '.*{name}' can be read: put at least one"):
        load_image_folder(folder, on_error="skip")


def test_what_is_no_broken_file_is_an_error_with_skip_too(folder, monkeypatch):
    save(folder / "test/majority/z.png", 1, size=(6, 5))
    with pytest.raises(ValueError, match="give image_size="):
        load_image_folder(folder, on_error="skip")
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match="PIL"):
        load_image_folder(folder, on_error="skip")


def test_a_folder_in_the_place_of_an_image_is_named(folder):
    save(folder / "train" / "patient" / "a.png", 1)
    with pytest.raises(ValueError, match=r"patient' is a folder"):
        load_image_folder(folder)


@pytest.mark.parametrize("parameters", [{"path": 3}, {"path": ".", "image_size": 0}, {"path": ".", "on_error": "warn"}])
def test_bad_parameters_are_named(parameters):
    with pytest.raises(ValueError, match=f"The '{list(parameters)[-1]}' parameter"):
        load_image_folder(**parameters)


def test_one_image_at_a_time_beside_the_result(tmp_path):
    for name, n_images in zip(FOLDERS, (60, 1, 1), strict=True):
        for number in range(n_images):
            save(tmp_path / name / f"{number}.png", number, size=(128, 128))
    save(tmp_path / "test/minority/deep.png", 9, size=(128, 128), mode="I;16")
    load_image_folder(tmp_path)  # imports, which would count
    tracemalloc.start()
    try:
        data = load_image_folder(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < data.X_train.nbytes + data.X_test.nbytes + 8 * data.X_train[0].nbytes
