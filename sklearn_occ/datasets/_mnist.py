"""MNIST, one digit against the nine others."""

import gzip
import os
from numbers import Integral

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from ._download import fetch_file, provided_file

_DESCR = """\
MNIST: {majority} against the rest
-------------------------
Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits" (1998); {origin}.
Licence: CC BY-SA 3.0.
Images: 28 x 28, uint8.
Counts: {n_train} training images, all of them the digit {majority}; {n_test} test images, {n_majority} of the
digit {majority} (label 1) and {n_minority} of the nine other digits (label -1).
Protocol: one-vs-rest. Train on the digit's training images, test on the whole test set.
"""


@validate_params(
    {
        "majority": [Interval(Integral, 0, 9, closed="both")],
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def fetch_mnist(majority=0, *, data_home=None, download_if_missing=True):
    """Load MNIST with one digit as the majority: train on its images, test on all 10 000 test images.

    A file ``mnist.npz`` in the folder that the environment variable ``SKLEARN_OCC_DATA`` names is used first.
    Otherwise the four files of the original distribution (11.6 MB) are downloaded once and kept.

    Parameters
    ----------
    majority : int in [0, 9], default=0
        The digit that is the majority.
    data_home : str, path-like or None, default=None
        Folder for the downloaded files. None is ``pooch.os_cache("sklearn_occ")``.
    download_if_missing : bool, default=True
        False raises an OSError instead of downloading.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X_train : ndarray of shape (n_train, 28, 28), uint8
            The majority digit's training images, 5421 (digit 5) to 6742 (digit 1) of them.
        X_test : ndarray of shape (10000, 28, 28), uint8
            The whole test set.
        y_test : ndarray of shape (10000,), int
            1 for the majority digit, -1 for the others.
        image_shape : tuple
            ``(1, 28, 28)``.
        DESCR : str
            Source, licence, counts and protocol.

    Raises
    ------
    OSError
        If a file is neither here nor can be downloaded, or fails its MD5 checksum.
    ValueError
        If `majority` is not a digit.

    Examples
    --------
    >>> from sklearn_occ.datasets import fetch_mnist
    >>> mnist = fetch_mnist(majority=8)  # doctest: +SKIP
    >>> mnist.X_train.shape, int((mnist.y_test == 1).sum())  # doctest: +SKIP
    ((5851, 28, 28), 974)
    """
    provided = provided_file("mnist.npz")
    if provided is not None:
        origin = "read from mnist.npz in SKLEARN_OCC_DATA, rows grouped by class"
        with np.load(provided) as arrays:
            X_train, y_train, X_test, y_test = (arrays[k] for k in ("X_train", "y_train", "X_test", "y_test"))
    else:
        origin = "the four idx files of the original distribution"
        X_train, y_train, X_test, y_test = (
            _read_idx(fetch_file(name, data_home=data_home, download_if_missing=download_if_missing))
            for name in (
                "train-images-idx3-ubyte.gz",
                "train-labels-idx1-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
            )
        )

    X_majority = X_train[y_train == majority]
    is_majority = y_test == majority
    return Bunch(
        X_train=X_majority,
        X_test=X_test,
        y_test=np.where(is_majority, 1, -1),
        image_shape=(1, *X_test.shape[1:]),
        DESCR=_DESCR.format(
            majority=majority,
            origin=origin,
            n_train=len(X_majority),
            n_test=len(X_test),
            n_majority=int(is_majority.sum()),
            n_minority=int((~is_majority).sum()),
        ),
    )


def _read_idx(path):
    """Read a gzipped idx file of unsigned bytes: 0, 0, 8, n_dims, n_dims big-endian sizes, then the bytes."""
    with gzip.open(path) as file:
        content = file.read()
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{str(path)!r} is no idx file of unsigned bytes: it starts with {content[:3]!r}.")
    n_dims = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=n_dims, offset=4)
    # a copy, since the bytes' own memory is read-only
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * n_dims).reshape(shape.tolist()).copy()
