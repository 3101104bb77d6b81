"""Warnings that point at the user's line, however many calls lie between."""

import sys
import warnings

_LAYERS = {__name__.partition(".")[0], "joblib", "sklearn", "skorch"}  # what calls methods for the user, and ourselves


def warn(text, category=UserWarning):
    """Warn at the innermost line on the stack that is neither ours nor scikit-learn's, skorch's or joblib's.

    In a thread of joblib's that is the line which runs its tasks.
    """
    frame, level = sys._getframe(1), 2  # skip_file_prefixes of warnings.warn is Python 3.12's
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _LAYERS:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
