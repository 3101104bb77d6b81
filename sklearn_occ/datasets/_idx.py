"""The idx files in which MNIST and Fashion-MNIST are published."""

import gzip
import math
import zlib

import numpy as np

from ._download import fetch_file

_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def fetch_idx_split(prefix="", **download):
    """Return X_train, y_train, X_test, y_test of the four files, whose names in the cache start with `prefix`."""
    return tuple(read_idx(fetch_file(f"{prefix}{name}", **download)) for name in _NAMES)


def read_idx(path):
    """Read a gzipped idx file of unsigned bytes: 0, 0, 8, n_dims, n_dims big-endian sizes, then the bytes."""
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{str(path)!r} cannot be unzipped ({error}): remove it, and it is downloaded anew."
        ) from error
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{str(path)!r} is no idx file of unsigned bytes: it starts with {content[:3]!r}.")
    start = 4 + 4 * int.from_bytes(content[3:4], "big")
    shape = [int.from_bytes(content[place : place + 4], "big") for place in range(4, start, 4)]
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{str(path)!r} has {len(content)} bytes, but its header announces {start} and an array of shape "
            f"{tuple(shape)}: remove it, and it is downloaded anew."
        )
    # a copy, since the bytes' own memory is read-only
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
