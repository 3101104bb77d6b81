"""What may come in as `X`: a table or images."""

from numbers import Integral, Real

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import validate_data

MAX_CHANNELS_LAST = 4  # a last axis this short, behind a longer second one, is a channel axis


class ImageInputMixin:
    """Reads `X` into `(n, d)` or `(n, C, H, W)` and remembers what was fitted.

    The estimator has a parameter `image_shape`, and a `FitState` of its own when it is fitted. Fitting sets
    `n_features_in_`, `feature_names_in_` (data frames) and `image_shape_`, `(C, H, W)` or None for a table.
    """

    def _read_X(self, X, *, reset):
        """Validate `X`; `reset` is True when fitting. Floats keep their precision, images of uint8 their bytes."""
        X = as_array(X)
        given = _shape_of_images(X, type(self).__name__)
        wanted = _three_axes(self._image_shape_asked_for()) if reset else self.image_shape_
        if given is None and wanted is not None and X.ndim == 2:
            given = wanted if X.shape[1] == np.prod(wanted) else None
            if given is None and reset:
                raise ValueError(
                    f"X has {X.shape[1]} columns, but image_shape={self.image_shape or wanted} needs "
                    f"{np.prod(wanted)}; set image_shape to the shape of one image, channels first."
                )
        if given is not None and given != wanted and not (reset and wanted is None):
            fitted = "a table" if wanted is None else f"images of shape {wanted}"
            source = "image_shape asks for" if reset else f"{type(self).__name__} was fitted on"
            raise ValueError(
                f"X holds images of shape {given} (channels, height, width), but {source} {fitted}; "
                "resize or reshape X, or fit again."
            )
        flat = X if X.ndim <= 2 else X.reshape(len(X), int(np.prod(X.shape[1:])))
        dtypes = [np.float64, np.float32] if given is None else [np.float64, np.float32, np.uint8]
        flat = validate_data(self, flat, reset=reset, dtype=dtypes, ensure_min_samples=2 if reset else 1)
        if reset:
            self.image_shape_ = given
            self._fit_state.row_shape = X.shape[1:]
        else:
            self._check_range(flat)
        return flat if given is None else flat.reshape(-1, *given)

    def _image_shape_asked_for(self):
        return self.image_shape

    def _remember_range(self, X):
        """Keep what `_check_range` compares with, and the range of values; called with the rows that are fitted."""
        state = self._fit_state
        state.is_uint8 = X.dtype == np.uint8
        smallest, largest = (0.0, 1.0) if state.is_uint8 else (float(X.min()), float(X.max()))
        state.above_one = largest > 1
        state.value_range = 1.0 if 0 <= smallest <= largest <= 1 else largest - smallest

    def _check_range(self, X):
        if self.image_shape_ is None or self._fit_state.is_uint8 == (X.dtype == np.uint8):
            return
        name = type(self).__name__
        if self._fit_state.is_uint8 and X.max() > 1:
            raise ValueError(
                f"{name} was fitted on uint8 images, read as [0, 1], but X holds {X.dtype} values up to {X.max():g}; "
                "pass uint8 images or divide X by 255."
            )
        if self._fit_state.above_one:
            raise ValueError(
                f"{name} was fitted on float images with values above 1, but X is uint8, which is read as "
                "[0, 1]; pass X in the dtype and range of the fitted images."
            )


def as_taken_by(estimator, X):
    """Images as they are where the package's own estimators come first, flattened floats for others."""
    first = estimator
    while not _reads_images(first):
        if isinstance(first, Pipeline):
            first = _first_step(first)
        elif getattr(first, "estimator", None) is not None:
            first = first.estimator
        else:
            return as_float(X).reshape(len(X), -1)
    return X


def image_shape_within(estimator):
    """`image_shape` of an estimator or of the one that it wraps, None where neither has one."""
    while estimator is not None and not _takes_no_tables(estimator):
        name = "image_shape_" if isinstance(estimator, FrozenEstimator) else "image_shape"
        if (shape := getattr(estimator, name, None)) is not None:
            return shape
        estimator = getattr(estimator, "estimator", None)
    return None


def _reads_images(estimator):
    return isinstance(estimator, ImageInputMixin) or _takes_no_tables(estimator)


def _takes_no_tables(estimator):
    """Whether its tags say so, as those of `PatchDetector`, whose images, unlike its patches, differ in shape."""
    return hasattr(estimator, "__sklearn_tags__") and not get_tags(estimator).input_tags.two_d_array


def _first_step(pipeline):
    """The first step that does something."""
    return next((step for _, step in pipeline.steps if step is not None and step != "passthrough"), None)


def as_float(X):
    """Images of uint8 divided by 255 as float32; any other array as it is."""
    return X.astype(np.float32) / np.float32(255) if X.dtype == np.uint8 else X


def float_dtype(X):
    """Precision of what is computed from `X`: float32 for uint8."""
    return np.float32 if X.dtype == np.uint8 else X.dtype


def as_array(X):
    if hasattr(X, "detach"):  # a torch tensor, on any device
        X = X.detach().cpu()
        return (X.float() if "bfloat16" in str(X.dtype) else X).numpy()
    if hasattr(X, "ndim"):  # arrays, memory maps, data frames, sparse matrices
        return X
    if isinstance(X, list | tuple):
        X = [as_array(row) if hasattr(row, "detach") else row for row in X]
    try:
        return np.asarray(X)
    except ValueError as error:
        raise ValueError(
            "X is a list whose items differ in shape, expected one array; bring all images to one size."
        ) from error


def looks_channels_last(shape):
    """Whether the shape of one image, of three axes, is taken for (H, W, C)."""
    return len(shape) == 3 and shape[2] <= MAX_CHANNELS_LAST < shape[0]


def pair_of_sides(size, name):
    """`(height, width)` from a parameter of that name: one whole number, or two."""
    pair = (size, size) if isinstance(size, Integral) else tuple(size)
    if len(pair) != 2 or any(not isinstance(side, Integral) or side < 1 for side in pair):
        raise ValueError(f"{name}={size}, expected a positive int or a pair of them, (rows, columns).")
    return tuple(int(side) for side in pair)


def checked_value_range(value_range):
    """`(low, high)` as floats; a ValueError where these are not two finite numbers, the lower one first."""
    ends = tuple(value_range)
    if len(ends) != 2 or not all(isinstance(end, Real) and np.isfinite(end) for end in ends) or not ends[0] < ends[1]:
        raise ValueError(f"value_range={value_range!r}, expected two finite numbers, the lower one first.")
    return float(ends[0]), float(ends[1])


def _three_axes(shape):
    if shape is None:
        return None
    shape = tuple(shape)
    if len(shape) not in (2, 3) or not all(isinstance(side, Integral) and side > 0 for side in shape):
        raise ValueError(
            f"image_shape={shape}, expected (height, width) or (channels, height, width), whole numbers; "
            "give one of them."
        )
    if looks_channels_last(shape):
        raise ValueError(
            f"image_shape={shape} looks like channels last, expected (channels, height, width); move the axis of the "
            "images with np.moveaxis(X, -1, 1) before they are flattened."
        )
    shape = tuple(int(side) for side in shape)
    return shape if len(shape) == 3 else (1, *shape)


def _shape_of_images(X, name):
    """`(C, H, W)` of an array with three or four axes, None for fewer."""
    if X.ndim > 4:
        raise ValueError(
            f"X has {X.ndim} axes, but {name} takes a table (n, d) or images (n, H, W) or (n, C, H, W); reshape X."
        )
    if looks_channels_last(X.shape[1:]):
        raise ValueError(
            f"X has shape {X.shape}, which looks like channels last, but {name} takes images channels first; "
            "use np.moveaxis(X, -1, 1)."
        )
    if X.ndim == 4:
        return tuple(X.shape[1:])
    return (1, *X.shape[1:]) if X.ndim == 3 else None
