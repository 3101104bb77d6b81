"""Single-frame grey DICOM files: stored values to [0, 1], high is white.

stored values -> modality LUT or rescale -> VOI LUT, or window, or the range of the stored bits -> [0, 1],
inverted for MONOCHROME1.
"""

import numpy as np

from .._optional import require

_GREY = ("MONOCHROME1", "MONOCHROME2")
_WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def read_header(path):
    """Return the shape (H, W) and the dtype of the image."""
    dataset = _open(path, stop_before_pixels=True)
    return (dataset.Rows, dataset.Columns), np.float32


def read_pixels(path):
    """Return float32 (H, W) in [0, 1]."""
    dataset = _open(path)
    try:
        stored = dataset.pixel_array
        unit = _to_unit_interval(stored, dataset)
    except Exception as error:  # decoders of damaged files raise many types
        raise _unreadable(path, error) from error
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        unit = 1 - unit
    return unit.astype(np.float32)


def _open(path, *, stop_before_pixels=False):
    """Read the data set; refuse what is not one grey image that can be decoded here."""
    pydicom = require("pydicom", purpose="Reading DICOM files")
    require("pydicom.pixels", purpose="Reading DICOM files")
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
        syntax = dataset.file_meta.TransferSyntaxUID
        interpretation, n_frames = dataset.PhotometricInterpretation, int(dataset.get("NumberOfFrames") or 1)
        _ = dataset.Rows, dataset.Columns, dataset.BitsStored, dataset.PixelRepresentation
    except Exception as error:  # pydicom reads anything lazily, and raises many types
        raise _unreadable(path, error) from error

    if n_frames > 1:
        raise ValueError(f"{str(path)!r} has {n_frames} frames, one is expected: save each frame as a file.")
    if interpretation not in _GREY:
        raise ValueError(
            f"{str(path)!r} is {interpretation}, and only grey DICOM images are read ({' or '.join(_GREY)}): "
            "convert it to PNG."
        )
    if syntax.is_compressed and not _has_decoder(syntax):
        raise ValueError(
            f"{str(path)!r} is compressed as {syntax.name}, which no installed decoder reads: "
            'pip install "sklearn_occ[jpeg]", or decompress the file.'
        )
    return dataset


def _has_decoder(syntax):
    """Whether an installed decoder reads the compression; pydicom's error for kinds it has no decoder of is a no."""
    from pydicom.pixels import get_decoder

    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:  # what pydicom answers for videos and private compressions, which it cannot decode
        return False


def _to_unit_interval(stored, dataset):
    from pydicom.pixels import apply_modality_lut, apply_voi

    values = np.asarray(apply_modality_lut(stored, dataset))
    if dataset.get("VOILUTSequence"):
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        return apply_voi(values, dataset, index=0) / (2.0**bits - 1)
    center, width = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if center is not None and width is not None:
        function = dataset.get("VOILUTFunction") or "LINEAR"
        return _window(values.astype(np.float64), center=_first(center), width=_first(width), function=function)
    low, high = _value_range(dataset)
    return np.clip((values - low) / (high - low), 0, 1)


def _window(values, *, center, width, function):
    """Apply DICOM PS3.3 C.11.2.1.2 (linear) and C.11.2.1.3 (exact, sigmoid), from 0 to 1."""
    if function not in _WINDOW_FUNCTIONS or width <= 0 or (function == "LINEAR" and width < 1):
        raise ValueError(f"its window function is {function!r} and its window width {width}")
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - center) / width))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:  # a threshold, in the standard's inequalities too
        return (values > center).astype(np.float64)
    return np.clip((values - center) / width + 0.5, 0, 1)


def _value_range(dataset):
    """Return the least and the greatest value that the stored bits can stand for, after the modality LUT."""
    if dataset.get("ModalityLUTSequence"):
        return 0.0, 2.0 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    lowest = -(2.0 ** (dataset.BitsStored - 1)) if dataset.PixelRepresentation else 0.0
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return tuple(sorted(slope * end + intercept for end in (lowest, lowest + 2.0**dataset.BitsStored - 1)))


def _first(value):
    return float(np.atleast_1d(value)[0])


def _unreadable(path, error):
    return ValueError(f"{str(path)!r} cannot be read as a DICOM image, it seems damaged: {error}.")
