"""Several processes train one network through `device=Accelerator()`: two stand in, over the loopback address."""

import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ONE_NETWORK, CtrlC, blobs, quick
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from skorch.callbacks import EarlyStopping, EpochScoring, GradientNormClipping
from two_processes import (
    Recorder,
    TwoProcesses,
    fitted,
    fitted_on_its_own,
    fitted_streaming,
    printed,
    refitted,
)

from sklearn_occ.engine._net import OneClassNet
from sklearn_occ.engine._processes import processes_of

NOT_AS_ONE = ["DAGMM"]  # its mixture is that of the rows in one process
SGD = {"optimizer": "sgd", "lr": 1e-3}


@pytest.fixture(scope="module")
def two():
    with TwoProcesses() as processes:
        yield processes


@pytest.fixture
def table(rng):
    return (rng.normal(size=(50, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)


def both(found):
    """The estimators of the two processes, or the error of one."""
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [pickle.loads(one) for one in found]


def tensors(occ):
    net = occ.net_
    return {f"{part}.{k}": v for part in ("module_", "criterion_") for k, v in getattr(net, part).state_dict().items()}


def assert_equal_bits(first, second, X):
    for name, tensor in tensors(first).items():
        torch.testing.assert_close(tensors(second)[name], tensor, rtol=0, atol=0)
    assert first.history_[:, "train_loss"] == second.history_[:, "train_loss"]
    assert first.offset_ == second.offset_
    np.testing.assert_array_equal(first.calibration_scores_, second.calibration_scores_)
    np.testing.assert_array_equal(first.score_samples(X), second.score_samples(X))


def assert_as_of_one(occ, alone):
    for name, tensor in tensors(alone).items():
        torch.testing.assert_close(tensors(occ)[name], tensor, rtol=1e-4, atol=1e-5)
    for loss in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(occ.history_[:, loss], alone.history_[:, loss], rtol=1e-4)
    np.testing.assert_allclose(occ.calibration_scores_, alone.calibration_scores_, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(occ.offset_, alone.offset_, rtol=1e-3, atol=1e-6)


# Batches of 15: 7 rows and 8. Of 40 rows trained on 10 are left over, of 38 in batches of 12 two, which both take.
@pytest.mark.parametrize(("batch_size", "n"), [(15, 50), (12, 48)])
@pytest.mark.parametrize("name", [name for name in ONE_NETWORK if name not in NOT_AS_ONE])
def test_a_plain_network_becomes_that_of_one_process(name, batch_size, n, two, table):
    params = {"max_epochs": 4, "batch_size": batch_size, "validation_fraction": 0.2, **SGD}
    if "ConOCC" in name:
        params["update_interval"] = 1
    X = table[:n]
    ours = both(two(fitted, name, X, params))
    assert_equal_bits(*ours, X)
    assert_as_of_one(ours[0], quick(name, **params).fit(X))
