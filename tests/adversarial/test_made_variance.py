"""What a fit says of a generator whose rows vary too little, on real games; how many rows it makes at once."""

import warnings

import numpy as np
import pytest
from conftest import quick
from sklearn.exceptions import ConvergenceWarning
from torch import nn


@pytest.fixture
def clusters():
    """Two equal clusters, one behind the other."""
    means = np.repeat([-3.0, 3.0], 200)[:, None]
    return means + np.random.default_rng(0).normal(0, 0.1, (400, 4))


def said(occ, X):
    """What the fit warns of, one string."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ConvergenceWarning)
        occ.fit(X)
    return " ".join(str(warning.message) for warning in found)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_anogan_that_makes_one_of_two_clusters_warns(seed, clusters):
    occ = quick("AnoGAN", max_epochs=60, random_state=seed, search_steps=20)
    with pytest.warns(
        ConvergenceWarning,
        match=r"The generator of AnoGAN has collapsed or learned little in 240 steps: .* below 0\.05",
    ) as found:
        occ.fit(clusters)
    assert found[0].filename == __file__
    codes = np.random.default_rng(1).uniform(-1, 1, (256, occ.n_components_))
    assert abs(np.sign(occ.inverse_transform(codes).mean(1)).sum()) == 256
    of_one, of_other = occ.score_samples(clusters).reshape(2, -1).mean(1)
    assert abs(of_one - of_other) > 3


def test_anogan_is_quiet_of_one_cluster_and_of_a_short_fit(clusters):
    assert said(quick("AnoGAN", max_epochs=60), np.diff(clusters, axis=0)[:199] * 3) == ""
    assert said(quick("AnoGAN", max_epochs=2), clusters) == ""


def test_f_anogan_whose_generator_or_encoder_learned_little_warns(clusters):
    params = {"pretrain_epochs": 20, "pretrain_lr": 1e-3, "max_epochs": 15, "lr": 1e-3}
    slow = said(quick("FAnoGAN", **params | {"pretrain_lr": 1e-4}), clusters)
    assert "The generator of FAnoGAN has collapsed or learned little in 140 steps: the rows that it makes have" in slow
    assert "The encoder" not in slow
    slow = said(quick("FAnoGAN", **params | {"lr": 1e-6}), clusters)
    assert "The encoder of FAnoGAN has collapsed or learned little in 105 steps: reconstructions" in slow
    assert "below 0.01. Change lr, now 1e-06, or max_epochs, now 15." in slow
    assert said(quick("FAnoGAN", **params | {"lr": 1e-6, "max_epochs": 14}), clusters) == ""
    assert said(quick("FAnoGAN", **params), clusters) == ""


def test_ganomaly_that_learned_little_warns(clusters):
    slow = said(quick("GANomaly", max_epochs=30, lr=2e-4), clusters)
    assert "The generator of GANomaly has collapsed or learned little in 210 steps: reconstructions" in slow
    assert said(quick("GANomaly", max_epochs=30, lr=2e-3), clusters) == ""


class Counted(nn.Module):
    """A generator that notes how many codes it gets in train mode."""

    def __init__(self, n_components, shape):
        super().__init__()
        self.layer = nn.Linear(n_components, *shape)
        self.counts = set()

    def forward(self, codes):
        if self.training:
            self.counts.add(len(codes))
        return self.layer(codes)


@pytest.mark.parametrize(
    ("name", "parameter"), [("AnoGAN", "generator"), ("FAnoGAN", "generator"), ("GANomaly", "decoder")]
)
def test_rows_are_made_in_batches_as_in_training(name, parameter, clusters):
    occ = quick(name, **{parameter: Counted}, n_components=2, batch_size=8).fit(clusters[::8])
    assert max(getattr(occ.net_.module_, parameter).counts) < 16
