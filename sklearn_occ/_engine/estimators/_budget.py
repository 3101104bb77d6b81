"""How long a fit trains: a number of optimizer steps, and the epochs that it is for the rows at hand."""

from math import ceil
from numbers import Integral
from typing import NamedTuple

from sklearn.utils._param_validation import Interval, StrOptions

from ..rows._batches import n_batches

LEAST_EPOCHS = 5  # so that every row is seen a few times, however many there are


class Steps(NamedTuple):
    """Optimizer steps of a stage for which `max_epochs`, or the epochs of another stage, are "auto".

    Attributes
    ----------
    images, table : int
        For images, and for the rows of a table.
    """

    images: int
    table: int


def epochs_or_auto(least=1):
    """Constraint of a parameter that counts epochs, at least so many, or is "auto"."""
    return [Interval(Integral, least, None, closed="left"), StrOptions({"auto"})]


def epochs_of(steps, n_rows, batch_size):
    """Epochs that make so many steps: `max(LEAST_EPOCHS, ceil(steps / steps of an epoch))`."""
    return max(LEAST_EPOCHS, ceil(steps / n_batches(n_rows, batch_size)))


def set_epochs(detector, n_rows, parameters=None):
    """Set the epochs of each stage, given or from steps, as `<parameter>_`.

    The parameters, by default all, are those of `detector._budgets`, which has `Steps` for each; its
    `_rows_of_epoch(parameter, n_rows)` says how many of the rows a stage takes.
    """
    for parameter in parameters or detector._budgets:
        epochs = getattr(detector, parameter)
        if epochs == "auto":
            steps = detector._budgets[parameter][detector.image_shape_ is None]
            epochs = epochs_of(steps, detector._rows_of_epoch(parameter, n_rows), detector.batch_size)
        setattr(detector, f"{parameter}_", int(epochs))


def epochs_by_parameter(detector):
    """Return what `set_epochs` has set, by the name of the parameter."""
    return {parameter: getattr(detector, f"{parameter}_") for parameter in detector._budgets}


def share_of_epochs(given, share, epochs):
    """Epochs between two events of a stage: those given, or with "auto" a share of all, at least 1."""
    return max(1, round(share * epochs)) if given == "auto" else given
