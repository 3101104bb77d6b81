"""g_mean_threshold against every threshold tried in turn, and its edge cases."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from sklearn_occ.metrics import g_mean_threshold


def rates(y_true, y_score, threshold):
    """TPR and FPR of the rule that `predict` applies, with `threshold` as the offset."""
    called_minority = ~(np.asarray(y_score) - threshold >= 0)
    return called_minority[y_true == -1].mean(), called_minority[y_true == 1].mean()


def every_threshold(y_score):
    distinct = np.unique(y_score)  # above the last every row is called minority: G = 0, as at the first
    return np.concatenate([distinct, distinct[:-1] + 1e-9, [distinct[0] - 1]])


@pytest.mark.parametrize("n_levels", [2, 5, 40, 10**6])
@pytest.mark.parametrize("n", [2, 7, 80])
@pytest.mark.parametrize("seed", range(6))
def test_best_of_every_threshold(n_levels, n, seed):
    rng = np.random.default_rng(seed)
    y_true = np.concatenate([[1, -1], rng.choice([1, -1], n - 2)])
    y_score = rng.integers(n_levels, size=n) + 0.5 * (y_true == 1)
    point = g_mean_threshold(y_true, y_score)
    tried = [rates(y_true, y_score, t) for t in every_threshold(y_score)]
    order = [(round(tpr * (1 - fpr), 12), round(tpr - fpr, 12), round(tpr, 12)) for tpr, fpr in tried]
    best = max(order)
    assert point.g_mean**2 == pytest.approx(best[0], abs=1e-11)
    assert point.difference == pytest.approx(best[1], abs=1e-11)
    assert point.tpr == pytest.approx(best[2], abs=1e-11)
    assert (point.tpr, point.fpr) == rates(y_true, y_score, point.threshold)
    assert point.difference == point.tpr - point.fpr


def test_agrees_with_the_roc_curve():
    rng = np.random.default_rng(1)
    y_true = np.repeat([1, -1], [300, 50])
    y_score = rng.normal(size=350) + (y_true == 1)
    fpr, tpr, _ = roc_curve(y_true == -1, -y_score, drop_intermediate=False)
    point = g_mean_threshold(y_true, y_score)
    assert point.g_mean == pytest.approx(np.sqrt(tpr * (1 - fpr)).max(), abs=1e-14)


def test_perfect_separation_is_halfway():
    point = g_mean_threshold([-1, -1, 1, 1], [0.0, 1.0, 3.0, 9.0])
    assert dict(point) == {"threshold": 2.0, "tpr": 1.0, "fpr": 0.0, "difference": 1.0, "g_mean": 1.0}


def test_no_row_lies_on_the_threshold():
    rng = np.random.default_rng(2)
    y_true, y_score = np.repeat([1, -1], 20), rng.integers(10, size=40).astype(float)
    y_score[:20] += 2
    assert g_mean_threshold(y_true, y_score).threshold not in y_score


@pytest.mark.parametrize("y_score", [np.full(4, 3.0), np.array([1.0, 2.0, 5.0, 6.0])])
def test_without_a_useful_threshold_nothing_is_called_minority(y_score):
    point = g_mean_threshold(np.array([1, 1, -1, -1]), y_score)
    assert dict(point) == {"threshold": y_score[0], "tpr": 0.0, "fpr": 0.0, "difference": 0.0, "g_mean": 0.0}


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1.0, np.nextafter(1.0, 2)),
        (np.nextafter(1.0, 2), np.nextafter(np.nextafter(1.0, 2), 2)),
        (-1.7e308, 1.7e308),
        (1.6e308, 1.7e308),
        (0.0, 5e-324),
        (-5e-324, 0.0),
    ],
)
def test_threshold_separates_neighbouring_and_huge_floats(low, high):
    y_true = np.array([-1, 1])
    threshold = g_mean_threshold(y_true, [low, high]).threshold
    assert low < threshold <= high


def test_equal_g_mean_and_difference_prefers_the_higher_tpr():
    # cut after the first row: TPR 1/2, FPR 0; after the third: TPR 1, FPR 1/2; both G^2 = 1/2
    point = g_mean_threshold([-1, 1, -1, 1], [0.0, 1.0, 2.0, 3.0])
    assert (point.threshold, point.tpr, point.fpr) == (2.5, 1.0, 0.5)


def test_equal_g_mean_prefers_the_larger_difference():
    # (TPR, FPR) = (1/4, 0) after the first row and (1/2, 1/2) after the fourth: G^2 = 1/4 at both
    point = g_mean_threshold([-1, 1, 1, -1, 1, 1, -1, -1], np.arange(8.0))
    assert (point.threshold, point.tpr, point.fpr, point.g_mean) == (0.5, 0.25, 0.0, 0.5)


def test_ignores_order_and_keeps_rates_under_a_monotone_map():
    rng = np.random.default_rng(3)
    y_true, y_score = rng.permutation(np.repeat([1, -1], 30)), rng.normal(size=60)
    point, order = g_mean_threshold(y_true, y_score), rng.permutation(60)
    assert g_mean_threshold(y_true[order], y_score[order]) == point
    mapped = g_mean_threshold(y_true, np.exp(y_score))
    assert (mapped.tpr, mapped.fpr) == (point.tpr, point.fpr)
