"""DeepSVDD against its formulas in NumPy; centre, radius, stages; and that it neither collapses nor stays untrained."""

import copy

import numpy as np
import pytest
import torch
from conftest import CtrlC, quick
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from torch import nn

from sklearn_occ import DeepSVDD
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.hypersphere._deep_svdd import HypersphereLoss, PretrainedEncoder
from sklearn_occ.nn import DenseDecoder, DenseEncoder

NAMES = ["annthyroid", "breastw", "cardio", "mammography", "optdigits", "pima", "satellite", "thyroid", "wdbc"]
OBJECTIVES = ["one-class", "soft-boundary"]


class Watch(Callback):
    """Copies of module and criterion when the last stage begins, and when each of its epochs does and ends."""

    def __init__(self, seen):
        self.seen = seen

    def __deepcopy__(self, memo):  # the estimator copies its callbacks
        return self

    def note(self, net):
        self.seen.append((copy.deepcopy(net.module_), copy.deepcopy(net.criterion_), dict(net.optimizer_.state)))

    def on_train_begin(self, net, **kwargs):
        self.note(net)

    def on_epoch_begin(self, net, **kwargs):
        self.note(net)

    def on_epoch_end(self, net, **kwargs):
        self.note(net)


def watched(X, **params):
    seen = []
    return quick("DeepSVDD", callbacks=[Watch(seen)], **params).fit(X), seen


def codes_of(module, X):
    rows = torch.from_numpy(X).float() / (255 if X.dtype == np.uint8 else 1)
    with torch.no_grad():
        return module.eval().encoder(rows[:, None] if X.ndim == 3 else rows).double().numpy()


def moved(before, after):
    """Names of weights and statistics that differ."""
    before, after = before.state_dict(), after.state_dict()
    return {key for key in after if not torch.equal(before[key], after[key])}


def names(module, part):
    return {key for key, _ in module.named_parameters() if key.startswith(part)}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_loss_is_the_formula(objective, rng):
    code, center, x = rng.normal(size=(7, 3)), rng.normal(size=3), torch.zeros(7, 2)
    d2 = np.array([np.linalg.norm(row - center) ** 2 for row in code])
    criterion = HypersphereLoss(objective, 0.3, 3, (2,))
    criterion.center = torch.from_numpy(center)
    squared_radius = float(np.median(d2))
    criterion.squared_radius.fill_(squared_radius)
    outside = sum(max(0, distance - squared_radius) for distance in d2) / 7
    expected = d2.mean() if objective == "one-class" else squared_radius + outside / 0.3
    assert 0 < outside < d2.mean()
    outputs = None, torch.from_numpy(code)
    assert criterion(outputs, x).item() == pytest.approx(expected, rel=1e-12)
    scores = -d2 if objective == "one-class" else squared_radius - d2
    np.testing.assert_allclose(criterion.score(outputs, x), scores, rtol=1e-12)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_pretraining_is_that_of_an_autoencoder(objective, rng, X):
    reconstruction, x = rng.normal(size=(2, 5, 3, 4))
    outputs = torch.from_numpy(reconstruction), torch.zeros(5, 2)
    loss = HypersphereLoss(objective, 0.3, 2, (3,))(outputs, torch.from_numpy(x))
    assert loss.item() == pytest.approx(((reconstruction - x) ** 2).sum((1, 2)).mean(), rel=1e-12)
    # On the same encoder, the first stage is a CAE to the bit.
    params = {"encoder": DenseEncoder((144,), 5), "lr": 1e-3}
    ours = quick("DeepSVDD", objective=objective, pretrain_epochs=4, weight_decay=0.0, **params).fit(X.reshape(50, -1))
    theirs = quick("CAE", max_epochs=4, **params).fit(X.reshape(50, -1))
    assert ours.history_[:4, "train_loss"] == theirs.history_[:, "train_loss"]
    assert len(ours.history_) == 6


@pytest.mark.parametrize("kind", ["images", "table"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scores_of_the_estimator_are_those_of_its_parts(objective, kind, X, table):
    rows = X if kind == "images" else table
    occ = quick("DeepSVDD", objective=objective, max_epochs=12).fit(rows)
    d2 = ((occ.transform(rows).astype(float) - occ.center_) ** 2).sum(1)
    expected = -d2 if objective == "one-class" else occ.radius_**2 - d2
    np.testing.assert_allclose(occ.score_samples(rows), expected, rtol=1e-4, atol=1e-6 * d2.max())


def test_coordinates_of_the_centre_keep_away_from_0():
    mean = torch.tensor([-3.0, -0.1, -0.0999, -1e-12, 0.0, 1e-12, 0.05, 0.1, 0.3], dtype=torch.float64)
    spread = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    criterion = HypersphereLoss("one-class", 0.1, 9, (2,))
    criterion.set_center(mean + spread * 2.0**-10)
    np.testing.assert_allclose(criterion.center, [-3, -0.1, -0.1, -0.1, 0.1, 0.1, 0.1, 0.1, 0.3], rtol=1e-6)
    criterion.set_center(torch.zeros(4, 9, dtype=torch.float64))
    np.testing.assert_allclose(criterion.center, np.full(9, 0.1), rtol=1e-6)


@pytest.mark.parametrize("pretrain_epochs", [0, 5])
def test_the_centre_is_the_mean_code_of_the_pretrained_encoder_and_stays(X, pretrain_epochs):
    occ, seen = watched(X, pretrain_epochs=pretrain_epochs, lr=1e-3, max_epochs=4, batch_size=16)
    mean = codes_of(seen[0][0], X).mean(0)
    away = np.where(mean < 0, -1, 1) * np.maximum(np.abs(mean), 0.1)
    np.testing.assert_allclose(occ.center_, away, rtol=1e-4)
    assert (np.abs(mean) < 0.1).any() and (np.abs(mean) > 0.1).any()
    assert len(seen) == 9
    for _, criterion, _ in seen:
        np.testing.assert_array_equal(criterion.center, occ.center_)
    assert list(occ.net_.criterion_.parameters()) == []
    assert not np.allclose(occ.transform(X).mean(0), mean, rtol=1e-2)  # training moved the codes, not the centre


def test_the_centre_survives_a_resumed_fit(X, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_occ._engine.nets._checkpoint._PAUSE", 0)  # written after every epoch
    params, checkpoint = {"pretrain_epochs": 2, "max_epochs": 15}, tmp_path / "fit.pt"
    whole = quick("DeepSVDD-soft", **params).fit(X)
    with pytest.warns(UserWarning, match="interrupted after 12 of 15"):
        quick("DeepSVDD-soft", **params, checkpoint=checkpoint, callbacks=[CtrlC(15)]).fit(X)
    state = torch.load(checkpoint, weights_only=True)
    assert state["epochs"] == {"pretrain": 2, "train": 12}
    state["identity"]["callbacks"] = "None"
    torch.save(state, checkpoint)
    resumed = quick("DeepSVDD-soft", **params, checkpoint=checkpoint).fit(X)
    np.testing.assert_array_equal(resumed.center_, whole.center_)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
    assert resumed.radius_ == whole.radius_


@pytest.mark.parametrize("nu", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_radius_leaves_a_share_of_nu_outside(objective, nu, table):
    occ = quick("DeepSVDD", objective=objective, nu=nu, max_epochs=15, batch_size=16, lr=1e-3).fit(table)
    d2 = ((occ.transform(table) - occ.center_) ** 2).sum(1)
    assert occ.radius_**2 == pytest.approx(np.quantile(d2, 1 - nu), rel=1e-4)
    assert occ.offset_ == pytest.approx(0 if objective == "soft-boundary" else -(occ.radius_**2), rel=1e-12)
    n_outside = (occ.predict(table) == -1).sum()
    assert abs(n_outside - 50 * nu) <= 1
    # A share of one's own moves the threshold, and "auto" brings it back.
    auto = occ.offset_
    assert (occ.set_contamination(0.4).offset_ > auto) == (nu < 0.4)
    assert occ.set_contamination("auto").offset_ == auto


def test_the_radius_is_0_for_ten_epochs_then_follows_all_training_rows(table):
    occ, seen = watched(table, objective="soft-boundary", nu=0.2, max_epochs=14, batch_size=16, lr=1e-3)
    begins = seen[1::2]
    assert [float(criterion.squared_radius) for _, criterion, _ in begins[:10]] == [0] * 10
    for module, criterion, _ in begins[10:]:
        d2 = ((codes_of(module, table) - occ.center_) ** 2).sum(1)
        assert float(criterion.squared_radius) == pytest.approx(np.quantile(d2, 0.8), rel=1e-4)
    radii = [float(criterion.squared_radius) for _, criterion, _ in begins[10:]]
    assert len({*radii, occ.radius_**2}) == 5  # each from the weights of its time
    assert not occ.net_.criterion_.squared_radius.requires_grad


def test_soft_boundary_with_nu_1_and_no_radius_is_one_class(table):
    params = {"max_epochs": 9, "batch_size": 16, "lr": 1e-3, "nu": 1.0}
    soft, hard = (quick("DeepSVDD", objective=objective, **params).fit(table) for objective in OBJECTIVES[::-1])
    np.testing.assert_allclose(soft.transform(table), hard.transform(table), rtol=1e-3, atol=1e-4)
    # With a radius the rows within it are left alone.
    params |= {"max_epochs": 30, "nu": 0.2}
    soft, hard = (quick("DeepSVDD", objective=objective, **params).fit(table) for objective in OBJECTIVES[::-1])
    median = [np.median(((occ.transform(table) - occ.center_) ** 2).sum(1)) for occ in (soft, hard)]
    assert median[0] > 1.05 * median[1]


@pytest.mark.parametrize("kind", ["images", "table"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_a_step_of_each_stage_changes(objective, kind, blobs, table):
    params = {"objective": objective, "batch_size": 50, "lr": 1e-2, "max_epochs": 1}
    rows = blobs(50, size=16) if kind == "images" else table
    untrained = watched(rows, **params, pretrain_epochs=0)[1][0][0]
    _, ((pretrained, *_), *_, (trained, *_)) = watched(rows, **params, pretrain_epochs=1)
    weights = names(untrained, "encoder") | names(untrained, "decoder")
    assert weights <= moved(untrained, pretrained)
    # Weights of the encoder and its batch-norm statistics, nothing of the decoder.
    changed = moved(pretrained, trained)
    assert names(trained, "encoder") <= changed
    assert {key.split(".")[0] for key in changed} == {"encoder"}
    if kind == "images":
        assert any("running_mean" in key for key in changed)
        assert any(key.startswith("decoder") and "running_mean" in key for key in moved(untrained, pretrained))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_no_optimizer_touches_the_decoder_in_the_last_stage(table, optimizer):
    params = {"optimizer": optimizer, "weight_decay": 0.1, "lr": 1e-3, "pretrain_epochs": 2, "max_epochs": 3}
    _, seen = watched(table, **params)
    assert {key.split(".")[0] for key in moved(seen[0][0], seen[-1][0])} == {"encoder"}


def test_the_last_stage_begins_with_a_fresh_optimizer(X):
    occ, seen = watched(X, pretrain_epochs=3, max_epochs=2, batch_size=10)
    assert seen[0][2] == {}
    steps = {float(moments["step"]) for moments in occ.net_.optimizer_.state.values()}
    assert steps == {10.0}  # two epochs of five batches
    assert len(occ.net_.optimizer_.state) == len(list(occ.net_.module_.encoder.parameters()))


def test_the_first_step_of_the_last_stage_is_adams(table):
    occ, seen = watched(table, pretrain_epochs=3, max_epochs=1, batch_size=50, lr=1e-3, weight_decay=0.01)
    module = seen[0][0].train()
    optimizer = torch.optim.Adam(module.encoder.parameters(), lr=1e-3, weight_decay=0.01)
    distances = (module.encoder(torch.from_numpy(table).float()) - torch.from_numpy(occ.center_)).square().sum(1)
    distances.mean().backward()
    optimizer.step()
    for ours, theirs in zip(occ.net_.module_.encoder.parameters(), module.encoder.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["images", "table"])
def test_the_default_encoder_has_no_bias_and_no_learnt_shift(kind, X, table):
    occ = quick("DeepSVDD", max_epochs=1).fit(X if kind == "images" else table)
    encoder = occ.net_.module_.encoder
    assert all(parameter.ndim > 1 for parameter in encoder.parameters())
    assert not [key for key, _ in encoder.named_parameters() if "bias" in key]
    norms = [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == (1 if kind == "images" else 0)
    assert not any(layer.affine for layer in norms)
    assert any("bias" in key for key, _ in occ.net_.module_.decoder.named_parameters())


def test_networks_of_a_users_own(table):
    encoder, decoder = nn.Linear(6, 4, bias=False), nn.Linear(4, 6)
    kept = copy.deepcopy(encoder.state_dict())
    occ, seen = watched(table, encoder=encoder, decoder=decoder, pretrain_epochs=0, max_epochs=2, lr=1e-2)
    assert torch.equal(seen[0][0].encoder.weight, encoder.weight)  # starts from the module's weights
    assert torch.equal(encoder.weight, kept["weight"]) and not torch.equal(
        occ.net_.module_.encoder.weight, kept["weight"]
    )
    assert occ.n_components_ == len(occ.center_) == 4
    codes = table @ occ.net_.module_.encoder.weight.detach().double().numpy().T
    np.testing.assert_allclose(occ.score_samples(table), -((codes - occ.center_) ** 2).sum(1), rtol=1e-9)
    made = quick(
        "DeepSVDD",
        encoder=lambda shape, n: nn.Linear(*shape, n, bias=False),
        decoder=lambda n, shape: nn.Linear(n, *shape),
        n_components=2,
    ).fit(table)
    assert made.net_.module_.decoder.weight.shape == (6, 2)


def test_without_pretraining_there_is_one_stage(table):
    occ, seen = watched(table, pretrain_epochs=0, max_epochs=3)
    assert occ.net_.epochs_ == {"pretrain": 0, "train": 3} and len(occ.history_) == 3
    assert names(occ.net_.module_, "decoder") and not any("decoder" in key for key in moved(seen[0][0], seen[-1][0]))


def test_the_decoder_runs_only_while_pretraining():
    module = PretrainedEncoder(nn.Linear(3, 2), DenseDecoder(2, (3,)))
    assert module(torch.zeros(4, 3))[0] is None
    module.pretrains = True
    assert module(torch.zeros(4, 3))[0].shape == (4, 3)


def biased(shape, n_components):
    return DenseEncoder(shape, n_components, bias=True)


class Rounded(nn.Module):
    """Codes on a grid: far apart, and few of them."""

    def forward(self, z):
        return z + (2 * z).round().sub(2 * z).div(2).detach()


def on_a_grid(shape, n_components):
    return nn.Sequential(nn.Linear(*shape, n_components, bias=False), Rounded())


def test_biases_let_the_encoder_collapse_and_the_guard_speaks_up(rng):
    X = rng.normal(size=(200, 10)) @ rng.normal(size=(10, 10))
    params = {"lr": 1e-2, "pretrain_epochs": 0, "max_epochs": 500, "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="DeepSVDD has collapsed.*Use an encoder without biases"):
        DeepSVDD(encoder=biased, **params).fit(X)
    occ = DeepSVDD(**params).fit(X)  # warnings are errors
    assert len(np.unique(occ.score_samples(X))) == 200


def test_few_distinct_scores_warn(rng):
    params = {"encoder": on_a_grid, "n_components": 1, "pretrain_epochs": 0, "max_epochs": 2, "random_state": 0}
    X = rng.normal(size=(100, 6))
    for n_copies in (1, 2, 30):
        with pytest.warns(ConvergenceWarning, match=r"has collapsed.* have (\d|1\d) distinct distances"):
            DeepSVDD(**params).fit(np.repeat(X, n_copies, axis=0))


@pytest.mark.parametrize("n_copies", [2, 30])
def test_duplicates_in_x_are_no_collapse(n_copies, rng):
    X = np.repeat(rng.normal(size=(100, 6)), n_copies, axis=0)
    occ = quick("DeepSVDD").fit(X)  # warnings are errors
    np.testing.assert_allclose(occ.score_samples(X)[::n_copies], occ.score_samples(X[::n_copies]), rtol=1e-11)


def distinct_share(occ, X):
    X = np.unique(X, axis=0)
    return len(np.unique(occ.score_samples(X))) / len(X)


def rows_of_table(path):
    """At most 500 majority rows to train on, standardised, and up to 1000 of all others."""
    data = np.load(path)
    X, rng = data["X"].astype(float), np.random.default_rng(0)
    majority = rng.permutation(np.flatnonzero(data["y"] == 0))
    train, rest = majority[:500], np.r_[majority[500:], np.flatnonzero(data["y"])]
    scaler = StandardScaler().fit(X[train])
    return scaler.transform(X[train]), scaler.transform(X[rng.permutation(rest)[:1000]])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", NAMES)
def test_no_collapse_on_tables(real_data, name, objective):
    train, new = rows_of_table(real_data(f"tabular/{name}.npz"))
    occ = DeepSVDD(objective=objective, lr=1e-3, pretrain_epochs=20, max_epochs=100, random_state=0).fit(train)
    assert distinct_share(occ, train) > 0.95
    assert distinct_share(occ, new) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", NAMES)
def test_no_collapse_on_tables_with_the_defaults(real_data, name, objective):
    train, new = rows_of_table(real_data(f"tabular/{name}.npz"))
    occ = DeepSVDD(objective=objective, random_state=0).fit(train)
    assert distinct_share(occ, train) > 0.95
    assert distinct_share(occ, new) > 0.95


def auc_on_digits(seed, **params):
    """Mean AUC over the ten digits; no fit may give equal scores to different rows."""
    found = []
    for majority in range(10):
        digits = load_one_class_digits(majority=majority, random_state=seed)
        occ = DeepSVDD(random_state=seed, **params).fit(digits.X_train)
        scores = occ.score_samples(digits.X_test)
        assert len(np.unique(scores)) > 0.95 * len(np.unique(digits.X_test, axis=0))
        found.append(roc_auc_score(digits.y_test, scores))
    return np.mean(found)


def test_training_finds_digits_better_than_the_untrained_network():
    untrained = {"lr": 1e-30, "pretrain_epochs": 0, "max_epochs": 1}
    trained = {"lr": 3e-4, "pretrain_epochs": 50, "max_epochs": 100}
    before, after = (
        np.array([auc_on_digits(seed, channels=16, **params) for seed in range(3)]) for params in (untrained, trained)
    )
    assert after.mean() - before.mean() > 2 * max(before.std(ddof=1), after.std(ddof=1))
    assert after.mean() > 0.95


@pytest.mark.slow
def test_digits_with_the_defaults():
    found = [auc_on_digits(seed) for seed in range(3)]
    assert np.mean(found) >= 0.973, found
