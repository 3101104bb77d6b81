import numpy as np
import pytest
import tifffile
from PIL import Image

from sklearn_occ.datasets import read_image
from sklearn_occ.datasets._reading import read_header

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (37, 53), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (37, 53), dtype=np.uint16)
FLOAT = RNG.random((37, 53), dtype=np.float32)
COLOUR = RNG.integers(0, 256, (37, 53, 3), dtype=np.uint8)
EXPECTED = {
    "grey": (GREY, GREY),
    "deep": (DEEP, DEEP.astype(np.float32) / np.float32(65535)),
    "float": (FLOAT, FLOAT),
    "colour": (COLOUR, COLOUR.transpose(2, 0, 1)),
}


def check(path, expected):
    image = read_image(path)
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)
    assert image.flags.writeable
    assert read_header(path) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"compression": "zlib"}, {"rowsperstrip": 5}])
def test_either_order_of_bytes_in_strips_and_tiles(tmp_path, kind, order, layout):
    stored, expected = EXPECTED[kind]
    photometric = "rgb" if kind == "colour" else "minisblack"
    tifffile.imwrite(tmp_path / "a", stored, byteorder=order, photometric=photometric, **layout)
    if kind == "float" and order == ">" and "compression" in layout:
        refused(tmp_path / "a", "has compressed big-endian floats, .* save it uncompressed or little-endian")
    else:
        check(tmp_path / "a", expected)


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("predictor", [1, 2])
def test_lossless_compressions(tmp_path, kind, compression, predictor):
    stored, expected = EXPECTED[kind]
    Image.fromarray(stored).save(tmp_path / "a.tif", compression=compression, tiffinfo={317: predictor})
    check(tmp_path / "a.tif", expected)


def test_big_tiff_and_colours_in_planes(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, bigtiff=True)
    check(tmp_path / "a.tif", EXPECTED["deep"][1])
    planes = COLOUR.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "b.tif", planes, photometric="rgb", planarconfig="separate")
    check(tmp_path / "b.tif", planes)


def test_white_is_0_is_inverted(tmp_path):
    tifffile.imwrite(tmp_path / "grey.tif", GREY, photometric="miniswhite")
    check(tmp_path / "grey.tif", 255 - GREY)
    tifffile.imwrite(tmp_path / "deep.tif", DEEP, photometric="miniswhite")
    check(tmp_path / "deep.tif", 1 - EXPECTED["deep"][1])
    tifffile.imwrite(tmp_path / "bits.tif", GREY > 99, photometric="miniswhite")
    check(tmp_path / "bits.tif", np.where(GREY > 99, 0, 255).astype(np.uint8))


def test_12_bits_are_scaled_by_4095(tmp_path):
    stored = RNG.integers(0, 4096, (5, 8))
    bits = (stored[..., None] >> np.arange(11, -1, -1)) & 1  # high bit first, no gap
    tifffile.imwrite(tmp_path / "a.tif", np.packbits(bits.reshape(5, -1), axis=1), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(8)
        file.pages[0].tags["BitsPerSample"].overwrite(12)
    check(tmp_path / "a.tif", stored.astype(np.float32) / np.float32(4095))


def test_alpha_is_dropped_and_a_palette_expanded(tmp_path):
    alpha = np.full((37, 53, 1), 9, dtype=np.uint8)
    Image.fromarray(np.concatenate([COLOUR, alpha], -1)).save(tmp_path / "a.tif")
    check(tmp_path / "a.tif", COLOUR.transpose(2, 0, 1))
    Image.fromarray(np.concatenate([GREY[..., None], alpha], -1)).save(tmp_path / "b.tif")
    check(tmp_path / "b.tif", GREY)
    image = Image.fromarray(np.array([[0, 1, 1]], dtype=np.uint8), mode="P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "c.tif")
    check(tmp_path / "c.tif", np.array([[[10, 40, 40]], [[20, 50, 50]], [[30, 60, 60]]], dtype=np.uint8))


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_the_orientation_among_the_tags_is_applied(tmp_path, kind, compression):
    stored, expected = EXPECTED[kind]
    image = Image.fromarray(stored)
    image.save(tmp_path / "a.tif", tiffinfo={274: 6}, compression=compression)  # the first row is the right side
    check(tmp_path / "a.tif", np.rot90(expected, -1, axes=(-2, -1)))
    image.save(tmp_path / "a.tif", tiffinfo={274: 4}, compression=compression)  # the first row is the lowest
    check(tmp_path / "a.tif", expected[..., ::-1, :])


def refused(path, message, reads=(read_image, read_header)):
    for read in reads:
        with pytest.raises(ValueError, match=rf"{path.name}' {message}"):
            read(path)


def test_several_pages_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([GREY, GREY, GREY]), photometric="minisblack")
    refused(tmp_path / "pages.tif", "has 3 pages, one is expected: save each page as a file")


@pytest.mark.parametrize("stored", [GREY.view(np.int8), DEEP.view(np.int16), DEEP.astype(np.int32)])
def test_signed_integers_are_refused(tmp_path, stored):
    tifffile.imwrite(tmp_path / "signed.tif", stored, photometric="minisblack")
    bits = stored.itemsize * 8
    refused(tmp_path / "signed.tif", rf"has 1 x {bits} bits .*sample format \[2\]\), and unsigned grey .*save it as")


def test_16_bit_colour_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "deep.tif", np.stack([DEEP] * 3, -1), photometric="rgb")
    refused(tmp_path / "deep.tif", "has 3 x 16 bits .*colour of 8 bits are read: save it as one of these")


def test_what_pillow_does_not_know_is_not_called_damaged_alone(tmp_path):
    tifffile.imwrite(tmp_path / "double.tif", FLOAT.astype(np.float64))
    refused(
        tmp_path / "double.tif",
        "cannot be read as an image, it is damaged, or a kind of TIFF that pillow does not know",
    )


@pytest.mark.parametrize(("value", "named"), [(-0.5, "-0.5 to 1"), (1.5, "0 to 1.5"), (np.nan, "nan to nan")])
def test_floats_outside_the_unit_interval_are_refused(tmp_path, value, named):
    stored = np.array([[0, 1], [value, 0.5]], dtype=np.float32)
    tifffile.imwrite(tmp_path / "float.tif", stored)
    refused(tmp_path / "float.tif", f"holds float values from {named}, .*: rescale them", reads=[read_image])


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF")
@pytest.mark.parametrize("kept", [20, 300, 0.5])
def test_a_damaged_file_is_named(tmp_path, kept):
    path = tmp_path / "damaged"
    Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)).save(path, format="TIFF", compression="tiff_lzw")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if kept < 1 else kept])
    refused(path, "cannot be read as an image, it (seems|is) damaged", reads=[read_image])


def test_more_pixels_than_pillow_reads_unasked(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "large.tif", GREY)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", GREY.size // 3)
    refused(tmp_path / "large.tif", "has more pixels than pillow reads unasked .*MAX_IMAGE_PIXELS = None first")
