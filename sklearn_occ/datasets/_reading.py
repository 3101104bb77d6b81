"""One image file to one array; the kind of file is told by its first bytes, not by its name."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
from sklearn.utils._param_validation import validate_params

from . import _dicom, _nifti, _raster, _tiff

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # either order of bytes, TIFF and BigTIFF
_DICOM_MARK = slice(128, 132)
_LONGEST_START = 352  # bytes, NIfTI-1


FILE_TYPES = (str, os.PathLike, _nifti.NiftiSlice)  # what `read_image` takes


@validate_params({"path": list(FILE_TYPES)}, prefer_skip_nested_validation=True)
def read_image(path):
    """Read a PNG, JPEG, TIFF or DICOM file, or a slice of a NIfTI volume.

    What becomes of the stored values:

    - PNG, JPEG and TIFF of 1 to 8 bits: uint8 as stored (1, 2 and 4 bits are spread over 0 to 255); grey of 16 bits:
      ``stored / 65535``. Colour is ``(3, H, W)``, a palette is expanded to colour, alpha is dropped. The orientation
      written in EXIF is not applied.
    - TIFF of one page, also of 12 bits grey (``stored / 4095``) and of 32 bits float grey, as stored, if within [0, 1].
      Where 0 is white, it is inverted. The orientation among its tags is applied.
    - DICOM, single frame, grey: modality LUT or rescale slope and intercept, then the VOI LUT or else the
      first window, scaled to [0, 1]. Without either, the range of the stored bits becomes [0, 1].
      MONOCHROME1 (low is white) is inverted, so that high is always white. Compressed files need the decoders of
      ``sklearn_occ[jpeg]``, but for run lengths (RLE).
    - NIfTI, one slice from :func:`nifti_slices`, which says how it is scaled and turned; a volume with one slice also
      by its path.

    Parameters
    ----------
    path : str, path-like or NiftiSlice
        The file. Its name does not matter: a DICOM file needs no suffix.

    Returns
    -------
    image : ndarray of shape (H, W) or (3, H, W), uint8 or float32
        Values of uint8 in [0, 255], or float32 in [0, 1] for PNG and TIFF of more than 8 bits, DICOM and NIfTI.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is none of these kinds, is damaged, is 16-bit colour, CMYK, a TIFF of several pages, of signed
        integers or of floats outside [0, 1], colour or multi-frame DICOM, a NIfTI volume of several slices, or is
        compressed in a way that no installed decoder reads.
    ImportError
        If pillow (PNG, JPEG, TIFF), pydicom (DICOM) or nibabel (NIfTI) is absent.

    See Also
    --------
    iter_images : Read many files in threads.
    nifti_slices : List the slices of a NIfTI volume.
    load_image_folder : Load folders of files into arrays.

    References
    ----------
    DICOM PS3.3, C.11.1 (modality LUT) and C.11.2 (VOI LUT).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "two.png"
    >>> Image.new("L", (4, 2), color=7).save(path)
    >>> read_image(path).shape, int(read_image(path).max())
    ((2, 4), 7)
    """
    source, kind = _told(path)
    return kind.read_pixels(source)


def read_header(path):
    """Return the shape and dtype that `read_image` gives, without decoding the pixels."""
    source, kind = _told(path)
    shape, dtype = kind.read_header(source)
    return shape, np.dtype(dtype)


def _told(path):
    """Return the file as its reader takes it, and the module that reads it."""
    if isinstance(path, _nifti.NiftiSlice):
        return path, _nifti
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(_LONGEST_START)
    if start[_DICOM_MARK] == b"DICM":  # before TIFF: the 128 bytes ahead of the mark may make a file both
        return path, _dicom
    if start.startswith((_PNG, _JPEG)):
        return path, _raster
    if start.startswith(_TIFF):
        return path, _tiff
    if _nifti.is_nifti(_unzipped(path) if start.startswith(_nifti.GZIP) else start):
        return path, _nifti
    raise ValueError(
        f"{str(path)!r} is neither a PNG, a JPEG, a TIFF, a DICOM nor a NIfTI file: convert it, or take it out."
    )


def _unzipped(path):
    """Return the first bytes of what is compressed, none if it is damaged."""
    try:
        with gzip.open(path) as file:
            return file.read(_LONGEST_START)
    except (EOFError, OSError, zlib.error):
        return b""
