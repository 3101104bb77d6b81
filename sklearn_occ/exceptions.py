"""Warnings of their own class, so that each can be turned into an error or silenced by itself."""

from sklearn.exceptions import ConvergenceWarning

__all__ = ["LabelsIgnoredWarning", "ShiftedRangeWarning", "UntrainedWarning"]


class LabelsIgnoredWarning(UserWarning):
    """`y` is ignored, since it holds other whole numbers than 1 and -1; every row is trained on.

    See Also
    --------
    ShiftedRangeWarning : Scored rows do not lie where the fitted ones did.
    UntrainedWarning : A network has learned little.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_occ.exceptions import LabelsIgnoredWarning
    >>> warnings.simplefilter("error", LabelsIgnoredWarning)  # a wrong y ends the program
    >>> warnings.resetwarnings()
    """


class ShiftedRangeWarning(UserWarning):
    """The rows that are scored do not lie in the range of the rows that were fitted.

    See Also
    --------
    LabelsIgnoredWarning : `y` is ignored.
    UntrainedWarning : A network has learned little.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> from sklearn_occ import OCSVM
    >>> from sklearn_occ.exceptions import ShiftedRangeWarning
    >>> X = np.random.default_rng(0).uniform(size=(50, 8, 8))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     scores = OCSVM().fit(X).score_samples(255 * X)
    >>> [warning.category.__name__ for warning in caught]
    ['ShiftedRangeWarning']
    """


class UntrainedWarning(ConvergenceWarning):
    """A network has learned little: what it makes of each row is nearly the same.

    See Also
    --------
    sklearn.exceptions.ConvergenceWarning : Training has gone wrong.
    LabelsIgnoredWarning : `y` is ignored.

    Examples
    --------
    >>> from sklearn.exceptions import ConvergenceWarning
    >>> from sklearn_occ.exceptions import UntrainedWarning
    >>> issubclass(UntrainedWarning, ConvergenceWarning)
    True
    """
