"""TIFF files of one page, read with pillow, which leaves some of what their tags say to the caller.

Signed and unsigned bytes come out alike, 16-bit colour loses its lower half, 16-bit grey of which 0 is white is not
inverted, and compressed big-endian floats keep their bytes reversed: so the tags decide what is read, and how.
"""

from contextlib import contextmanager

import numpy as np

from . import _raster

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 259, 262, 339  # tags
_UNCOMPRESSED, _WHITE_IS_0, _UNSIGNED, _FLOAT = 1, 0, 1, 3  # their values
_GREY_16 = {"I;16", "I;16B"}


def read_header(path):
    """Return the shape, (H, W) or (3, H, W), and the dtype of the image."""
    with _open(path) as image:
        return _raster.shape_of(image), np.uint8 if image.mode in _raster.GREY_8 | _raster.COLOUR else np.float32


def read_pixels(path):
    """Return uint8 (H, W) or (3, H, W); float32 (H, W) in [0, 1] for more than 8 bits."""
    with _open(path) as image:
        bits, white_is_0 = _bits(image)[0], image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_0
        _raster.decode(image, path)
        if image.mode == "F":
            return _in_unit_interval(np.array(image), path)
        if image.mode in _GREY_16:
            unit = np.asarray(image).astype(np.float32) / (2**bits - 1)
            return 1 - unit if white_is_0 else unit
        return _raster.as_uint8(image)  # pillow has inverted these


@contextmanager
def _open(path):
    """Open a TIFF file; refuse what would not be read faithfully."""
    trouble = "it is damaged, or a kind of TIFF that pillow does not know"
    # Given the path, pillow maps uncompressed files into memory, and scrambles those whose orientation swaps the sides.
    with path.open("rb") as file, _raster.open_image(file, path, trouble) as image:
        try:
            refusal = _refusal(image)
        except Exception as error:  # damaged tags raise many types
            raise _raster.unreadable(path, error) from error
        if refusal:
            raise ValueError(f"{str(path)!r} {refusal}.")
        yield image


def _refusal(image):
    if image.n_frames > 1:
        return f"has {image.n_frames} pages, one is expected: save each page as a file"
    bits, formats = _bits(image), set(image.tag_v2.get(_SAMPLE_FORMAT, (_UNSIGNED,)))
    reversed_bytes = image.tag_v2.prefix == b"MM" and image.tag_v2.get(_COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED
    if image.mode == "F" and reversed_bytes:
        return "has compressed big-endian floats, which pillow does not decode: save it uncompressed or little-endian"
    eight = image.mode in _raster.GREY_8 | _raster.COLOUR and max(bits) <= 8 and formats == {_UNSIGNED}
    sixteen = image.mode in _GREY_16 and formats == {_UNSIGNED}
    single = image.mode == "F" and bits == (32,) and formats == {_FLOAT}
    if eight or sixteen or single:
        return None
    return (
        f"has {len(bits)} x {max(bits)} bits (pillow's mode {image.mode}, sample format {sorted(formats)}), and "
        "unsigned grey of 1 to 16 bits, float grey of 32 bits and colour of 8 bits are read: save it as one of these"
    )


def _bits(image):
    return tuple(image.tag_v2.get(_BITS, (1,)))


def _in_unit_interval(values, path):
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):  # also when NaN
        raise ValueError(
            f"{str(path)!r} holds float values from {low:g} to {high:g}, and nothing says which is black and white: "
            "rescale them to [0, 1]."
        )
    return values
