"""MNIST, one digit against the nine others."""

from sklearn.utils._param_validation import validate_params

from ._idx import fetch_idx_split
from ._ten_classes import PARAMETERS, one_against_nine, provided_split

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


@validate_params(PARAMETERS, prefer_skip_nested_validation=True)
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
        If `majority` is not a digit, or a file is damaged or holds other arrays.

    See Also
    --------
    load_one_class_digits : Small digits that need no download.
    fetch_fashion_mnist : Clothes of the same size.
    fetch_cifar10 : Photographs in colour.

    Examples
    --------
    >>> from sklearn_occ.datasets import fetch_mnist
    >>> mnist = fetch_mnist(majority=8)  # doctest: +SKIP
    >>> mnist.X_train.shape, int((mnist.y_test == 1).sum())  # doctest: +SKIP
    ((5851, 28, 28), 974)
    """
    origin = "read from mnist.npz in SKLEARN_OCC_DATA, rows grouped by class"
    split = provided_split("mnist.npz", (28, 28), majority)
    if split is None:
        origin = "the four idx files of the original distribution"
        split = fetch_idx_split(data_home=data_home, download_if_missing=download_if_missing)
    return one_against_nine(split, majority, _DESCR, origin=origin)
