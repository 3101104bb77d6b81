"""f-AnoGAN: the losses of its three networks against NumPy, what a step and a stage change, and that training helps."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import CtrlC, loss_of, quick
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback
from torch import nn

from sklearn_occ import FAnoGAN
from sklearn_occ.adversarial._wasserstein_loss import WassersteinLoss
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn import Discriminator
from sklearn_occ.nn._adversarial import EncodedAdversarial


def in_numpy(layer, rows):
    return rows @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def test_losses_and_score_are_the_formulas(rng):
    generator, encoder, features, logit = (nn.Linear(*sizes).double() for sizes in ((3, 5), (5, 3), (5, 4), (4, 1)))
    critic = Discriminator(nn.Sequential(features, nn.Tanh()), 4)
    critic.logit = logit
    module, criterion = EncodedAdversarial(generator, critic, encoder), WassersteinLoss(3, 5, 10.0, 0.7)
    x, codes, shares = rng.normal(size=(7, 5)), rng.normal(size=(7, 3)), rng.uniform(size=(7, 1))
    drawn = [torch.from_numpy(part) for part in (x, codes, shares)]

    def features_of(rows):
        return np.tanh(in_numpy(features, rows))

    def judge(rows):
        return in_numpy(logit, features_of(rows))[:, 0]

    made = in_numpy(generator, codes)
    w, a = features.weight.detach().numpy(), logit.weight.detach().numpy()[0]
    slopes = [w.T @ (a * (1 - h**2)) for h in features_of(shares * x + (1 - shares) * made)]
    penalty = np.mean([(np.linalg.norm(slope) - 1) ** 2 for slope in slopes])
    found = loss_of(criterion, "discriminator", module, *drawn)
    np.testing.assert_allclose(found.detach(), [judge(made).mean() - judge(x).mean(), 10 * penalty], rtol=1e-12)
    assert loss_of(criterion, "generator", module, *drawn).item() == pytest.approx(-judge(made).mean(), rel=1e-12)

    again = in_numpy(generator, in_numpy(encoder, x))
    residual = ((again - x) ** 2).mean(1)
    discrimination = ((features_of(again) - features_of(x)) ** 2).mean(1)
    found = loss_of(criterion, "encoder", module, *drawn)
    np.testing.assert_allclose(found.detach(), [residual.mean(), 0.7 * discrimination.mean()], rtol=1e-12)
    scores = criterion.score(module(drawn[0]), drawn[0]).detach()
    np.testing.assert_allclose(scores, -residual - 0.7 * discrimination, rtol=1e-12)


def test_codes_are_normal_and_shares_uniform_one_for_each_row():
    x, codes, shares = WassersteinLoss(4, 5, 10.0, 1.0).draw(
        torch.zeros(4000, 1, 3, 3), torch.Generator().manual_seed(0)
    )
    assert codes.shape == (4000, 4) and shares.shape == (4000, 1, 1, 1) and len(x) == 4000
    np.testing.assert_allclose(np.quantile(codes.numpy(), [0.025, 0.5, 0.841]), [-1.96, 0, 1], atol=0.05)
    np.testing.assert_allclose(np.quantile(shares.numpy(), [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.03)


def snapshots(monkeypatch):
    states, original = [], EncodedAdversarial.forward

    def spy(self, *drawn, player=None):
        if player is not None:
            states.append((player, copy.deepcopy(self.state_dict()), drawn[1].clone()))
        return original(self, *drawn, player=player)

    monkeypatch.setattr(EncodedAdversarial, "forward", spy)
    return states


@pytest.mark.parametrize("kind", ["images", "table"])
def test_a_step_changes_one_network_statistics_included(kind, blobs, table, monkeypatch):
    states = snapshots(monkeypatch)
    rows = blobs(50, size=16) if kind == "images" else table
    params = {"pretrain_epochs": 1, "max_epochs": 1, "batch_size": 25, "lr": 1e-3, "pretrain_lr": 1e-3}
    occ = quick("FAnoGAN", **params, critic_steps=3).fit(rows)
    states.append(("end", occ.net_.module_.state_dict(), None))
    turns = ["discriminator"] * 3 + ["generator"]
    assert [player for player, *_ in states] == turns * 2 + ["encoder"] * 2 + ["end"]
    for (player, before, _), (_, after, _) in pairwise(states):
        changed = {key for key in after if not torch.equal(before[key], after[key])}
        assert {key.split(".")[0] for key in changed} == {player}
    first, last = states[0][1], states[-1][1]
    still = {key for key in last if torch.equal(first[key], last[key])}
    assert still == {"discriminator.logit.bias"}  # it cancels between real and made rows
    codes = [drawn for _, _, drawn in states[:8]]
    assert len({code.numpy().tobytes() for code in codes}) == 6  # the generator has those of the last step beside it


def test_each_stage_has_its_optimizer_and_its_columns(X):
    seen = []

    class Spy(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(net.optimizer_)

    occ = quick("FAnoGAN", pretrain_epochs=3, max_epochs=2, validation_fraction=0.2)
    occ._make_callbacks = lambda: [("spy", Spy())]
    occ.fit(X)
    first, last = seen[0], seen[-1]
    assert isinstance(first, torch.optim.Adam) and isinstance(last, torch.optim.RMSprop)
    assert (first.defaults["lr"], first.defaults["betas"], last.defaults["lr"]) == (1e-3, (0.0, 0.9), 1e-3)
    assert seen == [first] * 3 + [last] * 2
    for prefix in ("train", "valid"):

        def losses(rows, name, prefix=prefix):
            return np.array([row[f"{prefix}_{name}_loss"] for row in rows])

        rows = occ.history_[:3]
        critic = losses(rows, "wasserstein") + losses(rows, "penalty")
        np.testing.assert_allclose(critic, losses(rows, "discriminator"), rtol=1e-4, atol=1e-6)
        total = np.array([row[f"{prefix}_loss"] for row in rows])
        np.testing.assert_allclose(critic + losses(rows, "generator"), total, rtol=1e-4, atol=1e-6)
        rows = occ.history_[3:]
        total = np.array([row[f"{prefix}_loss"] for row in rows])
        np.testing.assert_allclose(losses(rows, "reconstruction") + losses(rows, "feature"), total, rtol=1e-5)
        assert not any("wasserstein" in column for row in rows for column in row)


def test_scores_are_the_parts_and_the_parts_those_of_the_row_that_is_made(X):
    occ = quick("FAnoGAN", pretrain_epochs=10, max_epochs=10, lr=1e-3, pretrain_lr=1e-3, feature_weight=0.3).fit(X)
    made, rows = occ.reconstruct(X), X.astype(np.float32) / np.float32(255)
    features = copy.deepcopy(occ.net_.module_.discriminator.features).eval()
    with torch.no_grad():
        of_rows, of_made = (features(torch.from_numpy(images)[:, None]).numpy() for images in (rows, made))
    parts = occ.score_parts(X)
    residual, discrimination = -parts["reconstruction"], -parts["feature"]
    assert residual.dtype == discrimination.dtype == np.float64
    np.testing.assert_allclose(residual, ((rows - made) ** 2).mean((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(discrimination, ((of_rows - of_made) ** 2).mean(1), rtol=1e-3)
    np.testing.assert_allclose(occ.score_samples(X), -residual - 0.3 * discrimination, rtol=1e-9)
    np.testing.assert_allclose(occ.anomaly_map(X).mean((1, 2)), residual, rtol=1e-5)
    np.testing.assert_allclose(occ.inverse_transform(occ.transform(X)), made, rtol=1e-4, atol=1e-5)


def test_without_features_the_score_is_that_of_the_pixels(table):
    occ = quick("FAnoGAN", feature_weight=0.0).fit(table)
    np.testing.assert_allclose(occ.score_samples(table), occ.score_parts(table)["reconstruction"], rtol=1e-12)
    np.testing.assert_allclose(-occ.score_samples(table), ((occ.reconstruct(table) - table) ** 2).mean(1), rtol=1e-6)


def test_the_penalty_keeps_the_critics_slope_near_1(table):
    def slopes(penalty_weight):
        params = {"pretrain_epochs": 60, "pretrain_lr": 3e-3, "max_epochs": 1}
        occ = quick("FAnoGAN", **params, penalty_weight=penalty_weight).fit(table)
        rows = torch.from_numpy(table).float().requires_grad_()
        critic = copy.deepcopy(occ.net_.module_.discriminator)
        (found,) = torch.autograd.grad(critic(rows)[1].sum(), rows)
        return found.norm(dim=1).numpy()

    held, free = slopes(10.0), slopes(0.0)
    assert abs(held.mean() - 1) < 0.3 and free.mean() > 2 * held.mean()


@pytest.mark.parametrize("kind", ["table", "images"])
def test_a_critic_of_a_users_own_may_have_statistics_and_work_in_place(kind, X, table):
    rows = X if kind == "images" else table
    features = nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.BatchNorm1d(5), nn.LeakyReLU(inplace=True))
    occ = quick("FAnoGAN", discriminator=features, validation_fraction=0.2).fit(rows)
    assert occ.net_.module_.discriminator.logit.in_features == 5
    assert np.isfinite(occ.score_samples(rows)).all()


def test_networks_of_a_users_own(X):
    asked = []

    def encoder(shape, n_components):
        asked.append((shape, n_components))
        return nn.Sequential(nn.Flatten(), nn.Linear(144, n_components))

    made = quick(
        "FAnoGAN",
        encoder=encoder,
        generator=lambda n, shape: nn.Sequential(nn.Linear(n, 144), nn.Unflatten(1, shape)),
        n_components=4,
    ).fit(X)
    assert asked == [((1, 12, 12), 4)] and made.transform(X).shape == (50, 4)
    given = nn.Sequential(nn.Flatten(), nn.Linear(144, 7))
    occ = quick("FAnoGAN", encoder=given, lr=1e-30).fit(X)
    assert occ.n_components_ == 7 and torch.equal(occ.net_.module_.encoder[1].weight, given[1].weight)


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [("images", (28, 28), 128), ("images", (12, 12), 36), ("table", (9,), 4), ("table", (1,), 1)],
)
def test_width_of_the_code(kind, shape, expected, rng):
    rows = rng.uniform(size=(12, *shape))
    assert quick("FAnoGAN", max_epochs=1, channels=2).fit(rows).n_components_ == expected


@pytest.mark.parametrize("epoch", [2, 6])
def test_a_fit_interrupted_in_either_stage_goes_on_with_the_same_bits(epoch, X, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_occ._engine.nets._checkpoint._PAUSE", 0)  # written after every epoch
    params, checkpoint = {"pretrain_epochs": 4, "max_epochs": 4, "batch_size": 16}, tmp_path / "fit.pt"
    whole = quick("FAnoGAN", **params).fit(X)
    stopped = quick("FAnoGAN", **params, checkpoint=checkpoint)
    stopped._make_callbacks = lambda: [("stop", CtrlC(epoch))]
    if epoch == 2:
        with pytest.raises(KeyboardInterrupt, match="stage 'pretrain' was interrupted"):
            stopped.fit(X)
    else:
        with pytest.warns(UserWarning, match="interrupted after 1 of 4 epochs"):
            stopped.fit(X)
    resumed = quick("FAnoGAN", **params, checkpoint=checkpoint).fit(X)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
    assert resumed.history_[:, "train_loss"] == whole.history_[:, "train_loss"]
    assert torch.equal(resumed.net_.criterion_.first_variance, whole.net_.criterion_.first_variance)


def test_a_warm_start_trains_the_encoder_alone(X):
    occ = quick("FAnoGAN", warm_start=True, lr=1e-3).fit(X)
    before = copy.deepcopy(occ.net_.module_.state_dict())
    occ.fit(X)
    changed = {key for key, value in occ.net_.module_.state_dict().items() if not torch.equal(before[key], value)}
    assert {key.split(".")[0] for key in changed} == {"encoder"}
    assert occ.net_.epochs_ == {"pretrain": 1, "train": 4}


def test_a_collapsed_generator_warns_and_a_diverged_one(table):
    class Scaled(nn.Module):
        """Weights that an optimizer moves by a given factor of what they are."""

        def __init__(self, n_components, shape):
            super().__init__()
            self.layer = nn.Linear(n_components, *shape, bias=False)

        def forward(self, z):
            return self.layer(z)

    class Scale(Callback):
        def __init__(self, factor):
            self.factor = factor

        def on_epoch_end(self, net, **kwargs):
            if net.stage_ == "pretrain":
                with torch.no_grad():
                    net.module_.generator.layer.weight.mul_(self.factor)

    def fitted(factor):
        occ = quick("FAnoGAN", generator=Scaled, n_components=3, pretrain_epochs=3, pretrain_lr=1e-3)
        occ._make_callbacks = lambda: [("scale", Scale(factor))]
        return occ.fit(table)

    with pytest.warns(ConvergenceWarning, match=r"The generator of FAnoGAN has collapsed: .*now 0\.001") as found:
        fitted(1e-2)
    assert found[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match=r"The generator of FAnoGAN has diverged: .* above 10\. Change"):
        fitted(30.0)
    fitted(1.0)


@pytest.mark.parametrize(
    ("params", "rate"),
    [
        ({"pretrain_lr": 1e20}, r"pretrain_lr \(now 1e\+20\)"),
        ({"optimizer": "sgd", "lr": 1e25}, r"lr \(now 1e\+25\)"),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_fit_and_names_the_rate_of_its_stage(params, rate, table):
    with pytest.raises(ValueError, match=f"The train loss is (nan|inf) in epoch .*lower {rate}"):
        quick("FAnoGAN", **params | {"max_epochs": 5, "pretrain_epochs": 5}).fit(table)


def auc_on_digits(seed, **params):
    found = []
    for majority in (0, 3, 5):
        digits = load_one_class_digits(majority=majority, random_state=seed)
        occ = FAnoGAN(channels=8, random_state=seed, **params).fit(digits.X_train)
        found.append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    return np.mean(found)


def test_training_finds_digits_better_than_the_untrained_networks():
    still = {"lr": 1e-30, "pretrain_lr": 1e-30, "pretrain_epochs": 1, "max_epochs": 1}
    moves = {"lr": 1e-3, "pretrain_lr": 1e-3, "pretrain_epochs": 15, "max_epochs": 40}
    before, after = (np.array([auc_on_digits(seed, **params) for seed in range(2)]) for params in (still, moves))
    assert after.mean() - before.mean() > 2 * max(before.std(ddof=1), after.std(ddof=1)), (before, after)
