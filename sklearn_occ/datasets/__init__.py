"""Image data sets split for one-class classification, readers of image files, and outliers made of images."""

from ._chest_xray import fetch_chest_xray_pneumonia
from ._cifar10 import fetch_cifar10
from ._digits import load_one_class_digits
from ._fashion_mnist import fetch_fashion_mnist
from ._folder import load_image_folder
from ._inter_class import convert_images, inter_class_test_set
from ._lesions import plant_lesions
from ._mnist import fetch_mnist
from ._nifti import NiftiSlice, nifti_slices
from ._parallel import iter_images
from ._pneumoniamnist import fetch_pneumoniamnist
from ._reading import read_image
from ._transformations import transform_images

__all__ = [
    "NiftiSlice",
    "convert_images",
    "fetch_chest_xray_pneumonia",
    "fetch_cifar10",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "fetch_pneumoniamnist",
    "inter_class_test_set",
    "iter_images",
    "load_image_folder",
    "load_one_class_digits",
    "nifti_slices",
    "plant_lesions",
    "read_image",
    "transform_images",
]
