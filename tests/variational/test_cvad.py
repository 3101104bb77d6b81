"""CVAD: scores and losses against NumPy, stages, what is frozen, what the discriminator sees, digits."""

import copy

import numpy as np
import pytest
import torch
from conftest import quick
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from sklearn_occ import CVAD, CascadeVAE
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn._cascade import JudgedCascade
from sklearn_occ.variational._cascade_vae import CascadeLoss
from sklearn_occ.variational._cvad import JudgedLoss


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(60, 6))


def test_scores_are_the_formulas(rng):
    x, made = rng.normal(size=(2, 9, 2, 5))
    logits = 5 * rng.normal(size=9)
    errors = np.square(made - x).mean((1, 2))
    outputs = torch.from_numpy(made), None, None, torch.from_numpy(logits)
    average, total = (JudgedLoss(None, name) for name in ("average", "sum"))
    average.set_error_range(torch.tensor([0.7, 0.3, 2.0], dtype=torch.float64))
    scores = average.score(outputs, torch.from_numpy(x))
    np.testing.assert_allclose(scores, -0.5 * ((errors - 0.3) / 1.7 + expit(logits)), rtol=1e-12)
    assert errors.max() > 2.0  # not cut off
    average.set_error_range(torch.full((3,), 0.4, dtype=torch.float64))
    scores = average.score(outputs, torch.from_numpy(x))
    np.testing.assert_allclose(scores, -0.5 * (errors - 0.4 + expit(logits)), rtol=1e-12)
    np.testing.assert_allclose(total.score(outputs, torch.from_numpy(x)), -(errors + expit(logits)), rtol=1e-12)


def test_loss_of_the_discriminator_is_the_formula(rng):
    of_rows, of_made, of_disturbed = rng.normal(size=(3, 8))
    logits = torch.from_numpy(np.concatenate([of_rows, of_made, of_disturbed]))
    expected = -np.log(1 - expit(of_rows)) - (np.log(expit(of_made)) + np.log(expit(of_disturbed))) / 2
    loss = JudgedLoss(CascadeLoss("branches", 1.0, 1.0, 5), "average")
    np.testing.assert_allclose(loss(logits, torch.zeros(8, 4)), expected.mean(), rtol=1e-12)
    assert loss(torch.zeros(24), torch.zeros(8, 4)).item() == pytest.approx(2 * np.log(2))


def test_parts_of_the_score(X):
    occ = quick("CVAD", max_epochs=5, pretrain_epochs=5).fit(X[:40])
    parts = occ.score_parts(X)
    error, probability = -parts["reconstruction"], -parts["probability"]
    assert error.dtype == probability.dtype == np.float64
    assert ((probability > 0) & (probability < 1)).all()
    np.testing.assert_allclose(error, np.square(occ.reconstruct(X) - X / 255).mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(error, occ.anomaly_map(X).mean((1, 2)), rtol=1e-6)
    least, greatest = occ.error_range_
    np.testing.assert_allclose((least, greatest), (error[:40].min(), error[:40].max()), rtol=1e-5)
    np.testing.assert_allclose(
        occ.score_samples(X), -((error - least) / (greatest - least) + probability) / 2, rtol=1e-12
    )
    summed = quick("CVAD", max_epochs=5, pretrain_epochs=5, score_function="sum").fit(X[:40])
    np.testing.assert_allclose(summed.score_samples(X), -(error + probability), rtol=1e-12)


def test_the_scale_comes_from_the_rows_that_were_trained_on(table):
    occ = quick("CVAD", validation_fraction=0.5, threshold_data="validation").fit(table)
    error = -occ.score_parts(table[occ._fit_state.training_rows])["reconstruction"]
    np.testing.assert_allclose(occ.error_range_, (error.min(), error.max()), rtol=1e-5)
    score = occ.score_samples(table[:1])
    far = np.concatenate([table[:1], 100 * table])
    np.testing.assert_allclose(occ.score_samples(far)[:1], score, rtol=1e-11)


def test_the_first_stage_is_a_cascade_vae(table):
    """With the same networks and the same numbers, drawn after those of the discriminator's weights."""
    occ = CVAD(pretrain_epochs=7, pretrain_lr=1e-2, max_epochs=1, random_state=0).fit(table)
    alone = CascadeVAE(max_epochs=7, lr=1e-2, random_state=0).fit(table)
    np.testing.assert_allclose(occ.history_[:7, "train_loss"], alone.history_[:, "train_loss"], rtol=1e-6)
    np.testing.assert_allclose(occ.score_parts(table)["reconstruction"], alone.score_samples(table), rtol=1e-5)
    np.testing.assert_allclose(occ.transform(table), alone.transform(table), rtol=1e-4, atol=1e-6)


def test_the_generator_stays_as_the_first_stage_left_it(X):
    short, long = (quick("CVAD", pretrain_epochs=3, max_epochs=n, batch_size=10).fit(X) for n in (1, 6))
    for occ in (short, long):
        assert occ.net_.frozen_.keys() == {"generator"}
    states = [occ.net_.module_.state_dict() for occ in (short, long)]
    names = [name for name in states[0] if name.startswith("generator")]
    assert any("running_var" in name for name in names)
    for name in names:
        assert torch.equal(states[0][name], states[1][name]), name
    assert short.error_range_ == long.error_range_
    judge = [name for name in states[0] if name.startswith("discriminator")]
    assert not any(torch.equal(states[0][name], states[1][name]) for name in judge)


def test_the_discriminator_waits_for_the_second_stage(X):
    """Its weights are the initial ones when the generator has been trained, whatever that took."""
    judges = [
        quick("CVAD", pretrain_epochs=n, max_epochs=1, lr=1e-30).fit(X).net_.module_.discriminator for n in (1, 4)
    ]
    for first, second in zip(*(judge.parameters() for judge in judges), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-20)


def test_each_stage_has_its_learning_rate(X):
    before = quick("CVAD", lr=1e-30, pretrain_lr=1e-30).fit(X).net_.module_.state_dict()
    for slow, moved in (("pretrain_lr", "discriminator"), ("lr", "generator")):
        after = quick("CVAD", **{"lr": 1e-2, "pretrain_lr": 1e-2, slow: 1e-30}).fit(X).net_
        weights = after.module_.named_parameters()
        assert {name.split(".")[0] for name, w in weights if not torch.allclose(w, before[name], atol=1e-20)} == {moved}
        assert after.optimizer_.param_groups[0]["lr"] == (1e-30 if slow == "lr" else 1e-2)


def test_what_the_discriminator_sees(X, monkeypatch):
    seen, original = [], JudgedCascade.forward

    def spy(self, x, noise=None):
        if noise is not None and not self.pretrains:
            handle = self.discriminator.register_forward_pre_hook(lambda judge, args: seen.append((args[0], x, noise)))
            try:
                return original(self, x, noise)
            finally:
                handle.remove()
        return original(self, x, noise)

    with monkeypatch.context() as patch:
        patch.setattr(JudgedCascade, "forward", spy)
        occ = quick("CVAD", pretrain_epochs=5, max_epochs=2, noise_std=0.5).fit(X)
    assert len(seen) == 2 and not torch.equal(seen[0][2], seen[1][2])
    generator = occ.net_.module_.generator.eval()
    for rows, x, noise in seen:
        assert not rows.requires_grad
        with torch.no_grad():
            made = generator(x)
            disturbed = generator.decoder(made.mean + 0.5 * noise)
        torch.testing.assert_close(rows, torch.cat([x, made.reconstruction, disturbed]))
        assert not torch.allclose(disturbed, made.reconstruction)


def test_without_noise_both_kinds_are_the_same(X):
    occ = quick("CVAD", noise_std=0.0).fit(X)
    module = occ.net_.module_.eval()
    x = torch.from_numpy(X[:5, None] / np.float32(255))
    logits = module(x, torch.ones(5, occ.n_components_))
    torch.testing.assert_close(logits[5:10], logits[10:])


def test_the_discriminator_learns_what_was_made(X):
    occ = quick("CVAD", pretrain_epochs=10, max_epochs=60, batch_size=10).fit(X)
    losses = occ.history_[10:, "train_loss"]
    assert losses[-1] < 0.5 * losses[0] < np.log(2)
    of_rows, of_made = (occ.score_parts(rows)["probability"] for rows in (X, occ.reconstruct(X)))
    assert of_rows.min() > of_made.max()


def test_a_fit_killed_in_the_first_stage_resumes_to_the_same_bits(X, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_occ._engine.nets._checkpoint._PAUSE", 0)  # written after every epoch
    params = {"pretrain_epochs": 6, "max_epochs": 3, "batch_size": 25}
    whole = quick("CVAD", **params).fit(X)
    original, n_calls = JudgedLoss.forward, 0

    def dies(self, outputs, x):
        nonlocal n_calls
        n_calls += 1
        if n_calls > killed_after:
            raise RuntimeError("killed")
        return original(self, outputs, x)

    for killed_after, stages in ((8, {"pretrain": 4}), (15, {"pretrain": 6, "train": 1})):
        n_calls, checkpoint = 0, tmp_path / f"{killed_after}.pt"
        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
            patch.setattr(JudgedLoss, "forward", dies)
            quick("CVAD", checkpoint=checkpoint, **params).fit(X)
        assert torch.load(checkpoint, weights_only=True)["epochs"] == stages
        resumed = quick("CVAD", checkpoint=checkpoint, **params).fit(X)
        np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
        assert resumed.error_range_ == whole.error_range_


def test_warm_start_trains_the_discriminator_alone(X):
    occ = quick("CVAD", warm_start=True).fit(X)
    before = copy.deepcopy(occ.net_.module_.generator.state_dict())
    occ.fit(X)
    assert occ.net_.epochs_ == {"pretrain": 1, "train": 4}
    assert all(torch.equal(before[name], value) for name, value in occ.net_.module_.generator.state_dict().items())


def test_the_scale_of_a_warm_start_is_that_of_its_rows(table):
    occ = quick("CVAD", warm_start=True).fit(table)
    other = 3 * table[:40] + 1
    occ.fit(other)
    error = -occ.score_parts(other)["reconstruction"]
    np.testing.assert_allclose(occ.error_range_, (error.min(), error.max()), rtol=1e-5)


@pytest.mark.parametrize("name", ["pretrain_lr", "lr"])
def test_a_loss_that_is_not_finite_names_the_learning_rate_of_its_stage(name, X):
    with pytest.raises(ValueError, match=rf"loss is (nan|inf) in epoch .* lower {name} \(now 1e\+30\)"):
        quick("CVAD", **{name: 1e30}, pretrain_epochs=5, max_epochs=5, optimizer="sgd").fit(X)


def test_collapsed_codes_warn(table):
    with pytest.warns(ConvergenceWarning, match="The codes of CVAD have collapsed .* now 1000,"):
        CVAD(kl_weight=1000.0, pretrain_epochs=200, pretrain_lr=1e-2, max_epochs=1, random_state=0).fit(table)


def auc_on_digits(**params):
    found = []
    for majority in (0, 3):
        digits = load_one_class_digits(majority=majority)
        occ = CVAD(random_state=0, **params).fit(digits.X_train)
        found.append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    return np.array(found)


def test_training_finds_digits_better_than_the_untrained_networks():
    untrained = {"lr": 1e-30, "pretrain_lr": 1e-30, "pretrain_epochs": 1, "max_epochs": 1}
    before, after = (auc_on_digits(**params) for params in (untrained, {"pretrain_epochs": 120}))
    assert after.min() > 0.85
    assert after.mean() > before.mean() + 0.2
