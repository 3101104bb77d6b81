"""VAE: loss and score against NumPy, what a step changes, limits of kl_weight, collapse, digits."""

import copy

import numpy as np
import pytest
import torch
from conftest import quick
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from sklearn_occ import VAE
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.variational._vae import VariationalLoss


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(60, 6))


@pytest.mark.parametrize("shape", [(6,), (2, 5, 7)], ids=str)
@pytest.mark.parametrize("kl_weight", [0.0, 0.5, 3.0])
def test_loss_and_score_are_the_formulas(shape, kl_weight, rng):
    x, made = rng.normal(size=(2, 9, *shape))
    mean, log_variance = rng.normal(size=(2, 9, 4))
    errors = np.square(made - x).reshape(9, -1).sum(1)
    divergences = (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1) / 2
    criterion, outputs = VariationalLoss(kl_weight, 4), [torch.from_numpy(a) for a in (made, mean, log_variance)]
    m = np.prod(shape)
    np.testing.assert_allclose(
        criterion(outputs, torch.from_numpy(x)), (errors + kl_weight * divergences).mean() / m, rtol=1e-12
    )
    np.testing.assert_allclose(criterion.score(outputs, torch.from_numpy(x)), -errors / m, rtol=1e-12)


def test_a_step_is_that_of_the_gradient(table):
    params = {"max_epochs": 1, "optimizer": "sgd", "random_state": 3}
    module = copy.deepcopy(VAE(lr=1e-30, **params).fit(table).net_.module_).train()
    occ = VAE(lr=0.1, **params).fit(table)
    generator = torch.Generator().manual_seed(occ.net_.seed)
    x = torch.from_numpy(table.astype(np.float32))[torch.randperm(60, generator=generator)]
    mean, log_variance = module.encoder.latent(module.encoder.deep(module.encoder.shallow(x))).split(3, dim=1)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn(60, 3, generator=generator)
    error = ((module.decoder(z) - x) ** 2).mean()
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum() / (60 * 6)
    (error + divergence).backward()
    assert occ.history_[0, "train_loss"] == pytest.approx((error + divergence).item(), rel=1e-5)
    stepped = dict(occ.net_.module_.named_parameters())
    for name, weight in module.named_parameters():
        assert weight.grad.abs().max() > 0
        torch.testing.assert_close(stepped[name], weight - 0.1 * weight.grad, rtol=1e-4, atol=1e-6)


def test_codes_are_means_and_reconstructions_theirs(X):
    occ = quick("VAE", max_epochs=5).fit(X)
    x = torch.from_numpy(X[:, None] / np.float32(255))
    with torch.no_grad():
        made, mean, _ = occ.net_.module_.eval()(x)
    np.testing.assert_allclose(occ.transform(X), mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(occ.reconstruct(X), made[:, 0], rtol=1e-4)
    np.testing.assert_allclose(occ.inverse_transform(occ.transform(X)), occ.reconstruct(X), rtol=1e-4)
    np.testing.assert_allclose(occ.score_samples(X), -(made - x).square().mean((1, 2, 3)), rtol=1e-4)


def test_training_lowers_the_loss(X):
    losses = quick("VAE", max_epochs=30, batch_size=10).fit(X).history_[:, "train_loss"]
    assert losses[-1] < 0.7 * losses[0]


def divergences(occ, X):
    """Mean divergence from the prior, by the default network's own layers."""
    with torch.no_grad():
        _, mean, log_variance = occ.net_.module_.double().eval()(torch.from_numpy(X))
    return float((mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2)


def test_the_weight_trades_error_for_divergence(table):
    fits = [VAE(kl_weight=w, max_epochs=150, lr=1e-2, random_state=0).fit(table) for w in (0.0, 0.1, 1.0)]
    errors, told = (
        [of(occ) for occ in fits] for of in (lambda o: -o.score_samples(table).mean(), lambda o: divergences(o, table))
    )
    assert errors[0] < errors[1] < errors[2] < table.var(0).mean()
    assert told[0] > told[1] > told[2] > 0.1


def test_columns_are_kept_whose_variance_is_above_half_the_weight(rng):
    X = rng.normal(size=(500, 6)) * np.sqrt([3.0, 3.0, 0.3, 0.3, 0.3, 0.3])
    for scale in (1.0, 0.3):
        params = {"kl_weight": scale**2, "lr": 1e-2, "max_epochs": 100, "random_state": 0}
        kept = VAE(**params).fit(scale * X).reconstruct(scale * X).var(0) / (scale * X).var(0)
        assert kept[:2].min() > 0.4
        assert kept[2:].max() < 0.1


def test_collapsed_codes_warn(table):
    with pytest.warns(ConvergenceWarning, match=r"The codes of VAE have collapsed .* Lower kl_weight, now 1000,"):
        occ = VAE(kl_weight=1000.0, max_epochs=200, lr=1e-2, random_state=0).fit(table)
    assert divergences(occ, table) < 0.01
    assert occ.reconstruct(table).var(0).sum() < 1e-3 * table.var(0).sum()
    VAE(max_epochs=200, lr=1e-2, random_state=0).fit(table)  # says nothing


class Swept:
    """A net whose codes tell `divergence` nats of a row, and whose reconstructions have a `share` of its variance."""

    def __init__(self, divergence, share):
        self.divergence, self.share = divergence, share

    def get_iterator(self, X):
        return [(X, None)]

    def sweep(self, X):
        mean = torch.full((len(X), 1), (2 * self.divergence) ** 0.5, dtype=torch.float64)
        yield (X * self.share**0.5, mean, torch.zeros_like(mean)), X


@pytest.mark.parametrize(
    ("divergence", "share", "warns"), [(9e-4, 9e-4, True), (9e-4, 1.1e-3, False), (1.1e-3, 9e-4, False)]
)
def test_the_floors_of_collapse_from_either_side(divergence, share, warns, table, recwarn):
    VAE()._check_trained(Swept(divergence, share), torch.from_numpy(table))
    assert [type(warning.message) for warning in recwarn] == [ConvergenceWarning] * warns


@pytest.mark.parametrize(
    ("shape", "expected"), [((28, 28), 196), ((8, 8), 16), ((3, 48, 48), 512), ((9,), 4), ((1,), 1)], ids=str
)
def test_width_of_the_code(shape, expected, rng):
    rows = rng.uniform(size=(8, *shape))
    assert quick("VAE", channels=2).fit(rows).n_components_ == expected
    assert quick("VAE", channels=2, n_components=3).fit(rows).transform(rows).shape == (8, 3)


def auc_on_digits(**params):
    found = []
    for majority in (0, 3, 5, 8):
        digits = load_one_class_digits(majority=majority)
        occ = VAE(random_state=0, **params).fit(digits.X_train)
        found.append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    return np.array(found)


def test_training_finds_digits_better_than_the_untrained_network():
    before, after = (auc_on_digits(**params) for params in ({"lr": 1e-30, "max_epochs": 1}, {"max_epochs": 120}))
    assert after.min() > 0.85
    assert after.mean() > before.mean() + 0.3
