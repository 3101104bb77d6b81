import io
import struct
import sys

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from sklearn_occ.datasets import read_image
from sklearn_occ.datasets._reading import read_header


def dataset(stored, *, bits=12, signed=False, syntax=ExplicitVRLittleEndian, **elements):
    """A data set around `stored` (H, W) of at most 16 bits; `elements` are added by their DICOM keywords."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    stored = np.asarray(stored, dtype=np.int16 if signed else np.uint16)
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, bits, bits - 1
    data.PixelRepresentation = int(signed)
    data.PixelData = stored.tobytes()
    data["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    return data


def table(first, entries, bits, keyword):
    """A look-up table as the one item of the sequence `keyword`."""
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = entries
    item["LUTData"].VR = "US"
    if keyword == "ModalityLUTSequence":
        item.ModalityLUTType = "US"
    return {keyword: [item]}


@pytest.fixture
def read(tmp_path):
    """Write a data set as a file without suffix, and read it."""

    def read(data):
        path = tmp_path / "IM0001"
        data.save_as(path, enforce_file_format=True)
        image = read_image(path)
        assert image.dtype == np.float32
        assert read_header(path) == (image.shape, np.float32)
        return image

    return read


def test_12_bits_without_a_window(read):
    image = read(dataset([[0, 1365, 2730], [4095, 819, 1638]]))
    np.testing.assert_allclose(image, [[0, 1 / 3, 2 / 3], [1, 0.2, 0.4]], rtol=1e-6)


def test_monochrome1_is_inverted(read):
    image = read(dataset([[0, 1365], [2730, 4095]], PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(image, [[1, 2 / 3], [1 / 3, 0]], rtol=1e-6)


def test_signed_16_bits(read):
    image = read(dataset([[-32768, 32767], [0, -1]], bits=16, signed=True))
    np.testing.assert_allclose(image, [[0, 1], [32768 / 65535, 32767 / 65535]], rtol=1e-6)


def test_rescale_then_window(read):
    """Stored 400, 500, 520, 800 are -200, 0, 40, 600; center 40, width 400: (v - 39.5) / 399 + 0.5."""
    image = read(
        dataset([[400, 500], [520, 800]], RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=40, WindowWidth=400)
    )
    np.testing.assert_allclose(image, [[0, 0.5 - 39.5 / 399], [0.5 + 0.5 / 399, 1]], rtol=1e-6)


def test_window_of_monochrome1_is_inverted_after_the_window(read):
    image = read(
        dataset([[0, 10], [20, 30]], WindowCenter=10.5, WindowWidth=11, PhotometricInterpretation="MONOCHROME1")
    )
    np.testing.assert_allclose(image, [[1, 0.5], [0, 0]])


def test_the_first_of_several_windows_counts(read):
    windows = dataset([[0, 50], [100, 200]], WindowCenter=[100.5, 10], WindowWidth=[201, 3])
    np.testing.assert_allclose(read(windows), [[0, 0.25], [0.5, 1]])


def test_an_empty_window_is_none(read):
    np.testing.assert_allclose(read(dataset([[0, 4095]], WindowCenter=None, WindowWidth=None)), [[0, 1]])


def test_rescale_without_a_window_keeps_the_range_of_the_bits(read):
    np.testing.assert_allclose(read(dataset([[0, 4095]], RescaleSlope=0.5, RescaleIntercept=-7)), [[0, 1]])
    np.testing.assert_allclose(read(dataset([[0, 1365]], RescaleSlope=-1, RescaleIntercept=0)), [[1, 2 / 3]])


def test_exact_and_sigmoid_windows(read):
    exact = dataset([[0, 50], [100, 150]], WindowCenter=100, WindowWidth=200, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(read(exact), [[0, 0.25], [0.5, 0.75]])
    sigmoid = dataset([[0, 50], [100, 150]], WindowCenter=100, WindowWidth=200, VOILUTFunction="SIGMOID")
    expected = [[1 / (1 + np.e**2), 1 / (1 + np.e)], [0.5, 1 / (1 + 1 / np.e)]]
    np.testing.assert_allclose(read(sigmoid), expected, rtol=1e-6)


def test_a_window_of_one_grey_level_is_a_threshold(read):
    image = read(dataset([[99, 100], [101, 4095]], WindowCenter=100.5, WindowWidth=1))
    np.testing.assert_array_equal(image, [[0, 0], [1, 1]])


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("signed", [False, True])
def test_windows_agree_with_pydicom(read, function, signed):
    low, high = (-2048, 2047) if signed else (0, 4095)
    stored = np.random.default_rng(0).integers(low, high + 1, (20, 30))
    elements = {"WindowCenter": 700.5, "WindowWidth": 1234.0, "VOILUTFunction": function}
    data = dataset(stored, signed=signed, **elements)
    expected = (pydicom.pixels.apply_windowing(stored, data) - low) / (high - low)
    np.testing.assert_allclose(read(data), expected, rtol=1e-5, atol=1e-7)


def test_voi_look_up_table(read):
    """Values below the table take its first entry, values above its last."""
    voi = table(10, [0, 51, 102, 255], 8, "VOILUTSequence")
    image = read(dataset([[0, 10, 11], [12, 13, 4095]], WindowCenter=1, WindowWidth=2, **voi))
    np.testing.assert_allclose(image, [[0, 0, 0.2], [0.4, 1, 1]], rtol=1e-6)


def test_modality_look_up_table(read):
    lut = table(0, [0, 13107, 65535], 16, "ModalityLUTSequence")
    np.testing.assert_allclose(read(dataset([[0, 1], [2, 3]], **lut)), [[0, 0.2], [1, 1]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["", "_RLE", "_jp2klossless", "_jpeg_ls_lossless"])
def test_a_scanners_file_however_it_is_compressed(kind):
    path = get_testdata_file(f"MR_small{kind}.dcm", download=False)
    stored = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False)).pixel_array.astype(float)
    expected = np.clip((stored - 599.5) / 1599 + 0.5, 0, 1)  # its window is 600, 1600
    np.testing.assert_allclose(read_image(path), expected, rtol=1e-5, atol=1e-7)


def noise(low, high, shape=(33, 46)):
    """A ramp with noise and both extremes, which runs and predictions do not fit well."""
    rng = np.random.default_rng(0)
    stored = np.linspace(low, high, shape[0] * shape[1]).reshape(shape) + rng.normal(0, (high - low) / 50, shape)
    stored[0, :2] = low, high
    return np.clip(np.rint(stored), low, high).astype(int)


def encapsulated(stored, frame, syntax, bits):
    """A data set around one compressed frame."""
    data = dataset(stored, bits=bits, syntax=syntax)
    if bits == 8:
        data.BitsAllocated = 8
    data.PixelData = encapsulate([frame])
    data["PixelData"].VR = "OB"
    return data


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize(("bits", "signed"), [(12, False), (12, True), (16, False), (16, True)])
def test_lossless_compressions_change_no_value(read, syntax, bits, signed):
    low = -(2 ** (bits - 1)) if signed else 0
    stored = noise(low, low + 2**bits - 1)
    data = dataset(stored, bits=bits, signed=signed)
    data.compress(syntax, generate_instance_uid=False)
    assert data.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_allclose(read(data), (stored - low) / (2**bits - 1), rtol=1e-6, atol=1e-7)


def test_lossy_jpeg_2000(read):
    smooth = np.rint(2000 + 1900 * np.sin(np.arange(64) / 9)[:, None] * np.cos(np.arange(80) / 13))
    data = dataset(smooth)
    data.compress(JPEG2000, j2k_cr=[8], generate_instance_uid=False)
    assert len(data.PixelData) < smooth.size * 2 / 7
    image = read(data)
    assert 0 < abs(image * 4095 - smooth).max() < 20


def test_jpeg_baseline_of_8_bits(read):
    stored = noise(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, format="JPEG", quality=95)
    image = read(encapsulated(stored, buffer.getvalue(), JPEGBaseline8Bit, bits=8))
    np.testing.assert_allclose(image * 255, np.asarray(Image.open(buffer)), atol=1.01)  # decoders may round apart


def lossless_jpeg(stored, bits, predictor):
    """Encode (H, W) as ITU-T T.81 annex H has it, with codes of 5 bits for all 17 categories."""
    above, left, corner = np.zeros_like(stored), np.zeros_like(stored), np.zeros_like(stored)
    above[1:], left[:, 1:], corner[1:, 1:] = stored[:-1], stored[:, :-1], stored[:-1, :-1]
    predicted = {1: left, 2: above, 4: left + above - corner, 7: (left + above) // 2}[predictor]
    predicted[0] = left[0]
    predicted[1:, 0] = above[1:, 0]
    predicted[0, 0] = 2 ** (bits - 1)
    code = ""
    for value in ((stored - predicted + 32767) % 65536 - 32767).ravel().tolist():
        category = abs(value).bit_length()
        code += f"{category:05b}"
        if 0 < category < 16:
            code += f"{value if value > 0 else value + 2**category - 1:0{category}b}"
    code += "1" * (-len(code) % 8)
    scan = int(code, 2).to_bytes(len(code) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">HHBHHBBBB", 0xFFC3, 11, bits, *stored.shape, 1, 1, 0x11, 0)
    table = struct.pack(">HHB", 0xFFC4, 36, 0) + bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    start = struct.pack(">HHBBBBBB", 0xFFDA, 8, 1, 1, 0, predictor, 0, 0)
    return b"\xff\xd8" + frame + table + start + scan + b"\xff\xd9"


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(
    ("syntax", "predictor"), [(JPEGLosslessSV1, 1), (JPEGLossless, 2), (JPEGLossless, 4), (JPEGLossless, 7)]
)
def test_lossless_jpeg(read, bits, syntax, predictor):
    stored = noise(0, 2**bits - 1)
    image = read(encapsulated(stored, lossless_jpeg(stored, bits, predictor), syntax, bits=bits))
    np.testing.assert_allclose(image, stored / (2**bits - 1), rtol=1e-6, atol=1e-7)


def test_a_scanners_signed_file_without_window():
    path = get_testdata_file("CT_small.dcm", download=False)
    expected = (pydicom.dcmread(path).pixel_array.astype(float) + 32768) / 65535
    np.testing.assert_allclose(read_image(path), expected, rtol=1e-5)


def test_implicit_little_endian(read):
    data = dataset([[0, 4095]], syntax=ImplicitVRLittleEndian)
    np.testing.assert_array_equal(read(data), [[0, 1]])


def refused(tmp_path, data, message):
    path = tmp_path / "refused.dcm"
    data.save_as(path, enforce_file_format=True)
    for read in (read_image, read_header):
        with pytest.raises(ValueError, match=rf"refused\.dcm' {message}"):
            read(path)


def test_several_frames_are_refused(tmp_path):
    data = dataset([[0, 1], [2, 3]], NumberOfFrames=2)
    data.Rows = 1
    refused(tmp_path, data, "has 2 frames, one is expected: save each frame as a file")


@pytest.mark.parametrize("interpretation", ["RGB", "PALETTE COLOR", "YBR_FULL"])
def test_colour_is_refused(tmp_path, interpretation):
    data = dataset([[0, 1]], PhotometricInterpretation=interpretation)
    refused(tmp_path, data, f"is {interpretation}, and only grey DICOM images are read")


def test_a_compression_without_decoder_is_refused(tmp_path, monkeypatch):
    data = dataset(np.zeros((4, 4)))
    data.compress(RLELossless)
    with monkeypatch.context() as patch:
        decoder = type(pydicom.pixels.get_decoder(RLELossless))
        patch.setattr(decoder, "is_available", property(lambda self: False))
        remedy = r"pip install .sklearn_occ\[jpeg\]"
        refused(tmp_path, data, f"is compressed as RLE Lossless, which no installed decoder reads: {remedy}")
    data.file_meta.TransferSyntaxUID = MPEG2MPML
    refused(tmp_path, data, "is compressed as MPEG2 Main Profile / Main Level, which no installed decoder")


@pytest.mark.parametrize("keyword", ["Rows", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"])
def test_a_missing_element_is_named(tmp_path, keyword):
    data = dataset([[0, 1]])
    delattr(data, keyword)
    refused(tmp_path, data, f"cannot be read as a DICOM image, it seems damaged: .*{keyword}")


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 1, "WindowWidth": 0.5},
        {"WindowCenter": 1, "WindowWidth": 0, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 1, "WindowWidth": 5, "VOILUTFunction": "CUBIC"},
    ],
)
def test_an_impossible_window_is_named(tmp_path, elements):
    dataset([[0, 1]], **elements).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(ValueError, match=r"a\.dcm' cannot be .*its window function is '[A-Z_]+' and its window"):
        read_image(tmp_path / "a.dcm")


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "short.dcm"
    data = dataset(np.zeros((16, 16)))
    data.PixelData = data.PixelData[:100]
    data.save_as(path, enforce_file_format=True)
    with pytest.raises(ValueError, match=r"short\.dcm' cannot be read as a DICOM image, it seems damaged: "):
        read_image(path)
    del data.PixelData
    data.save_as(path, enforce_file_format=True)
    with pytest.raises(ValueError, match=r"short\.dcm' cannot be read as a DICOM image, it seems damaged: "):
        read_image(path)
    path.write_bytes(bytes(128) + b"DICM")
    with pytest.raises(ValueError, match=r"short\.dcm' cannot be read as a DICOM image, it seems damaged: "):
        read_image(path)


def test_without_pydicom_the_error_says_what_to_install(tmp_path, monkeypatch):
    dataset([[0, 1]]).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r"DICOM files needs pydicom.*sklearn_occ\[images\]"):
        read_image(tmp_path / "a.dcm")
