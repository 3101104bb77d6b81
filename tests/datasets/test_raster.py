import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from sklearn_occ.datasets import read_image
from sklearn_occ.datasets._reading import read_header

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def png(path, pixels, bits, colour_type, width=None):
    """Write big-endian `pixels` (H, W * channels) as a PNG file by the format's own rules."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    width = width or pixels.shape[1] // channels
    header = struct.pack(">IIBBBBB", width, len(pixels), bits, colour_type, 0, 0, 0)
    lines = b"".join(b"\x00" + line.tobytes() for line in pixels)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )


def check(path, expected):
    image = read_image(path)
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)
    assert image.flags.writeable
    assert read_header(path) == (expected.shape, expected.dtype)


def test_grey_png_as_stored(tmp_path):
    png(tmp_path / "a.png", GREY, 8, 0)
    check(tmp_path / "a.png", GREY)
    np.testing.assert_array_equal(read_image(str(tmp_path / "a.png")), GREY)


def test_colour_png_has_channels_first(tmp_path):
    png(tmp_path / "a.png", COLOUR.reshape(5, 21), 8, 2)
    check(tmp_path / "a.png", COLOUR.transpose(2, 0, 1))


def test_alpha_is_dropped(tmp_path):
    alpha = np.full((5, 7, 1), 3, dtype=np.uint8)
    png(tmp_path / "grey.png", np.concatenate([GREY[..., None], alpha], -1).reshape(5, 14), 8, 4)
    check(tmp_path / "grey.png", GREY)
    png(tmp_path / "colour.png", np.concatenate([COLOUR, alpha], -1).reshape(5, 28), 8, 6)
    check(tmp_path / "colour.png", COLOUR.transpose(2, 0, 1))


def test_16_bit_grey_is_scaled_by_65535(tmp_path):
    stored = np.array([[0, 1, 32768], [65535, 256, 255]], dtype=">u2")
    png(tmp_path / "a.png", stored, 16, 0)
    expected = np.array([[0, 1, 32768], [65535, 256, 255]], dtype=np.float32) / np.float32(65535)
    check(tmp_path / "a.png", expected)


def test_one_bit_becomes_0_and_255(tmp_path):
    png(tmp_path / "a.png", np.array([[0b10110000]], dtype=np.uint8), 1, 0, width=5)
    check(tmp_path / "a.png", np.array([[255, 0, 255, 255, 0]], dtype=np.uint8))


@pytest.mark.parametrize("transparency", [None, 1, b"\x00\x80"])
def test_a_palette_is_expanded_to_colour(tmp_path, transparency):
    image = Image.fromarray(np.array([[0, 1, 1]], dtype=np.uint8), mode="P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "a.png", **options)
    check(tmp_path / "a.png", np.array([[[10, 40, 40]], [[20, 50, 50]], [[30, 60, 60]]], dtype=np.uint8))


@pytest.mark.parametrize("name", ["a.jpeg", "a.JPG", "a", "wrong.png"])
def test_jpeg_whatever_its_name(tmp_path, name):
    Image.new("L", (9, 6), color=77).save(tmp_path / name, format="JPEG", quality=100)
    check(tmp_path / name, np.full((6, 9), 77, dtype=np.uint8))


def test_colour_jpeg(tmp_path):
    Image.new("RGB", (9, 6), color=(50, 50, 50)).save(tmp_path / "a.jpeg", quality=100)
    check(tmp_path / "a.jpeg", np.full((3, 6, 9), 50, dtype=np.uint8))


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bits_with_colour_or_alpha_are_refused(tmp_path, colour_type, channels):
    png(tmp_path / "deep.png", np.zeros((2, 3 * channels), dtype=">u2"), 16, colour_type)
    for read in (read_image, read_header):
        with pytest.raises(ValueError, match=r"deep\.png' has 16 bits with colour or alpha.*save it"):
            read(tmp_path / "deep.png")


def test_cmyk_is_refused(tmp_path):
    Image.new("CMYK", (4, 4)).save(tmp_path / "ink.jpeg")
    with pytest.raises(ValueError, match=r"ink\.jpeg' has the colour mode CMYK: save it as grey or RGB"):
        read_image(tmp_path / "ink.jpeg")


@pytest.mark.parametrize(("form", "kept"), [("PNG", 0.5), ("JPEG", 0.5), ("PNG", 20), ("JPEG", 20)])
def test_a_damaged_file_is_named(tmp_path, form, kept):
    path = tmp_path / "damaged"
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(path, format=form)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if kept < 1 else kept])
    with pytest.raises(ValueError, match="damaged' cannot be read as an image, it seems damaged: "):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"patient,label\n1,0\n", b"GIF89a" + bytes(200)])
def test_other_files_are_named(tmp_path, content):
    path = tmp_path / "table.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.png' is neither a PNG, a JPEG, a TIFF, a DICOM nor a NIfTI file"):
        read_image(path)


def test_an_absent_file_and_a_bad_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ValueError, match="The 'path' parameter"):
        read_image(GREY)


def test_without_pillow_the_error_says_what_to_install(tmp_path, monkeypatch):
    png(tmp_path / "a.png", GREY, 8, 0)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"PNG, JPEG and TIFF files needs PIL\.Image.*sklearn_occ\[images\]"):
        read_image(tmp_path / "a.png")
