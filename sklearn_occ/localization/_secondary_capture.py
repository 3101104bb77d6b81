"""An anomaly map as a DICOM image that belongs to the study of its source.

What identifies patient, study and place is carried over by name; nothing else of the source is, private elements
least of all.
"""

import hashlib
import os
from copy import deepcopy
from numbers import Real
from pathlib import Path

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from .._optional import require
from ..datasets import read_image
from ._overlay import as_grey, blended, scaled_map

_CARRIED = (
    # patient
    *("PatientName", "PatientID", "IssuerOfPatientID", "OtherPatientIDsSequence", "PatientBirthDate", "PatientSex"),
    *("PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified"),
    # study
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
    *("IssuerOfAccessionNumberSequence", "ReferringPhysicianName"),
    # series and acquisition
    *("Modality", "Laterality", "BodyPartExamined", "AnatomicRegionSequence", "PatientPosition", "ViewPosition"),
    *("AcquisitionDate", "AcquisitionTime", "AcquisitionNumber"),
    # image, whose pixels lie where the map's do
    *("InstanceNumber", "ImageLaterality", "PatientOrientation", "FrameOfReferenceUID", "PositionReferenceIndicator"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "SliceThickness", "PixelSpacing"),
    *("PixelSpacingCalibrationType", "PixelSpacingCalibrationDescription", "ImagerPixelSpacing", "PixelAspectRatio"),
    *("EstimatedRadiographicMagnificationFactor", "LossyImageCompression", "LossyImageCompressionRatio"),
    *("LossyImageCompressionMethod", "SpecificCharacterSet", "TimezoneOffsetFromUTC"),
)
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID", "Modality")
# The standard wants these elements, empty where the source has none (type 2).
_MAYBE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "InstanceNumber", "PatientOrientation"),
)
_OF_THE_PIXELS = ("BurnedInAnnotation", "RecognizableVisualFeatures")  # carried with the source's pixels
_NOT_FOR = "For research, not for diagnosis."
_LONGEST_LO = 64  # characters of a DICOM long string


@validate_params(
    {
        "path": [str, os.PathLike],
        "source": [str, os.PathLike],
        "anomaly_map": ["array-like"],
        "content": [StrOptions({"overlay", "map"})],
        "mask": ["array-like", None],
        "value_range": [tuple, list, None],
        "alpha": [Interval(Real, 0, 1, closed="right")],
        "series_description": [str],
    },
    prefer_skip_nested_validation=True,
)
def save_secondary_capture(
    path,
    source,
    anomaly_map,
    *,
    content="overlay",
    mask=None,
    value_range=None,
    alpha=0.6,
    series_description="Anomaly map, for research, not for diagnosis",
):
    """Write an anomaly map as a DICOM Secondary Capture image in the study of the image it was made from.

    It is a picture for research: no DICOM segmentation, no measurement, no CAD report, and not for diagnosis, which
    its derivation description says too.

    Carried over from the source: patient, study with accession number, clinical trial, modality, laterality and body
    part, orientation, frame of reference, position and pixel spacing. The source's patient stays identified, so a
    file made from an identified source is one too. New are the series and the instance, with UIDs that follow from
    the source's UIDs, the description and the pixels: the same call gives the same file, and the maps of one series
    with one description form one series. ``SourceImageSequence`` refers to the source.

    Parameters
    ----------
    path : str or path-like
        The file to write; one that exists is replaced, the source never.
    source : str or path-like
        The DICOM file of the image, as :func:`~sklearn_occ.datasets.read_image` reads it.
    anomaly_map : array-like of shape (H, W)
        Finite numbers, one for each pixel of the source, higher = more anomalous.
    content : {"overlay", "map"}, default="overlay"
        "overlay": the source in grey with the map in colour, as :func:`save_overlay` draws it, RGB of 8 bits. "map":
        the map alone, grey of 16 bits, whose rescale slope and intercept give back the values between low and high
        within half of ``(high - low) / 65535``, and more where low does not fit into the 16 characters that DICOM has
        for the intercept, which matters for small ranges far from 0.
    mask : array-like of shape (H, W), bool, or None, default=None
        The map is left out, or written as the lower value of the range, where this is False.
    value_range : tuple of two floats or None, default=None
        The values low and high that are fully transparent and fully coloured, or stored as 0 and 65535; values beyond
        are clipped. None takes the least and the greatest value of the map; to compare images, give one range for
        all.
    alpha : float, default=0.6
        Opacity of the highest values of the overlay, in (0, 1]; not used for a "map".
    series_description : str, default="Anomaly map, for research, not for diagnosis"
        At most 64 ASCII characters without a backslash. Give each detector its own.

    Raises
    ------
    ValueError
        As :func:`save_overlay`; also if the source cannot be read, is no DICOM file, lacks a UID or the modality, or is
        the file to write, or if the description does not fit.
    ImportError
        If pydicom is absent.

    See Also
    --------
    save_overlay : The same picture as a PNG file.
    sklearn_occ.datasets.read_image : Read the image of the source.

    Notes
    -----
    Whether a text is burned into the overlay is what the source says of itself, and stays unsaid where the source
    does not say; in a "map" there is none. Frame of reference and position are no part of the standard's Secondary
    Capture image, which permits them as an extension. No date of creation is written, so that equal UIDs mean equal
    files.

    References
    ----------
    DICOM PS3.3, A.8.1 (Secondary Capture Image IOD) and C.8.6 (its modules).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> import pydicom
    >>> from pydicom.data import get_testdata_file
    >>> from sklearn_occ.localization import save_secondary_capture
    >>> source = get_testdata_file("CT_small.dcm", download=False)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "map.dcm"
    >>> save_secondary_capture(path, source, np.random.default_rng(0).random((128, 128)))
    >>> written = pydicom.dcmread(path)
    >>> str(written.PatientName), written.pixel_array.shape
    ('CompressedSamples^CT1', (128, 128, 3))
    """
    path, source = Path(path), Path(source)
    grey = as_grey(read_image(source))
    unit, low, high = scaled_map(anomaly_map, grey.shape, mask, value_range)
    _check_description(series_description)
    header = _header(source)
    if path.exists() and path.samefile(source):
        raise ValueError(f"{str(path)!r} is the source itself, which would be lost: give another path.")
    if content == "overlay":
        pixels, interpretation = blended(grey, unit, alpha), "RGB"
        drawn = f"drawn over it with opacity {alpha:g}, from dark violet at {low:g} to light yellow at {high:g}"
    else:
        pixels, interpretation = np.rint(unit * 65535).astype(np.uint16), "MONOCHROME2"
        drawn = f"from {low:g} to {high:g}"

    dataset = _carried_over(header, with_pixels=content == "overlay")
    _describe(dataset, header, series_description, drawn)
    _identify(dataset, header, pixels)
    dataset.set_pixel_data(pixels, interpretation, 8 * pixels.itemsize, generate_instance_uid=False)
    if content == "map":
        _set_rescale(dataset, low, high)
    dataset.save_as(path, enforce_file_format=True)


def _check_description(text):
    if not text.strip() or len(text) > _LONGEST_LO or not (text.isascii() and text.isprintable()) or "\\" in text:
        raise ValueError(
            f"series_description={text!r}, expected 1 to {_LONGEST_LO} printable ASCII characters without a backslash."
        )


def _header(source):
    """Read the source without its pixels; refuse what no image can refer to."""
    pydicom = require("pydicom", purpose="Writing DICOM files")
    try:
        header = pydicom.dcmread(source, stop_before_pixels=True)
    except pydicom.errors.InvalidDicomError as error:
        raise ValueError(
            f"{str(source)!r} is no DICOM file: give the file whose patient and study the map is of."
        ) from error
    absent = [keyword for keyword in _NEEDED if not header.get(keyword)]
    if absent:
        raise ValueError(f"{str(source)!r} has no {', '.join(absent)}: a DICOM image that refers to it needs them.")
    return header


def _carried_over(header, *, with_pixels):
    """Return a data set with what the new image has in common with its source."""
    from pydicom.dataset import Dataset

    dataset = Dataset()
    trial = [element.keyword for element in header if element.keyword.startswith("ClinicalTrial")]
    for keyword in (*_CARRIED, *trial, *(_OF_THE_PIXELS if with_pixels else ())):
        if keyword in header:
            dataset[keyword] = deepcopy(header[keyword])
    for keyword in _MAYBE_EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    if not with_pixels:
        dataset.BurnedInAnnotation = "NO"
    return dataset


def _describe(dataset, header, series_description, drawn):
    """Say what the image is, what it was made from and by what."""
    from pydicom.dataset import Dataset

    from .. import __version__

    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    reference.PurposeOfReferenceCodeSequence = [purpose]
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.SourceImageSequence = [reference]
    dataset.SeriesDescription = series_description
    dataset.DerivationDescription = f"Anomaly map of the source image, {drawn}; higher = more anomalous. {_NOT_FOR}"
    dataset.ConversionType = "WSD"
    dataset.SecondaryCaptureDeviceManufacturer = "sklearn_occ"
    dataset.SecondaryCaptureDeviceSoftwareVersions = __version__


def _identify(dataset, header, pixels):
    """Set the UIDs, which follow from those of the source, the descriptions and the pixels."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    series = generate_uid(entropy_srcs=[header.SeriesInstanceUID, dataset.SeriesDescription, str(pixels.dtype)])
    told = [header.SOPInstanceUID, dataset.DerivationDescription, dataset.SecondaryCaptureDeviceSoftwareVersions]
    instance = generate_uid(entropy_srcs=[series, *told, hashlib.sha256(pixels.tobytes()).hexdigest()])
    dataset.SeriesInstanceUID = series
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, instance
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _set_rescale(dataset, low, high):
    """Say how the stored values become the map's."""
    from pydicom.valuerep import DSfloat

    dataset.RescaleSlope = DSfloat((high - low) / 65535, auto_format=True)
    dataset.RescaleIntercept = DSfloat(low, auto_format=True)
    dataset.RescaleType = "US"  # unspecified
