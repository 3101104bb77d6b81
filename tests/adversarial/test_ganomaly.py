"""GANomaly: losses and score against NumPy, what a step changes, what the weights do, and that training helps."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import loss_of, quick
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback
from torch import nn

from sklearn_occ import GANomaly
from sklearn_occ.adversarial._ganomaly import RecodingLoss
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn import Discriminator
from sklearn_occ.nn._adversarial import Recoder, RecodingAdversarial

TERMS = ("feature", "reconstruction", "code")


def in_numpy(layer, rows):
    return rows @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def test_losses_and_score_are_the_formulas(rng):
    encoder, decoder, reencoder = (nn.Linear(*sizes).double() for sizes in ((5, 2), (2, 5), (5, 2)))
    features = nn.Linear(5, 4).double()
    discriminator = Discriminator(features, 4).double()
    module = RecodingAdversarial(Recoder(encoder, decoder, reencoder), discriminator)
    criterion, x = RecodingLoss(2.0, 30.0, 0.5), rng.normal(size=(7, 5))
    z = in_numpy(encoder, x)
    made = in_numpy(decoder, z)
    recode, of_rows, of_made = in_numpy(reencoder, made), in_numpy(features, x), in_numpy(features, made)
    rows = torch.from_numpy(x)
    expected = 2 * ((of_rows - of_made) ** 2).mean(), 30 * np.abs(x - made).mean(), 0.5 * ((z - recode) ** 2).mean()
    np.testing.assert_allclose(loss_of(criterion, "generator", module, rows).detach(), expected, rtol=1e-12)
    real, fake = (in_numpy(discriminator.logit, found)[:, 0] for found in (of_rows, of_made))
    judged = np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    assert loss_of(criterion, "discriminator", module, rows).item() == pytest.approx(judged, rel=1e-12)
    scores = criterion.score(module(rows), rows).detach()
    np.testing.assert_allclose(scores, -((z - recode) ** 2).mean(1), rtol=1e-12)


def test_gradients_reach_both_encoders_through_both_codes(rng):
    encoder, decoder, reencoder = (nn.Linear(*sizes) for sizes in ((5, 2), (2, 5), (5, 2)))
    module = RecodingAdversarial(Recoder(encoder, decoder, reencoder), Discriminator(nn.Linear(5, 4), 4))
    x = torch.from_numpy(rng.normal(size=(7, 5))).float()
    loss = loss_of(RecodingLoss(0.0, 0.0, 1.0), "generator", module, x).sum()
    loss.backward()
    for layer in (encoder, decoder, reencoder):
        assert layer.weight.grad.abs().sum() > 0
    free = copy.deepcopy(module).requires_grad_(False)
    with torch.no_grad():
        numeric = []
        for step in (1e-3, -1e-3):
            free.encoder.weight.copy_(encoder.weight)
            free.encoder.weight[0, 0] += step
            numeric.append(loss_of(RecodingLoss(0.0, 0.0, 1.0), "generator", free, x).sum())
    assert encoder.weight.grad[0, 0].item() == pytest.approx((numeric[0] - numeric[1]).item() / 2e-3, rel=0.01)


@pytest.mark.parametrize("kind", ["images", "table"])
def test_a_step_leaves_the_other_player_alone_statistics_included(kind, blobs, table, monkeypatch):
    states, original = [], RecodingAdversarial.forward

    def spy(self, x, *, player=None):
        if player is not None:
            states.append((player, copy.deepcopy(self.state_dict())))
        return original(self, x, player=player)

    monkeypatch.setattr(RecodingAdversarial, "forward", spy)
    rows = blobs(50, size=16) if kind == "images" else table
    occ = quick("GANomaly", max_epochs=1, batch_size=10, lr=1e-3).fit(rows)
    states.append(("end", occ.net_.module_.state_dict()))
    assert [player for player, _ in states] == ["generator", "discriminator"] * 5 + ["end"]
    for (player, before), (_, after) in pairwise(states):
        changed = {key for key in after if not torch.equal(before[key], after[key])}
        assert {key.split(".")[0] for key in changed} == {player}
    first, last = states[0][1], states[-1][1]
    assert not any(torch.equal(first[key], last[key]) for key in last)  # all have moved, statistics too


def test_scores_and_codes_are_those_of_the_networks_in_eval_mode(X):
    occ = quick("GANomaly", max_epochs=10, lr=1e-3).fit(X)
    module = copy.deepcopy(occ.net_.module_).eval()
    with torch.no_grad():
        made, code, recode = module(torch.from_numpy(X)[:, None].float() / 255)
    np.testing.assert_allclose(occ.score_samples(X), -(code - recode).square().mean(1), rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(occ.transform(X), code, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(occ.reconstruct(X), made[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(occ.inverse_transform(occ.transform(X)), occ.reconstruct(X), rtol=1e-4, atol=1e-5)


def test_history_has_the_terms_of_the_generator(X):
    occ = quick("GANomaly", max_epochs=3, validation_fraction=0.3).fit(X)
    for prefix in ("train", "valid"):
        losses = {name: np.array(occ.history_[:, f"{prefix}_{name}_loss"]) for name in (*TERMS, "generator")}
        judged = np.array(occ.history_[:, f"{prefix}_discriminator_loss"])
        np.testing.assert_allclose(sum(losses[name] for name in TERMS), losses["generator"], rtol=1e-5)
        np.testing.assert_allclose(losses["generator"] + judged, occ.history_[:, f"{prefix}_loss"], rtol=1e-5)
        assert all((of_term > 0).all() for of_term in losses.values())


def test_without_feature_matching_the_discriminator_has_no_say(X):
    def trained(discriminator, **params):
        occ = quick("GANomaly", max_epochs=3, discriminator=discriminator, **params).fit(X)
        return occ.score_samples(X)

    networks = [nn.Sequential(nn.Flatten(), nn.Linear(144, width)) for width in (5, 9)]
    without = [trained(network, feature_weight=0.0) for network in networks]
    np.testing.assert_array_equal(*without)
    assert not np.array_equal(trained(networks[0]), without[0])


def test_a_weight_trades_one_term_for_others(table):
    def trained(**params):
        occ = quick("GANomaly", max_epochs=100, lr=1e-2, **params).fit(table)
        return np.abs(occ.reconstruct(table) - table).mean(), -occ.score_samples(table).mean()

    (plain, latent), (free, _), (_, unlinked) = (
        trained(**params) for params in ({}, {"reconstruction_weight": 0.0}, {"code_weight": 0.0})
    )
    assert plain < 0.5 * free and latent < 0.5 * unlinked


def test_the_second_encoder_has_weights_of_its_own(X):
    def generator_of(**params):
        return quick("GANomaly", max_epochs=1, **params).fit(X).net_.module_.generator

    by_default = generator_of(lr=1e-30)
    assert not torch.equal(by_default.encoder.code.weight, by_default.reencoder.code.weight)
    given = nn.Sequential(nn.Flatten(), nn.Linear(144, 7))
    untrained, trained = (generator_of(encoder=given, lr=lr) for lr in (1e-30, 1e-2))
    assert torch.equal(untrained.reencoder[1].weight, given[1].weight)
    assert not torch.equal(trained.encoder[1].weight, trained.reencoder[1].weight)


def test_settings_of_the_paper(X):
    occ = quick("GANomaly").fit(X)
    assert occ.net_.optimizer_.defaults["betas"] == (0.5, 0.999) and occ.net_.optimizer_.defaults["lr"] == 2e-4
    default = GANomaly()
    assert (default.feature_weight, default.reconstruction_weight, default.code_weight) == (1, 50, 1)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [("images", (28, 28), 100), ("images", (12, 12), 36), ("table", (9,), 4), ("table", (1,), 1)],
)
def test_width_of_the_code(kind, shape, expected, rng):
    rows = rng.uniform(size=(12, *shape))
    assert quick("GANomaly", max_epochs=1, channels=2).fit(rows).n_components_ == expected


class Scale(Callback):
    """Multiply the decoder's weights by a factor after each epoch."""

    def __init__(self, factor):
        self.factor = factor

    @torch.no_grad()
    def on_epoch_end(self, net, **kwargs):
        net.module_.decoder.weight.mul_(self.factor)


def test_a_collapsed_generator_warns_and_a_diverged_one(table):
    def fitted(factor, **params):
        params |= {"decoder": nn.Linear(3, 6, bias=False), "n_components": 3, "max_epochs": 3}
        return quick("GANomaly", **params, callbacks=[Scale(factor)]).fit(table)

    with pytest.warns(
        ConvergenceWarning, match=r"The generator of GANomaly has collapsed: .* lr, now 0\.0002"
    ) as found:
        fitted(1e-2)
    assert found[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match=r"has diverged: reconstructions of the training rows have .* above 10"):
        fitted(30.0)
    fitted(1.0)
    # A generator that never made anything of the rows' size has neither.
    quick("GANomaly", lr=1e-30).fit(1e4 * table)


def test_a_loss_that_is_not_finite_stops_the_fit(table):
    with pytest.raises(ValueError, match="The train loss is (nan|inf) in epoch .*lower lr"):
        quick("GANomaly", optimizer="sgd", lr=1e20).fit(table)


def auc_on_digits(seed, **params):
    found = []
    for majority in (0, 3, 5):
        digits = load_one_class_digits(majority=majority, random_state=seed)
        occ = GANomaly(channels=8, random_state=seed, **params).fit(digits.X_train)
        found.append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    return np.mean(found)


def test_training_finds_digits_better_than_the_untrained_networks():
    before, after = (
        np.array([auc_on_digits(seed, **params) for seed in range(2)])
        for params in ({"lr": 1e-30, "max_epochs": 1}, {"lr": 2e-3, "max_epochs": 40})
    )
    assert after.mean() - before.mean() > 2 * max(before.std(ddof=1), after.std(ddof=1)), (before, after)
