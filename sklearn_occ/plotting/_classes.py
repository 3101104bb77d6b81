"""How the two classes look: colours of Okabe and Ito, and a line, a hatching and a marker for who sees no colours."""

from typing import NamedTuple

import numpy as np

from ..base._labels import minority_rows


class Look(NamedTuple):
    """Name, colour, line style, hatching and marker of a class."""

    name: str
    colour: str
    line: str
    hatch: str
    marker: str


MAJORITY = Look("majority", "#0072b2", "-", "", "o")
MINORITY = Look("minority", "#d55e00", "--", "////", "^")
UNLABELLED = Look("samples", "#0072b2", "-", "", "o")


def classes_in(y, n_rows, name="y_true"):
    """Look and mask of the rows of each class that is present, the majority first.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or None
        1 majority, -1 minority; None for rows without labels.
    n_rows : int
        Number of rows.
    name : str, default="y_true"
        What an error calls the labels.

    Returns
    -------
    classes : list of (Look, ndarray of bool)

    Raises
    ------
    ValueError
        For another number of labels, or other labels.
    """
    if y is None:
        return [(UNLABELLED, np.ones(n_rows, dtype=bool))]
    minority = minority_rows(y, name)
    if len(minority) != n_rows:
        raise ValueError(f"There are {len(minority)} labels, but {n_rows} rows: give one label for each row.")
    return [(look, rows) for look, rows in ((MAJORITY, ~minority), (MINORITY, minority)) if rows.any()]
