"""Where patches lie, how they are cut and blended, which of them show tissue, and the regions of a map."""

import numpy as np
import pytest

from sklearn_occ.localization import _layout
from sklearn_occ.localization._foreground import Foreground
from sklearn_occ.localization._images import UnusableImageError
from sklearn_occ.localization._layout import PatchLayout
from sklearn_occ.localization._patches import Blend, blocks, cut
from sklearn_occ.localization._regions import regions_of


def test_the_grid_reaches_the_border():
    corners = PatchLayout((4, 5), (3, 2), None, 0).on_grid(np.zeros((9, 10)))
    assert sorted({top for top, _ in corners.tolist()}) == [0, 3, 5]  # 6 would leave the image, 5 ends with it
    assert sorted({left for _, left in corners.tolist()}) == [0, 2, 4, 5]
    assert len(corners) == 12


def test_a_patch_as_large_as_the_image():
    assert PatchLayout(8, None, None, 0).on_grid(np.zeros((8, 8))).tolist() == [[0, 0]]


def test_random_patches_lie_at_all_pixels(rng):
    found = PatchLayout((4, 5), None, None, 0).at_random(np.zeros((9, 10)), 2000, rng)
    assert {tuple(corner) for corner in found.tolist()} == {(top, left) for top in range(6) for left in range(6)}


def test_random_patches_without_foreground_need_no_grid(rng, monkeypatch):
    layout = PatchLayout((4, 5), None, None, 0)
    monkeypatch.delattr(PatchLayout, "_grid")
    assert layout.at_random(np.zeros((9, 10)), 20, rng).shape == (20, 2)
    with pytest.raises(UnusableImageError, match="has 9 x 4 pixels, expected at least a patch of 4 x 5"):
        layout.at_random(np.zeros((9, 4)), 20, rng)


def test_random_patches_show_tissue(rng):
    layout = PatchLayout(10, 10, lambda image: np.arange(40) * np.ones((20, 1)) >= 20, 1.0)
    found = layout.at_random(np.zeros((20, 40)), 500, rng)
    assert found.shape == (500, 2)
    assert set(found[:, 1].tolist()) == set(range(20, 31))


def test_random_patches_fall_back_to_the_grid_where_tissue_is_too_small_to_hit(rng, monkeypatch):
    monkeypatch.setattr(_layout, "_LEAST_TRIED", 1)
    monkeypatch.setattr(_layout, "_TRIALS", 3)
    mask = np.zeros((600, 600), bool)
    mask[:10, :10] = True
    found = PatchLayout(10, 10, lambda image: mask, 1.0).at_random(np.zeros((600, 600)), 5, rng)
    assert found.tolist() == [[0, 0]] * 5


@pytest.mark.parametrize("sides", [(3, 0), (3, 4, 5), (2.5, 3)])
def test_sides_that_are_none(sides):
    with pytest.raises(ValueError, match=r"patch_size=.*, expected a positive int or a pair"):
        PatchLayout(sides, None, None, 0)


@pytest.mark.parametrize("shape", [(9, 10), (3, 9, 10)])
def test_patches_are_slices_of_the_image(rng, shape):
    image = rng.normal(size=shape)
    corners = np.array([[0, 0], [2, 3], [5, 5]])
    for (top, left), patch in zip(corners, cut(image, corners, (4, 5)), strict=True):
        np.testing.assert_array_equal(patch, image[..., top : top + 4, left : left + 5])


def test_blocks_hold_few_patches_and_all_of_them(rng):
    image = rng.normal(size=(2100, 1200)).astype(np.float32)
    corners = PatchLayout(512, 64, None, 0).on_grid(image)
    parts = list(blocks(image, corners, (512, 512)))
    assert max(len(patches) for _, patches in parts) == 16  # 2^22 values
    np.testing.assert_array_equal(np.concatenate([part for part, _ in parts]), corners)


def test_share_of_foreground(rng):
    mask = rng.random((12, 15)) > 0.5
    corners = np.array([[0, 0], [3, 4], [8, 9]])
    found = Foreground(np.zeros((12, 15)), lambda image: mask).share(corners, (4, 6))
    assert found.tolist() == pytest.approx([mask[top : top + 4, left : left + 6].mean() for top, left in corners])


def test_share_of_foreground_in_a_large_image(rng):
    mask = np.kron(rng.random((55, 45)) > 0.5, np.ones((30, 30), bool))  # 1650 x 1350: squares of 4 pixels
    corners = np.array([[0, 0], [301, 407], [1650 - 128, 1350 - 128]])
    found = Foreground(np.zeros(mask.shape), lambda image: mask).share(corners, (128, 128))
    expected = [mask[top : top + 128, left : left + 128].mean() for top, left in corners]
    np.testing.assert_allclose(found, expected, atol=0.04)
    assert len(set(found)) == 3


def test_share_of_foreground_in_the_remainder_of_a_large_image():
    mask = np.ones((1001, 1001), bool)  # squares of 2 pixels, the last row and column left out
    mask[:, 996:] = False
    corners = np.array([[1000, 0], [0, 1000], [1000, 1000], [997, 992], [999, 999]])
    found = Foreground(np.zeros(mask.shape), lambda image: mask).share(corners, (1, 1))
    assert found.tolist() == [1, 0, 0, 1, 0]
    found = Foreground(np.zeros(mask.shape), lambda image: mask).share(np.array([[993, 992], [993, 0]]), (8, 8))
    assert found.tolist() == [0.5, 1]


def test_otsu_finds_the_bright_part_and_its_holes(rng):
    image = rng.normal(0.1, 0.02, (40, 60))
    image[:, 24:] += 0.6
    image[12:24, 36:48] -= 0.55  # lungs
    pixels = np.stack(np.mgrid[:40, :60], axis=-1).reshape(-1, 2)
    found = Foreground(image, "otsu").share(pixels, (1, 1)).reshape(40, 60)
    assert (found[:, 28:] == 1).all()
    assert (found[:, :20] == 0).all()
    colour = Foreground(np.stack([image, image]), "otsu").share(pixels, (1, 1)).reshape(40, 60)
    np.testing.assert_array_equal(colour, found)


def test_patches_without_tissue_are_left_out(rng):
    image = rng.normal(0.1, 0.02, (20, 40))
    image[:, 20:] += 0.6
    image[:, 18:20] = 0  # what the blur spreads
    corners = PatchLayout(10, 10, "otsu", 0.5).on_grid(image)
    assert corners.tolist() == [[0, 20], [0, 30], [10, 20], [10, 30]]
    own = PatchLayout(10, 10, lambda image: image < 0.4, 1.0).on_grid(image)
    assert own.tolist() == [[0, 0], [0, 10], [10, 0], [10, 10]]


def test_images_without_tissue(rng):
    image = rng.normal(size=(20, 20))
    with pytest.raises(UnusableImageError, match="no patch with a share of 0.5 of foreground"):
        PatchLayout(10, 10, lambda image: np.zeros(image.shape), 0.5).on_grid(image)
    with pytest.raises(UnusableImageError, match="has the value 3 in all pixels"):
        PatchLayout(10, 10, "otsu", 0.5).on_grid(np.full((20, 20), 3.0))
    with pytest.raises(ValueError, match=r"mask of shape \(3,\), expected \(20, 20\)"):
        PatchLayout(10, 10, lambda image: np.zeros(3), 0.5).on_grid(image)


def test_blending_is_the_weighted_mean(rng):
    shape, patch, corners = (9, 11), (6, 6), np.array([[0, 0], [3, 0], [0, 5], [3, 5], [2, 2]])
    maps = rng.normal(size=(5, 6, 6))
    blend = Blend(shape, patch)
    blend.add(corners[:2], maps[:2])
    blend.add(corners[2:], maps[2:])
    found, covered = blend.result()
    assert covered.all()
    for y, x in [(0, 0), (4, 4), (8, 10), (3, 6)]:
        weights, values = [], []
        for (top, left), one in zip(corners, maps, strict=True):
            if 0 <= y - top < 6 and 0 <= x - left < 6:
                distance2 = (y - top - 2.5) ** 2 + (x - left - 2.5) ** 2
                weights.append(np.exp(-distance2 / (2 * 1.5**2)))
                values.append(one[y - top, x - left])
        assert found[y, x] == pytest.approx(np.average(values, weights=weights), rel=1e-5)


def test_equal_patches_blend_to_their_value():
    blend = Blend((20, 30), (8, 8))
    corners = PatchLayout(8, 3, None, 0).on_grid(np.zeros((20, 30)))
    blend.add(corners, 2.5)
    np.testing.assert_allclose(blend.result()[0], 2.5, rtol=1e-6)
    np.testing.assert_array_equal(blend.result()[0], blend.result()[0])


def test_pixels_of_no_patch_have_the_least_value():
    blend = Blend((4, 12), (4, 4))
    blend.add(np.array([[0, 0], [0, 4]]), np.array([3.0, 2.0]).reshape(2, 1, 1))
    found, covered = blend.result()
    np.testing.assert_allclose(found[:, 8:], 2.0)
    assert found.dtype == np.float32
    assert covered.tolist() == [[True] * 8 + [False] * 4] * 4


def test_regions_of_a_map():
    anomaly_map = np.zeros((20, 30))
    anomaly_map[2:5, 3:9] = 5
    anomaly_map[5, 9] = 6  # touches at a corner
    anomaly_map[15:17, 20:24] = 4
    regions = regions_of(anomaly_map, np.ones((20, 30), bool), top_fraction=27 / 600)
    assert regions == [
        {"x": 3, "y": 2, "width": 7, "height": 4, "score": 6.0},
        {"x": 20, "y": 15, "width": 4, "height": 2, "score": 4.0},
    ]


def test_rounding_does_not_tear_a_plateau(rng):
    anomaly_map = np.zeros((20, 30))
    anomaly_map[4:8, 4:8] = 1 + 1e-7 * rng.normal(size=(4, 4))
    assert [
        region["width"] * region["height"]
        for region in regions_of(anomaly_map, np.ones((20, 30), bool), top_fraction=0.01)
    ] == [16]


def test_regions_lie_in_patches_that_were_scored():
    anomaly_map = np.zeros((200, 200))
    anomaly_map[50:60, 50:60] = 1
    anomaly_map[52:54, 55:57] = 2
    covered = np.zeros((200, 200), bool)
    covered[50:60, 50:60] = True  # fewer than a hundredth of the pixels
    assert regions_of(anomaly_map, covered, top_fraction=0.04) == [
        {"x": 55, "y": 52, "width": 2, "height": 2, "score": 2.0}
    ]
