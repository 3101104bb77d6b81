"""CascadeVAE: losses and score against NumPy, what each objective and weight trains, collapse, digits."""

import numpy as np
import pytest
import torch
from conftest import quick
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from sklearn_occ import VAE, CascadeVAE
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn._cascade import CascadeOutput
from sklearn_occ.variational._cascade_vae import CascadeLoss
from sklearn_occ.variational._vae import VariationalLoss


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(60, 6))


@pytest.fixture
def outputs(rng):
    made, first, second, x = torch.from_numpy(rng.normal(size=(4, 9, 2, 5)))
    mean, log_variance = torch.from_numpy(rng.normal(size=(2, 9, 15)))
    return CascadeOutput(made, mean, log_variance, first, second), x


@pytest.mark.parametrize("kl_weight", [0.0, 0.7])
@pytest.mark.parametrize("branch_weight", [0.0, 0.3, 1.0])
def test_losses_and_score_are_the_formulas(outputs, kl_weight, branch_weight):
    made, x = outputs
    a = {name: part.numpy() for name, part in made._asdict().items()}
    error = {name: np.square(a[name] - x.numpy()).sum((1, 2)) for name in ("reconstruction", "primary", "branch")}
    terms = (a["mean"] ** 2 + np.exp(a["log_variance"]) - 1 - a["log_variance"]) / 2
    kl1, kl2 = terms[:, :3].sum(1), terms[:, 3:].sum(1)
    branches = error["primary"] + kl_weight * kl1 + branch_weight * (error["branch"] + kl_weight * kl2)
    combined = error["reconstruction"] + kl_weight * (kl1 + branch_weight * kl2)
    for objective, expected in (("branches", branches), ("combined", combined)):
        loss = CascadeLoss(objective, branch_weight, kl_weight, 15)
        np.testing.assert_allclose(loss(made, x), expected.mean() / 10, rtol=1e-12)
        np.testing.assert_allclose(loss.score(made, x), -error["reconstruction"] / 10, rtol=1e-12)


def test_without_the_branch_it_is_the_loss_of_a_vae(outputs):
    made, x = outputs
    alone = VariationalLoss(0.7, 3)((made.primary, made.mean[:, :3], made.log_variance[:, :3]), x)
    torch.testing.assert_close(CascadeLoss("branches", 0.0, 0.7, 15)(made, x), alone)


def changed(before, after):
    """Names of the parts whose weights differ."""
    after = dict(after.named_parameters())
    return {
        ".".join(name.split(".")[: 2 if name.startswith("decoder") else 1])
        for name, weight in before.named_parameters()
        if not torch.equal(weight, after[name])
    }


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["encoder", "branch_encoder", "decoder.primary", "decoder.branch"]),
        ({"objective": "combined"}, ["encoder", "branch_encoder", "decoder.primary", "decoder.branch"]),
        ({"branch_weight": 0.0}, ["encoder", "decoder.primary"]),
    ],
    ids=str,
)
def test_what_a_step_changes(params, expected, table):
    before, after = (quick("CascadeVAE", max_epochs=1, lr=lr, **params).fit(table) for lr in (1e-30, 1e-2))
    assert changed(before.net_.module_, after.net_.module_) == set(expected)


def test_both_reconstruct_alone_in_branches_and_only_together_in_combined(blobs):
    X = blobs(60)
    x = torch.from_numpy(X[:, None] / np.float32(255))
    errors = {}
    for objective in ("branches", "combined"):
        occ = CascadeVAE(objective=objective, max_epochs=60, batch_size=20, random_state=0).fit(X)
        with torch.no_grad():
            made = occ.net_.module_.eval()(x)
        errors[objective] = [float((part - x).square().mean()) for part in (made.reconstruction, *made[3:])]
        assert errors[objective][0] == pytest.approx(-occ.score_samples(X).mean(), rel=1e-4)
    variance = float(x.var(0).mean())
    assert max(errors["branches"]) < 1.5 * variance
    assert max(errors["combined"][1:]) > 3 * variance


def test_codes_lie_side_by_side(blobs):
    X = blobs(30)
    occ = quick("CascadeVAE", n_components=3).fit(X)
    assert occ.n_components_ == 15
    codes = occ.transform(X)
    assert codes.shape == (30, 15)
    np.testing.assert_allclose(occ.inverse_transform(codes), occ.reconstruct(X), rtol=1e-4)
    encoder = occ.net_.module_.encoder.eval()
    primary, _ = encoder.distribution(encoder.shallow(torch.from_numpy(X[:, None] / np.float32(255))))
    np.testing.assert_allclose(codes[:, :3], primary.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["CascadeVAE", "CVAD"])
def test_both_parts_together_are_the_reconstruction(name, blobs, table):
    X = blobs(30, size=(12, 15))
    occ = quick(name, max_epochs=5).fit(X)
    primary, branch = occ.reconstruct_parts(X[:20])
    assert primary.shape == branch.shape == (20, 12, 15)
    assert primary.dtype == branch.dtype == np.float32
    assert np.abs(primary - branch).max() > 1e-3
    np.testing.assert_allclose(expit((logit(primary) + logit(branch)) / 2), occ.reconstruct(X[:20]), rtol=1e-4)
    cascade = getattr(occ.net_.module_, "generator", occ.net_.module_).eval()
    with torch.no_grad():
        expected = cascade(torch.from_numpy(X[:20, None] / np.float32(255)))
    np.testing.assert_allclose(primary, expected.primary[:, 0], rtol=1e-4)
    np.testing.assert_allclose(branch, expected.branch[:, 0], rtol=1e-4)

    of_table = quick(name).fit(table)
    primary, branch = of_table.reconstruct_parts(table)
    assert primary.dtype == table.dtype
    np.testing.assert_allclose((primary + branch) / 2, of_table.reconstruct(table), rtol=1e-9, atol=1e-12)


def test_training_lowers_the_loss(blobs):
    for objective in ("branches", "combined"):
        occ = quick("CascadeVAE", objective=objective, max_epochs=30, batch_size=10).fit(blobs(50))
        losses = occ.history_[:, "train_loss"]
        assert losses[-1] < 0.7 * losses[0]


def test_the_branch_finds_what_a_narrow_code_leaves_out(table):
    params = {"n_components": 1, "kl_weight": 0.01, "lr": 1e-2, "max_epochs": 400, "random_state": 0}
    detectors = VAE(**params), CascadeVAE(objective="combined", **params)
    alone, cascade = (-occ.fit(table).score_samples(table).mean() for occ in detectors)
    assert cascade < 0.5 * alone


def test_collapsed_codes_warn(table):
    with pytest.warns(ConvergenceWarning, match="The codes of CascadeVAE have collapsed .* now 1000,"):
        CascadeVAE(kl_weight=1000.0, max_epochs=200, lr=1e-2, random_state=0).fit(table)


def auc_on_digits(**params):
    found = []
    for majority in (0, 3):
        digits = load_one_class_digits(majority=majority)
        occ = CascadeVAE(random_state=0, **params).fit(digits.X_train)
        found.append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    return np.array(found)


def test_training_finds_digits_better_than_the_untrained_network():
    before, after = (auc_on_digits(**params) for params in ({"lr": 1e-30, "max_epochs": 1}, {"max_epochs": 120}))
    assert after.min() > 0.85
    assert after.mean() > before.mean() + 0.2
