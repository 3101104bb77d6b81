"""Chest X-rays of children, normal against pneumonia (Kermany et al., 2018): the ConOCC paper's ChestX."""

import io
import os
import tempfile
import zipfile
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, validate_params

from .._optional import require
from ._download import cache_folder, fetch_file, provided_file
from ._images import resize_image

_DESCR = """\
ChestX: normal chest X-rays against pneumonia
---------------------------------------------
Source: D. Kermany et al., "Identifying medical diagnoses and treatable diseases by image-based deep
learning", Cell 172 (2018); images: Mendeley Data, doi 10.17632/rscbjbr9sj, also on Kaggle as
chest-xray-pneumonia.
Copy: {origin}.
Licence: CC BY 4.0.
Images: {size} x {size}, uint8, grey; children of 1 to 5 years, Guangzhou. The originals differ in size and
shape: the aspect ratio was lost when they were made square.
Counts: {n_train} training images, all normal; {n_test} test images, {n_majority} normal and {n_minority}
pneumonia. The Kaggle copy, which the ConOCC paper uses, has 1341 normal training images; the Mendeley copy
has 1349, with the 8 that Kaggle sets aside for validation. Both test sets have 234 normal and 390 pneumonia
images.
Labels: 1 normal (majority), -1 pneumonia (minority).
Protocol: train on the normal training images, test on the publisher's test set. The pneumonia training
images are left out.
Known trait: brightness and geometry of the images go with the class, so a high score is not proof that a
method sees the disease.
"""

_ARCHIVE = "ChestXRay2017.zip"
_KAGGLE_100 = "chestx_100.npz, the Kaggle images at 100 x 100 (Lanczos, from a copy at 224 x 224)"
_KAGGLE_64 = "chestx_64.npz, the Kaggle images at 64 x 64"


@validate_params(
    {
        "image_size": [Interval(Integral, 1, None, closed="left")],
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def fetch_chest_xray_pneumonia(*, image_size=100, data_home=None, download_if_missing=True):
    """Load the chest X-rays of Kermany et al. (2018): train on normal images, test on normal and pneumonia.

    Files in the folder that the environment variable ``SKLEARN_OCC_DATA`` names are used first:
    ``chestx_64.npz`` for `image_size` 64, ``chestx_100.npz`` for every other size (resized from its 100 x
    100 pixels, so a larger size adds no detail). Otherwise the authors' ``ChestXRay2017.zip`` (1.2 GB,
    Mendeley Data) is downloaded, its images are resized from full size, and the result is kept beside it:
    the first call for a size takes minutes, the next ones less than a second. The zip may be deleted then.

    Parameters
    ----------
    image_size : int, default=100
        Side of the square images in pixels. The paper's is 100. The aspect ratio is lost.
    data_home : str, path-like or None, default=None
        Folder for the downloaded and the resized files. None is ``pooch.os_cache("sklearn_occ")``.
    download_if_missing : bool, default=True
        False raises an OSError instead of downloading.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X_train : ndarray of shape (n_train, image_size, image_size), uint8
            Normal training images: 1341 in the Kaggle copy (the paper's), 1349 in the Mendeley download.
        X_test : ndarray of shape (624, image_size, image_size), uint8
            Test images, 234 normal and 390 pneumonia.
        y_test : ndarray of shape (624,), int
            1 normal, -1 pneumonia.
        image_shape : tuple
            ``(1, image_size, image_size)``.
        DESCR : str
            Source, licence, counts and protocol.

    Raises
    ------
    OSError
        If the archive is neither here nor can be downloaded, or fails its SHA-256 checksum.
    ImportError
        If images have to be resized or downloaded and scikit-image, pillow or pooch is absent.

    See Also
    --------
    fetch_pneumoniamnist : The same images at 28 x 28 pixels.
    load_image_folder : Load image files of one's own.

    Examples
    --------
    >>> from sklearn_occ.datasets import fetch_chest_xray_pneumonia
    >>> data = fetch_chest_xray_pneumonia()  # doctest: +SKIP
    >>> data.X_test.shape, int((data.y_test == 1).sum())  # doctest: +SKIP
    ((624, 100, 100), 234)
    """
    arrays, origin = _read_provided(image_size)
    if arrays is None:
        arrays = _read_mendeley(image_size, data_home=data_home, download_if_missing=download_if_missing)
        origin = f"{_ARCHIVE} of Mendeley Data, resized from full size with anti-aliasing"

    X_train, X_test, y_test = arrays
    return Bunch(
        X_train=X_train,
        X_test=X_test,
        y_test=y_test,
        image_shape=(1, image_size, image_size),
        DESCR=_DESCR.format(
            origin=origin,
            size=image_size,
            n_train=len(X_train),
            n_test=len(X_test),
            n_majority=int((y_test == 1).sum()),
            n_minority=int((y_test == -1).sum()),
        ),
    )


def _read_provided(size):
    """Return ((X_train, X_test, y_test), where they are from), or (None, None) where no file was provided."""
    path, origin = (provided_file("chestx_64.npz") if size == 64 else None), _KAGGLE_64
    if path is None:
        path, origin = provided_file("chestx_100.npz"), _KAGGLE_100
    if path is None:
        return None, None
    with np.load(path) as file:
        is_normal = file["y_train"] == 0
        X_train, X_test = file["X_train"][is_normal], file["X_test"]
        y_test = np.where(file["y_test"] == 0, 1, -1)
    if X_test.shape[1] != size:
        origin += f", resized to {size} x {size} with anti-aliasing"
        X_train, X_test = (np.stack([resize_image(image, size) for image in X]) for X in (X_train, X_test))
    return (X_train, X_test, y_test), origin


def _read_mendeley(size, *, data_home, download_if_missing):
    """Return X_train, X_test, y_test from the cache, which is filled from the archive at the first call."""
    cached = cache_folder(data_home) / f"chest_xray_mendeley_{size}.npz"
    if not cached.is_file():
        archive = fetch_file(_ARCHIVE, data_home=data_home, download_if_missing=download_if_missing)
        _save(cached, _resize_archive(archive, size))
    with np.load(cached) as file:
        return file["X_train"], file["X_test"], file["y_test"]


def _resize_archive(path, size):
    with zipfile.ZipFile(path) as archive:
        X_train, X_normal, X_pneumonia = (
            _resize_members(archive, folder, size) for folder in ("train/NORMAL", "test/NORMAL", "test/PNEUMONIA")
        )
    return {
        "X_train": X_train,
        "X_test": np.concatenate([X_normal, X_pneumonia]),
        "y_test": np.repeat([1, -1], [len(X_normal), len(X_pneumonia)]),
    }


def _resize_members(archive, folder, size):
    """Read the JPEG files of one folder of the archive, in the order of their names."""
    Image = require("PIL.Image", purpose="Reading the chest X-rays")
    prefix = f"chest_xray/{folder}/"  # a Mac's '._*.jpeg' files would lie under '__MACOSX/'
    names = sorted(n for n in archive.namelist() if n.startswith(prefix) and n.endswith(".jpeg"))
    images = np.empty((len(names), size, size), dtype=np.uint8)
    for row, name in enumerate(names):
        with Image.open(io.BytesIO(archive.read(name))) as image:
            images[row] = resize_image(np.asarray(image.convert("L")), size)  # a few of the archive are RGB
    return images


def _save(path, arrays):
    """Write an npz file in a temporary folder first, so that an interrupted call leaves no half file."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        np.savez_compressed(part, **arrays)
        part.replace(path)
