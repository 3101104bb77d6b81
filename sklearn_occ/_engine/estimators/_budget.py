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


class BudgetMixin:
    """Epochs of each stage, given or from steps.

    A subclass names the steps of its stages: `_budgets[parameter]`, and for each parameter there is a fitted attribute
    `<parameter>_`. It writes `_rows_of_epoch(parameter, n_rows)` if a stage takes some rows only.
    """

    _budgets = {"max_epochs": Steps(images=1000, table=1000)}

    def _rows_of_epoch(self, parameter, n_rows):
        """Rows of an epoch of the stage, of so many rows to train on."""
        return n_rows

    def _set_epochs(self, n_rows, parameters=None):
        """Set `<parameter>_` of these parameters, by default of all."""
        for parameter in parameters or self._budgets:
            epochs = getattr(self, parameter)
            if epochs == "auto":
                steps = self._budgets[parameter][self.image_shape_ is None]
                epochs = epochs_of(steps, self._rows_of_epoch(parameter, n_rows), self.batch_size)
            setattr(self, f"{parameter}_", int(epochs))

    def _epochs_by_parameter(self):
        return {parameter: getattr(self, f"{parameter}_") for parameter in self._budgets}


def share_of_epochs(given, share, epochs):
    """Epochs between two events of a stage: those given, or with "auto" a share of all, at least 1."""
    return max(1, round(share * epochs)) if given == "auto" else given
