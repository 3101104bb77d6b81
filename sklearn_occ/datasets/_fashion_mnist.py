"""Fashion-MNIST, one kind of clothing against the nine others."""

from sklearn.utils._param_validation import validate_params

from ._idx import fetch_idx_split
from ._ten_classes import PARAMETERS, one_against_nine, provided_split

_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_DESCR = """\
Fashion-MNIST: {name} (class {majority}) against the rest
Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms" (2017); {origin}.
Licence: MIT.
Images: 28 x 28, uint8; bright clothing on black.
Counts: {n_train} training images, all of class {majority}; {n_test} test images, {n_majority} of class {majority}
(label 1) and {n_minority} of the nine other classes (label -1).
Protocol: one-vs-rest. Train on the class's training images, test on the whole test set.
"""


@validate_params(PARAMETERS, prefer_skip_nested_validation=True)
def fetch_fashion_mnist(majority=0, *, data_home=None, download_if_missing=True):
    """Load Fashion-MNIST with one class as the majority: train on its images, test on all 10 000 test images.

    A file ``fashion_mnist.npz`` with the arrays ``X_train``, ``y_train``, ``X_test``, ``y_test`` in the folder that
    the environment variable ``SKLEARN_OCC_DATA`` names is used first. Otherwise the four files of the publisher's
    repository (30.9 MB) are downloaded once and kept. Their MD5 checksums are those of the publisher's README.

    Parameters
    ----------
    majority : int in [0, 9], default=0
        The class that is the majority: 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt,
        7 sneaker, 8 bag, 9 ankle boot.
    data_home : str, path-like or None, default=None
        Folder for the downloaded files. None is ``pooch.os_cache("sklearn_occ")``.
    download_if_missing : bool, default=True
        False raises an OSError instead of downloading.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X_train : ndarray of shape (6000, 28, 28), uint8
            The majority class's training images.
        X_test : ndarray of shape (10000, 28, 28), uint8
            The whole test set.
        y_test : ndarray of shape (10000,), int
            1 for the majority class, 1000 of them, -1 for the others.
        image_shape : tuple
            ``(1, 28, 28)``.
        DESCR : str
            Source, licence, counts and protocol.

    Raises
    ------
    OSError
        If a file is neither here nor can be downloaded, or fails its MD5 checksum.
    ValueError
        If `majority` is no class, or a file is damaged or holds other arrays.

    See Also
    --------
    fetch_mnist : Digits of the same size.
    fetch_cifar10 : Photographs in colour.

    Examples
    --------
    >>> from sklearn_occ.datasets import fetch_fashion_mnist
    >>> sandals = fetch_fashion_mnist(majority=5)  # doctest: +SKIP
    >>> sandals.X_train.shape, int((sandals.y_test == 1).sum())  # doctest: +SKIP
    ((6000, 28, 28), 1000)
    """
    origin = "read from fashion_mnist.npz in SKLEARN_OCC_DATA"
    split = provided_split("fashion_mnist.npz", (28, 28), majority)
    if split is None:
        origin = "the four idx files of github.com/zalandoresearch/fashion-mnist"
        split = fetch_idx_split("fashion-mnist-", data_home=data_home, download_if_missing=download_if_missing)
    return one_against_nine(split, majority, _DESCR, name=_CLASSES[majority], origin=origin)
