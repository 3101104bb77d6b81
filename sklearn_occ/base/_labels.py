"""Labels: 1 majority, -1 minority. What else `y` may hold, and what is refused."""

import math
from collections import Counter
from numbers import Real

import numpy as np
from sklearn.utils._missing import is_pandas_na

from .._warning import warn
from ..exceptions import LabelsIgnoredWarning

_SHOWN = 5  # values that a message names


def majority_rows(y, n_samples):
    """Mask of the rows to train on: those labelled 1 if there are labels 1 and -1, else all of them.

    scikit-learn's own checks hand whole numbers such as 0, 1 and 2 to every estimator, so these are ignored with a
    `LabelsIgnoredWarning`. What cannot come from there and cannot be labels is refused, see `minority_rows`.
    """
    if y is None:
        return np.ones(n_samples, dtype=bool)
    values = _values(y, "y")
    if len(values) != n_samples:
        raise ValueError(
            f"y has {len(values)} labels, but X has {n_samples} rows; give one label for each row, or y=None."
        )
    if set(values) <= {1, -1}:
        rows = np.array([value == 1 for value in values], dtype=bool)
        if n_samples and not rows.any():
            raise ValueError(
                "y labels every row -1, so no majority row is left to train on; the majority is labelled 1."
            )
        return rows
    if -1 in values:
        raise _not_labels(values, "y")
    first = min(values)
    warn(
        f"y holds {_counted(values)}, which are not 1 (majority) and -1 (minority): y is ignored and every row is "
        f"trained on. Convert it, for example with y = np.where(y == {first!r}, 1, -1) if {first!r} is the majority, "
        "or leave y out.",
        LabelsIgnoredWarning,
    )
    return np.ones(n_samples, dtype=bool)


def minority_rows(y, name="y"):
    """Mask of the rows labelled -1; a ValueError, which calls the labels `name`, if one is neither 1 nor -1.

    The message names the values, how often each occurs, and the conversion: for gaps (NaN, None, pandas' NA), bool,
    text, several columns, -1 beside anything but 1, and other numbers.
    """
    values = _values(y, name)
    if not set(values) <= {1, -1}:
        raise _not_labels(values, name)
    return np.array([value == -1 for value in values], dtype=bool)


def _values(y, name):
    """The labels as a list of numbers; a ValueError if there are others, gaps, or several columns."""
    y = y if np.ma.isMaskedArray(y) else np.asarray(y)
    shape = y.shape
    if not shape:
        raise ValueError(
            f"{name} is a scalar, {y.tolist()!r}, expected one label for each row, 1 (majority) or -1 (minority)."
        )
    if len(shape) > 1 and shape[1:] != (1,):
        raise ValueError(
            f"{name} has shape {shape}, expected one label for each row: 1 (majority) or -1 (minority). If each column "
            f"stands for a class, use np.where({name}[:, k] == 1, 1, -1) with the column k of the majority."
        )
    if np.iscomplexobj(y):
        raise ValueError(f"Complex data not supported: {name} has dtype {y.dtype}, expected 1 and -1.")
    values = y.ravel().tolist()  # in which masked ones are None
    n_gaps = sum(map(_is_gap, values))
    if n_gaps:
        raise ValueError(
            f"{name} holds {n_gaps} gaps (NaN, None or NA) among {len(values)} labels, expected 1 (majority) or -1 "
            f"(minority) in each row; leave these rows out: X[~pd.isna({name})], {name}[~pd.isna({name})]."
        )
    if any(isinstance(value, bool) for value in values):
        raise ValueError(
            f"{name} holds {_counted(values)}, expected 1 (majority) and -1 (minority): use np.where({name}, 1, -1) if "
            "True is the majority, np.where({name}, -1, 1) if it is the minority."
        )
    if not all(isinstance(value, Real) for value in values):
        first = next(value for value in values if not isinstance(value, Real))
        raise ValueError(
            f"{name} holds {_counted(values)}, expected the numbers 1 (majority) and -1 (minority): use "
            f"np.where({name} == {first!r}, 1, -1) if {first!r} is the majority."
        )
    return values


def _is_gap(value):
    return value is None or is_pandas_na(value) or (isinstance(value, float) and math.isnan(value))


def _not_labels(values, name):
    others = sorted({value for value in values if value not in (1, -1)})
    remedy = (
        f"leave rows without a label out: X[{name} != {others[0]!r}], {name}[{name} != {others[0]!r}]"
        if -1 in values and len(others) == 1
        else f"convert it, e.g. np.where({name} == {others[0]!r}, 1, -1) if {others[0]!r} is the majority"
    )
    return ValueError(f"{name} holds {_counted(values)}, expected 1 (majority) and -1 (minority) only: {remedy}.")


def _counted(values):
    """The most frequent values and how often each occurs."""
    counts = Counter(values).most_common()
    shown = ", ".join(f"{value!r} ({count} rows)" for value, count in counts[:_SHOWN])
    return shown + (f" and {len(counts) - _SHOWN} other values" if len(counts) > _SHOWN else "")
