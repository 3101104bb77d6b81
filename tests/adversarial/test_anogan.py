"""AnoGAN: the game of the two networks, the search for codes against a plain loop, and that training helps."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import CtrlC, quick
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback
from torch import nn

from sklearn_occ import AnoGAN
from sklearn_occ.adversarial._adversarial_loss import AdversarialLoss
from sklearn_occ.adversarial._latent_search import LatentSearch
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.engine import RandomStream
from sklearn_occ.nn._adversarial import Discriminator, GenerativeAdversarial


@pytest.fixture
def X(blobs):
    return blobs(50)


@pytest.fixture
def table(rng):
    return rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))


@pytest.fixture
def on_images(X):
    """Trained long enough for the search to have something to find."""
    return quick("AnoGAN", max_epochs=40, lr=1e-3, batch_size=25).fit(X)


@pytest.fixture
def on_a_table(table):
    return quick("AnoGAN", max_epochs=40, lr=1e-3, batch_size=25).fit(table)


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
        assert criterion.loss_of(player, module, x, codes).item() == pytest.approx(value, rel=1e-12)
    # The discriminator's loss has no way back into the generator.
    criterion.loss_of("discriminator", module, x, codes).backward()
    assert made.weight.grad is None and features.weight.grad is not None


def test_codes_of_a_turn_are_uniform_in_the_cube_and_one_for_each_row():
    x, codes = AdversarialLoss(5).draw(torch.zeros(4000, 3), torch.Generator().manual_seed(0))
    assert codes.shape == (4000, 5) and len(x) == 4000
    assert codes.min() >= -1 and codes.max() <= 1
    np.testing.assert_allclose(np.quantile(codes.numpy(), [0.1, 0.5, 0.9]), [-0.8, 0, 0.8], atol=0.03)


def snapshots(monkeypatch):
    """States of both networks before each turn."""
    states, original = [], AdversarialLoss.loss_of

    def spy(self, player, module, *drawn):
        if module.training:
            states.append((player, copy.deepcopy(module.state_dict())))
        return original(self, player, module, *drawn)

    monkeypatch.setattr(AdversarialLoss, "loss_of", spy)
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


def searched_by_a_loop(occ, X):
    """Residual, discrimination, code and generated row of each row of X: one row and one start at a time, float64."""
    module = copy.deepcopy(occ.net_.module_).double().eval().requires_grad_(False)
    rows = torch.from_numpy(X).double() / (255 if X.dtype == np.uint8 else 1)
    with RandomStream(occ._seed).generator() as generator:
        starts = torch.rand(occ.n_restarts, occ.n_components_, generator=generator) * 2 - 1
    found = []
    for row in rows[:, None] if X.ndim == 3 else rows:
        best = (np.inf,)
        for start in starts.double():
            code = start.clone().requires_grad_()
            optimizer = torch.optim.Adam([code], lr=occ.search_lr)
            for step in range(occ.search_steps + 1):
                made = module.made(code[None])[0]
                residual = (row - made).abs().mean()
                gap = module.discriminator.features(row[None]) - module.discriminator.features(made[None])
                loss = (1 - occ.feature_weight) * residual + occ.feature_weight * gap.abs().mean()
                if loss.item() < best[0]:
                    parts = residual.item(), gap.abs().mean().item()
                    best = loss.item(), *parts, code.detach().numpy().copy(), made.detach().numpy().copy()
                if step < occ.search_steps:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    code.data = code.data.clamp(-1, 1)
        found.append(best[1:])
    return [np.array(part) for part in zip(*found, strict=True)]


@pytest.mark.parametrize("kind", ["images", "table"])
def test_the_search_is_a_plain_loop_over_rows_and_starts(kind, on_images, on_a_table, X, table):
    occ, rows = (on_images, X[:4]) if kind == "images" else (on_a_table, table[:4])
    occ.set_params(search_steps=25, n_restarts=3, feature_weight=0.3)
    residual, discrimination, code, made = searched_by_a_loop(occ, rows)
    parts = occ.score_parts(rows)
    assert [part.dtype for part in parts] == [np.float64] * 2
    np.testing.assert_allclose(parts, [residual, discrimination], rtol=1e-8)
    np.testing.assert_allclose(occ.transform(rows), code, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(occ.reconstruct(rows), made.reshape(rows.shape), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(occ.score_samples(rows), -0.7 * residual - 0.3 * discrimination, rtol=1e-8)


def test_scores_and_parts_are_those_of_the_row_that_is_made(on_images, X):
    rows = X.astype(np.float32) / np.float32(255)
    made = on_images.reconstruct(X)
    features = copy.deepcopy(on_images.net_.module_.discriminator.features).eval()
    with torch.no_grad():
        of_rows, of_made = (features(torch.from_numpy(images)[:, None]).numpy() for images in (rows, made))
    residual, discrimination = on_images.score_parts(X)
    np.testing.assert_allclose(residual, np.abs(rows - made).mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(discrimination, np.abs(of_rows - of_made).mean(1), rtol=1e-4)
    expected = {"sum": 0.9 * residual + 0.1 * discrimination, "residual": residual, "discrimination": discrimination}
    for score_function, loss in expected.items():
        np.testing.assert_allclose(
            on_images.set_params(score_function=score_function).score_samples(X), -loss, rtol=1e-9
        )
    np.testing.assert_allclose(on_images.inverse_transform(on_images.transform(X)), made, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("feature_weight", "part"), [(0.0, 0), (1.0, 1)])
def test_at_its_ends_the_weight_leaves_one_part(feature_weight, part, on_a_table, table):
    on_a_table.set_params(feature_weight=feature_weight, search_steps=30)
    alone = on_a_table.score_parts(table)[part]
    np.testing.assert_allclose(on_a_table.score_samples(table), -alone, rtol=1e-12)
    assert alone.mean() < on_a_table.set_params(feature_weight=0.5).score_parts(table)[part].mean()


def test_more_steps_and_more_starts_never_raise_the_loss(on_images, X):
    def loss(**params):
        return -on_images.set_params(**params).score_samples(X[:10])

    by_steps = [loss(search_steps=n, n_restarts=1) for n in (0, 1, 5, 20, 60)]
    by_starts = [loss(search_steps=5, n_restarts=n) for n in (1, 2, 4, 16)]
    for losses in (by_steps, by_starts):
        assert (np.diff(losses, axis=0) <= 1e-12).all()
    assert by_steps[-1].mean() < 0.95 * by_steps[0].mean()
    assert by_starts[-1].mean() < by_starts[0].mean()


def test_codes_stay_in_the_cube(on_images, on_a_table, X, table):
    far = 100 * table
    for occ, rows in ((on_images, 1 - X / 255), (on_a_table, far)):
        codes = occ.set_params(search_lr=0.5, search_steps=40).transform(rows)
        assert codes.min() == -1 and codes.max() == 1
        assert codes.shape == (50, occ.n_components_)


def test_the_best_of_the_starts_counts_where_no_step_is_made(on_a_table, table):
    codes = on_a_table.set_params(search_steps=0, n_restarts=7).transform(table)
    assert 1 < len(np.unique(codes, axis=0)) <= 7
    distances = np.stack(
        [np.abs(on_a_table.inverse_transform(c[None]) - table).mean(1) for c in np.unique(codes, axis=0)]
    )
    on_a_table.set_params(feature_weight=0.0)
    np.testing.assert_allclose(-on_a_table.score_samples(table), distances.min(0), rtol=1e-6)


def test_the_search_leaves_the_networks_alone(on_images, X):
    module = on_images.net_.module_
    before = copy.deepcopy(module.state_dict())
    on_images.score_samples(X)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert all(weight.dtype == torch.float32 for weight in module.parameters())


def test_a_score_of_the_default_search_depends_on_no_other_row():
    digits = load_one_class_digits(majority=5)
    occ = quick("AnoGAN", max_epochs=100, lr=1e-3, search_steps=0).fit(digits.X_train).set_params(search_steps=500)
    few = digits.X_test[:6]
    together = occ.score_samples(few)
    np.testing.assert_allclose(occ.score_samples(few[2:3]), together[2:3], rtol=1e-6)
    among_others = np.concatenate([digits.X_test[-64:], few[::-1]])  # in another order, in another block
    np.testing.assert_allclose(occ.score_samples(among_others)[:63:-1], together, rtol=1e-6)


def test_steps_of_the_search_beat_as_many_random_codes():
    digits = load_one_class_digits(majority=5)
    new = digits.X_test[digits.y_test == 1][:40]
    params = {"channels": 16, "lr": 1e-3, "max_epochs": 400, "random_state": 0}
    occ = AnoGAN(search_steps=0, **params).fit(digits.X_train)
    searched = -occ.set_params(n_restarts=1, search_steps=500).score_samples(new)
    drawn = -occ.set_params(n_restarts=500, search_steps=0).score_samples(new)
    assert searched.mean() <= 0.8 * drawn.mean()
    assert (searched < drawn).all()


def test_a_search_that_finds_no_number_is_an_error(on_a_table, table):
    with torch.no_grad():
        on_a_table.net_.module_.generator[0].weight.fill_(torch.nan)
    with pytest.raises(ValueError, match="The score of row 0 is nan"):
        on_a_table.score_samples(table)


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
    trained_on = (X[occ._training_rows] / np.float32(255)).reshape(40, -1)
    np.testing.assert_allclose(np.sort(seen, axis=0), np.sort(trained_on, axis=0), rtol=1e-6)
    scores = occ.score_samples(X)
    np.testing.assert_array_equal(scores, occ.set_params(augment=None).score_samples(X))
    # What it returns is what the discriminator gets.
    inverted = drawn_in_training(X, monkeypatch, augment=augment)
    assert torch.equal(inverted, 1 - augment.batches[-1])


def drawn_in_training(X, monkeypatch, **params):
    """Rows that the discriminator was trained on, batch by batch."""
    seen, original = [], AdversarialLoss.loss_of

    def spy(self, player, module, x, codes):
        if module.training and player == "discriminator":
            seen.append(x.clone())
        return original(self, player, module, x, codes)

    with monkeypatch.context() as patch:
        patch.setattr(AdversarialLoss, "loss_of", spy)
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
    np.testing.assert_allclose(occ.score_parts(table)[0], np.abs(occ.reconstruct(table) - table).mean(1), rtol=1e-4)
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


def test_a_resumed_fit_is_the_same(X, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_occ.engine._checkpoint._PAUSE", 0)  # written after every epoch
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


def test_a_search_in_float32_gives_the_same_to_its_precision(on_a_table, table):
    module = copy.deepcopy(on_a_table.net_.module_).eval()
    starts = torch.rand(2, on_a_table.n_components_, generator=torch.Generator().manual_seed(0)) * 2 - 1
    params = {"n_steps": 10, "lr": 0.05, "feature_weight": 0.1}
    with torch.no_grad():
        single = LatentSearch(module, starts, **params)(torch.from_numpy(table).float())
        double = LatentSearch(module.double(), starts, **params)(torch.from_numpy(table))
    np.testing.assert_allclose(single.sum, double.sum, rtol=1e-3)
    np.testing.assert_allclose(double.sum, 0.9 * double.residual + 0.1 * double.discrimination, rtol=1e-12)


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


def test_verbose_counts_the_rows_that_were_searched(blobs, capsys):
    quick("AnoGAN", verbose=1).fit(blobs(150))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("search:")]
    assert lines[-1] == "search: 150 of 150 rows" and len(lines) > 1
    quick("AnoGAN").fit(blobs(20))
    assert "search" not in capsys.readouterr().out
