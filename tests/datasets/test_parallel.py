import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from sklearn_occ.datasets import NiftiSlice, _parallel, iter_images, load_image_folder, read_image


@pytest.fixture
def files(tmp_path):
    """Thirty grey images of differing sizes whose level is their place."""
    paths = [tmp_path / f"{level:02}.png" for level in range(30)]
    for level, path in enumerate(paths):
        Image.new("L", (4 + level, 6), color=level).save(path)
    return paths


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert reading_threads() == []


def reading_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sklearn_occ-read")]


def broken(files):
    """Break four of the files, each in its way."""
    files[3].write_bytes(files[3].read_bytes()[:40])
    files[7].write_text("no image")
    files[8].unlink()
    files[29].write_bytes(b"")
    return [3, 7, 8, 29]


@pytest.mark.parametrize("n_jobs", [None, 1, 4, -1])
@pytest.mark.parametrize("slower", ["reader", "caller", "neither"])
def test_in_order_whichever_side_is_slower(files, monkeypatch, n_jobs, slower):
    rng = np.random.default_rng(0)

    def slowly(path):
        time.sleep(0.004 * rng.random())
        return read_image(path)

    if slower == "reader":
        monkeypatch.setattr(_parallel, "read_image", slowly)
    places = []
    for index, image in iter_images(iter(files), n_jobs=n_jobs):
        np.testing.assert_array_equal(image, np.full((6, 4 + index), index))
        places.append(index)
        if slower == "caller":
            time.sleep(0.002)
    assert places == list(range(30))


def test_several_threads_read_at_once(files, monkeypatch):
    meeting = threading.Barrier(3, timeout=10)

    def met(path):
        meeting.wait()
        return read_image(path)

    monkeypatch.setattr(_parallel, "read_image", met)
    assert len(list(iter_images(files, n_jobs=3))) == 30


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_few_files_are_read_ahead_and_their_images_are_let_go(files, monkeypatch, n_jobs):
    alive, most = set(), [0]

    class Image_:  # an array cannot say when it goes
        def __init__(self):
            alive.add(id(self))
            most[0] = max(most[0], len(alive))

        def __del__(self):
            alive.discard(id(self))

    monkeypatch.setattr(_parallel, "read_image", lambda path: Image_())
    for _, image in iter_images(files, n_jobs=n_jobs):
        time.sleep(0.002)
        del image
    assert most[0] <= 2 * n_jobs + 1
    assert not alive


def test_a_broken_file_is_raised_in_its_turn(files):
    broken(files)
    seen = []
    with pytest.raises(ValueError, match=r"03\.png' cannot be read as an image"):
        seen.extend(index for index, _ in iter_images(files, n_jobs=4))
    images = iter_images([files[0], files[8], files[1]])
    assert next(images)[0] == 0
    with pytest.raises(FileNotFoundError, match=r"08\.png"):
        next(images)
    with pytest.raises(StopIteration):
        next(images)


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_broken_files_are_skipped_counted_and_named(files, n_jobs):
    left_out = broken(files)
    with pytest.warns(UserWarning, match="4 of 30 files could not be read and were left out: ") as caught:
        pairs = list(iter_images(files, n_jobs=n_jobs, on_error="skip"))
    assert [index for index, _ in pairs] == [index for index in range(30) if index not in left_out]
    assert all((image == index).all() for index, image in pairs)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert all(repr(str(files[index])) in message for index in left_out)
    assert "The first one's error: " in message
    assert "03.png' cannot be read as an image, it seems damaged" in message


def test_five_of_many_broken_files_are_named(files):
    for path in files[:7]:
        path.unlink()
    with pytest.warns(
        UserWarning, match=r"7 of 30 files .*04\.png' and 2 more\. The first one's error: .*No such file"
    ):
        assert len(list(iter_images(files, on_error="skip"))) == 23


def test_nothing_is_said_of_whole_files(files):
    assert len(list(iter_images(files, on_error="skip"))) == 30
    assert list(iter_images([])) == []


def test_closing_ends_the_threads_and_tells_of_files_skipped_so_far(files, monkeypatch):
    broken(files)
    n_read = []

    def counted(path):
        n_read.append(path)
        return read_image(path)

    monkeypatch.setattr(_parallel, "read_image", counted)
    images = iter_images(files, n_jobs=2, on_error="skip")
    for index, _ in images:
        if index == 5:
            break
    assert reading_threads()
    with pytest.warns(UserWarning, match=r"1 of 30 files could not be read and were left out: '.*03\.png'\."):
        images.close()
    assert reading_threads() == []
    assert len(n_read) <= 5 + 1 + 2 * 2 + 1


def test_an_absent_package_is_no_broken_file(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match="PIL"):
        list(iter_images(files, on_error="skip"))


def test_slices_of_a_volume(tmp_path):
    import nibabel

    from sklearn_occ.datasets import nifti_slices

    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    for name in ("a.nii", "a.nii.gz"):
        nibabel.Nifti1Image(values, np.eye(4)).to_filename(tmp_path / name)
        slices = nifti_slices(tmp_path / name)
        for index, image in iter_images(slices, n_jobs=3):
            np.testing.assert_allclose(image, values[::-1, ::-1, index].T / 59, rtol=1e-6)
    slices[2] = NiftiSlice(slices[2].path, 2, 99, (0, 1))
    with pytest.warns(
        UserWarning, match=r"1 of 5 files could not be read and were left out: '.*a\.nii\.gz axis 2 index 99'"
    ):
        assert [index for index, _ in iter_images(slices, on_error="skip")] == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"paths": "a.png"}, "paths='a.png' is one path, an iterable of paths is expected: put it in a list"),
        ({"paths": ["a.png", 3]}, r"paths\[1\] is of type int, a path or a NiftiSlice is expected"),
        ({"paths": 3}, "The 'paths' parameter"),
        ({"paths": [], "n_jobs": 1.5}, "The 'n_jobs' parameter"),
        ({"paths": [], "on_error": "warn"}, "The 'on_error' parameter"),
    ],
)
def test_bad_parameters_are_named_at_once(parameters, message):
    with pytest.raises(ValueError, match=message):
        iter_images(**parameters)


def test_a_folder_is_the_same_in_several_threads(files, tmp_path):
    for name in ("train", "test/majority", "test/minority"):
        (tmp_path / name).mkdir(parents=True)
    for index, file in enumerate(files):
        file.rename(tmp_path / ("train", "test/majority", "test/minority")[index % 3] / file.name)
    one, four = (load_image_folder(tmp_path, image_size=5, n_jobs=n_jobs) for n_jobs in (None, 4))
    assert one.files_train == four.files_train
    np.testing.assert_array_equal(one.X_train, four.X_train)
    np.testing.assert_array_equal(one.X_test, four.X_test)
    assert four.X_train[:, 0, 0].tolist() == list(range(0, 30, 3))
