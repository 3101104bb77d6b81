"""The data argument of the comparison: a name, an npz file or a folder becomes one Bunch."""

from pathlib import Path

import numpy as np

from ..datasets import (
    fetch_chest_xray_pneumonia,
    fetch_cifar10,
    fetch_fashion_mnist,
    fetch_mnist,
    fetch_pneumoniamnist,
    load_image_folder,
    load_one_class_digits,
)
from ..datasets._images import resize_image
from ._npz import read_npz


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
        The label that is the majority, all others are the minority: a digit for digits and mnist, the number of a
        class for fashion_mnist and cifar10 (None is 0), a value of the labels of an .npz file. Other data have no
        such choice.
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

    See Also
    --------
    compare : Fit methods on the data.
    sklearn_occ.datasets.load_image_folder : Load a folder of image files.

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
        bunch = _resized(read_npz(path, majority), image_size)
        bunch.name = path.name
    else:
        raise FileNotFoundError(
            f"{str(data)!r} is neither a file nor a folder, nor one of {', '.join(DATA_SETS)}: check the path."
        )
    if bunch.get("majority") is not None:
        bunch.name += f", majority {bunch.majority}"
    if "files_test" in bunch:
        bunch.names_test = [Path(file).name for file in bunch.files_test]
    else:
        bunch.names_test = [f"row {row}" for row in range(len(bunch.X_test))]
    return bunch


def _ten_classes(fetch, expected):
    def load(majority, image_size):
        majority = _one_of_ten(majority, expected)
        return _resized(fetch(majority), image_size, majority=majority)

    return load


def _pneumoniamnist(majority, image_size):
    _refuse_majority(majority, "pneumoniamnist")
    return _resized(fetch_pneumoniamnist(), image_size)


def _chestx(majority, image_size):
    _refuse_majority(majority, "chestx")
    return fetch_chest_xray_pneumonia(**({} if image_size is None else {"image_size": image_size}))


DATA_SETS = {
    "digits": _ten_classes(load_one_class_digits, "a digit"),
    "chestx": _chestx,
    "pneumoniamnist": _pneumoniamnist,
    "mnist": _ten_classes(fetch_mnist, "a digit"),
    "fashion_mnist": _ten_classes(fetch_fashion_mnist, "the number of a class"),
    "cifar10": _ten_classes(fetch_cifar10, "the number of a class"),
}


def _one_of_ten(majority, expected):
    if str(majority) not in {"None", *"0123456789"}:
        raise ValueError(f"majority is {majority!r}, expected {expected}, 0 to 9.")
    return 0 if majority is None else int(majority)


def _refuse_majority(majority, name):
    if majority is not None:
        raise ValueError(
            f"majority is {majority!r}, but {name} says itself which samples are the majority: leave it out."
        )


def _resized(bunch, image_size, **more):
    bunch.update(more)
    if image_size is not None and bunch.X_train.ndim == 2:
        raise ValueError(
            f"image_size is {image_size}, but the data are a table of {bunch.X_train.shape[1]} columns, "
            "which cannot be resized: leave it out."
        )
    if image_size is not None:
        for key in ("X_train", "X_test"):
            bunch[key] = np.stack([resize_image(image, image_size) for image in bunch[key]])
        bunch.DESCR += f"Resized to {image_size} x {image_size} pixels with anti-aliasing.\n"
    return bunch
