"""Metrics of localisation against scikit-learn, every threshold tried in turn, and closed forms."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import f1_score, roc_auc_score

from sklearn_occ.metrics import (
    _pixel_counts,
    aupr_score,
    aupro_score,
    best_dice_score,
    pixel_aupr_score,
    pixel_roc_auc_score,
)

METRICS = [pixel_roc_auc_score, pixel_aupr_score, aupro_score, best_dice_score]


def scene(seed, n_levels, dtype=np.float64):
    """Images of differing sizes with regions of every size, one without a region, and maps with many ties."""
    rng = np.random.default_rng(seed)
    masks = [rng.random((7 + i, 9 - i)) < 0.15 * i for i in range(4)]
    masks[1][3, 4] = True
    maps = [(rng.integers(n_levels, size=mask.shape) + 0.3 * n_levels * mask).astype(dtype) for mask in masks]
    return masks, maps


def flat(images):
    return np.concatenate([np.ravel(image) for image in images])


def regions_of(mask):
    """Sets of pixels that touch at a side or a corner, grown from one pixel at a time."""
    left, regions = {tuple(pixel) for pixel in np.argwhere(mask)}, []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            row, column = edge.pop()
            region.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            edge += near
        regions.append(region)
    return regions


def aupro_by_thresholds(masks, maps, max_fpr):
    """The area segment by segment, with a pass over all pixels for every distinct value."""
    is_anomalous, value = flat(masks) == 1, flat(maps)
    points = [(0.0, 0.0)]
    values_of_regions = [
        np.array([anomaly_map[pixel] for pixel in region])
        for mask, anomaly_map in zip(masks, maps, strict=True)
        for region in regions_of(mask)
    ]
    for threshold in np.unique(value)[::-1]:
        overlaps = [np.mean(values >= threshold) for values in values_of_regions]
        points.append((np.mean(value[~is_anomalous] >= threshold), np.mean(overlaps)))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        end = min(x1, max_fpr)
        if end > x0:
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / max_fpr


@pytest.fixture(params=[2**24, 5])
def block(request, monkeypatch):
    """Normal pixels in one block, and in many."""
    monkeypatch.setattr(_pixel_counts, "_BLOCK", request.param)


@pytest.mark.parametrize("n_levels", [1, 2, 5, 10**6])
@pytest.mark.parametrize("seed", range(4))
class TestOracles:
    def test_areas_are_scikit_learns(self, seed, n_levels, block):
        masks, maps = scene(seed, n_levels)
        is_anomalous, value = flat(masks), flat(maps)
        assert pixel_roc_auc_score(masks, maps) == pytest.approx(roc_auc_score(is_anomalous, value), abs=1e-13)
        expected = aupr_score(np.where(is_anomalous, -1, 1), -value, pos_label=-1)
        assert pixel_aupr_score(masks, maps) == pytest.approx(expected, abs=1e-13)

    @pytest.mark.parametrize("max_fpr", [0.01, 0.3, 0.5, 1])
    def test_aupro_is_that_of_every_threshold(self, seed, n_levels, max_fpr, block):
        masks, maps = scene(seed, n_levels)
        expected = aupro_by_thresholds(masks, maps, max_fpr)
        assert aupro_score(masks, maps, max_fpr=max_fpr) == pytest.approx(expected, abs=1e-12)

    def test_dice_is_the_best_of_every_threshold(self, seed, n_levels, block):
        masks, maps = scene(seed, n_levels)
        is_anomalous, value = flat(masks), flat(maps)
        tried = [f1_score(is_anomalous, value >= threshold) for threshold in np.unique(value)]
        point = best_dice_score(masks, maps)
        assert point.dice == pytest.approx(max(tried), abs=1e-14)
        called = value >= point.threshold
        assert f1_score(is_anomalous, called) == pytest.approx(point.dice, abs=1e-14)
        assert point.precision == is_anomalous[called].mean()
        assert point.recall == called[is_anomalous].mean()


@pytest.mark.parametrize("metric", METRICS)
def test_an_array_is_the_list_of_its_images_in_any_order_and_dtype(metric):
    rng = np.random.default_rng(0)
    masks, maps = rng.random((5, 6, 7)) < 0.3, rng.integers(20, size=(5, 6, 7))
    expected = pytest.approx(metric(masks, maps.astype(float)), rel=1e-14)
    assert metric(list(masks[::-1]), list(maps[::-1].astype(np.float32))) == expected
    assert metric(masks.astype(np.uint8), maps.astype(np.uint8)) == expected
    assert metric(masks.astype(float).tolist(), maps.tolist()) == expected


@pytest.mark.parametrize("metric", METRICS)
def test_inputs_are_left_as_they_were(metric):
    masks, maps = scene(0, 50)
    before = [a.copy() for a in masks + maps]
    metric(masks, maps)
    for was, now in zip(before, masks + maps, strict=True):
        np.testing.assert_array_equal(was, now)


def test_perfect_reversed_and_constant_maps():
    masks = np.zeros((2, 10, 10), dtype=bool)
    masks[0, 2:4, 2:7] = True  # 10 of 200 pixels
    for maps, auroc, aupr, aupro in [
        (masks * 3.0, 1, 1, 1),
        (masks * -3.0, 0, 0.05, 0),
        (masks * 0.0, 0.5, 0.05, 0.15),
    ]:
        assert pixel_roc_auc_score(masks, maps) == auroc
        assert pixel_aupr_score(masks, maps) == pytest.approx(aupr)
        assert aupro_score(masks, maps) == pytest.approx(aupro)
    assert dict(best_dice_score(masks, masks * 3.0)) == {"dice": 1, "threshold": 1.5, "precision": 1, "recall": 1}


def test_without_a_useful_threshold_every_pixel_is_called_anomalous():
    masks = np.array([[[True, True, False, False, False, False, False, False]]])
    for maps in (np.full(masks.shape, 7.0), 7.0 + ~masks):
        point = best_dice_score(masks, maps)
        assert (point.dice, point.threshold, point.precision, point.recall) == (0.4, 7.0, 0.25, 1.0)


def test_every_region_weighs_the_same():
    # found whole: a region of one pixel; missed: one of 50 in another image; no false alarm below FPR 0.3
    masks = np.zeros((3, 10, 10), dtype=bool)
    masks[0, 0, 0] = masks[1, :5] = True
    maps = np.zeros(masks.shape)
    maps[0, 0, 0], maps[1, :5], maps[2] = 2.0, -1.0, 1.0  # the third image is 100 of 249 normal pixels
    assert aupro_score(masks, maps) == pytest.approx(0.5)
    # a share f of the large region found first adds f / 2
    maps[1, :2] = 3.0
    assert aupro_score(masks, maps) == pytest.approx(0.5 + 0.4 / 2)


def test_one_region_of_any_size_has_the_partial_auc():
    rng = np.random.default_rng(5)
    masks, maps = np.zeros((4, 8, 8), dtype=bool), rng.integers(12, size=(4, 8, 8))
    masks[2, 1:5, 2:4] = True
    assert aupro_score(masks, maps, max_fpr=1) == pytest.approx(pixel_roc_auc_score(masks, maps), abs=1e-14)


def test_corners_join_regions():
    # joined, the two pixels on the diagonal are one region beside a third pixel: PRO 1/2 instead of 1/3
    masks = np.array([[[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]])
    maps = np.where(np.arange(12).reshape(masks.shape) == 7, 1.0, -1.0)
    maps[masks == 0] = 0.0
    assert aupro_score(masks, maps) == pytest.approx(1 / 2)
    maps = -maps
    assert aupro_score(masks, maps) == pytest.approx(1 / 2)
    assert len(regions_of(masks[0])) == ndimage.label(masks[0], structure=np.ones((3, 3)))[1] == 2


def test_the_limit_is_interpolated_on_a_tie():
    # all pixels equal but for one normal above: (0, 0), (1/4, 0), (1, 1); at 1/2 the line is at 1/3
    masks, maps = [[[1, 1, 0, 0, 0, 0]]], [[[0, 0, 9, 0, 0, 0]]]
    assert aupro_score(masks, maps, max_fpr=0.5) == pytest.approx(0.5 * 0.25 * (1 / 3) / 0.5)
    assert aupro_score(masks, maps, max_fpr=0.25) == 0


def test_of_equal_dice_the_higher_threshold():
    # above 3: TP 1, FP 0, FN 2 gives 2/4; above 0: TP 3, FP 6, FN 0 gives 6/12
    masks = np.array([[[1, 1, 1, 0, 0, 0, 0, 0, 0, 0]]])
    maps = np.array([[[4, 1, 1, 2, 2, 2, 2, 2, 2, 0]]])
    assert dict(best_dice_score(masks, maps)) == {
        "dice": 0.5,
        "threshold": 3.0,
        "precision": 1.0,
        "recall": pytest.approx(1 / 3),
    }


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_threshold_separates_neighbouring_floats_of_the_maps(dtype):
    low = np.nextafter(dtype(1), dtype(2))
    maps = np.array([[[low, np.nextafter(low, dtype(2))]]])
    threshold = best_dice_score([[[0, 1]]], maps).threshold
    np.testing.assert_array_equal(maps >= threshold, [[[False, True]]])


def test_huge_values_do_not_overflow():
    masks, maps = [[[0, 1, 1]]], [[[-1.7e308, 1.6e308, 1.7e308]]]
    assert [metric(masks, maps) for metric in METRICS[:3]] == [1, 1, 1]
    assert best_dice_score(masks, maps).dice == 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("masks", "maps", "message"),
    [
        ([[[0, 1]]], [[[0.0, 1]], [[0.0, 1]]], "masks hold 1 images but maps hold 2: give one map"),
        ([[0, 1]], [[0.0, 1]], r"masks\[0\] must be one image of shape \(H, W\), got shape \(2,\): give an array"),
        (np.ones((2, 1, 3, 3)), np.ones((2, 1, 3, 3)), r"masks\[0\] must be one image .* got shape \(1, 3, 3\)"),
        ([[[0, 1]], [[0, 255]]], np.zeros((2, 1, 2)), r"0 \(normal\) and 1 .*got 255 in masks\[1\] at \(0, 1\).*> 0"),
        ([[[0, np.nan]]], [[[0.0, 1]]], r"got nan in masks\[0\] at \(0, 1\)"),
        ([[[0, 1]]], [[[0.0, 1, 2]]], r"maps\[0\] has shape \(1, 3\) but masks\[0\] has shape \(1, 2\): give maps"),
        ([[[0, 1]]], [[[0.0, np.inf]]], r"finite, got inf in maps\[0\] at \(0, 1\): look for the image"),
        ([[[0, 1]]], [[[0.0, 1j]]], r"real numbers, got dtype complex128 in maps\[0\]: convert"),
        ([[[0, 0]]], [[[0.0, 1]]], "masks hold 0 anomalous and 2 normal pixels in 1 images, and .* needs at least one"),
        ([[[True, True]]], [[[0.0, 1]]], "masks hold 2 anomalous and 0 normal pixels"),
        ([], [], "masks hold 0 anomalous and 0 normal pixels in 0 images"),
    ],
)
def test_bad_input_is_named(metric, masks, maps, message):
    with pytest.raises(ValueError, match=message):
        metric(masks, maps)


@pytest.mark.parametrize("metric", METRICS)
def test_each_map_is_checked_once(metric, monkeypatch):
    seen, check = [], _pixel_counts._checked_map
    monkeypatch.setattr(_pixel_counts, "_checked_map", lambda *args: seen.append(args[2]) or check(*args))
    metric([[[0, 1]], [[1, 0]]], [[[0, 1]], [[2, 3]]])
    assert seen == [0, 1]


@pytest.mark.parametrize("max_fpr", [0, 1.1, "0.3", None])
def test_a_bad_limit_is_named(max_fpr):
    with pytest.raises(ValueError, match="The 'max_fpr' parameter"):
        aupro_score([[[0, 1]]], [[[0.0, 1]]], max_fpr=max_fpr)
