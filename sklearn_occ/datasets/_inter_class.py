"""Images of another data set as outliers: brought to the channels, size and dtype of the majority's."""

import numpy as np
from sklearn.utils._param_validation import validate_params

from ..base._input import as_array, as_float
from ._images import refuse_channels_last, refuse_outside_unit_range, resize_image

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in pillow, with which files are read


@validate_params({"images": ["array-like"], "like": ["array-like"]}, prefer_skip_nested_validation=True)
def convert_images(images, like):
    """Bring images of one data set to the channels, size and dtype of another.

    ::

        grey to C channels   each channel is the image
        colour to grey       0.299 red + 0.587 green + 0.114 blue
        size                 bilinear, after a Gaussian blur where it shrinks; sides are stretched apart, nothing is cut
        uint8 to float       value / 255
        float to uint8       255 value, rounded

    Nothing is learned from the values of either: contrasts stay as they are. Floats beside floats keep their scale;
    where `like` lies in [0, 1] they must too, as another scale would set them apart by itself.

    Parameters
    ----------
    images : array-like of shape (n, H, W) or (n, C, H, W), or list of n images
        Values of uint8, or float; the images of a list may differ in size, channels and dtype.
    like : array-like of shape (m, H, W) or (m, C, H, W)
        Values of uint8, or float.

    Returns
    -------
    converted : ndarray of shape (n, H, W) or (n, C, H, W)
        In the shape and dtype of the images of `like`.

    Raises
    ------
    ValueError
        If an array holds no images, NaN or infinity, channels are neither equal nor grey or colour, of uint8 and float
        the floats lie outside [0, 1] (images that were standardised have lost the scale: convert before), or floats do
        beside a `like` within it.
    ImportError
        If sizes differ and scikit-image is absent.

    See Also
    --------
    inter_class_test_set : Test set of images and converted ones.
    sklearn_occ.preprocessing.ImageScaler : Normalise the contrast of each image.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_occ.datasets import convert_images
    >>> grey = np.full((2, 28, 28), 102, dtype=np.uint8)
    >>> colour = np.zeros((5, 3, 28, 28), dtype=np.float32)
    >>> converted = convert_images(grey, colour)
    >>> converted.shape, converted.dtype, round(float(converted.max()), 3)
    ((2, 3, 28, 28), dtype('float32'), 0.4)
    """
    like = as_array(like)
    if like.ndim not in (3, 4) or not len(like):
        raise ValueError(
            f"like has shape {like.shape}, expected images (m, H, W) or (m, C, H, W): give images that the detector "
            "takes."
        )
    _check_image(like[0], "like[0]")
    if not len(images):
        raise ValueError("images is empty, and there is nothing to convert: give at least one image.")
    _refuse_not_finite(like, "like")
    if like.dtype != np.uint8 and any(as_array(image).dtype == np.uint8 for image in images):
        refuse_outside_unit_range(like, "like", "convert images before they are standardised")
    like_in_unit_range = like.dtype == np.uint8 or (like.min() >= 0 and like.max() <= 1)
    converted = np.empty((len(images), *like.shape[1:]), like.dtype)
    for i in range(len(images)):
        image, name = as_array(images[i]), f"images[{i}]"
        _check_image(image, name)
        _refuse_not_finite(image, name)
        if image.dtype != np.uint8 and like_in_unit_range:
            remedy = "divide by the range of images, and convert before they are standardised"
            refuse_outside_unit_range(image, name, remedy)
        value = _with_channels(as_float(image).astype(np.float64), like.shape[1:-2], name)
        value = resize_image(value, like.shape[-2:])
        converted[i] = np.rint(255 * value) if like.dtype == np.uint8 else value
    return converted


@validate_params({"X_majority": ["array-like"], "images": ["array-like"]}, prefer_skip_nested_validation=True)
def inter_class_test_set(X_majority, images):
    """Make a test set whose outliers are images of another data set (inter-class outliers).

    They differ from the majority by more than disease: by organ, device, or as photographs do. Resizing makes images
    smoother, which detectors that score by reconstruction error take for normal: take a data set whose images are at
    least as large as the majority's, and resize the majority itself in the same way where it can be.

    Parameters
    ----------
    X_majority : array-like of shape (n, H, W) or (n, C, H, W)
        Majority images that were not trained on, such as ``X_test[y_test == 1]`` of `one_vs_rest_split`.
    images : array-like of shape (m, H, W) or (m, C, H, W), or list of m images
        Images of the other data set, converted as `convert_images` does.

    Returns
    -------
    X_test : ndarray of shape (n + m, H, W) or (n + m, C, H, W)
        The majority first, in its shape and dtype.
    y_test : ndarray of shape (n + m,), int
        1 for the majority, -1 for the other images.

    Raises
    ------
    ValueError, ImportError
        As `convert_images` does.

    See Also
    --------
    convert_images : The conversion.
    sklearn_occ.model_selection.one_vs_rest_split : Test set whose outliers are of the same source.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), section 4.2.3 and
    table 4.8.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_occ.datasets import inter_class_test_set, load_one_class_digits
    >>> digits = load_one_class_digits(majority=0, test_size=0.2)
    >>> photographs = np.random.default_rng(0).integers(0, 256, (50, 3, 32, 40), dtype=np.uint8)
    >>> X_test, y_test = inter_class_test_set(digits.X_test[digits.y_test == 1], photographs)
    >>> X_test.shape, X_test.dtype, int((y_test == -1).sum())
    ((86, 8, 8), dtype('float32'), 50)
    """
    X_majority = as_array(X_majority)
    outliers = convert_images(images, X_majority)
    return np.concatenate([X_majority, outliers]), np.repeat([1, -1], [len(X_majority), len(outliers)])


def _check_image(image, name):
    if image.ndim not in (2, 3):
        raise ValueError(f"{name} has shape {image.shape}, expected (H, W) or (C, H, W): give an array or list.")
    refuse_channels_last(image.shape, name)
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise ValueError(
            f"{name} is {image.dtype}, expected uint8 or float, whose scale is known: convert it, e.g. to float in "
            "[0, 1] by dividing by the largest value that its device gives."
        )


def _refuse_not_finite(images, name):
    if images.dtype != np.uint8 and not np.isfinite(images).all():
        raise ValueError(
            f"{name} holds NaN or infinity, expected finite values: replace them, or leave such images out."
        )


def _with_channels(image, channels, name):
    """The image with `channels`: (), of an image of two axes, or (C,)."""
    planes = image.reshape(-1, *image.shape[-2:])
    given, wanted = len(planes), channels[0] if channels else 1
    if given == 3 and wanted == 1:
        planes = np.tensordot(_LUMA, planes, 1)[np.newaxis]
    elif given not in (1, wanted):
        raise ValueError(
            f"{name} has {given} channels, but {wanted} are wanted: only grey images gain channels, only colour images "
            "(3) become grey; choose the channels yourself."
        )
    return np.broadcast_to(planes, (wanted, *image.shape[-2:])).reshape(*channels, *image.shape[-2:])
