"""Whole images of any size, from arrays or files, one at a time."""

import sys
import time
from contextlib import closing
from typing import NamedTuple

import numpy as np

from .._progress import Count
from ..base._input import as_array, looks_channels_last
from ..datasets import read_image
from ..datasets._reading import FILE_TYPES
from ..datasets._reading_ahead import Unusable, ahead

_FULL_SCALE = {"uint8": 255, "uint16": 65535}
_SECONDS_BETWEEN_LINES = 10


class UnusableImageError(ValueError):
    """An image that cannot be scored; the text goes on after its name."""


class Kind(NamedTuple):
    """What images have in common: number of channels (1 for (H, W)), whole numbers or floats, values above 1."""

    n_channels: int
    is_whole: bool
    above_one: bool


class Images:
    """Images to go through in order, as often as is wanted.

    Parameters
    ----------
    images : iterable of arrays or of paths, or array of shape (n, H, W) or (n, C, H, W)
        Arrays of shape (H, W) or (C, H, W): uint8, uint16, or floats. Paths and slices as
        `sklearn_occ.datasets.read_image` takes them.
    n_jobs : int or None
        Threads that read files.
    on_error : {"raise", "skip"}
        What becomes of an image that cannot be read or used.
    verbose : int or "auto"
        Whether how many images are done is printed, every 10 seconds; "auto" shows it on a line of a terminal.
    kind : Kind, default=None
        What the images have to be; None is as the first.
    """

    def __init__(self, images, *, n_jobs, on_error, verbose=0, kind=None):
        if isinstance(images, FILE_TYPES):
            raise ValueError(f"images is one file, {str(images)!r}, expected a list of them; put it in a list.")
        if hasattr(images, "detach"):  # a torch tensor
            images = as_array(images)
        if isinstance(images, np.ndarray) and images.ndim not in (1, 3, 4):
            raise ValueError(
                f"images is an array of shape {images.shape}, expected (n, H, W) or (n, C, H, W), or a list of images; "
                "put a single image in a list."
            )
        self._images = images if isinstance(images, np.ndarray) and images.ndim > 1 else list(images)
        if not len(self._images):
            raise ValueError("images holds 0 images (0 samples), expected at least 1; pass some.")
        self._options = {"n_jobs": n_jobs, "on_error": on_error, "verbose": verbose}
        self._numbers = range(len(self._images))  # by which images that are no files are called
        self.kind = kind

    def __len__(self):
        return len(self._images)

    def take(self, rows):
        """Return some of the images, which keep their names."""
        taken = Images([self._images[row] for row in rows], kind=self.kind, **self._options)
        taken._numbers = [self._numbers[row] for row in rows]
        return taken

    def keep(self, rows):
        """Drop all images but some."""
        kept = self.take(rows)
        self._images, self._numbers = kept._images, kept._numbers

    def name(self, index):
        """What an error or a table calls an image."""
        image = self._images[index]
        return str(image) if isinstance(image, FILE_TYPES) else f"image {self._numbers[index]}"

    def results(self, work):
        """`work(image)` of all images in a list, as `each` gives them."""
        return [result for _, result in self.each(lambda index, image: work(image))]

    def each(self, work):
        """Yield `(index, work(index, image))` in order, with None for an image that cannot be used.

        `image` is float32 of shape (H, W), or (C, H, W) of several channels, uint8 divided by 255 and uint16 by 65535.
        With `on_error="raise"` the first unusable image is an error, else they are counted and named in a warning at
        the end.
        """
        unusable = Unusable(self._options["on_error"])
        verbose, next_line = self._options["verbose"], time.monotonic() + _SECONDS_BETWEEN_LINES
        count = Count("{done} of {total} images", len(self), verbose)
        with count, closing(ahead(_read, self._images, self._options["n_jobs"])) as images:
            for index, image in enumerate(images):
                found = failure = None
                try:
                    pixels, kind = self._checked(image())
                    found = work(index, pixels)
                    self.kind = self.kind or kind  # that of the first image that can be used
                except UnusableImageError as error:
                    failure = ValueError(f"{self.name(index)} {error}")
                except _UnreadableError as error:
                    failure = error.__cause__
                if failure is not None:
                    unusable.add(self.name(index), failure)
                count.show(index + 1)
                if verbose not in (0, "auto") and time.monotonic() > next_line:
                    sys.stdout.write(f"{index + 1} of {len(self)} images\n")
                    next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
                yield index, found
        unusable.warn("{n} of {total} images were skipped: {sentences}", len(self))

    def _checked(self, image):
        """The image as float32, and its kind, if it is the one expected."""
        if not image.size:
            raise UnusableImageError(f"has shape {image.shape}, expected at least one pixel; leave it out.")
        if image.ndim not in (2, 3):
            raise UnusableImageError(f"has shape {image.shape}, expected (H, W) or (C, H, W); reshape it.")
        if looks_channels_last(image.shape):
            raise UnusableImageError(
                f"has shape {image.shape}, which looks like channels last, expected (C, H, W); use "
                "np.moveaxis(image, -1, 0)."
            )
        is_whole = image.dtype.name in _FULL_SCALE
        if not is_whole and image.dtype.kind != "f":
            raise UnusableImageError(
                f"has dtype {image.dtype}, expected uint8, uint16 or floats; convert it, and scale it to [0, 1]."
            )
        with np.errstate(over="ignore"):
            floats = image.astype(np.float32, copy=False)
        if is_whole:
            floats = floats / np.float32(_FULL_SCALE[image.dtype.name])
        if not np.isfinite(floats).all():
            raise UnusableImageError("holds NaN, infinite values or some beyond float32; mask or scale them.")
        if floats.ndim == 3 and len(floats) == 1:
            floats = floats[0]
        kind = Kind(len(floats) if floats.ndim == 3 else 1, is_whole, bool(floats.max() > 1))
        if self.kind is not None:
            self._compare(kind)
        return floats, kind

    def _compare(self, kind):
        if kind.n_channels != self.kind.n_channels:
            raise UnusableImageError(
                f"has {kind.n_channels} channels, expected {self.kind.n_channels}, as the first image that was fitted; "
                "convert it."
            )
        if self.kind.is_whole and kind.above_one:
            raise UnusableImageError(
                "holds floats above 1, but the first image that was fitted held whole numbers, read as shares of the "
                "largest; pass it as such, or divide it."
            )
        if self.kind.above_one and kind.is_whole:
            raise UnusableImageError(
                "holds whole numbers, read as shares of the largest, but the first image that was fitted held floats "
                "above 1; pass it in that range."
            )


class _UnreadableError(Exception):
    """A file that cannot be read; its cause says which and why."""


def _read(image):
    if isinstance(image, FILE_TYPES):
        try:
            return read_image(image)
        except (ValueError, OSError) as error:
            raise _UnreadableError(str(error)) from error
    return as_array(image) if hasattr(image, "detach") else np.asarray(image)
