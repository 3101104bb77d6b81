"""npz files of two conventions: samples already split, or one table of samples to split."""

import zipfile
import zlib

import numpy as np
from sklearn.utils import Bunch

_CONVENTIONS = (
    "either X_train, X_test, y_test (1 majority, -1 minority; y_train may be there), or X, y (0 normal, 1 anomaly)"
)


def read_npz(path, majority):
    """Read one of the two conventions.

    Parameters
    ----------
    path : Path
        The file.
    majority : int, str or None
        The label that is the majority; None where the labels say so themselves.

    Returns
    -------
    data : Bunch
        `X_train` (majority rows), `X_test`, `y_test` (1 or -1), `majority`, `DESCR`.

    Raises
    ------
    ValueError
        If the file is damaged or holds something else.
    """
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
        protocol = "trained on half of the normal rows (random, seed 0), tested on the other half and all anomalies"
        X, y = arrays["X"], _labels(arrays, "y", "X", majority, path, normal=0)
        normal = np.random.default_rng(0).permutation(np.flatnonzero(y == 1))
        train, test = np.sort(normal[: len(normal) // 2]), normal[len(normal) // 2 :]
        test = np.sort(np.concatenate([test, np.flatnonzero(y == -1)]))
        X_train, X_test, y_test = X[train], X[test], y[test]
    else:
        raise ValueError(f"{str(path)!r} holds {', '.join(arrays) or 'nothing'}, expected {_CONVENTIONS}.")
    _refuse_unequal(X_train, X_test, y_test, path)
    n_majority = int((y_test == 1).sum())
    return Bunch(
        X_train=X_train,
        X_test=X_test,
        y_test=y_test,
        majority=majority,
        DESCR=f"{path.name}: {protocol}.\nCounts: {len(X_train)} rows to train on; {len(X_test)} to test on, "
        f"{n_majority} majority (label 1) and {len(X_test) - n_majority} minority (label -1).\n",
    )


def _arrays(path):
    try:
        # opened here, since numpy leaves a damaged file open
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
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
            f"{key} of {str(path)!r} holds {shown}, expected {meaning}: convert it, or say with --majority "
            "which label is the majority."
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
        raise ValueError(f"{str(path)!r} holds NaN or infinity, expected finite numbers: impute or remove these rows.")
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
