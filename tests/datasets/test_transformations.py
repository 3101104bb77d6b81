"""transform_images: what each change is, what it leaves, seeds, ranges."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import resize

from sklearn_occ.datasets import load_one_class_digits, transform_images

KINDS = ["cut", "crop", "noise", "blur"]


@pytest.fixture
def images(rng):
    return 0.2 + 0.6 * rng.random((6, 2, 20, 30))


@pytest.mark.parametrize(("strength", "sides"), [(None, (6, 9)), (0.5, (10, 15)), (1.0, (20, 30)), (0.001, (1, 1))])
def test_cut_is_a_black_rectangle(images, strength, sides):
    found = transform_images(images, kind="cut", strength=strength)
    changed = found != images
    assert (found[changed] == 0).all()
    for mask in changed:
        rows, columns = np.nonzero(mask.any((0, 2)))[0], np.nonzero(mask.any((0, 1)))[0]
        assert (len(rows), len(columns)) == (np.ptp(rows) + 1, np.ptp(columns) + 1) == sides
        assert mask.sum() == 2 * sides[0] * sides[1]  # in both channels
    if strength != 1:
        assert len({mask.tobytes() for mask in changed}) > 1


def test_rectangles_reach_every_place():
    hit = (transform_images(np.ones((400, 8, 8)), kind="cut", strength=0.25) == 0).sum(0)
    assert hit.min() > 0
    assert hit[3, 3] > hit[0, 0]


def test_crop_enlarges_one_window(images):
    found = transform_images(images, kind="crop", strength=0.4)
    assert found.shape == images.shape
    for before, after in zip(images, found, strict=True):
        windows = [
            resize(before[:, row : row + 12, column : column + 18], (2, 20, 30), order=1)
            for row in range(9)
            for column in range(13)
        ]
        assert min(np.abs(window - after).max() for window in windows) < 1e-12


def test_noise_has_its_standard_deviation(rng):
    images = np.full((20, 3, 40, 40), 0.5)
    difference = transform_images(images, kind="noise") - images
    assert difference.std() == pytest.approx(0.1, rel=0.02)
    assert abs(difference.mean()) < 0.002
    channels = difference.transpose(1, 0, 2, 3).reshape(3, -1)
    assert np.abs(np.corrcoef(channels) - np.eye(3)).max() < 0.02
    clipped = transform_images(images, kind="noise", strength=5)
    assert (clipped.min(), clipped.max()) == (0, 1)


def test_blur_is_of_the_shorter_side_and_within_each_channel(images):
    found = transform_images(images, kind="blur", strength=0.1)
    expected = ndimage.gaussian_filter(images, (0, 0, 2, 2), mode="nearest")
    np.testing.assert_allclose(found, expected, atol=1e-12)
    first, second = (transform_images(images, kind="blur", random_state=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("side", "width"), [(8, 0.7), (20, 0.7), (40, 1.2)])
def test_blur_of_small_images_has_a_width_that_is_seen(side, width, rng):
    images = rng.random((3, side, side + 5))
    expected = ndimage.gaussian_filter(images, (0, width, width), mode="nearest")
    np.testing.assert_allclose(transform_images(images, kind="blur"), expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_digits_are_visibly_changed(kind):
    images = load_one_class_digits(3).X_train[:50]
    difference = np.abs(transform_images(images, kind=kind) - images)
    assert np.median(difference.max((1, 2))) > 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_rounded(kind, rng):
    images = rng.integers(0, 256, (3, 16, 16), dtype=np.uint8)
    found = transform_images(images, kind=kind)
    as_float = transform_images(images.astype(np.float32) / 255, kind=kind)
    assert (found.dtype, as_float.dtype) == (np.uint8, np.float32)
    assert np.abs(found / 255 - as_float).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_floats_keep_their_precision(kind, dtype, images):
    found = transform_images(images.astype(dtype), kind=kind)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, transform_images(images.astype(dtype).astype(float), kind=kind), rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_independent_of_the_others_and_is_kept(kind, images):
    before = images.copy()
    found = transform_images(images, kind=kind, random_state=3)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(found[:2], transform_images(images[:2], kind=kind, random_state=3))
    assert np.abs(found - images).mean() > 0.04
    if kind != "blur":
        assert not np.array_equal(found, transform_images(images, kind=kind, random_state=4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "rotate"}, "The 'kind' parameter"),
        ({"strength": 0}, "The 'strength' parameter"),
        ({"kind": "cut", "strength": 1.1}, r"strength of 'cut' is a share of the image's sides in \(0, 1\], got 1.1"),
        ({"kind": "crop", "strength": 1}, r"strength of 'crop' is a share of the image's sides in \(0, 1\), got 1"),
        ({"images": np.zeros((3, 16))}, r"images has shape \(3, 16\), expected \(n, H, W\)"),
        ({"images": np.zeros((3, 9, 8, 3))}, r"looks like channels last.*np.moveaxis\(images, -1, 1\)"),
        ({"images": np.zeros((3, 8, 8), int)}, "images must be uint8 or float in .0, 1., got int64"),
        ({"images": np.full((3, 8, 8), 255.0)}, "images is float and must lie in .0, 1., got 255.0"),
        ({"images": np.full((3, 8, 8), np.nan)}, "images is float and must lie in .0, 1., got nan"),
    ],
)
def test_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        transform_images(**{"images": np.zeros((3, 8, 8)), "kind": "noise"} | changes)
