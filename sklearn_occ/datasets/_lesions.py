"""Lesions with known masks, planted into real images."""

from numbers import Integral, Real

import numpy as np
from scipy import ndimage
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ..preprocessing._tissue import brighter_part
from ._images import refuse_outside_unit_range
from ._lesion_shapes import SMALLEST, blob, patch, spots

_SHAPES = {"microcalcifications": spots, "blurred": blob, "texture": patch}
_JUST_SEEN = {"microcalcifications": 5.0, "blurred": 4.0, "texture": 0.8}
_GAP = 2  # pixels between the discs of two lesions, so that their masks never touch
_MAD_TO_STD = 1.4826  # of a normal distribution


@validate_params(
    {
        "images": ["array-like"],
        "kind": [StrOptions(set(_SHAPES))],
        "contrast": [Interval(Real, None, None, closed="neither"), None],
        "size": [Interval(Integral, SMALLEST, None, closed="left"), tuple, None],
        "n_lesions": [Interval(Integral, 0, None, closed="left"), tuple],
        "detail": [Interval(Real, 0, None, closed="neither"), None],
        "foreground": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def plant_lesions(images, *, kind, contrast=None, size=None, n_lesions=1, detail=None, foreground=None, random_state=0):
    r"""Plant lesions of known place, size and contrast into images, and return them with their masks.

    ::

        r      = x - G x                             detail of the image x, G a Gaussian blur of `detail` pixels
        sigma  = 1.4826 median|r - median(r)|        noise, over the foreground in a square of 2 size + 1 pixels
                                                     around the lesion's centre, in the image as it came

        "microcalcifications"   x + contrast sigma p     p: 5 to 12 small spots in a disc of `size` pixels across
        "blurred"               x + contrast sigma p     p: one uneven blob with a soft edge, like a mass
        "texture"               x - contrast r p         p: an uneven patch, whose detail is smoothed away

    with `p` between 0 and 1. So `contrast` is in standard deviations of the local noise: the height of the highest
    spot or of the blob, or the share of its detail that a patch loses. `p` is ended where it falls to a tenth.
    Values are clipped at the range of the dtype (at [0, 1] for floats) and rounded for integers. The mask is where
    the image differs afterwards: where `p` is above a tenth, less the pixels that clipping or rounding leaves as they
    were. So in saturated places a lesion is fainter and smaller, and one that changes nothing is an error.

    A spot is an elongated Gaussian of height 0.5 to 1 with standard deviations of 1 to 3 pixels, at most a
    16th of `size` where that is more than 1.

    Parameters
    ----------
    images : array-like of shape (n, H, W), or list of n array-likes of shapes (H, W)
        Values of uint8, uint16, or float in [0, 1]. The images of a list may differ in size. They are not changed.
    kind : {"microcalcifications", "blurred", "texture"}
        What is planted. Spots of one cluster are regions of their own in the mask where they do not touch.
    contrast : float, default=None
        See the formula. Negative values make spots and blobs darker than what surrounds them; for "texture" it
        is in (0, 1]. None takes what was just visible at most places of chest X-rays of 100 pixels, enlarged
        four times, and of a photograph of a retina of 1411 pixels, with the other defaults: 5 for
        "microcalcifications", 4 for "blurred", 0.8 for "texture". On the retina spots were fainter and patches
        plainer than on the X-rays.
    size : int or tuple (lowest, highest), default=None
        Diameter in pixels of the disc that holds a lesion, at least 8; of a range, drawn for each lesion, and
        no larger than what the foreground has room for. None is a tenth to a fifth of the image's shorter
        side.
    n_lesions : int or tuple (lowest, highest), default=1
        Lesions in an image; of a range, drawn for each image. They do not touch.
    detail : float, default=None
        Standard deviation in pixels of the blur that separates an image from its detail. None is a hundredth of
        the image's shorter side, at least 2.
    foreground : array-like of shape (n, H, W), or list of n array-likes of shapes (H, W), default=None
        Where there is tissue, bool: lesions lie within it as a whole. None takes the pixels of the blurred
        image that are brighter than halfway between its darkest value and Otsu's threshold, and the holes
        among them: Otsu's own threshold would leave out the lungs of a chest X-ray. It needs scikit-image.
    random_state : int, RandomState instance or None, default=0
        Decides place, size and shape. With an int, what an image gets depends only on the image, its index
        and the parameters, not on the other images, and neither place nor `p` depends on `contrast`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        What was made.

        images : ndarray of shape (n, H, W), or list of n ndarrays of shapes (H, W)
            A copy with the lesions, in the dtype of `images`.
        masks : ndarray of shape (n, H, W), or list of n ndarrays of shapes (H, W), bool
            True where a lesion changed the image.
        lesions : list of n lists of :class:`~sklearn.utils.Bunch`
            row, column (of the centre), size and noise (`sigma`, in the unit of the image) of each lesion.

    Raises
    ------
    ValueError
        If images are not of the shapes, dtypes and ranges above, the foreground has no room for the lesions,
        there is no noise to measure the contrast by, a lesion changes no pixel, or a parameter is out of its range.
    ImportError
        If `foreground` is None and scikit-image is absent.

    See Also
    --------
    transform_images : Change whole images.
    sklearn_occ.metrics.aupro_score : Figure of maps against the masks.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_occ.datasets import plant_lesions
    >>> images = np.random.default_rng(0).normal(0.5, 0.02, (3, 64, 64)).clip(0, 1)
    >>> data = plant_lesions(images, kind="blurred", size=20, foreground=np.ones_like(images, dtype=bool))
    >>> np.array_equal(data.images != images, data.masks), data.lesions[0][0].size
    (True, 20)
    """
    contrast = _checked_contrast(contrast, kind)
    counts = _checked_range(n_lesions, "n_lesions", 0)
    sizes = None if size is None else _checked_range(size, "size", SMALLEST)
    if not len(images):
        raise ValueError("images is empty, and there is nothing to plant lesions into: give at least one image.")
    if foreground is not None and len(foreground) != len(images):
        raise ValueError(f"foreground holds {len(foreground)} masks but there are {len(images)} images: give each one.")
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)

    planted, masks, lesions = [], [], []
    for i in range(len(images)):
        image = _checked_image(np.asarray(images[i]), i)
        blur = detail or max(2, min(image.shape) / 100)
        smooth = ndimage.gaussian_filter(image.astype(np.float64), blur)
        if foreground is None:
            tissue = brighter_part(smooth, purpose="plant_lesions without foreground")
        else:
            tissue = _checked_foreground(foreground[i], image.shape, i)
        rng = np.random.default_rng((seed, i))
        places = _draw_places(tissue, sizes or _default_sizes(image.shape), counts, rng, i)
        for place in places:
            place.noise = _local_noise(image - smooth, tissue, place, i)
        result, mask = _plant(image, smooth, places, i, kind=kind, contrast=contrast, rng=rng)
        planted.append(result)
        masks.append(mask)
        lesions.append(places)
    if not isinstance(images, list | tuple):
        planted, masks = np.stack(planted), np.stack(masks)
    return Bunch(images=planted, masks=masks, lesions=lesions)


def _plant(image, smooth, places, i, *, kind, contrast, rng):
    """A copy of `image` with a lesion at each place, and their mask."""
    is_float = image.dtype.kind == "f"
    highest = 1 if is_float else np.iinfo(image.dtype).max
    result, mask = image.copy(), np.zeros(image.shape, dtype=bool)
    for place in places:
        profile = _SHAPES[kind](place.size, rng)
        box, within = _box(place, place.size // 2), profile > 0
        change = contrast * profile * (smooth[box] - image[box] if kind == "texture" else place.noise)
        value = np.clip(image[box] + change, 0, highest)
        result[box][within] = (value if is_float else np.rint(value))[within]
        changed = within & (result[box] != image[box])
        if not changed.any():
            raise ValueError(
                f"images[{i}] is the same after contrast={contrast:g}, with a noise of {place.noise:.3g} around row "
                f"{place.row}, column {place.column}: clipping and rounding to {image.dtype} undo it. Raise contrast, "
                "turn its sign, or leave saturated places out of foreground."
            )
        mask[box] |= changed
    return result, mask


def _draw_places(tissue, sizes, counts, rng, i):
    """Centres and sizes of discs that lie in `tissue` and do not touch."""
    places, free = [], np.pad(tissue, 1)  # the frame keeps discs inside the image
    for _ in range(rng.integers(counts[0], counts[1] + 1)):
        room = ndimage.distance_transform_edt(free)[1:-1, 1:-1]  # to the nearest pixel that is not free
        largest = min(sizes[1], int(np.ceil(2 * room.max())) - 1)
        if largest < sizes[0]:
            raise ValueError(
                f"images[{i}] of shape {tissue.shape} has no room for lesion {len(places) + 1} of {sizes[0]} pixels: "
                f"the largest free disc in its foreground ({tissue.mean():.0%} of the image) is {max(largest, 0)} "
                "pixels across; lower size or n_lesions, or give another foreground."
            )
        size = int(rng.integers(sizes[0], largest + 1))
        row, column = rng.choice(np.argwhere(room > size / 2)).tolist()
        places.append(Bunch(row=row, column=column, size=size))
        apart = np.hypot(*np.ogrid[-row - 1 : len(free) - row - 1, -column - 1 : free.shape[1] - column - 1])
        free &= apart > size / 2 + _GAP
    return places


def _local_noise(residual, tissue, place, i):
    box = _box(place, place.size)
    values = residual[box][tissue[box]]
    noise = _MAD_TO_STD * np.median(np.abs(values - np.median(values)))
    if noise == 0:
        raise ValueError(
            f"images[{i}] has no noise around row {place.row}, column {place.column} to measure the contrast by "
            "(median absolute deviation 0): give a foreground without flat areas."
        )
    return float(noise)


def _box(place, reach):
    """Rows and columns up to `reach` from the centre, cut at the first ones; slices end at the last by themselves."""
    return tuple(slice(max(0, centre - reach), centre + reach + 1) for centre in (place.row, place.column))


def _default_sizes(shape):
    return max(SMALLEST, min(shape) // 10), max(SMALLEST, min(shape) // 5)


def _checked_contrast(contrast, kind):
    if contrast is None:
        return _JUST_SEEN[kind]
    if kind == "texture" and not 0 < contrast <= 1:
        raise ValueError(
            f"contrast of 'texture' is the share of detail that is lost, in (0, 1], got {contrast}: 1 removes all."
        )
    if contrast == 0:
        raise ValueError("contrast is 0, which plants nothing: give standard deviations of the local noise, e.g. 3.")
    return contrast


def _checked_range(value, name, least):
    pair = value if isinstance(value, tuple) else (value, value)
    if not (len(pair) == 2 and all(isinstance(end, Integral) for end in pair) and least <= pair[0] <= pair[1]):
        raise ValueError(
            f"{name} must be a whole number or a pair (lowest, highest) of them, at least {least}, got {value!r}."
        )
    return pair


def _checked_image(image, i):
    if image.ndim != 2:
        raise ValueError(
            f"images[{i}] must be one image of shape (H, W), got shape {image.shape}: give an array (n, H, W) or a "
            "list of 2-D arrays."
        )
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind != "f":
        raise ValueError(f"images[{i}] must be uint8, uint16 or float in [0, 1], got {image.dtype}: convert it.")
    refuse_outside_unit_range(image, f"images[{i}]", "divide by its range")
    return image


def _checked_foreground(foreground, shape, i):
    foreground = np.asarray(foreground)
    if foreground.shape != shape or foreground.dtype != bool:
        raise ValueError(
            f"foreground[{i}] must be bool of shape {shape} as its image, got {foreground.dtype} of shape "
            f"{foreground.shape}: give one mask for each image, e.g. image > 0."
        )
    return foreground
