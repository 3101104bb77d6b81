"""Planted lesions: their masks, contrasts, places and seeds, measured from what comes back."""

import sys

import numpy as np
import pytest
from scipy import ndimage

from sklearn_occ.datasets import fetch_chest_xray_pneumonia, plant_lesions

KINDS = ["microcalcifications", "blurred", "texture"]
RANGES = {np.uint8: 255, np.uint16: 65535, np.float32: 1, np.float64: 1}


def tissue(n=4, shape=(90, 110), seed=0, dtype=np.float64):
    """Images of a bright noisy disc on black."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    inside = np.hypot(rows - shape[0] / 2, columns - shape[1] / 2) < 0.45 * min(shape)
    images = np.clip(inside * rng.normal(0.5, 0.02, (n, *shape)), 0, 1) * RANGES[dtype]
    return (images if RANGES[dtype] == 1 else np.rint(images)).astype(dtype)


def everywhere(images):
    return [np.ones(np.shape(image), dtype=bool) for image in images]


def detail_of(image, blur=2):
    image = image.astype(np.float64)
    return image - ndimage.gaussian_filter(image, blur)


def noise_around(image, lesion, foreground, blur=2):
    """The docstring's sigma, pixel by pixel."""
    rows, columns = np.indices(image.shape)
    near = np.maximum(abs(rows - lesion.row), abs(columns - lesion.column)) <= lesion.size
    residual = detail_of(image, blur)[near & foreground]
    return 1.4826 * np.median(abs(residual - np.median(residual)))


def distance_from(lesion, shape):
    rows, columns = np.indices(shape)
    return np.hypot(rows - lesion.row, columns - lesion.column)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", list(RANGES))
class TestEveryKindAndDtype:
    def test_the_mask_is_where_the_image_changed(self, kind, dtype):
        images = tissue(dtype=dtype)
        data = plant_lesions(images, kind=kind, contrast=1 if kind == "texture" else 5, size=25)
        assert data.images.dtype == dtype
        assert data.images.shape == data.masks.shape == images.shape
        assert data.masks.dtype == bool
        np.testing.assert_array_equal(data.masks, data.images != images)
        assert data.masks.any((1, 2)).all()

    def test_contrast_measured_afterwards(self, kind, dtype):
        images = tissue(dtype=dtype)
        rounding = 0.5 if RANGES[dtype] > 1 else 1e-6
        for contrast in (0.5, 1) if kind == "texture" else (3, 6, -4):
            data = plant_lesions(images, kind=kind, contrast=contrast, size=24, foreground=images > 0)
            for image, planted, mask, (lesion,) in zip(images, data.images, data.masks, data.lesions, strict=True):
                assert lesion.noise == pytest.approx(noise_around(image, lesion, image > 0))
                change = planted.astype(float) - image
                if kind == "texture":
                    core = distance_from(lesion, image.shape) < 0.3 * lesion.size
                    expected = -contrast * detail_of(image)[core & mask]
                    at_full = abs(change[core & mask] - expected) <= rounding + 0.05 * lesion.noise
                    assert at_full.mean() > 0.8
                    assert (abs(change[mask]) <= contrast * abs(detail_of(image)[mask]) + rounding).all()
                else:
                    assert (np.sign(contrast) * change).max() == pytest.approx(
                        abs(contrast) * lesion.noise, abs=rounding
                    )
                    lowest = abs(change[mask]).min()
                    assert lowest >= 0.1 * abs(contrast) * lesion.noise - rounding

    def test_values_are_clipped_at_the_range(self, kind, dtype):
        images = tissue(n=1, dtype=dtype)
        strong = plant_lesions(
            images, kind=kind, contrast=1 if kind == "texture" else 1000, foreground=everywhere(images)
        )
        assert strong.images.max() <= RANGES[dtype]
        if kind != "texture":
            assert strong.images.max() == RANGES[dtype]
            dark = plant_lesions(images, kind=kind, contrast=-1000, foreground=everywhere(images))
            assert dark.images[dark.masks].min() == 0
            assert (dark.images <= images).all()

    def test_the_input_is_untouched(self, kind, dtype):
        images = tissue(dtype=dtype)
        images.flags.writeable = False
        before = images.copy()
        data = plant_lesions(images, kind=kind)
        np.testing.assert_array_equal(images, before)
        assert not np.shares_memory(data.images, images)


@pytest.mark.parametrize("kind", KINDS)
class TestSeeds:
    def test_same_seed_same_lesions(self, kind):
        first, again = (plant_lesions(tissue(), kind=kind, random_state=3) for _ in range(2))
        other = plant_lesions(tissue(), kind=kind, random_state=4)
        np.testing.assert_array_equal(first.images, again.images)
        assert all((a != b).any() for a, b in zip(first.masks, other.masks, strict=True))

    def test_an_image_does_not_depend_on_the_others(self, kind):
        images = tissue()
        others = [np.ascontiguousarray(images[3].T), images[1], images[0]]
        data, mixed = plant_lesions(images, kind=kind), plant_lesions(others, kind=kind)
        np.testing.assert_array_equal(data.images[1], mixed.images[1])
        assert data.lesions[1] == mixed.lesions[1]

    def test_place_and_shape_do_not_depend_on_contrast(self, kind):
        faint, strong = (plant_lesions(tissue(), kind=kind, contrast=contrast) for contrast in (0.3, 0.9))
        np.testing.assert_array_equal(faint.masks, strong.masks)
        assert faint.lesions == strong.lesions

    def test_images_of_one_set_get_different_lesions(self, kind):
        same = np.repeat(tissue(1), 3, axis=0)
        data = plant_lesions(same, kind=kind)
        assert len({mask.tobytes() for mask in data.masks}) == 3

    def test_a_generator_moves_on(self, kind):
        state = np.random.RandomState(0)
        first, second = (plant_lesions(tissue(1), kind=kind, random_state=state).masks for _ in range(2))
        assert (first != second).any()


@pytest.mark.parametrize("kind", KINDS)
class TestPlaces:
    @pytest.mark.parametrize("size", [8, 9, 20, (8, 21)])
    def test_lesions_lie_in_the_foreground_within_their_disc(self, kind, size):
        images = tissue(6)
        foreground = (images > 0) & (np.arange(110) < 70)
        data = plant_lesions(images, kind=kind, size=size, foreground=foreground)
        lowest, highest = size if isinstance(size, tuple) else (size, size)
        for mask, inside, (lesion,) in zip(data.masks, foreground, data.lesions, strict=True):
            assert lowest <= lesion.size <= highest
            disc = distance_from(lesion, mask.shape) <= lesion.size / 2
            assert not (mask & ~disc).any()
            assert not (disc & ~inside).any()
            assert mask.any()

    def test_a_disc_as_large_as_the_image_is_inside_of_it(self, kind):
        images = tissue(3, shape=(25, 31))
        data = plant_lesions(images, kind=kind, size=25, foreground=everywhere(images))
        assert {lesion.row for (lesion,) in data.lesions} == {12}
        with pytest.raises(
            ValueError, match="no room for lesion 1 of 26 pixels: the largest free disc .* is 25 pixels"
        ):
            plant_lesions(images, kind=kind, size=26, foreground=everywhere(images))

    def test_a_range_is_cut_at_the_room_there_is(self, kind):
        images = tissue(20, shape=(25, 31))
        data = plant_lesions(images, kind=kind, size=(20, 80), foreground=everywhere(images))
        assert {lesion.size for (lesion,) in data.lesions} == set(range(20, 26))

    def test_several_lesions_do_not_touch(self, kind):
        images = tissue(10)
        data = plant_lesions(images, kind=kind, size=(8, 16), n_lesions=(0, 4))
        assert {len(lesions) for lesions in data.lesions} == {0, 1, 2, 3, 4}
        for mask, lesions in zip(data.masks, data.lesions, strict=True):
            discs = [distance_from(lesion, mask.shape) <= lesion.size / 2 for lesion in lesions]
            in_any = sum(discs, start=np.zeros_like(mask))
            _, n_apart = ndimage.label(in_any, structure=np.ones((3, 3)))
            assert n_apart == len(lesions)
            assert not (mask & ~in_any).any()
            assert all((mask & disc).any() for disc in discs)

    def test_lists_of_differing_sizes_and_defaults(self, kind):
        images = [tissue(1, shape)[0] for shape in ((64, 80), (200, 120), (330, 310))]
        data = plant_lesions(images, kind=kind)
        assert isinstance(data.images, list)
        assert (
            [image.shape for image in data.images]
            == [mask.shape for mask in data.masks]
            == [(64, 80), (200, 120), (330, 310)]
        )
        for image, planted, mask, (lesion,) in zip(images, data.images, data.masks, data.lesions, strict=True):
            side = min(image.shape)
            assert max(8, side // 10) <= lesion.size <= max(8, side // 5)
            np.testing.assert_array_equal(planted != image, mask)
            assert (image[mask] > 0).mean() > 0.9  # the blurred edge of the disc is foreground, too


def test_spots_are_several_small_and_bright():
    images = tissue(30, shape=(200, 200))
    data = plant_lesions(images, kind="microcalcifications", size=80, contrast=6)
    widths = []
    for mask in data.masks:
        spots, n_spots = ndimage.label(mask, structure=np.ones((3, 3)))
        assert 1 < n_spots <= 12
        widths += np.bincount(spots.ravel())[1:].tolist()
    # an ellipse down to a tenth has area 4.6 pi long short: 1 to 9 px^2 for one spot
    assert 0.9 * 4.6 * np.pi <= np.percentile(widths, 5) < np.median(widths) <= 4.6 * np.pi * 9
    assert (data.images >= images).all()


def test_a_patch_loses_its_detail_and_keeps_its_brightness():
    images = tissue(8)
    data = plant_lesions(images, kind="texture", contrast=1, size=25)
    for image, planted, mask in zip(images, data.images, data.masks, strict=True):
        core = ndimage.binary_erosion(mask, iterations=3)
        assert planted[core].std() < 0.3 * image[core].std()
        assert planted[core].mean() == pytest.approx(image[core].mean(), abs=0.02 * 0.2)


def test_detail_is_the_blur_and_grows_with_the_image():
    images, inside = tissue(1, shape=(300, 320)), np.ones((1, 300, 320), dtype=bool)
    for detail, blur in ((None, 3), (1.0, 1), (6, 6)):
        data = plant_lesions(images, kind="texture", contrast=1, size=60, detail=detail, foreground=inside)
        (lesion,) = data.lesions[0]
        core = distance_from(lesion, images[0].shape) < 12
        smooth = ndimage.gaussian_filter(images[0], blur)
        assert np.abs(data.images[0] - smooth)[core].max() < 1e-3
        assert lesion.noise == pytest.approx(noise_around(images[0], lesion, inside[0], blur))


def test_the_default_foreground_leaves_the_background_out_and_closes_holes():
    images = tissue(3, shape=(80, 80))
    images[:, 30:50, 30:50] *= 0.2  # as dark as a lung
    data = plant_lesions(images, kind="blurred", size=16, n_lesions=8)
    rows, columns = np.indices((80, 80))
    assert (np.hypot(rows - 40, columns - 40)[data.masks.any(0)] < 0.45 * 80 + 2).all()
    assert data.masks[:, 32:48, 32:48].any()


def test_without_scikit_image_a_foreground_has_to_be_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.filters", None)
    images = tissue(1)
    with pytest.raises(
        ImportError, match=r"plant_lesions without foreground needs skimage.filters.*sklearn_occ\[images\]"
    ):
        plant_lesions(images, kind="blurred")
    assert plant_lesions(images, kind="blurred", foreground=everywhere(images)).masks.any()


@pytest.mark.parametrize(
    ("images", "parameters", "message"),
    [
        (tissue(1)[0], {}, r"images\[0\] must be one image of shape \(H, W\), got shape \(110,\): give an array"),
        (tissue(0), {}, "images is empty"),
        (tissue(1).astype(np.int64), {}, r"images\[0\] must be uint8, uint16 or float in \[0, 1\], got int64: convert"),
        (tissue(1) * 255, {}, r"images\[0\] is float and must lie in \[0, 1\], got .*: divide"),
        (tissue(1) * np.nan, {}, r"images\[0\] is float and must lie in \[0, 1\], got nan"),
        (tissue(1), {"size": 90}, r"no room for lesion 1 of 90 pixels: .*lower size or n_lesions"),
        (tissue(1), {"size": 40, "n_lesions": 9}, "no room for lesion [2-9] of 40 pixels"),
        (np.zeros((1, 40, 40)), {}, r"no room for lesion 1 .* foreground \(0% of the image\) is 0 pixels"),
        (tissue(1), {"size": (20, 10)}, r"size must be a whole number or a pair .* at least 8, got \(20, 10\)"),
        (tissue(1), {"size": (4, 10)}, r"at least 8, got \(4, 10\)"),
        (tissue(1), {"size": (10.0, 20)}, r"size must be a whole number or a pair"),
        (tissue(1), {"n_lesions": (1, 2, 3)}, r"n_lesions must be .* at least 0, got \(1, 2, 3\)"),
        (tissue(1), {"contrast": 0}, "contrast is 0, which plants nothing: give"),
        (tissue(1), {"kind": "texture", "contrast": 1.5}, r"share of detail that is lost, in \(0, 1\], got 1.5"),
        (tissue(1), {"kind": "texture", "contrast": -0.5}, r"in \(0, 1\], got -0.5"),
        (tissue(2), {"foreground": tissue(1) > 0}, "foreground holds 1 masks but there are 2 images: give"),
        (tissue(1), {"foreground": tissue(1)}, r"foreground\[0\] must be bool of shape \(90, 110\) .*got float64"),
        (tissue(1), {"foreground": [np.ones((2, 2), bool)]}, r"foreground\[0\] must be bool .* of shape \(2, 2\)"),
        (np.full((1, 60, 60), 0.5), {"foreground": np.ones((1, 60, 60), bool)}, r"images\[0\] has no noise around row"),
        (tissue(1), {"kind": "scratch"}, "The 'kind' parameter"),
        (tissue(1), {"size": 7}, "The 'size' parameter"),
        (tissue(1), {"n_lesions": -1}, "The 'n_lesions' parameter"),
        (tissue(1), {"detail": 0}, "The 'detail' parameter"),
        (tissue(1), {"contrast": np.inf}, "The 'contrast' parameter"),
    ],
)
def test_bad_input_is_named(images, parameters, message):
    with pytest.raises(ValueError, match=message):
        plant_lesions(images, **{"kind": "blurred", **parameters})


@pytest.mark.parametrize("kind", KINDS)
def test_rounding_to_bytes_leaves_pixels_out_of_the_mask(kind):
    images = tissue(4)
    floats = images.clip(0.3, 0.7)
    data = [
        plant_lesions(given, kind=kind, contrast=0.5, size=25, foreground=images > 0)
        for given in (floats, np.rint(255 * floats).astype(np.uint8))
    ]
    of_floats, of_bytes = (one.masks.sum() for one in data)
    assert 0 < of_bytes < 0.9 * of_floats


@pytest.mark.parametrize(("kind", "contrast"), [("microcalcifications", 1), ("blurred", 1), ("texture", 0.3)])
def test_a_lesion_that_rounding_undoes_is_an_error(kind, contrast):
    images = np.rint(np.random.default_rng(0).normal(128, 0.36, (1, 60, 60))).astype(np.uint8)
    with pytest.raises(ValueError, match=r"images\[0\] is the same after contrast=.*uint8 undo it. Raise"):
        plant_lesions(images, kind=kind, contrast=contrast, size=24, foreground=everywhere(images))


def test_a_lesion_in_a_saturated_place_is_an_error(rng):
    images = np.ones((1, 60, 60))
    images[:, ::2, ::2] = 0.9
    images[0, 20:40, 20:40] = 1.0
    with pytest.raises(ValueError, match="leave saturated places out of foreground"):
        place = np.zeros((1, 60, 60), bool)
        place[0, 20:40, 20:40] = True
        plant_lesions(images, kind="blurred", contrast=4, size=18, detail=20, foreground=place)


def test_on_chest_x_rays(real_data):
    real_data("chestx_100.npz")
    images = fetch_chest_xray_pneumonia().X_train[:60]
    for kind in KINDS:
        data = plant_lesions(images, kind=kind)
        assert data.images.dtype == np.uint8
        assert 0.003 < data.masks.mean() < 0.05
        np.testing.assert_array_equal(data.images != images, data.masks)
