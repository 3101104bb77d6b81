"""OneClassKFold: properties over random data, the numbers of the ConOCC paper, and scikit-learn's tools."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score, cross_validate
from sklearn.svm import OneClassSVM

from sklearn_occ.model_selection import OneClassKFold


def random_labels(rng, n_majority, n_minority):
    return rng.permutation(np.repeat([1, -1], [n_majority, n_minority]))


def folds(cv, y, groups=None):
    return list(cv.split(np.zeros((len(y), 1)), y, groups))


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_without_groups(seed, shuffle):
    rng = np.random.default_rng(seed)
    n_majority, n_minority = rng.integers(2, 60), rng.integers(1, 30)
    n_splits = int(rng.integers(2, min(n_majority, 9) + 1))
    test_size = None if seed % 2 else int(rng.integers(1, n_majority))
    y = random_labels(rng, n_majority, n_minority)
    cv = OneClassKFold(n_splits, test_size=test_size, shuffle=shuffle, random_state=seed if shuffle else None)
    majority, minority = np.flatnonzero(y == 1), np.flatnonzero(y == -1)
    tested = np.zeros(len(y), dtype=int)
    found = folds(cv, y)
    assert len(found) == cv.get_n_splits() == n_splits
    for train, test in found:
        majority_test = test[y[test] == 1]
        assert (np.diff(train) > 0).all()
        assert (np.diff(test) > 0).all()
        np.testing.assert_array_equal(np.union1d(train, majority_test), majority)
        assert len(train) + len(majority_test) == n_majority
        np.testing.assert_array_equal(test[y[test] == -1], minority)
        assert len(majority_test) == test_size or test_size is None
        tested[test] += 1
    windows = {tuple(train) for train, _ in found}
    assert len(windows) == n_splits  # no fold twice
    share = n_splits * (test_size or n_majority / n_splits) / n_majority
    assert tested[majority].min() >= np.floor(share) - 1
    assert tested[majority].max() <= np.ceil(share) + 1
    if test_size is not None and n_splits * test_size <= n_majority:
        assert tested[majority].max() == 1
    if test_size is not None and n_splits * test_size > n_majority:
        assert tested[majority].max() > 1


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_majority_folds_are_those_of_kfold(seed, shuffle):
    rng = np.random.default_rng(seed)
    y = random_labels(rng, rng.integers(10, 60), 5)
    settings = {
        "n_splits": int(rng.integers(2, 10)),
        "shuffle": shuffle,
        "random_state": 7 if shuffle else None,
    }
    majority = np.flatnonzero(y == 1)
    oracle = KFold(**settings).split(majority)
    for (train, test), (expected_train, expected_test) in zip(folds(OneClassKFold(**settings), y), oracle, strict=True):
        np.testing.assert_array_equal(train, majority[expected_train])
        np.testing.assert_array_equal(test[y[test] == 1], majority[expected_test])


@pytest.mark.parametrize(
    ("n_majority", "n_splits", "test_size", "n_train", "most_often_tested"),
    [(1575, 4, 390, 1185, 1), (252, 5, 52, 200, 2), (1946, 2, 926, 1020, 1)],
)
def test_numbers_of_the_paper(n_majority, n_splits, test_size, n_train, most_often_tested):
    y = np.repeat([1, -1], [n_majority, test_size])
    found = folds(OneClassKFold(n_splits, test_size=test_size), y)
    assert [(len(train), len(test)) for train, test in found] == [(n_train, 2 * test_size)] * n_splits
    tested = np.bincount(np.concatenate([test for _, test in found]), minlength=len(y))
    assert tested[:n_majority].max() == most_often_tested
    assert (tested[n_majority:] == n_splits).all()


def test_a_window_that_reaches_the_end_goes_on_at_the_beginning():
    y = np.repeat([1, -1], [10, 1])
    tested = [list(test[:-1]) for _, test in folds(OneClassKFold(2, test_size=6), y)]
    assert tested == [[0, 1, 2, 3, 4, 5], [0, 5, 6, 7, 8, 9]]


def grouped(seed):
    rng = np.random.default_rng(seed)
    n_groups = int(rng.integers(4, 25))
    groups = np.concatenate([np.arange(n_groups), rng.integers(n_groups, size=rng.integers(0, 150))])
    groups = rng.permutation(groups ** rng.integers(1, 3) % 97)
    y = np.where(rng.random(len(groups)) < 0.7, 1, -1)
    # one minority-only patient, so that every fold can be scored
    return np.append(y, -1), np.append(groups, 1000), rng


def smallest_windows(size, n_needed):
    """For each start, how many whole consecutive groups hold `n_needed` rows, by counting on."""
    around, found = np.concatenate([size, size]), []
    for start in range(len(size)):
        rows, length = 0, 0
        while rows < n_needed:
            rows, length = rows + around[start + length], length + 1
        found.append(length)
    return found


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_groups_never_cross(seed, shuffle):
    y, groups, rng = grouped(seed)
    line, size = np.unique(groups[y == 1], return_counts=True)
    n_splits = int(rng.integers(2, min(len(line), 6) + 1))
    cv = OneClassKFold(n_splits, shuffle=shuffle, random_state=seed if shuffle else None)
    tested = np.zeros(len(y), dtype=int)
    for train, test in folds(cv, y, groups):
        assert (y[train] == 1).all()
        assert not np.isin(groups[test], groups[train]).any()
        np.testing.assert_array_equal(np.isin(np.flatnonzero(y == 1), np.union1d(train, test)), True)
        left_out = np.setdiff1d(np.arange(len(y)), np.union1d(train, test))
        assert (y[left_out] == -1).all()
        assert np.isin(groups[left_out], groups[train]).all()
        share = size.sum() / n_splits
        assert np.floor(share) - size.max() <= (y[test] == 1).sum() <= np.ceil(share) + size.max()
        assert (y[test] == 1).any()
        tested[test] += 1
    assert (tested[y == 1] == 1).all()


@pytest.mark.parametrize("seed", range(60))
def test_windows_of_whole_groups_are_the_smallest(seed):
    y, groups, rng = grouped(seed)
    line, size = np.unique(groups[y == 1], return_counts=True)
    n_splits = int(rng.integers(2, min(len(line), 6) + 1))
    test_size = int(rng.integers(1, size.sum() - size.max() + 1)) // 2 + 1
    length = smallest_windows(size, test_size)
    if max(length) >= len(line):
        test_size = 1
        length = smallest_windows(size, 1)
    previous = -1
    for train, test in folds(OneClassKFold(n_splits, test_size=test_size), y, groups):
        in_window = np.isin(line, groups[test])
        start = next(s for s in range(previous + 1, len(line)) if in_window[s] and not in_window[s - 1])
        window = (start + np.arange(length[start])) % len(line)
        np.testing.assert_array_equal(np.flatnonzero(in_window), np.sort(window))
        assert (y[test] == 1).sum() >= test_size
        assert not np.isin(groups[test], groups[train]).any()
        previous = start


def test_groups_of_one_row_change_nothing():
    rng = np.random.default_rng(0)
    y = random_labels(rng, 41, 9)
    for settings in ({}, {"test_size": 13}, {"shuffle": True, "random_state": 3}):
        cv = OneClassKFold(4, **settings)
        for alone, one_each in zip(folds(cv, y), folds(cv, y, np.arange(len(y))), strict=True):
            np.testing.assert_array_equal(alone[0], one_each[0])
            np.testing.assert_array_equal(alone[1], one_each[1])


@pytest.mark.parametrize(("size", "expected"), [([6, 4, 4], [6, 8]), ([4, 4, 6], [8, 6]), ([1, 5, 1], [6, 1])])
def test_a_fold_starts_at_the_nearest_group_boundary(size, expected):
    groups = np.append(np.repeat(np.arange(3), size), 9)
    y = np.append(np.ones(sum(size), dtype=int), -1)
    assert [len(test) - 1 for _, test in folds(OneClassKFold(2), y, groups)] == expected


def test_groups_larger_than_a_share_leave_a_group_to_every_fold():
    for size in ([100, 100, 1, 1], [1, 1, 1, 100], [100, 1, 1, 1]):
        groups = np.append(np.repeat(np.arange(4), size), 9)
        y = np.append(np.ones(sum(size), dtype=int), -1)
        assert [len(test) - 1 for _, test in folds(OneClassKFold(4), y, groups)] == size


@pytest.mark.parametrize("kind", [list, np.array, lambda g: np.array(g, dtype=object), pd.Series])
def test_kinds_of_groups(kind):
    y = np.array([1, 1, 1, 1, -1, -1])
    found = folds(OneClassKFold(2), y, kind(["b", "a", "a", "b", "a", "c"]))
    assert [(list(train), list(test)) for train, test in found] == [
        ([0, 3], [1, 2, 4, 5]),
        ([1, 2], [0, 3, 5]),
    ]


def test_shuffle_reproducible():
    y, groups, _ = grouped(1)
    for labels in (None, groups):
        cv = OneClassKFold(3, shuffle=True, random_state=0)
        first = folds(cv, y, labels)
        for again in (folds(cv, y, labels), folds(OneClassKFold(3, shuffle=True, random_state=0), y, labels)):
            assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
        others = [OneClassKFold(3, shuffle=True, random_state=1), OneClassKFold(3)]
        for other in others:
            assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, folds(other, y, labels), strict=True))


def test_pandas_images_and_no_x():
    y = np.repeat([1, -1], [8, 3])
    expected = [test.tolist() for _, test in folds(OneClassKFold(2), y)]
    for X, labels in ((pd.DataFrame({"a": y}), pd.Series(y, index=y)), (np.zeros((11, 4, 4)), y), (None, y)):
        assert [test.tolist() for _, test in OneClassKFold(2).split(X, labels)] == expected


def test_repr():
    text = "OneClassKFold(n_splits=4, random_state=0, shuffle=True, test_size=390)"
    assert repr(OneClassKFold(4, test_size=390, shuffle=True, random_state=0)) == text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"n_splits": 1},
            "'n_splits' parameter of OneClassKFold must be an int in the range .2, inf.. Got 1",
        ),
        ({"n_splits": 2.5}, "'n_splits'.*Got 2.5"),
        ({"test_size": 0}, "'test_size'.*Got 0"),
        ({"test_size": 0.2}, "'test_size'.*Got 0.2"),
        ({"shuffle": "yes"}, "'shuffle'.*Got 'yes'"),
        ({"shuffle": True, "random_state": "a"}, "'random_state'.*Got 'a'"),
        ({"random_state": 0}, "random_state=0 has no effect with shuffle=False: set shuffle=True"),
    ],
)
def test_bad_parameters(settings, message):
    with pytest.raises(ValueError, match=message):
        OneClassKFold(**settings)


Y = np.array([1, 1, 1, 1, -1, -1])


@pytest.mark.parametrize(
    ("settings", "y", "groups", "message"),
    [
        ({}, None, None, "needs y, got None"),
        ({}, [1, 1, 0, 0, 1, 1], None, "y holds 1 .4 rows., 0 .2 rows., expected 1 .majority. and -1 .minority. only"),
        ({}, list("aabbab"), None, "y holds 'a' .3 rows."),
        ({}, [1.0, 1.0, np.nan, 1.0, -1.0, -1.0], None, "y holds 1 gaps"),
        ({}, np.ones(6), None, "no minority row .-1. among its 6 rows"),
        ({}, -np.ones(6), None, "n_splits=2 is more than the 0 majority rows"),
        ({}, [[1, -1]] * 6, None, "expected one label for each row"),
        ({}, Y[1:], None, "inconsistent numbers of samples"),
        ({}, Y, [0] * 5, "inconsistent numbers of samples"),
        ({"n_splits": 5}, Y, None, "n_splits=5 is more than the 4 majority rows in y"),
        ({"n_splits": 3}, Y, [0, 0, 1, 1, 2, 3], "n_splits=3 is more than the 2 majority groups in y"),
        ({"test_size": 4}, Y, None, "test_size=4 leaves none of the 4 majority rows to train on"),
        ({"test_size": 99}, Y, None, "test_size=99 leaves none"),
        ({"test_size": 3}, Y, [0, 0, 1, 1, 2, 3], "test_size=3 leaves none of the 2 majority groups"),
        ({}, Y, [0, 0, 1, 1, 0, 0], "Fold 1 has no minority row to test"),
        (
            {},
            Y,
            ["a", "a", "b", None, "c", "c"],
            "groups must be all numbers or all strings with none missing",
        ),
        ({}, Y, ["a", "a", "b", pd.NA, "c", "c"], "groups must be all numbers or all strings"),
        ({}, Y, [0.0, 1.0, np.nan, 2.0, 3.0, 4.0], "none missing, got labels that fail with.*NaN"),
        ({}, Y, [["a", "b"]] * 6, "one label a row, got shape .6, 2."),
    ],
)
def test_bad_data(settings, y, groups, message):
    with pytest.raises(ValueError, match=message):
        list(OneClassKFold(**{"n_splits": 2, **settings}).split(np.zeros((6, 2)), y, groups))


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(40, 2)), rng.normal(2.5, 1, size=(15, 2))])
    return X, np.repeat([1, -1], [40, 15])


def test_grid_search_equals_a_hand_written_one(data):
    X, y = data
    cv, grid = OneClassKFold(4, shuffle=True, random_state=0), {"gamma": [0.01, 1.0, 100.0]}
    search = GridSearchCV(OneClassSVM(), grid, cv=cv, scoring="roc_auc").fit(X, y)
    for gamma, mean in zip(grid["gamma"], search.cv_results_["mean_test_score"], strict=True):
        aucs = []
        for train, test in cv.split(X, y):
            score = OneClassSVM(gamma=gamma).fit(X[train]).decision_function(X[test])
            pairs = score[y[test] == 1][:, None] - score[y[test] == -1]
            aucs.append((pairs > 0).mean() + (pairs == 0).mean() / 2)
        assert mean == pytest.approx(np.mean(aucs), abs=1e-12)


class SeenRows(OutlierMixin, BaseEstimator):
    """Remembers the labels and rows it was trained on."""

    def fit(self, X, y):
        self.rows_, self.labels_ = X[:, 0], y
        return self

    def decision_function(self, X):
        return X[:, 0]


@pytest.mark.parametrize("routing", [False, True])
def test_cross_validate_hands_groups_on(routing):
    y, groups, _ = grouped(2)
    X = np.arange(len(y), dtype=float)[:, None]
    cv = OneClassKFold(3)
    passed = {"params": {"groups": groups}} if routing else {"groups": groups}
    with sklearn.config_context(enable_metadata_routing=routing):
        result = cross_validate(
            SeenRows(), X, y, cv=cv, scoring="roc_auc", return_estimator=True, return_indices=True, **passed
        )
    for fold, (train, test) in enumerate(cv.split(X, y, groups)):
        np.testing.assert_array_equal(result["estimator"][fold].rows_, train)
        np.testing.assert_array_equal(result["indices"]["test"][fold], test)
        assert (result["estimator"][fold].labels_ == 1).all()


def test_cross_val_score_and_cross_val_predict(data):
    X, y = data
    assert cross_val_score(OneClassSVM(), X, y, cv=OneClassKFold(4), scoring="roc_auc").shape == (4,)
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(OneClassSVM(), X, y, cv=OneClassKFold(4))
