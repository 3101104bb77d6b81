"""A folder of image files as a one-class data set."""

import os
from functools import partial
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ._images import resize_image
from ._parallel import LEFT_OUT
from ._reading import read_header, read_image
from ._reading_ahead import Unusable, usable

_FOLDERS = ("train", "test/majority", "test/minority")

_DESCR = """\
Images of the folder {path}
Source and licence: the folder's owner knows.
Images: {shape}, {dtype}; {made}.
Counts: {n_train} training images, all majority; {n_test} test images, {n_majority} majority (label 1) and
{n_minority} minority (label -1); {n_left_out} files left out, as they could not be read.
Protocol: train/ for training; test/majority/ and test/minority/ for the test.
"""


@validate_params(
    {
        "path": [str, os.PathLike],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"raise", "skip"})],
    },
    prefer_skip_nested_validation=True,
)
def load_image_folder(path, *, image_size=None, n_jobs=None, on_error="raise"):
    """Load image files that are sorted into three folders.

    ::

        path/train/            majority images to train on
        path/test/majority/    majority images to test on
        path/test/minority/    minority images to test on

    Every file is read as :func:`read_image` reads it, in the order of the file names. All images get one
    dtype: uint8 if every file is uint8, otherwise float32 in [0, 1] (uint8 files divided by 255). Files
    whose name starts with a dot are passed over; anything else that is no image is an error. The files'
    headers are read first, then the images into the result, few of them at a time.

    Parameters
    ----------
    path : str or path-like
        The folder.
    image_size : int or None, default=None
        Side in pixels: every image is resized to ``(image_size, image_size)`` with anti-aliasing, and its
        aspect ratio is lost. None keeps the size, which must then be the same for all.
    n_jobs : int or None, default=None
        Number of threads that read and resize. None means 1, -1 as many as there are processors.
    on_error : {"raise", "skip"}, default="raise"
        What becomes of a file that cannot be read as an image. "raise" raises its error. "skip" leaves it out, and
        warns once, with the number of such files, the names of the first five and the first one's error. Size and dtype
        are those of the other files: where headers differ in them, all files are decoded twice.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        X_train : ndarray of shape (n_train, H, W) or (n_train, 3, H, W), uint8 or float32
            The images of ``train/``.
        X_test : ndarray of shape (n_test, H, W) or (n_test, 3, H, W), uint8 or float32
            The images of ``test/majority/``, then those of ``test/minority/``.
        y_test : ndarray of shape (n_test,), int
            1 majority, -1 minority.
        files_train, files_test : list of str
            The file of each row.
        files_left_out : list of str
            The files that "skip" left out.
        image_shape : tuple
            ``(1, H, W)`` or ``(3, H, W)``.
        DESCR : str
            Counts, shape and protocol.

    Raises
    ------
    FileNotFoundError
        If a sub-folder is absent.
    ValueError
        If a sub-folder is empty or holds a folder, a file is no readable image, with "skip" all files of a sub-folder
        are not, sizes differ and `image_size` is None, or grey and colour images are mixed. The message names the
        files.

    Warns
    -----
    UserWarning
        If files were left out.

    See Also
    --------
    read_image : Read one file.
    iter_images : Read files in threads, without folders.

    Examples
    --------
    >>> from sklearn_occ.datasets import load_image_folder
    >>> data = load_image_folder("my_xrays", image_size=64)  # doctest: +SKIP
    >>> data.X_train.shape, data.image_shape  # doctest: +SKIP
    ((1341, 64, 64), (1, 64, 64))
    """
    path = Path(path)
    folders = {name: _list_files(path, name) for name in _FOLDERS}
    files = [file for name in _FOLDERS for file in folders[name]]
    unusable = Unusable(on_error)
    headers = {files[index]: header for index, header in usable(read_header, files, n_jobs, unusable)}
    if on_error == "skip" and not _agree(headers, image_size):
        whole = list(headers)
        headers = {whole[index]: header for index, header in usable(_read_form, whole, n_jobs, unusable)}
    _refuse_empty(path, folders, headers, unusable)
    shape, dtype = _common_shape_and_dtype(headers, image_size)

    def read(*names):
        readable = [file for name in names for file in folders[name] if file in headers]
        return _read_all(readable, unusable, n_jobs=n_jobs, shape=shape, dtype=dtype, image_size=image_size)

    X_train, train = read("train")
    X_test, test = read("test/majority", "test/minority")
    _refuse_empty(path, folders, {*train, *test}, unusable)
    unusable.warn(LEFT_OUT, len(files))
    minority = set(folders["test/minority"])
    y_test = np.array([-1 if file in minority else 1 for file in test])
    return Bunch(
        X_train=X_train,
        X_test=X_test,
        y_test=y_test,
        files_train=[str(file) for file in train],
        files_test=[str(file) for file in test],
        files_left_out=unusable.names,
        image_shape=shape if len(shape) == 3 else (1, *shape),
        DESCR=_DESCR.format(
            path=path,
            shape=" x ".join(str(side) for side in shape),
            dtype=dtype,
            made="their own size" if image_size is None else f"resized to {image_size} x {image_size}",
            n_train=len(train),
            n_test=len(test),
            n_majority=int((y_test == 1).sum()),
            n_minority=int((y_test == -1).sum()),
            n_left_out=len(unusable.names),
        ),
    )


def _list_files(path, name):
    folder = path / name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{str(path)!r} has no sub-folder {name!r}: create the three, {', '.join(map(repr, _FOLDERS))}."
        )
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    if not files:
        raise ValueError(f"The folder {str(folder)!r} is empty: put at least one image file there.")
    for file in files:
        if file.is_dir():
            raise ValueError(f"{str(file)!r} is a folder, image files are expected: move its files one level up.")
    return files


def _refuse_empty(path, folders, readable, unusable):
    """Raise an error if no file of a folder is among those that can be read."""
    for name, files in folders.items():
        if not any(file in readable for file in files):
            first = unusable.sentences[unusable.names.index(str(files[0]))]
            raise ValueError(
                f"None of the {len(files)} files of {str(path / name)!r} can be read: put at least one image file "
                f"there. The first one's error: {first}"
            )


def _agree(headers, image_size):
    """Whether all headers ask for one result, so that no broken file among them can change it."""
    forms = {(shape if image_size is None else len(shape), dtype) for shape, dtype in headers.values()}
    return len(forms) <= 1


def _read_form(path):
    """Return what `read_header` does, of an image that can be decoded."""
    image = read_image(path)
    return image.shape, image.dtype


def _common_shape_and_dtype(headers, image_size):
    """Return the shape and dtype of one image of the result, from the headers alone."""
    first, (first_shape, _) = next(iter(headers.items()))
    for file, (shape, _) in headers.items():
        if len(shape) != len(first_shape):
            grey, colour = (first, file) if len(first_shape) == 2 else (file, first)
            raise ValueError(
                f"{str(grey)!r} is grey and {str(colour)!r} is colour: convert the images to one of the two."
            )
        if image_size is None and shape != first_shape:
            raise ValueError(
                f"{str(first)!r} has {_size(first_shape)} pixels (height x width) and {str(file)!r} has "
                f"{_size(shape)}: give image_size= to resize all images to one size."
            )
    if image_size is not None:
        first_shape = (*first_shape[:-2], image_size, image_size)
    all_uint8 = all(dtype == np.uint8 for _, dtype in headers.values())
    return first_shape, np.dtype(np.uint8 if all_uint8 else np.float32)


def _size(shape):
    return f"{shape[-2]} x {shape[-1]}"


def _read_all(files, unusable, *, n_jobs, shape, dtype, image_size):
    """Return the images that can be read in one array, and their files."""
    images, kept = np.empty((len(files), *shape), dtype=dtype), []
    read = partial(_read_as, dtype=dtype, image_size=image_size)
    for index, image in usable(read, files, n_jobs, unusable):
        images[len(kept)] = image
        kept.append(files[index])
    return images[: len(kept)], kept


def _read_as(file, *, dtype, image_size):
    image = read_image(file)
    if image.dtype != dtype:
        image = image.astype(np.float32) / 255
    return image if image_size is None else resize_image(image, image_size)
