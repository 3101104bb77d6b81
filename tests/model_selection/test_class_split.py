"""one_vs_rest_split and rest_vs_one_split: who is where, seeds, groups, types of X and y."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.model_selection import train_test_split

from sklearn_occ.model_selection import one_vs_rest_split, rest_vs_one_split

LABELS = np.array(["a", "b", "c"])


@pytest.fixture
def y(rng):
    return rng.permutation(np.repeat(LABELS, [50, 30, 20]))


def numbers(split, y, label, **params):
    return split(np.arange(len(y)), y, label, **params)


@pytest.mark.parametrize(
    ("split", "label", "majority"), [(one_vs_rest_split, "a", ["a"]), (rest_vs_one_split, "a", ["b", "c"])]
)
def test_every_row_is_in_exactly_one_set(split, label, majority, y):
    train, test, y_test = numbers(split, y, label, random_state=0)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(100))
    assert np.isin(y[train], majority).all()
    np.testing.assert_array_equal(y_test, np.where(np.isin(y[test], majority), 1, -1))
    assert len(train) == 40
    assert (y_test == 1).sum() == 10
    assert (np.diff(y_test) <= 0).all()  # the majority first
    np.testing.assert_array_equal(test[10:], np.flatnonzero(~np.isin(y, majority)))
    assert y_test.dtype.kind == "i"


def test_the_majority_is_split_as_by_train_test_split(y):
    train, test, _ = numbers(one_vs_rest_split, y, "b", test_size=0.37, random_state=5)
    expected = train_test_split(np.flatnonzero(y == "b"), test_size=0.37, random_state=5)
    np.testing.assert_array_equal(train, expected[0])
    np.testing.assert_array_equal(test[: len(expected[1])], expected[1])


def test_the_seed_counts(y):
    first, second, other = (numbers(rest_vs_one_split, y, "c", random_state=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert set(first) != set(other)


@pytest.mark.parametrize("split", [one_vs_rest_split, rest_vs_one_split])
def test_no_group_is_on_both_sides(split, rng, y):
    groups = rng.integers(40, size=100)
    train, test, y_test = numbers(split, y, "a", groups=groups, test_size=0.4, random_state=0)
    assert not set(groups[train]) & set(groups[test])
    is_majority = (y == "a") == (split is one_vs_rest_split)
    left_out = np.setdiff1d(np.arange(100), np.concatenate([train, test]))
    assert len(left_out)
    assert not is_majority[left_out].any()
    assert np.isin(groups[left_out], groups[train]).all()
    tested = len(set(groups[test[y_test == 1]]))
    assert tested == np.ceil(0.4 * len(set(groups[is_majority])))


def test_groups_of_one_leave_no_row_out(y):
    names = [f"patient {k}" for k in range(100)]
    train, test, _ = numbers(one_vs_rest_split, y, "a", groups=names, random_state=0)
    assert len(train) + len(test) == 100


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        lambda X: X[:, None, None] * np.ones((4, 4), dtype=np.uint8),
        lambda X: [f"image-{k}.png" for k in X],
        lambda X: pd.DataFrame({"a": X, "b": X}, index=X[::-1]),
        lambda X: csr_array(np.stack([X, X], 1)),
        lambda X: torch.from_numpy(np.asarray(X))[:, None],
    ],
    ids=["array", "images", "paths", "frame", "sparse", "tensor"],
)
def test_any_rows(convert, y):
    rows = np.arange(100, dtype=np.uint8)[:, None] if convert is np.asarray else np.arange(100, dtype=np.uint8)
    X = convert(rows)
    train, test, y_test = numbers(one_vs_rest_split, y, "a", random_state=0)
    X_train, X_test, y_of_X = one_vs_rest_split(X, y, "a", random_state=0)
    np.testing.assert_array_equal(y_of_X, y_test)
    for found, chosen in ((X_train, train), (X_test, test)):
        if isinstance(X, list):
            assert found == [X[k] for k in chosen]
        elif isinstance(X, pd.DataFrame):
            pd.testing.assert_frame_equal(found, X.iloc[chosen])
        else:
            dense = found.toarray() if hasattr(found, "toarray") else found
            whole = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
            np.testing.assert_array_equal(dense, whole[chosen])


@pytest.mark.parametrize("labels", [[0, 1, 2], [True, False, False], [1.0, -1.0, 2.5], pd.Series([0, 1, 2])])
def test_any_labels(labels):
    y = pd.Series(np.repeat(np.asarray(labels), 10)) if isinstance(labels, pd.Series) else np.repeat(labels, 10)
    train, test, y_test = numbers(one_vs_rest_split, y, labels[0], random_state=0)
    assert set(train) | set(test[y_test == 1]) == set(range(10))
    assert len(train) == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"majority": "d"}, "majority is 'd', but y holds 'a', 'b', 'c': choose one of two classes or more"),
        ({"majority": 0}, "majority is 0, but y holds 'a', 'b', 'c'"),
        ({"majority": ["a", "b"]}, r"majority is \['a', 'b'\], but y holds"),
        ({"y": ["a"] * 100}, "majority is 'a', but y holds 'a': choose one of two classes"),
        ({"y": np.repeat([1.0, np.nan], 50)}, "none missing, got labels that fail with"),
        ({"y": np.repeat(np.array(["a", None], dtype=object), 50)}, "none missing, got labels that fail with"),
        ({"y": np.zeros((100, 2))}, r"y must have one label a row, got shape \(100, 2\): pass one column"),
        ({"y": ["a"] * 99}, "inconsistent numbers of samples"),
        ({"y": ["a"] + ["b"] * 99}, "train set will be empty"),
        ({"test_size": 1.0}, "The 'test_size' parameter"),
        ({"test_size": 10}, "The 'test_size' parameter"),
        ({"random_state": "x"}, "The 'random_state' parameter"),
        ({"groups": ["p"] * 99 + [None]}, "groups must be all numbers or all strings with none missing"),
        ({"groups": ["p"] * 100}, "train set will be empty"),
    ],
)
def test_errors(changes, message, y):
    with pytest.raises(ValueError, match=message):
        one_vs_rest_split(**{"X": np.arange(100), "y": y, "majority": "a", "random_state": 0} | changes)


def test_outliers_whose_groups_are_all_trained_on():
    y, groups = np.repeat([0, 1], 20), np.tile(np.arange(2), 20)
    groups[20:] = 0
    random_state = next(s for s in range(9) if np.random.RandomState(s).permutation(2)[0] == 1)  # tests group 1
    with pytest.raises(ValueError, match="Every outlier belongs to a group that is trained on"):
        one_vs_rest_split(np.arange(40), y, 0, test_size=0.5, groups=groups, random_state=random_state)
