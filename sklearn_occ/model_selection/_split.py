"""Folds that train on majority rows only and test every fold on the minority."""

from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_array, check_random_state, indexable
from sklearn.utils._param_validation import Interval, validate_parameter_constraints

from ..base._labels import minority_rows


class OneClassKFold(BaseCrossValidator):
    """K folds of the majority, each tested with the whole minority.

    The majority rows stand in a line: in the order of `X`, or shuffled. Fold `j` tests a window of
    consecutive rows that starts `j / n_splits` of the way along (a window that reaches the end goes on at the
    beginning), trains on all the other majority rows, and adds every minority row to its test rows:

    - `test_size=None`: a window ends where the next one starts. The majority parts of the test folds are
      those of :class:`~sklearn.model_selection.KFold` on the majority alone: each row is tested once.
    - `test_size=m`: every window has `m` rows. Windows overlap when `n_splits * m` is more than the number of
      majority rows; when it is less, some rows are only trained on.

    With `groups` (patients), the line is of whole groups, in sorted order of their labels or shuffled, and no
    group is on both sides of a fold. Only groups with a majority row are in the line. What is promised then:

    - `test_size=None`: every majority row is tested once, and the majority rows of a test fold differ from an
      equal share (rounded to a whole row) by at most the rows of the largest group.
    - `test_size=m`: a test fold is the smallest window of whole consecutive groups, from its start, with at
      least `m` majority rows. Starts are the distinct group boundaries nearest to the starts without groups,
      so windows may overlap a little earlier.
    - A minority row whose group is trained on in a fold is on neither side of that fold. If none is left,
      that fold is an error.

    A row without `groups` is a group of one, and the same rules give both cases.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    test_size : int or None, default=None
        Majority rows in each test fold, at least 1. None shares the majority out among the folds.
    shuffle : bool, default=False
        Whether to shuffle the line. Rows are often sorted by site, scanner or date.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffle. An int gives the same folds on every call; set only with `shuffle=True`.

    Raises
    ------
    ValueError
        For a parameter out of range, or `random_state` without `shuffle`.

    See Also
    --------
    one_vs_rest_split : One split of labelled rows, one class as the majority.
    MajorityOnly : Wrapper that drops the rows labelled -1 in the last fit of a search.
    sklearn.model_selection.GroupKFold : A partition over groups, which trains on both classes.

    Notes
    -----
    The folds are not a partition of `X`, as the minority is in every test fold: `cross_val_predict` refuses
    them (unless groups happen to put each row in one test fold). `cross_validate`, `cross_val_score` and
    `GridSearchCV` take them. `GridSearchCV` fits its best estimator once more, on all of `X`: a detector that
    learns from every row it is given must be kept from the minority there (`refit=False`, or a wrapper that
    drops the rows labelled -1).

    Folds share their minority rows, so the spread of a metric over them understates that over independent
    test sets. With metadata routing, `groups` is requested by default, as in scikit-learn's group splitters.

    References
    ----------
    Gao et al., "Constrained Deep One-Class Feature Learning For Classifying Imbalanced Medical Images",
    section 3.1: "In the testing set of each fold, the minority class samples are the same while the majority
    class samples are changed alternately". Its chest X-rays are `n_splits=4, test_size=390` of 1575 normal
    images; its mammograms `n_splits=5, test_size=52` of 252, which overlap. The paper does not say how the
    windows are placed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_occ.model_selection import OneClassKFold
    >>> y = np.repeat([1, -1], [1575, 390])
    >>> for train, test in OneClassKFold(4, test_size=390).split(y, y):
    ...     print(len(train), (y[test] == 1).sum(), (y[test] == -1).sum())
    1185 390 390
    1185 390 390
    1185 390 390
    1185 390 390
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "test_size": [Interval(Integral, 1, None, closed="left"), None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }
    __metadata_request__split: ClassVar[dict] = {"groups": True}

    def __init__(self, n_splits=5, *, test_size=None, shuffle=False, random_state=None):
        self.n_splits = n_splits
        self.test_size = test_size
        self.shuffle = shuffle
        self.random_state = random_state
        validate_parameter_constraints(self._parameter_constraints, vars(self), type(self).__name__)
        if random_state is not None and not shuffle:
            raise ValueError(
                f"random_state={random_state!r} has no effect with shuffle=False: set shuffle=True, or leave "
                "random_state to None."
            )

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds, `n_splits`.

        Parameters
        ----------
        X, y, groups : object, default=None
            Not used.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        return self.n_splits

    def split(self, X, y=None, groups=None):
        """Yield the row numbers of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Only its length is used.
        y : array-like of shape (n_samples,), default=None
            1 for majority rows, -1 for minority rows; needed, and both must be present: None is an error.
        groups : array-like of shape (n_samples,), default=None
            One label a row, such as the patient; numbers or strings, none missing.

        Yields
        ------
        train : ndarray of int
            Row numbers of majority rows, ascending.
        test : ndarray of int
            Row numbers of majority and minority rows, ascending.

        Raises
        ------
        ValueError
            If `y` is missing, has other labels or no minority row; if there are fewer majority rows or groups
            than folds; if `test_size` leaves none to train on; if every minority row of a fold belongs to a
            group that is trained on.
        """
        X, y, groups = indexable(X, y, groups)
        majority = _majority(y)
        group_of_row = np.arange(len(majority)) if groups is None else group_numbers(groups)
        size = np.bincount(group_of_row[majority], minlength=group_of_row.max() + 1)  # majority rows of each
        line = np.flatnonzero(size)
        if self.shuffle:
            line = check_random_state(self.random_state).permutation(line)
        unit = "rows" if groups is None else "groups"
        for fold, window in enumerate(self._windows(size[line], unit)):
            trained = size > 0
            trained[line[window]] = False
            trained_row = trained[group_of_row]
            test = np.flatnonzero(~trained_row)
            if majority[test].all():
                raise ValueError(
                    f"Fold {fold} has no minority row to test, as each belongs to a group with majority rows "
                    "that the fold trains on: use fewer folds, a larger test_size or another random_state."
                )
            yield np.flatnonzero(trained_row & majority), test

    def _windows(self, size, unit):
        """Places in the line that each fold tests, for groups of `size` majority rows."""
        n_groups = len(size)
        if n_groups < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} is more than the {n_groups} majority {unit} in y: use fewer folds."
            )
        starts = _starts(size, self.n_splits)
        if self.test_size is None:
            stops = np.append(starts[1:], n_groups)
        else:
            ends = np.cumsum(np.concatenate([[0], size, size]))  # twice: a window may pass the line's end
            stops = np.searchsorted(ends, ends[starts] + self.test_size)
        if np.any(stops - starts >= n_groups):
            raise ValueError(
                f"test_size={self.test_size} leaves none of the {n_groups} majority {unit} to train on (they "
                f"have {size.sum()} rows): use a smaller test_size."
            )
        return [np.arange(start, stop) % n_groups for start, stop in zip(starts, stops, strict=True)]


def _starts(size, n_splits):
    """Place of the group boundary nearest to each of `KFold`'s, strictly ascending from 0."""
    fold = np.arange(n_splits)
    share, rest = divmod(size.sum(), n_splits)
    target = fold * share + np.minimum(fold, rest)
    ends = np.cumsum(size)
    nearest = np.searchsorted(ends - size / 2, target)
    # A group larger than a share draws several boundaries to one place: the later ones move on by a group
    # each, and leave a group for every fold still to come.
    return fold + np.minimum(np.maximum.accumulate(nearest - fold), len(size) - n_splits)


def _majority(y):
    if y is None:
        raise ValueError("OneClassKFold needs y, got None: pass labels, 1 for majority and -1 for minority.")
    minority = minority_rows(y)
    if not minority.any():
        raise ValueError(
            f"y has no minority row (-1) among its {len(minority)} rows, so no fold could be scored: add minority "
            "rows, or use KFold if only the majority is wanted."
        )
    return ~minority


def group_numbers(groups):
    try:
        groups = check_array(groups, ensure_2d=False, allow_nd=True, dtype=None)
        number = np.unique(groups, return_inverse=True)[1]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"groups must be all numbers or all strings with none missing, got labels that fail with "
            f"'{error}': give each row without a group a label of its own."
        ) from error
    if groups.ndim != 1:
        raise ValueError(f"groups must have one label a row, got shape {groups.shape}: pass one column.")
    return number
