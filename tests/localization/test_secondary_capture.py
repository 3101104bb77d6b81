import sys

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, SecondaryCaptureImageStorage

from sklearn_occ import __version__
from sklearn_occ.datasets import read_image
from sklearn_occ.localization import save_overlay, save_secondary_capture

RNG = np.random.default_rng(0)
MAP = RNG.normal(3, 2, (128, 128))
SCANNED = get_testdata_file("CT_small.dcm", download=False)
CARRIED = {
    "PatientName": "Müller^Änne",
    "PatientID": "4711",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "PatientAge": "055Y",
    "StudyInstanceUID": "1.2.3.4",
    "StudyDate": "20240506",
    "StudyTime": "101112",
    "StudyID": "S1",
    "StudyDescription": "Thorax",
    "AccessionNumber": "A-99",
    "ReferringPhysicianName": "Doe^Jo",
    "ClinicalTrialProtocolID": "T7",
    "ClinicalTrialSubjectID": "17",
    "Modality": "MG",
    "Laterality": "L",
    "ImageLaterality": "L",
    "BodyPartExamined": "BREAST",
    "ViewPosition": "MLO",
    "InstanceNumber": 5,
    "PatientOrientation": ["A", "F"],
    "FrameOfReferenceUID": "1.2.3.9",
    "PositionReferenceIndicator": "XY",
    "ImagePositionPatient": [1.5, -2, 3],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.7, 0.8],
    "LossyImageCompression": "01",
    "SpecificCharacterSet": "ISO_IR 192",
}


@pytest.fixture
def source(tmp_path):
    """`source(**elements)`: a scanner's file with the identifiers above; `elements` that are None are removed."""

    def source(**elements):
        data = pydicom.dcmread(SCANNED)
        for keyword, value in (CARRIED | elements).items():
            if value is None:
                data.pop(keyword, None)
            else:
                setattr(data, keyword, value)
        data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", "1.2")
        data.save_as(tmp_path / "source.dcm")
        return tmp_path / "source.dcm"

    return source


@pytest.fixture
def written(tmp_path):
    """Write a secondary capture and read it again; reading is strict about what the standard forbids."""

    def written(source, anomaly_map=MAP, **parameters):
        save_secondary_capture(tmp_path / "map.dcm", source, anomaly_map, **parameters)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
            data = pydicom.dcmread(tmp_path / "map.dcm")
            list(data.iterall())  # elements are checked when they are looked at
        return data

    return written


def test_identifiers_are_carried_over_and_the_instance_is_new(source, written):
    before, data = pydicom.dcmread(source()), written(source())
    for keyword, value in CARRIED.items():
        assert data[keyword].value == before[keyword].value == value, keyword
    assert data.SeriesInstanceUID != before.SeriesInstanceUID
    assert data.SOPInstanceUID != before.SOPInstanceUID
    assert data.SOPClassUID == data.file_meta.MediaStorageSOPClassUID == SecondaryCaptureImageStorage
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    assert data.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    (reference,) = data.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == before.SOPClassUID
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"


def test_it_says_what_it_is(source, written):
    data = written(source(), value_range=(0, 8))
    assert data.ImageType == ["DERIVED", "SECONDARY"]
    assert data.ConversionType == "WSD"
    assert data.SecondaryCaptureDeviceSoftwareVersions == __version__
    assert data.SeriesDescription == "Anomaly map, for research, not for diagnosis"
    assert data.DerivationDescription == (
        "Anomaly map of the source image, drawn over it with opacity 0.6, from dark violet at 0 to light yellow at 8; "
        "higher = more anomalous. For research, not for diagnosis."
    )
    assert "from 0 to 8; higher" in written(source(), value_range=(0, 8), content="map").DerivationDescription


def test_nothing_else_of_the_source_is_carried_over(source, written):
    private = pydicom.dcmread(source())
    private.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "secret")
    private.InstitutionName, private.OperatorsName, private.WindowCenter, private.WindowWidth = "Clinic", "Op", 40, 400
    private.save_as(private.filename)
    data = written(private.filename)
    assert not [element for element in data.iterall() if element.tag.is_private]
    for keyword in ("InstitutionName", "OperatorsName", "WindowCenter", "RescaleSlope", "KVP", "Manufacturer"):
        assert keyword not in data


def test_the_overlay_is_that_of_save_overlay(source, written, tmp_path):
    mask = MAP > 2
    data = written(source(), mask=mask, value_range=(1, 6), alpha=0.8)
    assert (data.PhotometricInterpretation, data.BitsStored, data.PlanarConfiguration) == ("RGB", 8, 0)
    save_overlay(tmp_path / "a.png", read_image(source()), MAP, mask=mask, value_range=(1, 6), alpha=0.8)
    np.testing.assert_array_equal(data.pixel_array, np.asarray(Image.open(tmp_path / "a.png")))


@pytest.mark.parametrize("value_range", [None, (-1.23456789e-5, 7.1), (1e7, 3e7)])
def test_the_map_keeps_its_values(source, written, tmp_path, value_range):
    anomaly_map = MAP if value_range is None else np.clip(MAP, 0, 1) * np.diff(value_range) + value_range[0]
    data = written(source(), anomaly_map, content="map", value_range=value_range)
    assert (data.PhotometricInterpretation, data.BitsStored) == ("MONOCHROME2", 16)
    low, high = value_range or (MAP.min(), MAP.max())
    values = pydicom.pixels.apply_rescale(data.pixel_array, data)
    np.testing.assert_allclose(values, anomaly_map, rtol=0, atol=(high - low) / 65535 * 0.51)
    np.testing.assert_allclose(
        read_image(tmp_path / "map.dcm"), (anomaly_map - low) / (high - low), rtol=0, atol=0.51 / 65535
    )
    masked = written(source(), anomaly_map, content="map", value_range=value_range, mask=MAP > 3)
    assert (masked.pixel_array[MAP <= 3] == 0).all()
    np.testing.assert_array_equal(masked.pixel_array[MAP > 3], data.pixel_array[MAP > 3])


def test_uids_follow_from_source_pixels_and_description(source, written, tmp_path):
    first = written(source())
    content = (tmp_path / "map.dcm").read_bytes()
    again = written(source())
    assert (tmp_path / "map.dcm").read_bytes() == content
    other_map, other_name = written(source(), MAP.T), written(source(), series_description="Second detector")
    other_source, alone = written(source(SOPInstanceUID="1.2.3.77")), written(source(), content="map")
    assert first.SeriesInstanceUID == again.SeriesInstanceUID == other_map.SeriesInstanceUID
    assert first.SeriesInstanceUID == other_source.SeriesInstanceUID
    assert len({data.SeriesInstanceUID for data in (first, other_name, alone)}) == 3
    assert len({data.SOPInstanceUID for data in (first, other_map, other_name, other_source, alone)}) == 5


def test_burned_in_text_is_carried_with_the_pixels(source, written):
    assert written(source(BurnedInAnnotation="YES")).BurnedInAnnotation == "YES"
    assert written(source(BurnedInAnnotation="NO")).BurnedInAnnotation == "NO"
    assert "BurnedInAnnotation" not in written(source())
    assert written(source(BurnedInAnnotation="YES"), content="map").BurnedInAnnotation == "NO"


def test_what_the_source_lacks_is_empty_where_the_standard_wants_it(source, written):
    absent = (
        "PatientName",
        "PatientBirthDate",
        "AccessionNumber",
        "StudyID",
        "PatientOrientation",
        "FrameOfReferenceUID",
    )
    data = written(source(**dict.fromkeys(absent)))
    assert all(keyword in data and not data[keyword].value for keyword in absent[:-1])
    assert "FrameOfReferenceUID" not in data


def test_compressed_and_inverted_sources(source, written):
    window = {"WindowCenter": 1000, "WindowWidth": 800, "RescaleIntercept": 0}
    path = source(PhotometricInterpretation="MONOCHROME1", **window)
    plain = written(path).pixel_array
    data = pydicom.dcmread(path)
    data.compress(JPEG2000Lossless, generate_instance_uid=False)
    data.save_as(path)
    np.testing.assert_array_equal(written(path).pixel_array, plain)
    assert abs(plain[..., 0].astype(int) - written(source(**window)).pixel_array[..., 0]).max() > 50


def test_the_source_is_never_replaced(source):
    path = source()
    content = path.read_bytes()
    with pytest.raises(ValueError, match=r"source\.dcm' is the source itself, which would be lost: give another path"):
        save_secondary_capture(path.parent / "." / path.name, path, MAP)
    assert path.read_bytes() == content


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality"])
def test_a_source_without_identity_is_refused(source, written, keyword):
    with pytest.raises(ValueError, match=rf"source\.dcm' has no {keyword}: a DICOM image that refers to it"):
        written(source(**{keyword: None}))


def test_a_source_that_is_no_dicom_file_is_refused(written, tmp_path):
    Image.new("L", (128, 128)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png' is no DICOM file: give the file whose patient and study"):
        written(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"anomaly_map": MAP[1:]}, r"anomaly_map has the shape \(127, 128\), and the image has \(128, 128\)"),
        ({"series_description": "x" * 65}, "series_description='x+', expected 1 to 64 printable ASCII"),
        ({"series_description": "a\\b"}, "without a backslash"),
        ({"series_description": " "}, "expected 1 to 64"),
        ({"series_description": "Köln"}, "ASCII"),
        ({"content": "segmentation"}, "The 'content' parameter"),
        ({"alpha": 0}, "The 'alpha' parameter"),
    ],
)
def test_bad_parameters_are_named(source, written, parameters, message):
    with pytest.raises(ValueError, match=message):
        written(source(), **parameters)


def test_without_pydicom_the_error_says_what_to_install(source, tmp_path, monkeypatch):
    path = source()
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r"DICOM files needs pydicom.*sklearn_occ\[images\]"):
        save_secondary_capture(tmp_path / "map.dcm", path, MAP)
