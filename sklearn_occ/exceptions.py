"""Warnings of their own class, so that each can be turned into an error or silenced by itself."""

__all__ = ["LabelsIgnoredWarning"]


class LabelsIgnoredWarning(UserWarning):
    """`y` is ignored, since it holds other numbers than 1 and -1; every row is trained on.

    See Also
    --------
    sklearn_occ.model_selection.MajorityOnly : Drops rows labelled -1 before every step of a pipeline.

    Examples
    --------
    >>> import warnings
    >>> from sklearn_occ.exceptions import LabelsIgnoredWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", LabelsIgnoredWarning)  # a wrong y ends the program
    """
