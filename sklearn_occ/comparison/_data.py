"""The data argument of the comparison: a name, an npz file or a folder becomes one Bunch."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from ..datasets import (
    fetch_chest_xray_pneumonia,
    fetch_mnist,
    fetch_pneumoniamnist,
    load_image_folder,
    load_one_class_digits,
)
from ..datasets._resizing import resize_image

_CONVENTIONS = (
    "either X_train, X_test, y_test (1 majority, -1 minority; y_train may be there), "
    "or X, y (0 normal, 1 anomaly)"
)


def load_data(data, *, majority=None, image_size=None):
    """Load majority samples to train on and labelled samples to test on.

    Parameters
    ----------
    data : str or path-like
        A name in `DATA_SETS`; an .npz file; or a folder as `sklearn_occ.datasets.load_image_folder` reads it.
        An .npz file holds ``X_train``, ``X_test``, ``y_test`` (1 majority, -1 minority) and maybe
        ``y_train``, whose majority rows are kept; or ``X``, ``y`` (0 normal, 1 anomaly), of which half of the
        normal rows, drawn with seed 0, are trained on, the other half and all anomalies tested. `X` of two
        axes is a table, of three or four axes images.
    majority : int or str, default=None
        The label that is the majority, all others are the minority: a digit for digits and mnist (None is
        0), a value of the labels of an .npz file. Other data have no such choice.
    image_size : int, default=None
        Side in pixels to which images are resized. None keeps their size; chestx has 100.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        `name` (with the majority, where it was chosen), `X_train`, `X_test`, `y_test` (1 or -1), `names_test`
        (list of str, one for each test row), `DESCR`.

    Raises
    ------
    FileNotFoundError
        If `data` is no name and does not exist.
    ValueError
        If a file is damaged or has other contents, an option does not fit the data, or a class is missing.

    Examples
    --------
    >>> from sklearn_occ.comparison import load_data
    >>> data = load_data("digits", majority=3, image_size=16)
    >>> data.name, data.X_train.shape
    ('digits, majority 3', (91, 16, 16))
    """
    path = Path(data)
    if str(data) in DATA_SETS:
        bunch = DATA_SETS[str(data)](majority, image_size)
        bunch.name = str(data)
    elif path.is_dir():
        _refuse_majority(majority, f"the folder {str(data)!r}")
        bunch = load_image_folder(path, image_size=image_size)
        bunch.name = path.resolve().name
    elif path.is_file():
        bunch = _read_npz(path, majority, image_size)
        bunch.name = path.name
    else:
        raise FileNotFoundError(
            f"{str(data)!r} is neither a file nor a folder, nor one of {', '.join(DATA_SETS)}: check the "
            "path."
        )
    if bunch.get("majority") is not None:
        bunch.name += f", majority {bunch.majority}"
    if "files_test" in bunch:
        bunch.names_test = [Path(file).name for file in bunch.files_test]
    else:
        bunch.names_test = [f"row {row}" for row in range(len(bunch.X_test))]
    return bunch


def _digits(majority, image_size):
    majority = _digit(majority)
    return _resized(load_one_class_digits(majority), image_size, majority=majority)


def _mnist(majority, image_size):
    majority = _digit(majority)
    return _resized(fetch_mnist(majority), image_size, majority=majority)


def _pneumoniamnist(majority, image_size):
    _refuse_majority(majority, "pneumoniamnist")
    return _resized(fetch_pneumoniamnist(), image_size)


def _chestx(majority, image_size):
    _refuse_majority(majority, "chestx")
    return fetch_chest_xray_pneumonia(**({} if image_size is None else {"image_size": image_size}))


DATA_SETS = {"digits": _digits, "chestx": _chestx, "pneumoniamnist": _pneumoniamnist, "mnist": _mnist}


def _digit(majority):
    if str(majority) not in {"None", *"0123456789"}:
        raise ValueError(f"majority is {majority!r}, expected a digit, 0 to 9.")
    return 0 if majority is None else int(majority)


def _refuse_majority(majority, name):
    if majority is not None:
        raise ValueError(
            f"majority is {majority!r}, but {name} says itself which samples are the majority: leave it out."
        )


def _resized(bunch, image_size, **more):
    bunch.update(more)
    if image_size is not None:
        for key in ("X_train", "X_test"):
            bunch[key] = np.stack([resize_image(image, image_size) for image in bunch[key]])
        bunch.DESCR += f"Resized to {image_size} x {image_size} pixels with anti-aliasing.\n"
    return bunch


def _read_npz(path, majority, image_size):
    arrays = _arrays(path)
    for key in {"X_train", "X_test", "X"} & arrays.keys():
        arrays[key] = _samples(arrays[key], path)
    if {"X_train", "X_test", "y_test"} <= arrays.keys():
        protocol = "trained on the majority rows of X_train, tested on X_test"
        X_train, X_test = arrays["X_train"], arrays["X_test"]
        if "y_train" in arrays:
            X_train = X_train[_labels(arrays, "y_train", "X_train", majority, path, normal=1) == 1]
        y_test = _labels(arrays, "y_test", "X_test", majority, path, normal=1)
    elif {"X", "y"} <= arrays.keys():
        protocol = (
            "trained on half of the normal rows (random, seed 0), tested on the other half and all anomalies"
        )
        X, y = arrays["X"], _labels(arrays, "y", "X", majority, path, normal=0)
        normal = np.random.default_rng(0).permutation(np.flatnonzero(y == 1))
        train, test = np.sort(normal[: len(normal) // 2]), normal[len(normal) // 2 :]
        test = np.sort(np.concatenate([test, np.flatnonzero(y == -1)]))
        X_train, X_test, y_test = X[train], X[test], y[test]
    else:
        raise ValueError(f"{str(path)!r} holds {', '.join(arrays) or 'nothing'}, expected {_CONVENTIONS}.")
    _refuse_unequal(X_train, X_test, y_test, path)
    n_majority = int((y_test == 1).sum())
    bunch = Bunch(
        X_train=X_train,
        X_test=X_test,
        y_test=y_test,
        DESCR=f"{path.name}: {protocol}.\nCounts: {len(X_train)} rows to train on; {len(X_test)} to test on, "
        f"{n_majority} majority (label 1) and {len(X_test) - n_majority} minority (label -1).\n",
    )
    if image_size is not None and X_train.ndim == 2:
        raise ValueError(
            f"image_size is {image_size}, but {str(path)!r} holds a table of {X_train.shape[1]} columns, "
            "which cannot be resized: leave it out."
        )
    return _resized(bunch, image_size, majority=majority)


def _arrays(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    # AttributeError and TypeError: a single array (.npy), which has no names
    except (
        ValueError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
        AttributeError,
        TypeError,
    ) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as an .npz file of plain arrays ({error}): write it with "
            f"numpy.savez, {_CONVENTIONS}."
        ) from error


def _labels(arrays, key, rows, majority, path, *, normal):
    """Labels as 1 and -1. Without `majority` they are 1 and -1 (`normal` 1), or 0 and 1 (`normal` 0)."""
    y = arrays[key]
    if y.shape not in {(len(arrays[rows]),), (len(arrays[rows]), 1)}:
        raise ValueError(
            f"{key} of {str(path)!r} has shape {y.shape}, but {rows} has {len(arrays[rows])} rows: give one "
            "label a row."
        )
    y = y.ravel()
    found = sorted(set(y.tolist()), key=str)
    shown = ", ".join(map(repr, found[:10])) + (", ..." if len(found) > 10 else "")
    if majority is not None:
        chosen = [value for value in found if _same(value, majority)]
        if not chosen:
            raise ValueError(
                f"majority is {majority!r}, but {key} of {str(path)!r} holds {shown}: choose one of these."
            )
        return np.where(y == chosen[0], 1, -1)
    expected = {1: 1, -1: -1} if normal == 1 else {0: 1, 1: -1}
    if not set(found) <= expected.keys():
        meaning = "1 (majority) and -1 (minority)" if normal == 1 else "0 (normal) and 1 (anomaly)"
        raise ValueError(
            f"{key} of {str(path)!r} holds {shown}, expected {meaning}: convert it, or say with --majority which "
            "label is the majority."
        )
    return np.where(y == normal, 1, -1)


def _same(value, majority):
    """Whether a label is the one meant; "3" on the command line means 3 and 3.0 too."""
    try:
        return float(value) == float(majority)
    except ValueError:
        return str(value) == str(majority)


def _samples(X, path):
    if X.ndim not in (2, 3, 4) or X.dtype.kind not in "fiub":
        raise ValueError(
            f"{str(path)!r} holds samples of shape {X.shape} and type {X.dtype}, expected numbers: a table "
            "(n, d) or images (n, H, W) or (n, C, H, W)."
        )
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise ValueError(
            f"{str(path)!r} holds NaN or infinity, expected finite numbers: impute or remove these rows."
        )
    if X.dtype.kind == "f" or X.dtype == np.uint8:
        return X
    return X.astype(np.float64 if X.ndim == 2 else np.float32)


def _refuse_unequal(X_train, X_test, y_test, path):
    if X_train.shape[1:] != X_test.shape[1:]:
        raise ValueError(
            f"{str(path)!r} trains on samples of shape {X_train.shape[1:]} and tests on {X_test.shape[1:]}: "
            "bring them to one shape."
        )
    if len(X_train) < 2 or len(set(y_test.tolist())) < 2:
        raise ValueError(
            f"{str(path)!r} has {len(X_train)} majority rows to train on, and {(y_test == 1).sum()} majority "
            f"and {(y_test == -1).sum()} minority rows to test on: at least 2, 1 and 1 are needed."
        )
