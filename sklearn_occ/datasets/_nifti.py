"""Slices of NIfTI volumes: one slice is one image, and is read by itself."""

import gzip
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from os import PathLike
from pathlib import Path

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from .._optional import require
from ..base._input import checked_value_range

GZIP = b"\x1f\x8b"  # how a compressed file begins


@dataclass(frozen=True)
class NiftiSlice:
    """One slice of a NIfTI volume, to be given wherever the path of an image is.

    :func:`nifti_slices` lists them. `str` names file, axis and index.

    Parameters
    ----------
    path : str
        The file, ``.nii`` or ``.nii.gz``.
    axis : {0, 1, 2}
        0 sagittal, 1 coronal, 2 axial.
    index : int
        Place along the axis: from 0 at the patient's left, back or feet.
    value_range : tuple of float
        The values that become 0 and 1.

    See Also
    --------
    nifti_slices : List the slices of a volume.
    read_image : Read one.

    Examples
    --------
    >>> from sklearn_occ.datasets import NiftiSlice
    >>> one = NiftiSlice("head.nii", axis=2, index=40, value_range=(0.0, 1000.0))
    >>> one.axis, one.index
    (2, 40)
    """

    path: str
    axis: int
    index: int
    value_range: tuple

    def __str__(self):
        return f"{self.path} axis {self.axis} index {self.index}"


@validate_params(
    {
        "path": [str, PathLike],
        "axis": [Interval(Integral, 0, 2, closed="both")],
        "value_range": [tuple, list, None],
    },
    prefer_skip_nested_validation=True,
)
def nifti_slices(path, *, axis=2, value_range=None):
    """List the slices of a NIfTI volume; each is given to :func:`read_image` as a path would be.

    A voxel becomes ``(value - low) / (high - low)``, clipped to [0, 1], after the scaling in the header. The volume is
    turned and mirrored, not resampled, to the patient axes nearest to its own, and a slice is laid out as DICOM viewers
    do:

    ==== ======== ========================= ============================= =========================
    axis plane    index from 0              rows, from the top            columns, from the left
    ==== ======== ========================= ============================= =========================
    0    sagittal left to right             head to feet                  front to back
    1    coronal  back to front             head to feet                  patient's right to left
    2    axial    feet to head              front to back                 patient's right to left
    ==== ======== ========================= ============================= =========================

    A file without orientation (both codes 0) is taken as nibabel takes it: x to the left, y to the front, z to the
    head.

    Parameters
    ----------
    path : str or path-like
        A single-file NIfTI-1 or NIfTI-2 volume, plain or compressed by gzip, whatever its name.
    axis : {0, 1, 2}, default=2
        The axis the slices lie across.
    value_range : tuple of two floats or None, default=None
        The values that become 0 and 1. None takes the header's ``cal_min`` and ``cal_max``, or else, when they are
        not set, the least and the greatest value of the whole volume, which is read once for it. To compare
        volumes, give one range for all.

    Returns
    -------
    slices : list of NiftiSlice
        In the order of the index.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, no single-file NIfTI volume, has a time axis or values that are no real numbers, holds
        NaN or infinity, has one value throughout, or `value_range` is no range.
    ImportError
        If nibabel is absent.

    See Also
    --------
    NiftiSlice : What is listed.
    read_image : Read one of them.
    iter_images : Read many of them.

    Notes
    -----
    Of a plain file, a slice across the last stored axis, mostly axial, reads its own voxels only, one across the first
    axis nearly the whole file. A compressed file is decompressed up to the slice's end, for each slice anew: unpack
    files that are read often. Of 256 x 256 x 160 voxels of 16 bits, a slice took 2 to 150 ms, compressed 80 to 360 ms
    (one busy core, the last axis to the first).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import nibabel
    >>> import numpy as np
    >>> from sklearn_occ.datasets import nifti_slices, read_image
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "volume.nii"
    >>> nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4)).to_filename(path)
    >>> slices = nifti_slices(path)
    >>> len(slices), slices[3].index, slices[3].value_range, read_image(slices[3]).shape
    (4, 3, (0.0, 23.0), (3, 2))
    """
    path = str(path)
    with _opened(path) as volume:
        low, high = _own_range(volume) if value_range is None else _given_range(value_range)
        n_slices = _shape(volume)[axis]
    return [NiftiSlice(path, int(axis), index, (low, high)) for index in range(n_slices)]


def is_nifti(start):
    """Whether these are the first bytes, at least 348, of a single-file NIfTI-1 or NIfTI-2 volume."""
    return start[344:348] == b"n+1\0" or start[4:8] == b"n+2\0"


def read_header(source):
    """Return the shape (H, W) and the dtype of a `NiftiSlice`, or of the path of a volume with one slice."""
    with _opened(source) as volume:
        axis, _ = _place(source, volume)
        columns, rows = np.delete(_shape(volume), axis)
        return (int(rows), int(columns)), np.float32


def read_pixels(source):
    """Return float32 (H, W) in [0, 1] of a `NiftiSlice`, or of the path of a volume with one slice."""
    with _opened(source) as volume:
        axis, index = _place(source, volume)
        low, high = _given_range(source.value_range) if isinstance(source, NiftiSlice) else _own_range(volume)
        values = _slice(volume, axis, index).astype(np.float64)
        if not np.isfinite(values).all():
            raise _RefusalError("holds NaN or infinity: replace them")
        return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


class _RefusalError(Exception):
    """Why a volume is not read, without its name."""


@contextmanager
def _opened(source):
    """Open the volume of a path or a slice, its voxels unread; an error while it is open names `source`."""
    nibabel = require("nibabel", purpose="Reading NIfTI files", extra="nifti")
    path = Path(source.path if isinstance(source, NiftiSlice) else source)
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if compressed else file
        try:
            yield _volume(nibabel, stream)
        except _RefusalError as error:
            raise ValueError(f"{str(source)!r} {error}.") from None
        except Exception as error:  # damaged headers and streams raise many types
            raise ValueError(f"{str(source)!r} cannot be read as a NIfTI volume, it seems damaged: {error}.") from error


def _volume(nibabel, stream):
    """Return nibabel's image of an open file; refuse what has no slices of real numbers."""
    start = stream.read(348)
    stream.seek(0)
    if not is_nifti(start):
        raise _RefusalError("is no single-file NIfTI volume: convert it to .nii")
    kind = nibabel.Nifti2Image if start[4:8] == b"n+2\0" else nibabel.Nifti1Image
    volume = kind.from_file_map({"image": nibabel.FileHolder(fileobj=stream)})
    if volume.ndim < 2 or max(volume.shape[3:], default=1) > 1 or 0 in volume.shape:
        raise _RefusalError(f"has the shape {volume.shape}, and one volume of three axes is read: save each as a file")
    if volume.get_data_dtype().kind not in "iuf":
        raise _RefusalError(f"holds values of type {volume.get_data_dtype()}, and real numbers are read: convert them")
    return volume


def _place(source, volume):
    """Return axis and index of the slice that is meant."""
    n_slices = _shape(volume)
    if not isinstance(source, NiftiSlice):
        single = np.flatnonzero(n_slices == 1)
        if len(single) == 0:
            size = " x ".join(map(str, n_slices))
            raise _RefusalError(f"is a volume of {size} voxels, not an image: list its slices with nifti_slices")
        return single[-1], 0
    if source.axis not in (0, 1, 2) or not 0 <= source.index < n_slices[source.axis]:
        raise _RefusalError(
            f"is not in the volume, which has {' x '.join(map(str, n_slices))} slices along axes 0, 1 and 2"
        )
    return source.axis, source.index


def _shape(volume):
    """Return the number of slices along the patient axes."""
    shape = np.empty(3, dtype=int)
    shape[_orientation(volume)[:, 0]] = (*volume.shape, 1)[:3]
    return shape


def _orientation(volume):
    """Return, for each stored axis, the patient axis nearest to it and 1 or -1, as nibabel does; int (3, 2)."""
    from nibabel import io_orientation

    orientation = io_orientation(volume.affine)
    if np.isnan(orientation).any():
        raise _RefusalError("has an affine matrix that gives some axis no direction: set it")
    return orientation.astype(int)


def _slice(volume, axis, index):
    """Return the slice's values, (rows, columns)."""
    from nibabel import apply_orientation

    orientation = _orientation(volume)
    stored = int(np.flatnonzero(orientation[:, 0] == axis)[0])
    if orientation[stored, 1] < 0:
        index = _shape(volume)[axis] - 1 - index
    where = [slice(None)] * 3 + [0] * (volume.ndim - 3)
    where[stored] = slice(int(index), int(index) + 1)
    values = np.asarray(volume.dataobj[tuple(where[: volume.ndim])])
    turned = apply_orientation(np.atleast_3d(values), orientation)
    return np.take(turned, 0, axis=axis)[::-1, ::-1].T


def _own_range(volume):
    low, high = float(volume.header["cal_min"]), float(volume.header["cal_max"])
    if low < high:
        return low, high
    stored, slope, intercept = volume.dataobj.get_unscaled(), volume.dataobj.slope, volume.dataobj.inter
    low, high = sorted(float(end) * slope + intercept for end in (stored.min(), stored.max()))
    if not np.isfinite([low, high]).all():
        raise _RefusalError("holds NaN or infinity: replace them")
    if low == high:
        raise _RefusalError(f"has the value {low:g} throughout: give value_range=")
    return low, high


def _given_range(value_range):
    try:
        return checked_value_range(value_range)
    except ValueError as error:
        raise _RefusalError(f"cannot be scaled by {str(error).removesuffix('.')}") from None
