"""One image file to one array; the kind of file is told by its first bytes, not by its name."""

import os
from pathlib import Path

import numpy as np
from sklearn.utils._param_validation import validate_params

from . import _dicom, _raster

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_DICOM_MARK = slice(128, 132)


@validate_params({"path": [str, os.PathLike]}, prefer_skip_nested_validation=True)
def read_image(path):
    """Read a PNG, JPEG or DICOM file.

    What becomes of the stored values:

    - PNG and JPEG of 1 to 8 bits: uint8 as stored (1, 2 and 4 bits are spread over 0 to 255); a PNG of 16
      bits
      grey: ``stored / 65535``. Colour is ``(3, H, W)``, a palette is expanded to colour, alpha is dropped.
      The orientation written in EXIF is not applied.
    - DICOM, single frame, grey: modality LUT or rescale slope and intercept, then the VOI LUT or else the
      first window, scaled to [0, 1]. Without either, the range of the stored bits becomes [0, 1].
      MONOCHROME1 (low is white) is inverted, so that high is always white.

    Parameters
    ----------
    path : str or path-like
        The file. Its name does not matter: a DICOM file needs no suffix.

    Returns
    -------
    image : ndarray of shape (H, W) or (3, H, W), uint8 or float32
        uint8 in [0, 255], or float32 in [0, 1] for 16-bit PNG and DICOM.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is none of the three kinds, is damaged, is 16-bit colour, CMYK, colour or multi-frame
        DICOM, or is compressed in a way that no installed decoder reads.
    ImportError
        If pillow (PNG, JPEG) or pydicom (DICOM) is absent.

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
    path = Path(path)
    return _format(path).read_pixels(path)


def read_header(path):
    """Return the shape and dtype that `read_image` gives, without decoding the pixels."""
    shape, dtype = _format(path).read_header(path)
    return shape, np.dtype(dtype)


def _format(path):
    with path.open("rb") as file:
        start = file.read(_DICOM_MARK.stop)
    if start.startswith((_PNG, _JPEG)):
        return _raster
    if start[_DICOM_MARK] == b"DICM":
        return _dicom
    raise ValueError(f"{str(path)!r} is neither a PNG, a JPEG nor a DICOM file: convert it, or take it out.")
