"""Fits whose steps can be recorded, and what tells them apart from fits whose steps run."""

import numpy as np
from conftest import ONE_NETWORK, quick

from sklearn_occ.nn import DenseEncoder

PLAIN = [name for name in ONE_NETWORK if name != "DAGMM"]  # which has dropout


def stages(name, **params):
    """A fit of four epochs in each stage, five batches of 10 rows and one of 9 in an epoch of 59 or 60."""
    before = {"pretrain_epochs", "warm_up_epochs"} & set(quick(name).get_params())
    given = {key: 4 for key in before if quick(name).get_params()[key]}
    return quick(name, **{"max_epochs": 4, "batch_size": 10, **given, **params})


def assert_same_fit(ours, theirs, X):
    np.testing.assert_array_equal(ours.score_samples(X), theirs.score_samples(X))
    for column in ("train_loss", "epoch"):
        assert ours.history_[:, column] == theirs.history_[:, column]


class Reading(DenseEncoder):
    """Has a value read by the host."""

    def forward(self, x):
        return super().forward(x) * (1.0 if x.sum().item() else 2.0)


Reading.__module__ = "sklearn_occ.nn"  # known code, which is recorded
