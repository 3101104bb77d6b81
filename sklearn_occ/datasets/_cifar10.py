"""CIFAR-10, one kind of object against the nine others."""

import gzip
import tarfile
import zlib

import numpy as np
from sklearn.utils._param_validation import validate_params

from ._download import fetch_file
from ._ten_classes import PARAMETERS, one_against_nine, provided_split

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6))
_TEST = f"{_FOLDER}/test_batch.bin"
_IMAGE_SHAPE = (3, 32, 32)
_ROW_BYTES = 1 + 3 * 32 * 32  # a label, then the values
_BATCH_BYTES = 10_000 * _ROW_BYTES
_MOST_BYTES = 7 * _BATCH_BYTES  # of all six batches, with a reserve for two texts and the headers

_DESCR = """\
CIFAR-10: {name} (class {majority}) against the rest
Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009); {origin}.
Licence: none is stated by the publisher, who asks for the report above to be cited.
Images: 3 x 32 x 32 (red, green, blue), uint8.
Counts: {n_train} training images, all of class {majority}; {n_test} test images, {n_majority} of class {majority}
(label 1) and {n_minority} of the nine other classes (label -1).
Protocol: one-vs-rest. Train on the class's training images, test on the whole test set.
"""


@validate_params(PARAMETERS, prefer_skip_nested_validation=True)
def fetch_cifar10(majority=0, *, data_home=None, download_if_missing=True):
    """Load CIFAR-10 with one class as the majority: train on its images, test on all 10 000 test images.

    A file ``cifar10.npz`` with the arrays ``X_train``, ``y_train``, ``X_test``, ``y_test`` in the folder that the
    environment variable ``SKLEARN_OCC_DATA`` names is used first. Otherwise the publisher's archive of the binary
    version (170 MB) is downloaded once and kept, and read without being unpacked; there is no pickle in it. Its MD5
    checksum is the one on the publisher's page.

    Parameters
    ----------
    majority : int in [0, 9], default=0
        The class that is the majority: 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse,
        8 ship, 9 truck.
    data_home : str, path-like or None, default=None
        Folder for the downloaded file. None is ``pooch.os_cache("sklearn_occ")``.
    download_if_missing : bool, default=True
        False raises an OSError instead of downloading.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X_train : ndarray of shape (5000, 3, 32, 32), uint8
            The majority class's training images.
        X_test : ndarray of shape (10000, 3, 32, 32), uint8
            The whole test set.
        y_test : ndarray of shape (10000,), int
            1 for the majority class, 1000 of them, -1 for the others.
        image_shape : tuple
            ``(3, 32, 32)``.
        DESCR : str
            Source, licence, counts and protocol.

    Raises
    ------
    OSError
        If the file is neither here nor can be downloaded, or fails its MD5 checksum.
    ValueError
        If `majority` is no class, or the file is damaged or holds other arrays.

    See Also
    --------
    fetch_mnist : Digits in grey.
    fetch_fashion_mnist : Clothes in grey.
    inter_class_test_set : Test set whose outliers are such photographs.

    Examples
    --------
    >>> from sklearn_occ.datasets import fetch_cifar10
    >>> ships = fetch_cifar10(majority=8)  # doctest: +SKIP
    >>> ships.X_train.shape, int((ships.y_test == 1).sum())  # doctest: +SKIP
    ((5000, 3, 32, 32), 1000)
    """
    origin = "read from cifar10.npz in SKLEARN_OCC_DATA"
    split = provided_split("cifar10.npz", _IMAGE_SHAPE, majority)
    if split is None:
        origin = "the binary version of www.cs.toronto.edu/~kriz/cifar.html"
        split = _read_archive(
            fetch_file("cifar-10-binary.tar.gz", data_home=data_home, download_if_missing=download_if_missing)
        )
    return one_against_nine(split, majority, _DESCR, name=_CLASSES[majority], origin=origin)


def _read_archive(path):
    """Return X_train, y_train, X_test, y_test; nothing is written to the disk."""
    try:
        with gzip.open(path) as file, tarfile.open(fileobj=_AtMost(file, _MOST_BYTES), mode="r|") as archive:
            batches = {member.name: _rows(archive, member) for member in archive if member.name in (*_TRAIN, _TEST)}
        absent = [name for name in (*_TRAIN, _TEST) if name not in batches]
        if absent:
            raise ValueError(f"it holds no {absent[0]}")
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as the binary version of CIFAR-10 ({error}): remove it, and it is "
            "downloaded anew."
        ) from error
    X_train, y_train = (np.concatenate(parts) for parts in zip(*(batches[name] for name in _TRAIN), strict=True))
    return X_train, y_train, *batches[_TEST]


def _rows(archive, member):
    """Images (n, 3, 32, 32) and labels (n,) of one batch."""
    if not member.isreg() or member.size > _BATCH_BYTES or member.size % _ROW_BYTES:
        raise ValueError(
            f"{member.name} has {member.size} bytes, expected a file of at most {_BATCH_BYTES}, {_ROW_BYTES} for each "
            "image"
        )
    rows = np.frombuffer(archive.extractfile(member).read(), dtype=np.uint8).reshape(-1, _ROW_BYTES)
    labels = rows[:, 0].copy()
    if labels.size and labels.max() >= len(_CLASSES):
        raise ValueError(f"{member.name} holds the label {labels.max()}, expected 0 to {len(_CLASSES) - 1}")
    return rows[:, 1:].copy().reshape(-1, *_IMAGE_SHAPE), labels


class _AtMost:
    """A file that is refused when more is read of it than it should hold, whatever its headers announce."""

    def __init__(self, file, n_bytes):
        self._file, self._left = file, n_bytes

    def read(self, size):
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ValueError("it holds more than the six batches")
        return content
