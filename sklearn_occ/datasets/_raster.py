"""PNG and JPEG files, read with pillow."""

import numpy as np

from .._optional import require

# pillow's modes of PNG and JPEG files. "I" is what its older versions call 16-bit grey.
_GREY_8 = {"1", "L", "LA"}
_COLOUR = {"P", "RGB", "RGBA"}
_GREY_16 = {"I", "I;16"}


def read_header(path):
    """Return the shape, (H, W) or (3, H, W), and the dtype of the image."""
    with _open(path) as image:
        width, height = image.size
        shape = (3, height, width) if image.mode in _COLOUR else (height, width)
        return shape, np.float32 if image.mode in _GREY_16 else np.uint8


def read_pixels(path):
    """Return uint8 (H, W) or (3, H, W), or float32 (H, W) in [0, 1] for 16 bits."""
    with _open(path) as image:
        try:
            image.load()
        except Exception as error:  # decoders of damaged files raise many types
            raise _unreadable(path, error) from error
        if image.mode in _GREY_16:
            return np.asarray(image).astype(np.float32) / 65535
        if image.mode in _GREY_8:
            return np.array(image.convert("L"))
        # Straight to RGB, pillow warns of a transparent palette.
        colours = image.convert("RGBA") if image.mode == "P" else image
        return np.ascontiguousarray(np.moveaxis(np.asarray(colours.convert("RGB")), -1, 0))  # (3, H, W)


def _open(path):
    """Open an image, its pixels still undecoded; refuse what would not be read faithfully."""
    Image = require("PIL.Image", purpose="Reading PNG and JPEG files")
    try:
        image = Image.open(path)
    except Exception as error:  # as above
        raise _unreadable(path, error) from error
    refusal = _refusal(image, path)
    if refusal:
        image.close()
        raise ValueError(f"{str(path)!r} {refusal}.")
    return image


def _refusal(image, path):
    if image.mode in _GREY_16:
        return None
    if image.mode not in _GREY_8 | _COLOUR:
        return f"has the colour mode {image.mode}: save it as grey or RGB"
    if image.format == "PNG" and _png_bits(path) == 16:  # pillow would keep the upper 8 bits
        return "has 16 bits with colour or alpha, only 16-bit grey is read: save it as such, or with 8 bits"
    return None


def _png_bits(path):
    """Return the bits a channel, the byte after the signature, chunk head, width and height."""
    with path.open("rb") as file:
        return file.read(25)[24]


def _unreadable(path, error):
    return ValueError(f"{str(path)!r} cannot be read as an image, it seems damaged: {error}.")
