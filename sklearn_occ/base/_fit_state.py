"""FitState: what a fitted estimator knows and does not show, in one object."""

from dataclasses import dataclass

import numpy as np


@dataclass(eq=False)
class FitState:
    """The attribute `_fit_state` of a fitted estimator.

    A fit begins with an empty one, or with a copy of the last one if it adds to the fit before, and writes into that
    alone. So the estimator gets the state before back if the fit fails. What a method keeps besides is in a subclass.

    Attributes
    ----------
    row_shape : tuple
        Shape of one row as it was given to `fit`; None if rows differ in shape.
    is_uint8 : bool
        Whether the rows trained on were uint8, which is read as value / 255.
    above_one : bool
        Whether they held values above 1, so that uint8 images would be in another unit.
    value_range : float
        Their largest value less their smallest; 1.0 if they lie within [0, 1], as uint8 does.
    seed : int
        Drawn from `random_state`; None in transformers, which draw nothing.
    split : tuple (validation_fraction, number of majority rows)
        What rows were held out of; a warm start has to hold out the same ones.
    training_rows : ndarray of int
        Numbers of the rows of `X` that were trained on, ascending.
    """

    row_shape: tuple | None = None
    is_uint8: bool | None = None
    above_one: bool | None = None
    value_range: float | None = None
    seed: int | None = None
    split: tuple | None = None
    training_rows: np.ndarray | None = None
