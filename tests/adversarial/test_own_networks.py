"""Generators and discriminators of a user's own, and the widths of codes."""

import copy

import numpy as np
import pytest
import torch
from conftest import quick
from torch import nn


def test_networks_of_a_users_own(table, X):
    generator, features = nn.Linear(3, 6), nn.Sequential(nn.Linear(6, 5), nn.Tanh())
    kept = copy.deepcopy(generator.state_dict()), copy.deepcopy(features.state_dict())
    params = {"generator": generator, "discriminator": features, "n_components": 3}
    occ = quick("AnoGAN", **params, lr=1e-30).fit(table)
    assert torch.equal(occ.net_.module_.generator.weight, generator.weight)
    assert occ.net_.module_.discriminator.logit.in_features == 5
    trained = quick("AnoGAN", **params, lr=1e-2).fit(table)
    assert not torch.equal(trained.net_.module_.generator.weight, generator.weight)
    for module, before in zip((generator, features), kept, strict=True):
        assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    made = quick(
        "AnoGAN",
        generator=lambda n, shape: nn.Sequential(nn.Linear(n, 144), nn.Unflatten(1, shape)),
        discriminator=lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(144, 9)),
        n_components=4,
    ).fit(X)
    assert made.output_activation_ == "sigmoid" and made.reconstruct(X).max() <= 1
    assert made.transform(X).shape == (50, 4)


@pytest.mark.parametrize("name", ["AnoGAN", "FAnoGAN"])
@pytest.mark.parametrize("output_activation", ["sigmoid", "linear"])
def test_a_trained_generator_given_back_makes_the_same_rows(name, output_activation, X):
    occ = quick(name, output_activation=output_activation).fit(X)
    generator = occ.net_.module_.generator
    still = {"lr": 1e-30} | ({"pretrain_lr": 1e-30} if name == "FAnoGAN" else {})
    again = quick(name, generator=generator, output_activation=output_activation, **still)
    again.fit(X[:10])  # makes the networks anew around it
    again.net_.module_.generator.load_state_dict(generator.state_dict())  # for running means and variances
    codes = np.random.default_rng(0).uniform(-1, 1, (20, occ.n_components_))
    np.testing.assert_array_equal(again.inverse_transform(codes), occ.inverse_transform(codes))


class DrawsInTraining(nn.Module):
    """A class that the package does not know, float32 only."""

    def __init__(self, shape):
        super().__init__()
        self.layer = nn.Linear(*shape, 5)

    def forward(self, x):
        assert x.dtype == torch.float32
        return nn.functional.dropout(self.layer(x), 0.3, self.training)


def test_unknown_code_repeats_and_leaves_the_global_generator_alone(table):
    before = torch.get_rng_state()
    fits = [quick("AnoGAN", discriminator=DrawsInTraining).fit(table) for _ in range(2)]
    np.testing.assert_array_equal(*(occ.score_samples(table) for occ in fits))
    assert torch.equal(torch.get_rng_state(), before)


def test_networks_that_work_in_place_see_copies(table):
    kept = table.copy()
    layer = nn.Linear(6, 5)
    params = {"validation_fraction": 0.3, "threshold_data": "validation", "max_epochs": 3}
    occ = quick("AnoGAN", discriminator=nn.Sequential(nn.ReLU(inplace=True), layer), **params).fit(table)
    other = quick("AnoGAN", discriminator=nn.Sequential(nn.ReLU(), layer), **params).fit(table)
    np.testing.assert_array_equal(table, kept)
    assert occ.history_[:, "valid_loss"] == other.history_[:, "valid_loss"]
    np.testing.assert_allclose(occ.score_samples(table), other.score_samples(table), rtol=1e-3)
    errors = np.abs(occ.reconstruct(table) - table).mean(1)
    np.testing.assert_allclose(occ.score_parts(table)["reconstruction"], -errors, rtol=1e-4)
    clamped = nn.Sequential(nn.Hardtanh(-0.5, 0.5, inplace=True), nn.Linear(3, 6))
    codes = quick("AnoGAN", generator=clamped, n_components=3).fit(table).transform(table)
    assert np.abs(codes).max() > 0.5  # the codes themselves are not clamped


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"generator": nn.Linear(3, 7), "n_components": 3},
            r"[Tt]he generator .*rows of shape \(7,\), expected \(6,\)",
        ),
        ({"generator": lambda n, shape: 3}, "returned int, expected a torch.nn.Module"),
        ({"discriminator": lambda shape: "no"}, "returned str, expected a torch.nn.Module"),
        ({"discriminator": nn.Unflatten(1, (2, 3))}, r"The discriminator .*\(2, 2, 3\), expected the features"),
    ],
)
def test_networks_that_do_not_fit_are_named(params, message, table):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        quick("AnoGAN", **params).fit(table)
    assert "encoder" not in str(caught.value) and "decoder" not in str(caught.value)


def test_too_small_images_are_told_of_no_parameter_of_other_estimators(rng):
    with pytest.raises(ValueError, match="Images of 5 x 5 pixels are too small for the default network") as caught:
        quick("AnoGAN").fit(rng.uniform(size=(20, 5, 5)))
    assert "networks of your own" in str(caught.value) and "coder=" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [("images", (28, 28), 100), ("images", (12, 12), 36), ("table", (9,), 4), ("table", (1,), 1)],
)
def test_width_of_the_code(kind, shape, expected, rng):
    rows = rng.uniform(size=(12, *shape))
    occ = quick("AnoGAN", max_epochs=1, search_steps=0, channels=2).fit(rows)
    assert occ.n_components_ == occ.transform(rows).shape[1] == expected
    assert quick("AnoGAN", max_epochs=1, search_steps=0, channels=2, n_components=3).fit(rows).n_components_ == 3
