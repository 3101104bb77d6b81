"""A labelled data set of several classes becomes a majority to train on and a test set with outliers."""

from numbers import Real

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.utils import _safe_indexing, check_array, indexable
from sklearn.utils._param_validation import Interval, validate_params

from ..base._input import as_array
from ._split import group_numbers

_CONSTRAINTS = {
    "X": ["array-like", "sparse matrix"],
    "y": ["array-like"],
    "test_size": [Interval(Real, 0, 1, closed="neither")],
    "groups": ["array-like", None],
    "random_state": ["random_state"],
}


@validate_params({**_CONSTRAINTS, "majority": "no_validation"}, prefer_skip_nested_validation=True)
def one_vs_rest_split(X, y, majority, *, test_size=0.2, groups=None, random_state=None):
    """Split labelled rows with one class as the majority; all rows of the other classes are tested.

    The majority's rows are divided at random, `1 - test_size` of them to train on. The other classes are the
    intra-class outliers: they come from the same source as the majority.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, ...), or list of length n
        Rows: a table, images, paths. ``np.arange(n)`` gives the numbers of the rows instead of the rows, from which
        the class of an outlier can be looked up.
    y : array-like of shape (n,)
        The class of each row, of any type; none missing.
    majority : label
        The class that is the majority.
    test_size : float in (0, 1), default=0.2
        Share of the majority's rows that are tested; of its groups, where there are groups.
    groups : array-like of shape (n,), default=None
        One label a row, such as the patient. No group is on both sides: rows of other classes whose group is trained
        on are left out.
    random_state : int, RandomState instance or None, default=None
        Decides the split. None gives another split at every call.

    Returns
    -------
    X_train : of the type of `X`
        Majority rows to train on.
    X_test : of the type of `X`
        Majority rows first, then the others in the order of `X`.
    y_test : ndarray of shape (n_test,), int
        1 for the majority, -1 for the others.

    Raises
    ------
    ValueError
        If a label is missing, `majority` is not among them or is the only one, one side would have no row of the
        majority, or every outlier belongs to a group that is trained on.

    See Also
    --------
    rest_vs_one_split : One class as outliers, all others as the majority.
    OneClassKFold : Several folds of rows labelled 1 and -1.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), section 4.1.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_occ.model_selection import one_vs_rest_split
    >>> images, labels = load_digits().images, load_digits().target
    >>> X_train, X_test, y_test = one_vs_rest_split(images, labels, 3, random_state=0)
    >>> len(X_train), int((y_test == 1).sum()), int((y_test == -1).sum())
    (146, 37, 1614)
    """
    return _split(
        X,
        y,
        majority,
        name="majority",
        in_majority=True,
        test_size=test_size,
        groups=groups,
        random_state=random_state,
    )


@validate_params({**_CONSTRAINTS, "minority": "no_validation"}, prefer_skip_nested_validation=True)
def rest_vs_one_split(X, y, minority, *, test_size=0.2, groups=None, random_state=None):
    """Split labelled rows with one class as outliers; all other classes together are the majority.

    The reverse of `one_vs_rest_split`, harder since the majority is more diverse. The majority's rows are divided
    at random over all its classes together, so that a rare class may have no row to train on.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, ...), or list of length n
        Rows: a table, images, paths.
    y : array-like of shape (n,)
        The class of each row, of any type; none missing.
    minority : label
        The class whose rows are outliers, all of them tested.
    test_size : float in (0, 1), default=0.2
        As in `one_vs_rest_split`.
    groups : array-like of shape (n,), default=None
        As in `one_vs_rest_split`.
    random_state : int, RandomState instance or None, default=None
        As in `one_vs_rest_split`.

    Returns
    -------
    X_train, X_test, y_test
        As of `one_vs_rest_split`.

    Raises
    ------
    ValueError
        As `one_vs_rest_split` does.

    See Also
    --------
    one_vs_rest_split : One class as the majority, all others as outliers.
    OneClassKFold : Several folds of rows labelled 1 and -1.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), section 4.1.3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_occ.model_selection import rest_vs_one_split
    >>> images, labels = load_digits().images, load_digits().target
    >>> X_train, X_test, y_test = rest_vs_one_split(images, labels, 3, random_state=0)
    >>> len(X_train), int((y_test == 1).sum()), int((y_test == -1).sum())
    (1291, 323, 183)
    """
    return _split(
        X,
        y,
        minority,
        name="minority",
        in_majority=False,
        test_size=test_size,
        groups=groups,
        random_state=random_state,
    )


def _split(X, y, label, *, name, in_majority, test_size, groups, random_state):
    X = as_array(X) if hasattr(X, "detach") else X
    X, y, groups = indexable(X, y, groups)
    is_majority = _rows_with(y, label, name) == in_majority
    majority, minority = np.flatnonzero(is_majority), np.flatnonzero(~is_majority)
    if groups is None:
        train, test = train_test_split(majority, test_size=test_size, random_state=random_state)
    else:
        number = group_numbers(groups)
        splitter = GroupShuffleSplit(1, test_size=test_size, random_state=random_state)
        train, test = (majority[part] for part in next(splitter.split(majority, groups=number[majority])))
        minority = minority[~np.isin(number[minority], number[train])]
        if not len(minority):
            raise ValueError(
                "Every outlier belongs to a group that is trained on, so that none is left to test: use a larger "
                f"test_size, now {test_size}, or another random_state."
            )
    X_train, X_test = (_safe_indexing(X, rows) for rows in (train, np.concatenate([test, minority])))
    return X_train, X_test, np.repeat([1, -1], [len(test), len(minority)])


def _rows_with(y, label, name):
    """Mask of the rows of the class `label`, which some rows have and others have not."""
    try:
        y = check_array(y, ensure_2d=False, allow_nd=True, dtype=None)
        found = np.unique(y).tolist()  # in which None and strings do not sort
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must give the class of each row, none missing, got labels that fail with '{error}': leave rows "
            "without a class out."
        ) from error
    if y.ndim != 1:
        raise ValueError(f"y must have one label a row, got shape {y.shape}: pass one column.")
    rows = y == label if np.ndim(label) == 0 else np.zeros(len(y), dtype=bool)
    if not rows.any() or rows.all():
        shown = ", ".join(map(repr, found[:10])) + (", ..." if len(found) > 10 else "")
        raise ValueError(f"{name} is {label!r}, but y holds {shown}: choose one of two classes or more.")
    return rows
