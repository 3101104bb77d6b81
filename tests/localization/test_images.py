"""What images may be: arrays of any kind and files, and what becomes of unusable ones."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from sklearn_occ import CAE, PatchDetector
from sklearn_occ.datasets import nifti_slices, read_image
from sklearn_occ.localization import _images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_are_shares_of_the_largest(dtype, images, quick):
    occ = quick().fit(images)
    largest = np.iinfo(dtype).max
    whole = [np.rint(image * largest).astype(dtype) for image in images]
    floats = [(image / np.float32(largest)) for image in whole]
    np.testing.assert_allclose(occ.score_samples(whole), occ.score_samples(floats), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">u2", ">f8"])
def test_any_floats_and_byte_order(dtype, images):
    occ = PatchDetector(
        CAE(max_epochs=2, channels=2), patch_size=16, min_foreground=0.1, random_state=0
    )  # with Otsu's rule
    scale = 65535 if dtype == ">u2" else 1
    given = [np.rint(scale * image).astype(dtype) if scale > 1 else image.astype(dtype) for image in images]
    floats = [np.asarray(image, np.float64) / scale for image in given]
    np.testing.assert_allclose(occ.fit(given).score_samples(given), occ.fit(floats).score_samples(floats), rtol=1e-5)


def test_whole_numbers_and_floats_beyond_one_are_not_mixed(images, quick):
    whole = [np.rint(255 * image).astype(np.uint8) for image in images]
    floats = [image.astype(np.float32) for image in whole]
    occ = quick().fit(whole)
    with pytest.raises(ValueError, match="image 0 holds floats above 1, but .* whole numbers"):
        occ.score_samples(floats)
    np.testing.assert_array_equal(occ.score_samples([image / 255 for image in floats]), occ.score_samples(whole))
    with pytest.raises(ValueError, match="image 0 holds whole numbers, .* floats above 1"):
        quick().fit(floats).score_samples(whole)
    with pytest.raises(ValueError, match="image 1 holds floats above 1"):
        quick().fit([whole[0], floats[1]])


def test_arrays_tensors_and_colour(tissue, quick):
    stack = np.stack([tissue((3, 40, 48), k) for k in range(4)])
    occ = quick().fit(stack)
    scores = occ.score_samples(stack)
    np.testing.assert_array_equal(scores, occ.score_samples(list(stack)))
    np.testing.assert_array_equal(scores, occ.score_samples(torch.from_numpy(stack)))
    np.testing.assert_array_equal(scores, occ.score_samples(list(torch.from_numpy(stack))))
    with pytest.raises(ValueError, match="image 0 has 1 channels, expected 3"):
        occ.score_samples(stack[:, 0])
    with pytest.raises(ValueError, match="image 0 has shape .* channels last"):
        occ.score_samples(np.moveaxis(stack, 1, -1))


@pytest.mark.parametrize("given", [list, torch.stack])
def test_tensors_of_bfloat16(given, tissue, quick):
    tensors = [torch.from_numpy(tissue((40, 48), k)).bfloat16() for k in range(4)]
    floats = [tensor.float().numpy() for tensor in tensors]
    occ = quick("OCSVM").fit(given(tensors))
    np.testing.assert_array_equal(occ.score_samples(given(tensors)), quick("OCSVM").fit(floats).score_samples(floats))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((10, 40), np.float32), "has 10 x 40 pixels, expected at least a patch of 16 x 16"),
        (np.full((40, 40), np.nan), "holds NaN, infinite values or some beyond float32"),
        (np.full((40, 40), 1e39), "holds NaN, infinite values or some beyond float32"),
        (np.zeros((3, 40, 40), np.float32), "has 3 channels, expected 1"),
        (np.zeros((40, 40), bool), "has dtype bool"),
        (np.zeros((40, 40), int), "has dtype int64, expected uint8, uint16 or floats"),
        (np.zeros(40), r"has shape \(40,\), expected \(H, W\)"),
    ],
)
def test_unusable_images_are_named_or_skipped_and_never_scored(bad, message, images, quick):
    occ = quick().fit(images)
    given = [*images[:2], bad, images[3]]
    with pytest.raises(ValueError, match=f"image 2 {message}"):
        occ.score_samples(given)
    skipping = quick(on_error="skip").fit(images)
    with pytest.warns(UserWarning, match=f"1 of 4 images were skipped: image 2 {message}"):
        scores = skipping.score_samples(given)
    assert np.isnan(scores).tolist() == [False, False, True, False]
    np.testing.assert_array_equal(scores[[0, 1, 3]], occ.score_samples([*images[:2], images[3]]))
    with pytest.warns(UserWarning, match="skipped"):
        assert skipping.predict(given)[2] == 0
    with pytest.warns(UserWarning, match="skipped"):
        assert np.isnan(skipping.p_value(given)).tolist() == [False, False, True, False]
    with pytest.warns(UserWarning, match="skipped"):
        assert skipping.anomaly_map(given)[2] is None
    with pytest.warns(UserWarning, match="skipped"):
        assert "image 2" not in set(skipping.find_regions(given)["file"])


def test_unusable_images_are_not_trained_on(images, quick):
    given = [*images[:2], np.zeros((3, 3), np.float32), *images[2:]]
    with pytest.warns(UserWarning, match="1 of 7 images were skipped"):
        occ = quick(on_error="skip").fit(given)
    np.testing.assert_array_equal(occ.score_samples(images), quick().fit(images).score_samples(images))
    with pytest.warns(UserWarning, match="skipped"), pytest.raises(ValueError, match="None of 2 images can be used"):
        quick(on_error="skip").fit([np.zeros((3, 3)), np.zeros((4, 4))])


def test_a_detector_is_fitted_again_on_images_of_another_kind(images, quick):
    in_colour = [np.stack([image, image**2, 1 - image]) for image in images]
    again = quick("OCSVM").fit(images).fit(in_colour)
    np.testing.assert_array_equal(
        again.score_samples(in_colour), quick("OCSVM").fit(in_colour).score_samples(in_colour)
    )
    with pytest.raises(ValueError, match="has 1 channels, expected 3"):
        again.score_samples(images)


def test_images_held_out_are_of_the_kind_of_those_trained_on(images, quick):
    occ = quick("OCSVM", validation_fraction=0.34, threshold_data="validation").fit(images)
    held_out = np.isin(occ.score_samples(images), occ.calibration_scores_)
    assert held_out.sum() == 2
    mixed = [np.stack([image] * 3) if k else image for k, image in zip(held_out, images, strict=True)]
    with pytest.raises(ValueError, match="has 3 channels, expected 1, as the first image that was"):
        occ.fit(mixed)


def test_what_is_no_set_of_images(images, tmp_path, quick):
    with pytest.raises(ValueError, match="is one file, .* put it in a list"):
        quick().fit(str(tmp_path / "a.png"))
    with pytest.raises(ValueError, match=r"array of shape \(60, 80\), expected \(n, H, W\)"):
        quick().fit(images[0])
    with pytest.raises(ValueError, match="0 images"):
        quick().fit([])


def test_files_are_read_when_they_are_needed(tissue, tmp_path, quick, files_of):
    paths = files_of([tissue((40, 48 + k), k) for k in range(4)], tmp_path)
    arrays = [np.asarray(Image.open(path)) for path in paths]
    occ = quick(n_jobs=2).fit(np.array(paths))
    np.testing.assert_array_equal(occ.score_samples(paths), quick().fit(arrays).score_samples(arrays))
    np.testing.assert_array_equal(occ.score_samples(np.array([str(path) for path in paths])), occ.score_samples(paths))
    assert set(occ.find_regions(paths)["file"]) <= {str(path) for path in paths}
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    given = [paths[0], tmp_path / "bad.png", paths[1], tmp_path / "absent.png", np.zeros((3, 3), np.uint8)]
    with pytest.raises(ValueError, match="bad.png"):
        occ.score_samples(given)
    with pytest.raises(FileNotFoundError, match="absent.png"):
        occ.score_samples(given[3:])
    occ.set_params(on_error="skip")
    with pytest.warns(UserWarning, match=r"3 of 5 images were skipped: .*bad.png.*absent.png.*image 4 has 3 x 3"):
        scores = occ.score_samples(given)
    assert np.isnan(scores).tolist() == [False, True, False, True, True]


def test_a_broken_file_is_warned_of_once_in_a_fit(tissue, tmp_path, quick, files_of):
    paths = files_of([tissue((40, 48), k) for k in range(4)], tmp_path)
    paths[1].write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.warns(UserWarning) as caught:
        occ = quick(on_error="skip").fit(paths)
    assert len(caught) == 1
    assert len(occ.calibration_scores_) == 3


def test_slices_of_volumes_and_dicom_files(tissue, tmp_path, quick):
    import nibabel
    from pydicom.data import get_testdata_file

    volume = np.stack([tissue((40, 48), k) for k in range(4)], axis=-1)
    nibabel.Nifti1Image(volume, np.eye(4)).to_filename(tmp_path / "volume.nii")
    slices = nifti_slices(tmp_path / "volume.nii", value_range=(0, 1))
    occ = quick("OCSVM").fit(slices)
    arrays = [read_image(one) for one in slices]
    np.testing.assert_array_equal(occ.score_samples(slices), quick("OCSVM").fit(arrays).score_samples(arrays))
    assert str(slices[0]) in quick("OCSVM").fit(slices).find_regions(slices, n_regions=100)["file"].tolist()
    dicom = get_testdata_file("CT_small.dcm", download=False)
    assert np.isfinite(occ.score_samples([dicom, slices[0]])).all()


@pytest.fixture
def four_seconds_an_image(monkeypatch):
    clock = iter(range(0, 10**6, 4))
    monkeypatch.setattr(_images, "time", SimpleNamespace(monotonic=lambda: next(clock)))


@pytest.mark.usefixtures("four_seconds_an_image")
@pytest.mark.parametrize(
    ("params", "n_passes"),
    [
        ({"name": "OCSVM"}, 3),  # which images can be used, their patches, their scores
        ({"name": "OCSVM", "n_patches": 12}, 3),
        ({"name": "CAE", "n_patches": 12}, 4),  # patches for each of two epochs
    ],
)
def test_progress_is_said_every_ten_seconds(params, n_passes, images, capsys, quick):
    lines = ["3 of 6 images", "6 of 6 images"]
    occ = quick(**params, verbose=1).fit(images)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.endswith("images")] == n_passes * lines
    for method in ("score_samples", "score_patches", "anomaly_map", "find_regions"):
        getattr(occ, method)(images)
        assert capsys.readouterr().out.splitlines() == lines
    occ.set_params(verbose=0).fit(images)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("four_seconds_an_image")
def test_progress_stands_between_the_lines_of_the_epochs(images, capsys, quick):
    quick(n_patches=12, verbose=1).set_params(estimator__verbose=1).fit(images)
    lines = capsys.readouterr().out.splitlines()
    first, second = (number for number, line in enumerate(lines) if line.split()[:1] in (["1"], ["2"]))
    assert lines[first + 1 : second] == ["3 of 6 images", "6 of 6 images"]


CALLS = [
    lambda occ, given: occ.fit(given),
    lambda occ, given: occ.set_params(n_patches=12).fit(given),
    lambda occ, given: occ.fit_predict(given),
    lambda occ, given: occ.score_samples(given),
    lambda occ, given: occ.score_patches(given),
    lambda occ, given: occ.anomaly_map(given),
    lambda occ, given: occ.find_regions(given),
    lambda occ, given: occ.predict(given),
    lambda occ, given: occ.decision_function(given),
    lambda occ, given: occ.p_value(given),
]


@pytest.mark.parametrize("call", CALLS)
def test_the_warning_points_at_the_line_that_calls(call, images, quick):
    occ = quick("OCSVM", on_error="skip").fit(images)
    with pytest.warns(UserWarning, match="1 of 7 images were skipped: image 6") as caught:
        call(occ, [*images, np.zeros((3, 3))])
    places = {(warning.filename, warning.lineno) for warning in caught}
    assert places == {(__file__, call.__code__.co_firstlineno)}


@pytest.mark.parametrize("foreground", [None, "otsu"])
def test_memory_is_bounded_by_a_block_of_patches(tissue, foreground, quick):
    occ = quick("OCSVM", patch_size=32, stride=4, n_patches=20, foreground=foreground, min_foreground=0.0)
    image = np.tile(tissue((64, 64), 0), (20, 20))

    def peak(work):
        tracemalloc.start()
        work()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    occ.fit([image, image.T])
    few, block = 24 * image.size, 2**22 * 4  # bytes of some maps of the image, and of the patches in memory
    assert peak(lambda: occ.fit([image, image.T])) < few + 3 * block
    assert peak(lambda: occ.score_samples([image])) < few + 3 * block  # all patches are 400 MB
    assert peak(lambda: occ.anomaly_map([image])) < few + 3 * block


def test_an_unusable_image_keeps_its_number(images, quick):
    images[5] = np.full_like(images[5], np.nan)
    with pytest.raises(ValueError, match="image 5 holds NaN"):
        quick().fit(images, [-1, -1, 1, 1, 1, 1])


def test_an_unusable_first_image_does_not_set_the_kind_of_the_others(images, quick):
    small = np.zeros((3, 8, 8), dtype=np.float32)
    with pytest.warns(UserWarning, match="1 of 7 images were skipped: image 0"):
        occ = quick(on_error="skip").fit([small, *images])
    np.testing.assert_array_equal(occ.score_samples(images), quick().fit(images).score_samples(images))


@pytest.mark.parametrize("shape", [(0, 5), (1, 0, 5)])
def test_an_image_without_pixels_is_unusable(shape, images, quick):
    empty = np.zeros(shape, dtype=np.float32)
    with pytest.warns(UserWarning, match="1 of 7 images were skipped: image 6 has shape .* at least one pixel"):
        quick(on_error="skip").fit([*images, empty])
