"""PneumoniaMNIST: the chest X-rays of Kermany et al. at 28 x 28 pixels."""

import os

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from ._download import fetch_file, provided_file

_DESCR = """\
PneumoniaMNIST: normal chest X-rays against pneumonia
-----------------------------------------------------
Source: J. Yang et al., "MedMNIST v2", Scientific Data 10, 41 (2023), made from D. Kermany et al., Cell 172
(2018).
Copy: {origin}.
Licence: CC BY 4.0.
Images: 28 x 28, uint8; children's X-rays, cropped to the central square and resized by the publisher.
Counts: {n_train} training images, all normal; {n_val} validation images, {n_val_majority} normal and
{n_val_minority} pneumonia; {n_test} test images, {n_test_majority} normal and {n_test_minority} pneumonia.
Labels: 1 normal (majority), -1 pneumonia (minority).
Protocol: the publisher's split; the training set's pneumonia images are left out.
Known trait: a few pneumonia images stand in the publisher's training and validation sets both. They are not
in X_train, whose images are normal.
"""

# An array's name is put together from the split and one of these: the official file's, then the local copy's.
_OFFICIAL_NAMES = ("{}_images", "{}_labels")
_LOCAL_NAMES = ("X_{}", "y_{}")


@validate_params(
    {"data_home": [str, os.PathLike, None], "download_if_missing": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def fetch_pneumoniamnist(*, data_home=None, download_if_missing=True):
    """Load PneumoniaMNIST: train on the normal training images, test on normal and pneumonia.

    A file ``pneumoniamnist_28.npz`` in the folder that the environment variable ``SKLEARN_OCC_DATA`` names is
    used first. Otherwise MedMNIST's ``pneumoniamnist.npz`` (4 MB, Zenodo) is downloaded once and kept.

    Parameters
    ----------
    data_home : str, path-like or None, default=None
        Folder for the downloaded file. None is ``pooch.os_cache("sklearn_occ")``.
    download_if_missing : bool, default=True
        False raises an OSError instead of downloading.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X_train : ndarray of shape (1214, 28, 28), uint8
            Normal training images.
        X_val : ndarray of shape (524, 28, 28), uint8
            Validation images, 135 normal.
        y_val : ndarray of shape (524,), int
            1 normal, -1 pneumonia.
        X_test : ndarray of shape (624, 28, 28), uint8
            Test images, 234 normal.
        y_test : ndarray of shape (624,), int
            1 normal, -1 pneumonia.
        image_shape : tuple
            ``(1, 28, 28)``.
        DESCR : str
            Source, licence, counts and protocol.

    Raises
    ------
    OSError
        If the file is neither here nor can be downloaded, or fails its MD5 checksum.

    See Also
    --------
    fetch_chest_xray_pneumonia : The same images, larger.

    Examples
    --------
    >>> from sklearn_occ.datasets import fetch_pneumoniamnist
    >>> data = fetch_pneumoniamnist()  # doctest: +SKIP
    >>> data.X_train.shape, int((data.y_test == 1).sum())  # doctest: +SKIP
    ((1214, 28, 28), 234)
    """
    path = provided_file("pneumoniamnist_28.npz")
    names, origin = _LOCAL_NAMES, "pneumoniamnist_28.npz in SKLEARN_OCC_DATA, not the publisher's row order"
    if path is None:
        path = fetch_file("pneumoniamnist.npz", data_home=data_home, download_if_missing=download_if_missing)
        names, origin = _OFFICIAL_NAMES, "the publisher's file, Zenodo record 10519652"

    with np.load(path) as arrays:
        (X_train, y_train), (X_val, y_val), (X_test, y_test) = (
            (arrays[names[0].format(split)], _labels(arrays[names[1].format(split)]))
            for split in ("train", "val", "test")
        )
    X_normal = X_train[y_train == 1]
    return Bunch(
        X_train=X_normal,
        X_val=X_val,
        y_val=y_val,
        X_test=X_test,
        y_test=y_test,
        image_shape=(1, *X_test.shape[1:]),
        DESCR=_DESCR.format(
            origin=origin,
            n_train=len(X_normal),
            n_val=len(X_val),
            n_val_majority=int((y_val == 1).sum()),
            n_val_minority=int((y_val == -1).sum()),
            n_test=len(X_test),
            n_test_majority=int((y_test == 1).sum()),
            n_test_minority=int((y_test == -1).sum()),
        ),
    )


def _labels(labels):
    """Turn 0 normal and 1 pneumonia, of shape (n,) or (n, 1), into 1 and -1."""
    return np.where(labels.ravel() == 0, 1, -1)
