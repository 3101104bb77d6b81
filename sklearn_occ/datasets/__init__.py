"""Image data sets split for one-class classification, and a reader for folders of images."""

from ._chest_xray import fetch_chest_xray_pneumonia
from ._digits import load_one_class_digits
from ._folder import load_image_folder
from ._mnist import fetch_mnist
from ._pneumoniamnist import fetch_pneumoniamnist
from ._reading import read_image

__all__ = [
    "fetch_chest_xray_pneumonia",
    "fetch_mnist",
    "fetch_pneumoniamnist",
    "load_image_folder",
    "load_one_class_digits",
    "read_image",
]
