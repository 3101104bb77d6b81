"""Whole images of any size, from arrays or files, one at a time."""

import os
import sys
import time
import warnings

import numpy as np

from ..datasets import iter_images

_FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
_NAMED = 5  # images that a warning names
_SECONDS_BETWEEN_LINES = 10


class UnusableImageError(ValueError):
    """An image that cannot be scored; the text goes on after its name."""


class Images:
    """Images to go through in order, as often as is wanted.

    Parameters
    ----------
    images : list of arrays or of paths, or array of shape (n, H, W) or (n, C, H, W)
        Arrays of shape (H, W) or (C, H, W): uint8, uint16, or floats. Paths as `sklearn_occ.datasets.read_image` takes
        them.
    n_jobs : int or None
        Threads that read files.
    on_error : {"raise", "skip"}
        What becomes of an image that cannot be read or used.
    verbose : int
        Whether `results` prints how many images are done, every 10 seconds.
    """

    def __init__(self, images, *, n_jobs, on_error, verbose=0):
        if isinstance(images, str | os.PathLike):
            raise ValueError(f"images is one path, {str(images)!r}, expected a list of them; put it in a list.")
        if hasattr(images, "detach"):  # a torch tensor
            images = images.detach().cpu().numpy()
        if isinstance(images, np.ndarray) and images.ndim not in (3, 4):
            raise ValueError(
                f"images is an array of shape {images.shape}, expected (n, H, W) or (n, C, H, W), or a list of images; "
                "put a single image in a list."
            )
        self._images = images if isinstance(images, np.ndarray) else list(images)
        if not len(self._images):
            raise ValueError("images holds 0 images (0 samples), expected at least 1; pass some.")
        self._are_files = not hasattr(self._images[0], "shape")
        self._n_jobs = n_jobs
        self._on_error = on_error
        self._verbose = verbose

    def __len__(self):
        return len(self._images)

    def take(self, rows):
        """Return some of the images."""
        images = [self._images[row] for row in rows]
        return Images(images, n_jobs=self._n_jobs, on_error=self._on_error, verbose=self._verbose)

    def name(self, index):
        """What an error or a table calls an image."""
        return str(self._images[index]) if self._are_files else f"image {index}"

    def results(self, work):
        """`work(image)` of all images in a list, as `each` gives them."""
        found, next_line = [], time.monotonic() + _SECONDS_BETWEEN_LINES
        for index, result in self.each(lambda index, image: work(image)):
            found.append(result)
            if self._verbose and time.monotonic() > next_line:
                sys.stdout.write(f"{index + 1} of {len(self)} images\n")
                next_line += _SECONDS_BETWEEN_LINES
        return found

    def each(self, work):
        """Yield `(index, work(index, image))` in order, with None for an image that cannot be used.

        `image` is float32, uint8 divided by 255 and uint16 by 65535, or float64 as it is given. With `on_error="raise"`
        the first unusable image is an error, else they are counted and named in a warning at the end.
        """
        unusable = []
        for index, image in self._read():
            found = None
            if image is not None:
                try:
                    found = work(index, self._as_float(image))
                except UnusableImageError as error:
                    sentence = f"{self.name(index)} {error}"
                    if self._on_error == "raise":
                        raise ValueError(sentence) from error
                    unusable.append(sentence)
            yield index, found
        if unusable:
            more = f" (and {len(unusable) - _NAMED} more)" if len(unusable) > _NAMED else ""
            warnings.warn(
                f"{len(unusable)} of {len(self)} images were skipped: {' '.join(unusable[:_NAMED])}{more}",
                UserWarning,
                stacklevel=5,
            )

    def _read(self):
        """Yield `(index, image)`, None for a file that cannot be read."""
        if not self._are_files:
            yield from enumerate(self._images)
            return
        n_done = 0
        for index, image in iter_images(self._images, n_jobs=self._n_jobs, on_error=self._on_error):
            yield from ((skipped, None) for skipped in range(n_done, index))
            yield index, image
            n_done = index + 1
        yield from ((skipped, None) for skipped in range(n_done, len(self)))

    def _as_float(self, image):
        image = image.detach().cpu().numpy() if hasattr(image, "detach") else np.asarray(image)
        if image.ndim not in (2, 3):
            raise UnusableImageError(f"has shape {image.shape}, expected (H, W) or (C, H, W); reshape it.")
        if image.ndim == 3 and image.shape[2] <= 4 < image.shape[0]:
            raise UnusableImageError(
                f"has shape {image.shape}, which looks like channels last, expected (C, H, W); use "
                "np.moveaxis(image, -1, 0)."
            )
        if image.dtype in _FULL_SCALE:
            return image.astype(np.float32) / np.float32(_FULL_SCALE[image.dtype])
        if image.dtype.kind != "f":
            raise UnusableImageError(
                f"has dtype {image.dtype}, expected uint8, uint16 or floats; convert it, and scale it to [0, 1]."
            )
        if not np.isfinite(image).all():
            raise UnusableImageError("holds NaN or infinite values, expected finite ones; mask or fill them.")
        return image


def n_channels_of(image):
    """Channels of an image, None for (H, W)."""
    return len(image) if image.ndim == 3 else None


def check_channels(image, n_channels):
    """Refuse an image with another number of channels than those before."""
    if n_channels_of(image) != n_channels:
        found, expected = (
            "no axis of channels" if n is None else f"{n} channels" for n in (n_channels_of(image), n_channels)
        )
        raise UnusableImageError(f"has {found}, expected {expected}, as the first image that was fitted; convert it.")
