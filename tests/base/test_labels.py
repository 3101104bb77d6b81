"""What `y` may hold: decided by content, in one function, for detectors, folds, metrics and displays."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import cross_val_score

from sklearn_occ import OCSVM
from sklearn_occ.base._labels import majority_rows, minority_rows
from sklearn_occ.exceptions import LabelsIgnoredWarning
from sklearn_occ.metrics import aupr_majority_scorer, aupr_score
from sklearn_occ.model_selection import MajorityOnly, OneClassKFold

REFUSED = {
    "unlabelled 0": ([1, 1, 0, -1], r"holds 1 \(2 rows\), 0 \(1 rows\), -1 \(1 rows\), .*leave rows without a label"),
    "a third class": ([1, 2, 3, -1], r"holds .*: convert it, e.g. np.where\(\w+ == 2, 1, -1\)"),
    "fraction": ([1, 0.5, 1, -1], r"0.5 \(1 rows\)"),
    "NaN": ([1, np.nan, 1, -1], r"holds 1 gaps \(NaN, None or NA\) among 4 labels, .*pd.isna"),
    "None": ([1, None, None, -1], "holds 2 gaps"),
    "NA": (pd.Series([1, pd.NA, 1, -1], dtype="Int64"), "holds 1 gaps"),
    "masked": (np.ma.masked_equal([1, 7, 1, -1], 7), "holds 1 gaps"),
    "bool": ([True, False, True, True], r"True \(3 rows\), False \(1 rows\), .*np.where\(\w+, 1, -1\) if True"),
    "bool objects": (np.array([True, 1, 1, -1], dtype=object), "if True is the majority"),
    "all True": ([True] * 4, "if True is the majority"),
    "text": (["well", "well", "sick", "well"], r"'well' \(3 rows\), 'sick' .*np.where\(\w+ == 'well', 1, -1\)"),
    "three texts": (["a", "b", "c", "a"], "expected the numbers 1"),
    "numbers as text": (["1", "-1", "1", "1"], "expected the numbers 1"),
    "one-hot": ([[1, 0], [1, 0], [0, 1], [1, 0]], r"has shape \(4, 2\), .*\[:, k\] == 1"),
    "frame": (pd.DataFrame({"a": [1] * 4, "b": [-1] * 4}), "expected one label for each row"),
    "scalar": (1, "is a scalar, 1, expected one label for each row"),
}
ROWS = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_labels_is_refused(case):
    y, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        OCSVM().fit(ROWS, y)
    with pytest.raises(ValueError, match=message):
        MajorityOnly(OCSVM()).fit(ROWS, y)
    with pytest.raises(ValueError, match=message):
        minority_rows(y)


@pytest.mark.parametrize("case", sorted(set(REFUSED) - {"scalar"}))
def test_folds_and_metrics_refuse_the_same(case):
    y, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        next(OneClassKFold(2).split(ROWS, y))
    with pytest.raises(ValueError, match=message):
        aupr_score(y, np.arange(4.0))


@pytest.mark.parametrize("y", [[0, 1, 0, 1], [2, 1, 2, 1], [0, 1, 2, 1], [0, 1, 2, 3], [0.5, 1, 1, 1]], ids=str)
@pytest.mark.parametrize("kind", [float, object])
def test_other_numbers_are_ignored_with_a_warning_of_their_own(y, kind):
    y = np.array(y, dtype=kind)
    with pytest.warns(LabelsIgnoredWarning, match=r"y is ignored and every row is trained on. .*y = np\.where\(y == "):
        rows = majority_rows(y, 4)
    assert rows.all()
    with pytest.raises(ValueError, match=r"convert it, e.g. np.where"):
        minority_rows(y)
    with pytest.raises(ValueError, match="1 .majority. and -1 .minority. only"):
        next(OneClassKFold(2).split(ROWS, y))


def test_estimators_train_on_all_rows_then(make, rng):
    X = rng.normal(size=(30, 5))
    with pytest.warns(LabelsIgnoredWarning):
        occ = make().fit(X, np.arange(30))
    np.testing.assert_array_equal(occ.score_samples(X), make().fit(X).score_samples(X))


@pytest.mark.parametrize("y", [None, [1, 1, 1, 1], [1.0] * 4, [[1]] * 4, torch.ones(4), pd.Series([1] * 4)], ids=str)
def test_a_majority_alone_says_nothing(y):
    assert majority_rows(y, 4).tolist() == [True] * 4


@pytest.mark.parametrize("container", [list, np.array, torch.tensor, pd.Series, lambda y: np.array(y)[:, None]])
def test_labels_in_any_container(container):
    assert majority_rows(container([1, -1, 1, -1]), 4).tolist() == [True, False, True, False]
    assert minority_rows(container([1, -1, 1, -1])).tolist() == [False, True, False, True]


def test_lengths_and_a_minority_alone():
    with pytest.raises(ValueError, match="y has 3 labels, but X has 4 rows"):
        majority_rows([1, 1, -1], 4)
    with pytest.raises(ValueError, match="labels every row -1"):
        majority_rows([-1, -1], 2)


def test_a_long_list_of_values_is_shortened():
    with pytest.warns(LabelsIgnoredWarning, match=r"0 \(1 rows\), 2 \(1 rows\).* and 5 other values"):
        majority_rows([0, *range(2, 11)], 10)


def test_the_scorer_of_a_cross_validation_refuses_them_too():
    y = np.repeat([1, 0], 2)
    with pytest.raises(ValueError, match="convert it"):
        cross_val_score(OCSVM(), ROWS, y, scoring=aupr_majority_scorer, cv=OneClassKFold(2), error_score="raise")
