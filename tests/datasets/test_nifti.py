import gzip
import struct
import sys

import nibabel
import numpy as np
import pytest

from sklearn_occ.datasets import NiftiSlice, load_image_folder, nifti_slices, read_image
from sklearn_occ.datasets._reading import read_header

RNG = np.random.default_rng(0)
VALUES = RNG.permutation(24).reshape(2, 3, 4)  # left to right, back to front, feet to head


def save(path, values=VALUES, axes="RAS", dtype=np.int16, kind=nibabel.Nifti1Image, **header):
    """Store `values`, given as RAS, along other `axes` as nibabel turns them; `header` fields are set."""
    image = kind(values.astype(dtype), np.diag([1.5, 2, 3, 1]))
    if values.ndim == 3:
        change = nibabel.orientations.ornt_transform(
            nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
        )
        image = image.as_reoriented(change)
        assert nibabel.aff2axcodes(image.affine) == tuple(axes)
    for field, value in header.items():
        image.header[field] = value
    image.to_filename(path)
    return path


def check(slices, expected):
    assert len(slices) == len(expected)
    for part, image in zip(slices, expected, strict=True):
        read = read_image(part)
        assert read.dtype == np.float32
        np.testing.assert_allclose(read, image, rtol=1e-6)
        assert read_header(part) == (image.shape, np.float32)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "SRA", "PIR", "ASL"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_slices_are_laid_out_as_dicom_viewers_do_however_they_are_stored(tmp_path, axes, suffix):
    path = save(tmp_path / f"volume{suffix}", axes=axes)
    unit = VALUES / 23
    # rows from the head or the front, columns from the patient's right, in sagittal slices from the front
    axial = [[[unit[x, y, z] for x in (1, 0)] for y in (2, 1, 0)] for z in range(4)]
    coronal = [[[unit[x, y, z] for x in (1, 0)] for z in (3, 2, 1, 0)] for y in range(3)]
    sagittal = [[[unit[x, y, z] for y in (2, 1, 0)] for z in (3, 2, 1, 0)] for x in range(2)]
    check(nifti_slices(path), np.array(axial))
    check(nifti_slices(str(path), axis=1), np.array(coronal))
    check(nifti_slices(path, axis=0), np.array(sagittal))


def test_a_file_without_orientation_is_taken_as_x_to_the_left(tmp_path):
    nibabel.Nifti1Image(VALUES[::-1].astype(np.int16), None).to_filename(tmp_path / "a.nii")
    check(nifti_slices(tmp_path / "a.nii"), np.moveaxis(VALUES[::-1, ::-1] / 23, 2, 0).transpose(0, 2, 1))


def test_a_slice_names_file_axis_and_index(tmp_path):
    path = save(tmp_path / "volume.nii")
    part = nifti_slices(path, axis=1)[2]
    assert part == NiftiSlice(str(path), 1, 2, (0.0, 23.0))
    assert str(part) == f"{path} axis 1 index 2"
    assert len({*nifti_slices(path), *nifti_slices(path)}) == 4


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_any_name_and_any_real_type(tmp_path, kind, dtype):
    image = kind(VALUES.astype(dtype), np.eye(4))
    for order in "<>":
        (tmp_path / "IM0001").write_bytes(kind(VALUES, np.eye(4), image.header.as_byteswapped(order)).to_bytes())
        expected = VALUES[::-1, ::-1, 2].T / 23
        np.testing.assert_allclose(read_image(nifti_slices(tmp_path / "IM0001")[2]), expected, rtol=1e-6)
        (tmp_path / "IM0002").write_bytes(gzip.compress((tmp_path / "IM0001").read_bytes()))
        np.testing.assert_allclose(read_image(nifti_slices(tmp_path / "IM0002")[2]), expected, rtol=1e-6)


def test_value_range_of_the_caller_the_header_and_the_volume(tmp_path):
    values = VALUES - 1000.0
    of_volume = nifti_slices(save(tmp_path / "a.nii", values))
    assert {part.value_range for part in of_volume} == {(-1000.0, -977.0)}
    of_header = nifti_slices(save(tmp_path / "b.nii", values, cal_min=-990, cal_max=-980))
    assert of_header[0].value_range == (-990, -980)
    of_caller = nifti_slices(tmp_path / "b.nii", value_range=(-1000, -990))
    shown = values[::-1, ::-1, 1].T
    np.testing.assert_allclose(read_image(of_volume[1]), (shown + 1000) / 23, rtol=1e-6)
    np.testing.assert_allclose(read_image(of_header[1]), np.clip((shown + 990) / 10, 0, 1), rtol=1e-6)
    np.testing.assert_allclose(read_image(of_caller[1]), np.clip((shown + 1000) / 10, 0, 1), rtol=1e-6)


@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_the_headers_scaling_is_applied(tmp_path, slope):
    content = bytearray(save(tmp_path / "a.nii").read_bytes())
    content[112:120] = struct.pack("<ff", slope, 7)  # scl_slope, scl_inter
    (tmp_path / "a.nii").write_bytes(content)
    slices = nifti_slices(tmp_path / "a.nii")
    assert slices[0].value_range == tuple(sorted((7.0, 7 + 23 * slope)))
    unit = VALUES[::-1, ::-1, 0].T / 23
    np.testing.assert_allclose(read_image(slices[0]), unit if slope > 0 else 1 - unit, rtol=1e-6, atol=1e-7)


def test_a_slice_reads_little_more_than_itself(tmp_path, monkeypatch):
    path = save(tmp_path / "a.nii", RNG.integers(0, 99, (64, 64, 50)))
    slices = nifti_slices(path, value_range=(0, 99))
    n_read = []
    readinto = nibabel.fileslice.read_segments

    def counted(file, segments, n_bytes, *args, **kwargs):
        n_read.append(n_bytes)
        return readinto(file, segments, n_bytes, *args, **kwargs)

    monkeypatch.setattr(nibabel.fileslice, "read_segments", counted)
    read_image(slices[20])
    assert sum(n_read) == 64 * 64 * 2


@pytest.mark.parametrize("shape", [(5, 4, 1), (5, 1, 4), (1, 5, 4), (5, 4), (5, 4, 1, 1)])
def test_a_volume_of_one_slice_is_an_image(tmp_path, shape):
    values = RNG.permutation(20)
    path = save(tmp_path / "a.nii", values.reshape(shape))
    expected = values.reshape(5, 4)[::-1, ::-1].T / 19
    np.testing.assert_allclose(read_image(path), expected, rtol=1e-6)
    assert read_header(path) == ((4, 5), np.float32)
    axis = shape.index(1) if 1 in shape else 2
    np.testing.assert_array_equal(read_image(nifti_slices(path, axis=axis)[0]), read_image(path))


def test_in_a_folder_of_images(tmp_path):
    for name in ("train", "test/majority", "test/minority"):
        (tmp_path / name).mkdir(parents=True)
        save(tmp_path / name / "a.nii.gz", VALUES[:, :, :1])
    assert load_image_folder(tmp_path).X_train.shape == (1, 3, 2)
    save(tmp_path / "train" / "b.nii.gz")
    with pytest.raises(ValueError, match=r"b\.nii\.gz' is a volume of 2 x 3 x 4 voxels, not an image: list its slices"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (VALUES.reshape(2, 3, 2, 2), np.int16, r"has the shape \(2, 3, 2, 2\), and one volume of three axes"),
        (VALUES, np.complex64, "holds values of type complex64, and real numbers are read"),
        (np.where(VALUES == 3, np.nan, VALUES), np.float32, "holds NaN or infinity: replace them"),
        (np.where(VALUES == 3, np.inf, VALUES), np.float32, "holds NaN or infinity: replace them"),
        (np.full((2, 3, 4), 7), np.int16, "has the value 7 throughout: give value_range="),
    ],
)
def test_what_has_no_slices_is_named(tmp_path, values, dtype, message):
    path = save(tmp_path / "bad.nii", values, dtype=dtype)
    with pytest.raises(ValueError, match=rf"bad\.nii' {message}"):
        nifti_slices(path)


def test_a_slice_with_nan_is_named_when_it_is_read(tmp_path):
    path = save(tmp_path / "a.nii", np.where(VALUES == 3, np.nan, VALUES), dtype=np.float32)
    slices = nifti_slices(path, value_range=(0, 23))
    bad = int(np.flatnonzero((VALUES == 3).any(axis=(0, 1)))[0])
    with pytest.raises(ValueError, match=rf"a\.nii axis 2 index {bad}' holds NaN or infinity"):
        read_image(slices[bad])
    assert read_image(slices[bad - 1]).max() <= 1


@pytest.mark.parametrize("value_range", [(1,), (1, 1), (2, 1), (0, np.nan), ("a", "b")])
def test_a_bad_value_range_is_named(tmp_path, value_range):
    path = save(tmp_path / "a.nii")
    with pytest.raises(ValueError, match=r"a\.nii' cannot be scaled by value_range=\(.*expected two finite"):
        nifti_slices(path, value_range=value_range)


@pytest.mark.parametrize(("axis", "index"), [(2, 4), (2, -1), (0, 3), (3, 0)])
def test_a_slice_outside_the_volume_is_named(tmp_path, axis, index):
    path = save(tmp_path / "a.nii")
    for read in (read_image, read_header):
        with pytest.raises(ValueError, match=rf"a\.nii axis {axis} index {index}' is not in the volume, .* 2 x 3 x 4"):
            read(NiftiSlice(str(path), axis, index, (0, 1)))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    path = save(tmp_path / f"cut{suffix}", RNG.integers(0, 9999, (20, 20, 20)))
    slices = nifti_slices(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    message = r"cut\.nii.*' cannot be read as a NIfTI volume, it seems damaged: "
    with pytest.raises(ValueError, match=message):
        nifti_slices(path)
    with pytest.raises(ValueError, match=message):
        read_image(slices[-1])


def test_other_compressed_files_and_pairs_of_files_are_refused(tmp_path):
    (tmp_path / "text.gz").write_bytes(gzip.compress(b"patient,label\n" * 100))
    with pytest.raises(ValueError, match=r"text\.gz' is neither a PNG"):
        read_image(tmp_path / "text.gz")
    nibabel.Nifti1Pair(VALUES.astype(np.int16), np.eye(4)).to_filename(tmp_path / "pair.img")
    with pytest.raises(ValueError, match=r"pair\.hdr' is no single-file NIfTI volume: convert it to \.nii"):
        nifti_slices(tmp_path / "pair.hdr")
    with pytest.raises(FileNotFoundError, match=r"absent\.nii"):
        nifti_slices(tmp_path / "absent.nii")


@pytest.mark.parametrize("parameters", [{"path": 3}, {"path": "a.nii", "axis": 3}, {"path": "a.nii", "value_range": 1}])
def test_bad_parameters_are_named(parameters):
    with pytest.raises(ValueError, match=f"The '{list(parameters)[-1]}' parameter"):
        nifti_slices(**parameters)


def test_without_nibabel_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = save(tmp_path / "a.nii")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r"NIfTI files needs nibabel.*sklearn_occ\[nifti\]"):
        read_image(path)
