"""PNG and JPEG files, read with pillow."""

import numpy as np

from .._optional import require

# pillow's modes of PNG and JPEG files. "I" is what its older versions call 16-bit grey.
_GREY_16 = {"I", "I;16"}
GREY_8 = {"1", "L", "LA"}
COLOUR = {"P", "RGB", "RGBA"}


def read_header(path):
    """Return the shape, (H, W) or (3, H, W), and the dtype of the image."""
    with _open(path) as image:
        return shape_of(image), np.float32 if image.mode in _GREY_16 else np.uint8


def read_pixels(path):
    """Return uint8 (H, W) or (3, H, W), or float32 (H, W) in [0, 1] for 16 bits."""
    with _open(path) as image:
        decode(image, path)
        if image.mode in _GREY_16:
            return np.asarray(image).astype(np.float32) / 65535
        return as_uint8(image)


def open_image(file, path, trouble="it seems damaged"):
    """Open a path or a file with pillow, its pixels still undecoded; errors name `path` and `trouble`."""
    Image = require("PIL.Image", purpose="Reading PNG, JPEG and TIFF files")
    try:
        return Image.open(file)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{str(path)!r} has more pixels than pillow reads unasked ({error}): if you trust the file, set "
            "PIL.Image.MAX_IMAGE_PIXELS = None first."
        ) from error
    except Exception as error:  # decoders of damaged files raise many types
        raise unreadable(path, error, trouble) from error


def decode(image, path):
    """Decode the pixels of an opened image."""
    try:
        image.load()
    except Exception as error:  # as above
        raise unreadable(path, error) from error


def shape_of(image):
    """Return (H, W), or (3, H, W) for colour."""
    width, height = image.size
    return (3, height, width) if image.mode in COLOUR else (height, width)


def as_uint8(image):
    """Return a decoded image of at most 8 bits as (H, W) or (3, H, W)."""
    if image.mode in GREY_8:
        return np.array(image.convert("L"))
    # Straight to RGB, pillow warns of a transparent palette.
    colours = image.convert("RGBA") if image.mode == "P" else image
    return np.ascontiguousarray(np.moveaxis(np.asarray(colours.convert("RGB")), -1, 0))  # (3, H, W)


def unreadable(path, error, trouble="it seems damaged"):
    """Return the error to raise for a file that a decoder gave up on."""
    return ValueError(f"{str(path)!r} cannot be read as an image, {trouble}: {error}.")


def _open(path):
    """Open a PNG or JPEG file; refuse what would not be read faithfully."""
    image = open_image(path, path)
    refusal = _refusal(image, path)
    if refusal:
        image.close()
        raise ValueError(f"{str(path)!r} {refusal}.")
    return image


def _refusal(image, path):
    if image.mode in _GREY_16:
        return None
    if image.mode not in GREY_8 | COLOUR:
        return f"has the colour mode {image.mode}: save it as grey or RGB"
    if image.format == "PNG" and _png_bits(path) == 16:  # pillow would keep the upper 8 bits
        return "has 16 bits with colour or alpha, only 16-bit grey is read: save it as such, or with 8 bits"
    return None


def _png_bits(path):
    """Return the bits a channel, the byte after the signature, chunk head, width and height."""
    with path.open("rb") as file:
        return file.read(25)[24]
