"""AnoGAN: the game of the two networks, changes of the training rows, and that training helps."""

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

from sklearn_occ import AnoGAN
from sklearn_occ.adversarial._adversarial_loss import AdversarialLoss
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn._adversarial import Discriminator, GenerativeAdversarial


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


def test_losses_of_both_players_are_the_formulas(rng):
    made, features, logit = nn.Linear(3, 5).double(), nn.Linear(5, 4).double(), nn.Linear(4, 1).double()
    discriminator = Discriminator(features, 4)
    discriminator.logit = logit
    x, codes = torch.from_numpy(rng.normal(size=(7, 5))), torch.from_numpy(rng.normal(size=(7, 3)))

    def in_numpy(layer, rows):
        return rows @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()

    def judge(rows):
        return in_numpy(logit, in_numpy(features, rows))[:, 0]

    real, fake = judge(x.numpy()), judge(in_numpy(made, codes.numpy()))
    expected = {
        "discriminator": -log_sigmoid(real).mean() - log_sigmoid(-fake).mean(),
        "generator": -log_sigmoid(fake).mean(),
    }
    criterion, module = AdversarialLoss(3), GenerativeAdversarial(made, discriminator)
    for player, value in expected.items():
        assert loss_of(criterion, player, module, x, codes).item() == pytest.approx(value, rel=1e-12)
    # The discriminator's loss has no way back into the generator.
    loss_of(criterion, "discriminator", module, x, codes).backward()
    assert made.weight.grad is None and features.weight.grad is not None


def test_codes_of_a_turn_are_uniform_in_the_cube_and_one_for_each_row():
    x, codes = AdversarialLoss(5).draw(torch.zeros(4000, 3), torch.Generator().manual_seed(0))
    assert codes.shape == (4000, 5) and len(x) == 4000
    assert codes.min() >= -1 and codes.max() <= 1
    np.testing.assert_allclose(np.quantile(codes.numpy(), [0.1, 0.5, 0.9]), [-0.8, 0, 0.8], atol=0.03)


def snapshots(monkeypatch):
    """States of both networks before each turn."""
    states, original = [], GenerativeAdversarial.forward

    def spy(self, *drawn, player=None):
        if self.training and player is not None:
            states.append((player, copy.deepcopy(self.state_dict())))
        return original(self, *drawn, player=player)

    monkeypatch.setattr(GenerativeAdversarial, "forward", spy)
    return states


@pytest.mark.parametrize("kind", ["images", "table"])
def test_a_turn_moves_the_weights_of_its_player_only(kind, blobs, table, monkeypatch):
    states = snapshots(monkeypatch)
    rows = blobs(50, size=16) if kind == "images" else table
    occ = quick("AnoGAN", max_epochs=1, batch_size=10, lr=1e-3, search_steps=0).fit(rows)
    weights = {key for key, _ in occ.net_.module_.named_parameters()}
    states.append(("end", occ.net_.module_.state_dict()))
    assert [player for player, _ in states] == ["discriminator", "generator"] * 5 + ["end"]
    for (player, before), (_, after) in pairwise(states):
        moved = {key for key in weights if not torch.equal(before[key], after[key])}
        assert {key.split(".")[0] for key in moved} == {player}
    # In an epoch all weights move. A bias in front of batch normalisation has no gradient beyond rounding.
    first, last = states[0][1], states[-1][1]
    assert {key for key in weights if not torch.equal(first[key], last[key])} == weights
    if kind == "images":
        statistics = {key for key in last if "running" in key}
        assert len(statistics) == 6 and not any(torch.equal(first[key], last[key]) for key in statistics)


def test_a_batch_callback_changes_nothing(X):
    class Count(Callback):
        def on_train_begin(self, net, **kwargs):
            self.count = 0

        def on_batch_end(self, net, **kwargs):
            self.count += 1

    params = {"max_epochs": 3, "batch_size": 20, "validation_fraction": 0.2}
    plain, watched = quick("AnoGAN", **params).fit(X), quick("AnoGAN", **params, callbacks=[("count", Count())]).fit(X)
    assert dict(watched.net_.callbacks_)["count"].count == 3 * (2 + 1)
    np.testing.assert_array_equal(plain.score_samples(X), watched.score_samples(X))
    for player in ("discriminator", "generator"):
        for prefix in ("train", "valid"):
            column = f"{prefix}_{player}_loss"
            np.testing.assert_allclose(plain.history_[:, column], watched.history_[:, column], rtol=1e-5)


def test_history_has_the_losses_of_the_players(X):
    occ = quick("AnoGAN", max_epochs=4, batch_size=16, validation_fraction=0.3, lr=1e-30).fit(X)
    for prefix in ("train", "valid"):
        parts = [np.array(occ.history_[:, f"{prefix}_{player}_loss"]) for player in ("discriminator", "generator")]
        np.testing.assert_allclose(parts[0] + parts[1], occ.history_[:, f"{prefix}_loss"], rtol=1e-5)
        assert all((part > 0).all() for part in parts)
    assert len(set(occ.history_[:, "train_loss"])) == 4
    moves = quick("AnoGAN", max_epochs=4, batch_size=16, validation_fraction=0.3, lr=1e-3).fit(X)
    again = quick("AnoGAN", max_epochs=4, batch_size=16, validation_fraction=0.3, lr=1e-3).fit(X)
    assert len(set(moves.history_[:, "valid_loss"])) == 4
    assert moves.history_[:, "valid_loss"] == again.history_[:, "valid_loss"]


def test_betas_of_adam(X):
    assert quick("AnoGAN").fit(X).net_.optimizer_.defaults["betas"] == (0.5, 0.999)
    assert quick("CAE").fit(X).net_.optimizer_.defaults["betas"] == (0.9, 0.999)


class Augment:
    """Remembers what it got; its name stands for it in a checkpoint."""

    def __init__(self):
        self.batches = []
        self.drawn = []

    def __call__(self, x, generator):
        self.batches.append(x.clone())
        self.drawn.append(torch.rand(1, generator=generator).item())
        return 1 - x

    def __deepcopy__(self, memo):
        return self


def test_a_callable_changes_the_rows_of_training_alone(X, monkeypatch):
    augment = Augment()
    params = {"augment": augment, "max_epochs": 3, "batch_size": 20, "validation_fraction": 0.2}
    occ = quick("AnoGAN", **params).fit(X)
    assert [len(batch) for batch in augment.batches] == [20, 20] * 3  # not for validation, not for the threshold
    assert len(set(augment.drawn)) == 6
    seen = torch.cat(augment.batches[:2]).flatten(1).numpy()
    trained_on = (X[occ._fit_state.training_rows] / np.float32(255)).reshape(40, -1)
    np.testing.assert_allclose(np.sort(seen, axis=0), np.sort(trained_on, axis=0), rtol=1e-6)
    scores = occ.score_samples(X)
    np.testing.assert_array_equal(scores, occ.set_params(augment=None).score_samples(X))
    # What it returns is what the discriminator gets.
    inverted = drawn_in_training(X, monkeypatch, augment=augment)
    assert torch.equal(inverted, 1 - augment.batches[-1])


def drawn_in_training(X, monkeypatch, **params):
    """Rows that the discriminator was trained on, batch by batch."""
    seen, original = [], GenerativeAdversarial.forward

    def spy(self, x, codes=None, *, player=None):
        if self.training and player == "discriminator":
            seen.append(x.clone())
        return original(self, x, codes, player=player)

    with monkeypatch.context() as patch:
        patch.setattr(GenerativeAdversarial, "forward", spy)
        quick("AnoGAN", max_epochs=1, batch_size=50, search_steps=0, **params).fit(X)
    return torch.cat(seen)


def test_what_the_named_changes_do(X, monkeypatch):
    plain = drawn_in_training(X, monkeypatch, augment=None)
    order = [int((plain - row).flatten(1).abs().sum(1).argmin()) for row in torch.from_numpy(X)[:, None].float() / 255]
    assert sorted(order) == list(range(50))

    def can_be(batch, *, mirrored):
        """Whether each row is the one in its place moved by at most a pixel, and mirrored."""
        every = [random_shift_to(plain, i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        every += [image.flip(-1) for image in every] if mirrored else []
        return (torch.stack(every) == batch).flatten(2).all(2).any(0)

    shifted, automatic = (drawn_in_training(X, monkeypatch, augment=name) for name in ("shift", "auto"))
    assert torch.equal(shifted, automatic)
    assert can_be(shifted, mirrored=False).all() and not torch.equal(shifted, plain)
    flipped = drawn_in_training(X, monkeypatch, augment="shift-flip")
    assert can_be(flipped, mirrored=True).all()
    assert 10 < can_be(flipped, mirrored=False).sum() < 40


def random_shift_to(x, i, j):
    """Images moved by (i, j) with torch's padding: another way than the package's."""
    height, width = x.shape[2:]
    return nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")[:, :, 1 + i : 1 + i + height, 1 + j : 1 + j + width]


def test_changes_of_images_are_refused_for_a_table(table, X):
    for augment in ("shift", "shift-flip"):
        with pytest.raises(ValueError, match=f"augment='{augment}' changes images, but X is a table; set augment=None"):
            quick("AnoGAN", augment=augment).fit(table)
    quick("AnoGAN", augment="shift", image_shape=(12, 12), max_epochs=1, search_steps=0).fit(X.reshape(50, -1))
    scores = [quick("AnoGAN", augment=augment).fit(table).score_samples(table) for augment in ("auto", None)]
    np.testing.assert_array_equal(*scores)


def test_a_collapsed_generator_warns(table):
    # Weight decay at lr * decay = 0.5 halves the weights, and with them what is made, at every step.
    generator = nn.Linear(3, 6, bias=False)
    nn.init.eye_(generator.weight)
    without_momentum = torch.optim.SGD
    params = {"generator": generator, "n_components": 3, "optimizer": without_momentum, "lr": 0.1, "search_steps": 0}
    with pytest.warns(ConvergenceWarning, match=r"The generator of AnoGAN has collapsed: .*Change lr, now 0\.1,"):
        quick("AnoGAN", **params, weight_decay=5.0, max_epochs=30).fit(table)
    # A generator that never made anything of the rows' size has not collapsed, and says nothing.
    quick("AnoGAN", search_steps=0, lr=1e-30).fit(1e4 * table)


def test_a_resumed_fit_is_the_same(X, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_occ._engine.nets._checkpoint._PAUSE", 0)  # written after every epoch
    params, checkpoint = {"max_epochs": 6, "batch_size": 16}, tmp_path / "fit.pt"
    whole = quick("AnoGAN", **params).fit(X)
    with pytest.warns(UserWarning, match="interrupted after 4 of 6"):
        quick("AnoGAN", **params, checkpoint=checkpoint, callbacks=[CtrlC(5)]).fit(X)
    state = torch.load(checkpoint, weights_only=True)
    assert state["epochs"] == {"train": 4}
    state["identity"]["callbacks"] = "None"
    torch.save(state, checkpoint)
    resumed = quick("AnoGAN", **params, checkpoint=checkpoint).fit(X)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
    assert torch.equal(resumed.net_.criterion_.first_variance, whole.net_.criterion_.first_variance)
    for player in ("discriminator", "generator"):
        assert resumed.history_[:, f"train_{player}_loss"] == whole.history_[:, f"train_{player}_loss"]


def auc_on_digits(seed, **params):
    """Mean AUC over the ten digits, on 28 test images of the digit and 36 of the others."""
    found = []
    for majority in range(10):
        digits = load_one_class_digits(majority=majority, random_state=seed)
        occ = AnoGAN(channels=16, n_restarts=1, search_steps=0, search_lr=0.1, random_state=seed, **params)
        occ.fit(digits.X_train).set_params(search_steps=30)
        is_majority = digits.y_test == 1
        few = np.r_[np.flatnonzero(is_majority)[:28], np.flatnonzero(~is_majority)[::46][:36]]
        found.append(roc_auc_score(digits.y_test[few], occ.score_samples(digits.X_test[few])))
    return np.mean(found)


def test_training_finds_digits_better_than_the_untrained_networks():
    before, after = (
        np.array([auc_on_digits(seed, **params) for seed in range(3)])
        for params in ({"lr": 1e-30, "max_epochs": 1}, {"lr": 1e-3, "max_epochs": 60})
    )
    assert after.mean() - before.mean() > 2 * max(before.std(ddof=1), after.std(ddof=1)), (before, after)
