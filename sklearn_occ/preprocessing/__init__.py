"""Transformers that treat each image by itself, for use before any detector in a `Pipeline`."""

from ._hog import HOG
from ._image_flattener import ImageFlattener
from ._image_scaler import ImageScaler

__all__ = ["HOG", "ImageFlattener", "ImageScaler"]
