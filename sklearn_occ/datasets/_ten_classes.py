"""Data sets of ten classes with a split of their publisher: one class against the nine others."""

import os
import zipfile
import zlib
from numbers import Integral

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval

from ._download import ENVIRONMENT_VARIABLE, provided_file

PARAMETERS = {
    "majority": [Interval(Integral, 0, 9, closed="both")],
    "data_home": [str, os.PathLike, None],
    "download_if_missing": ["boolean"],
}
_ARRAYS = ("X_train", "y_train", "X_test", "y_test")


def provided_split(name, image_shape, majority):
    """Return X_train, y_train, X_test, y_test of a file in the user's folder, or None where it is not there.

    Parameters
    ----------
    name : str
        Of the file.
    image_shape : tuple
        The shape that one image has.
    majority : int
        The label that a row to train on must have.
    """
    path = provided_file(name)
    if path is None:
        return None
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:  # numpy leaves a damaged file open
            split = tuple(arrays[key] for key in _ARRAYS)
    except (KeyError, ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as an .npz file of the arrays {', '.join(_ARRAYS)} ({error}): replace it, "
            f"or take it out of the folder that {ENVIRONMENT_VARIABLE} names."
        ) from error
    _check_split(split, image_shape, majority, path)
    return split


def _check_split(split, image_shape, majority, path):
    for (X_name, y_name), (X, y) in zip((_ARRAYS[:2], _ARRAYS[2:]), (split[:2], split[2:]), strict=True):
        if X.dtype != np.uint8 or X.ndim == 0 or X.shape[1:] != image_shape:
            raise ValueError(
                f"{X_name} of {str(path)!r} is {X.dtype} of shape {X.shape}, expected uint8 of shape "
                f"(n, {', '.join(map(str, image_shape))}): convert it, or take the file out of the folder that "
                f"{ENVIRONMENT_VARIABLE} names."
            )
        if y.shape != (len(X),):
            raise ValueError(
                f"{y_name} of {str(path)!r} has shape {y.shape}, expected ({len(X)},), one label for each row of "
                f"{X_name}: correct it."
            )
    if not (split[1] == majority).any():
        raise ValueError(
            f"y_train of {str(path)!r} holds no {majority}, so that there is nothing to train on: choose another "
            "majority, or add its rows."
        )


def one_against_nine(split, majority, description, **words):
    """Return the class `majority` to train on and the whole test set, labelled 1 or -1.

    Parameters
    ----------
    split : tuple (X_train, y_train, X_test, y_test)
        Images of shape (n, H, W) or (n, C, H, W), and labels from 0 to 9.
    majority : int
        A label.
    description : str
        DESCR, with {majority}, {n_train}, {n_test}, {n_majority}, {n_minority} and what `words` names.

    Returns
    -------
    data : Bunch
    """
    X_train, y_train, X_test, y_test = split
    X_majority = X_train[y_train == majority]
    is_majority = y_test == majority
    shape = X_test.shape[1:]
    counts = {
        "majority": majority,
        "n_train": len(X_majority),
        "n_test": len(X_test),
        "n_majority": int(is_majority.sum()),
        "n_minority": int((~is_majority).sum()),
    }
    return Bunch(
        X_train=X_majority,
        X_test=X_test,
        y_test=np.where(is_majority, 1, -1),
        image_shape=shape if len(shape) == 3 else (1, *shape),
        DESCR=description.format(**counts, **words),
    )
