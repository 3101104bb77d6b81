"""Image files read in threads, a few ahead of where they are used."""

from collections.abc import Iterable
from numbers import Integral

from sklearn.utils._param_validation import StrOptions, validate_params

from ._reading import FILE_TYPES, read_image
from ._reading_ahead import Unusable, usable

LEFT_OUT = "{n} of {total} files could not be read and were left out: {names}. The first one's error: {first}"


@validate_params(
    {
        "paths": [Iterable],
        "n_jobs": [Integral, None],
        "on_error": [StrOptions({"raise", "skip"})],
    },
    prefer_skip_nested_validation=True,
)
def iter_images(paths, *, n_jobs=None, on_error="raise"):
    """Read image files in threads and yield them in their order.

    Every file is read as :func:`read_image` reads it. The threads read ahead: while one image is used, at most
    ``2 * n_jobs`` more are in memory, however many files there are. They end with the generator, also when it is
    closed or left before its end. Images may differ in size.

    Parameters
    ----------
    paths : iterable of str, path-like or NiftiSlice
        The files.
    n_jobs : int or None, default=None
        Number of threads. None means 1, -1 as many as there are processors.
    on_error : {"raise", "skip"}, default="raise"
        What becomes of a file that is absent or cannot be read. "raise" raises its error in its turn. "skip" goes on
        with the next, and warns once, at the end or when the generator is closed, with the number of such files, the
        names of the first five and the first one's error.

    Yields
    ------
    index : int
        Place in `paths`; "skip" leaves those of unreadable files out.
    image : ndarray of shape (H, W) or (3, H, W), uint8 or float32
        The image.

    Raises
    ------
    ValueError
        If `paths` is one path or holds something else than paths, at once; if a file cannot be read.
    OSError
        If a file cannot be opened, such as FileNotFoundError.
    ImportError
        If a package that a file needs is absent, whatever `on_error`.

    Warns
    -----
    UserWarning
        If files were skipped.

    See Also
    --------
    read_image : Read one file.
    load_image_folder : Load folders of files into arrays.

    Notes
    -----
    The decoders of PNG, JPEG and TIFF run side by side. Those of JPEG 2000 and lossless JPEG in DICOM files hold
    Python's lock, so that threads save them only the waiting for the disk.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from PIL import Image
    >>> from sklearn_occ.datasets import iter_images
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for level in (10, 20):
    ...     Image.new("L", (4, 2), color=level).save(folder / f"{level}.png")
    >>> [(index, int(image.max())) for index, image in iter_images(sorted(folder.iterdir()), n_jobs=2)]
    [(0, 10), (1, 20)]
    """
    if isinstance(paths, FILE_TYPES):
        raise ValueError(f"paths={str(paths)!r} is one path, an iterable of paths is expected: put it in a list.")
    paths = list(paths)
    for index, path in enumerate(paths):
        if not isinstance(path, FILE_TYPES):
            raise ValueError(f"paths[{index}] is of type {type(path).__name__}, a path or a NiftiSlice is expected.")
    return _images(paths, n_jobs, on_error)


def _images(paths, n_jobs, on_error):
    unusable = Unusable(on_error)
    try:
        yield from usable(read_image, paths, n_jobs, unusable)
    finally:
        unusable.warn(LEFT_OUT, len(paths))
