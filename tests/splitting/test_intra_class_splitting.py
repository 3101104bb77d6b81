"""IntraClassSplitting: losses and score in NumPy, the split, what a step changes, and that it learns."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from conftest import loss_of, quick
from scipy.special import expit
from skimage.metrics import structural_similarity
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback
from torch import nn

from sklearn_occ import IntraClassSplitting, PatchDetector
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn import DenseEncoder
from sklearn_occ.splitting._splitting_loss import SplittingLoss, SplittingNetwork

TURNS = ("closeness", "intra_class", "dispersion")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SplittingNetwork(DenseEncoder((6,), 4), 4, None, constraints=True).double()


class Watch(Callback):
    """Copies of the module when the last stage begins and ends, and the weights that each turn has moved."""

    def __init__(self):
        self.modules = []
        self.moved = []

    def __deepcopy__(self, memo):  # the estimator copies its callbacks
        return self

    def on_train_begin(self, net, **kwargs):
        self.modules.append(copy.deepcopy(net.module_))

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.moved.append({key for key, weight in named_parameters if weight.grad is not None and weight.grad.any()})

    def on_train_end(self, net, **kwargs):
        self.modules.append(copy.deepcopy(net.module_))


def split_by_hand(occ, X, similarity_of):
    """Numbers of the atypical rows and the similarities, from reconstructions of the fitted autoencoder."""
    rows = torch.from_numpy(X).float() / (255 if X.dtype == np.uint8 else 1)
    rows = rows[:, None] if X.ndim == 3 else rows
    with torch.no_grad():
        made = occ.net_.module_.autoencoder.eval()(rows)[0]
    return similarity_of(made.double().numpy(), rows.double().numpy())


def mean_ssim(made, x):
    options = {
        "data_range": 1.0,
        "gaussian_weights": True,
        "use_sample_covariance": False,
        "win_size": 11,
        "full": True,
    }
    maps = [structural_similarity(*pair, channel_axis=0, **options)[1] for pair in zip(x, made, strict=True)]
    return np.stack(maps)[..., 3:9, 3:9].mean((1, 2, 3))  # inner pixels of 12 x 12


def minus_mse(made, x):
    return -((made - x) ** 2).reshape(len(x), -1).mean(1)


def losses_by_hand(module, typical, atypical):
    """The three losses, from features and logits of a module in eval mode."""
    with torch.no_grad():
        logit, z = (part.double().numpy() for part in module.eval()(torch.cat([typical, atypical])))
    w, b = (parameter.detach().double().numpy() for parameter in module.distance.parameters())
    n = len(typical)
    y = expit(logit)

    def distances(z):
        differences = [z[i] - z[(i + 1) % len(z)] for i in range(len(z))]
        return np.array([expit(w[0] @ (d**2 if module.symmetric else d) + b[0]) for d in differences])

    return {
        "closeness": -np.log(1 - distances(z[:n])).mean(),
        "intra_class": -(np.log(1 - y[:n]).mean() + np.log(y[n:]).mean()) / 2,
        "dispersion": -np.log(distances(z[n:])).mean(),
    }


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("n_atypical", [2, 5])
def test_losses_are_the_formulas(network, rng, n_atypical, symmetric):
    network.symmetric = symmetric
    typical, atypical = (torch.from_numpy(rng.normal(size=(n, 6))) for n in (5, n_atypical))
    expected = losses_by_hand(network, typical, atypical)
    criterion = SplittingLoss(nn.Identity(), constraints=True)
    assert criterion.rounds == {"train": (TURNS,)}
    for turn in TURNS:
        loss = loss_of(criterion, turn, network, typical, atypical)
        assert loss.item() == pytest.approx(expected[turn], rel=1e-12)
    logit = network(typical)[0]
    np.testing.assert_array_equal(criterion.score((logit, None), typical).detach(), -logit.detach())
    if n_atypical == 5:  # equation 3
        y, label = torch.sigmoid(network(torch.cat([typical, atypical]))[0]), torch.arange(10) >= 5
        cross_entropy = nn.functional.binary_cross_entropy(y, label.double())
        assert cross_entropy.item() == pytest.approx(expected["intra_class"], rel=1e-12)


def test_rows_of_one_kind(network, rng):
    typical, none = torch.from_numpy(rng.normal(size=(5, 6))), torch.zeros(0, 6, dtype=torch.float64)
    criterion = SplittingLoss(None, constraints=True)
    assert criterion.rounds == {"train": (("closeness", "intra_class"),)}
    y = torch.sigmoid(network(typical)[0]).detach().numpy()
    assert loss_of(criterion, "intra_class", network, typical, none).item() == pytest.approx(-np.log(1 - y).mean())
    assert loss_of(criterion, "intra_class", network, none, typical).item() == pytest.approx(-np.log(y).mean())
    for turn, parts in (("dispersion", (typical, none)), ("closeness", (typical[:1], typical))):
        assert loss_of(criterion, turn, network, *parts).item() == 0


def test_a_distance_does_not_depend_on_the_order_of_the_pair(network, rng):
    pair = torch.from_numpy(rng.normal(size=(2, 4)))
    there, back = network.distance_logits(pair)
    assert there.item() == back.item()
    same = network.distance_logits(pair[:1].expand(2, 4))
    torch.testing.assert_close(same, network.distance.bias.expand(2), rtol=0, atol=0)


def test_a_distance_with_its_sign_cannot_meet_both_constraints(X):
    losses = {}
    for symmetric in (True, False):
        occ = quick("IntraClassSplitting", symmetric=symmetric, max_epochs=60, pretrain_epochs=5, lr=1e-3).fit(X)
        losses[symmetric] = [row["train_closeness_loss"] + row["train_dispersion_loss"] for row in occ.history_[5:]]
    # A step lies between the two losses, so that their sum is not that of the same weights.
    np.testing.assert_allclose(losses[False][-10:], 2 * np.log(2), atol=0.03)
    assert min(losses[False]) > 2 * np.log(2) - 0.03
    assert max(losses[True][-10:]) < 0.7


@pytest.mark.parametrize("turn", TURNS)
def test_a_small_step_down_the_gradient_lowers_that_loss(turn, network, rng):
    parts = [torch.from_numpy(rng.normal(size=(5, 6))) for _ in range(2)]
    criterion = SplittingLoss(nn.Identity(), constraints=True)
    before = loss_of(criterion, turn, network, *parts)
    before.backward()
    with torch.no_grad():
        squared = 0.0
        for weight in network.parameters():
            if weight.grad is not None:
                weight -= 1e-4 * weight.grad
                squared += weight.grad.square().sum().item()
    fallen = before.item() - loss_of(criterion, turn, network, *parts).item()
    assert fallen == pytest.approx(1e-4 * squared, rel=1e-2)


def test_turns_go_in_order_and_move_what_they_should(X):
    watch = Watch()
    occ = quick("IntraClassSplitting", callbacks=[watch], batch_size=16).fit(X)
    assert len(watch.moved) == 2 * 3 * 3  # epochs, batches of 45 typical rows, turns
    for k, moved in enumerate(watch.moved):
        heads = {name.split(".")[0] for name in moved}
        assert heads == {"encoder", "logit" if k % 3 == 1 else "distance"}
    for row in occ.history_[1:]:
        assert row["train_loss"] == pytest.approx(sum(row[f"train_{turn}_loss"] for turn in TURNS))
    assert "train_closeness_loss" not in occ.history_[0]


def test_the_autoencoder_stays_put_batch_statistics_included(X):
    watch = Watch()
    quick("IntraClassSplitting", callbacks=[watch], weight_decay=0.1).fit(X)
    before, after = (module.state_dict() for module in watch.modules)
    moved = {key for key in after if not torch.equal(before[key], after[key])}
    assert {"logit.weight", "distance.weight", "encoder.0.code.weight"} <= moved
    assert any("encoder.0" in key and "running_mean" in key for key in moved)
    assert not any(key.startswith("autoencoder") for key in moved)


@pytest.mark.parametrize("kind", ["bytes", "any floats"])
def test_an_autoencoder_trained_before_splits_as_it_is(kind, X):
    rows = X if kind == "bytes" else X.astype(np.float32) / 100 - 1  # with and without a sigmoid
    cae = quick("CAE", max_epochs=4).fit(rows)
    occ = quick(
        "IntraClassSplitting", pretrain_encoder=cae.encoder_, pretrain_decoder=cae.decoder_, pretrain_epochs=0
    ).fit(rows)
    made = torch.from_numpy(cae.reconstruct(rows)[:, None])
    x = torch.from_numpy(rows)[:, None] / (np.float32(255) if kind == "bytes" else 1)
    torch.testing.assert_close(occ.net_.module_.autoencoder.eval()(x)[0], made, rtol=0, atol=1e-6)
    assert (len(occ.atypical_indices_), len(occ.history_)) == (5, quick("IntraClassSplitting").max_epochs)
    for networks in ({}, {"pretrain_encoder": cae.encoder_}, {"pretrain_decoder": cae.decoder_}):
        with pytest.raises(ValueError, match="pretrain_epochs=0 leaves the autoencoder .* pass trained modules"):
            quick("IntraClassSplitting", pretrain_epochs=0, **networks).fit(rows)


def test_the_first_stage_is_a_cae(X):
    ours = quick("IntraClassSplitting", pretrain_epochs=4).fit(X)
    theirs = quick("CAE", max_epochs=4, batch_size=64, lr=1e-3, weight_decay=1e-6).fit(X)
    assert ours.history_[:4, "train_loss"] == theirs.history_[:, "train_loss"]
    for key, value in theirs.net_.module_.state_dict().items():
        torch.testing.assert_close(ours.net_.module_.autoencoder.state_dict()[key], value, rtol=0, atol=0)
    assert len(ours.history_) == 6


@pytest.mark.parametrize(
    ("kind", "similarity", "by_hand"),
    [
        ("images", "auto", mean_ssim),
        ("images", "ssim", mean_ssim),
        ("images", "squared_error", minus_mse),
        (
            "images",
            lambda x, made: -np.abs(x - made).mean((1, 2, 3)),
            lambda made, x: -np.abs(made - x).mean((1, 2, 3)),
        ),
        ("table", "auto", minus_mse),
    ],
    ids=["images auto", "ssim", "squared_error", "callable", "table auto"],
)
def test_the_split(kind, similarity, by_hand, X, table):
    rows = X if kind == "images" else table
    occ = quick("IntraClassSplitting", similarity=similarity, rho=0.3).fit(rows)
    similarities = split_by_hand(occ, rows, by_hand)
    np.testing.assert_array_equal(occ.atypical_indices_, np.sort(np.argsort(similarities)[:15]))
    assert occ.split_threshold_ == pytest.approx(np.sort(similarities)[14], rel=1e-5)


def test_indices_are_those_of_the_rows_given(X):
    y = np.where(np.arange(50) % 3, 1, -1)
    with_labels, without = (
        quick("IntraClassSplitting").fit(rows, labels) for rows, labels in ((X, y), (X[y == 1], None))
    )
    assert (y[with_labels.atypical_indices_] == 1).all()
    np.testing.assert_array_equal(X[with_labels.atypical_indices_], X[y == 1][without.atypical_indices_])


@pytest.mark.parametrize(
    ("rho", "n", "expected"), [(0.1, 50, 5), (0.001, 50, 2), (0.5, 51, 26), (0.5, 4, 2), (0.1, 4, 2)]
)
def test_how_many_are_atypical(rho, n, expected, X, blobs):
    assert len(quick("IntraClassSplitting", rho=rho).fit(blobs(n)).atypical_indices_) == expected


@pytest.mark.parametrize("batch_size", [64, 3])
def test_rows_held_out_are_split_by_the_threshold_whatever_a_batch_holds(batch_size, table):
    occ = quick("IntraClassSplitting", rho=0.3, validation_fraction=0.4, batch_size=batch_size).fit(table)
    held_out = np.setdiff1d(np.arange(50), occ._fit_state.training_rows)
    rows = table[held_out]
    is_atypical = split_by_hand(occ, rows, minus_mse) <= occ.split_threshold_
    assert 2 <= is_atypical.sum() < len(rows) - 1
    parts = [torch.from_numpy(rows[mask]).float() for mask in (~is_atypical, is_atypical)]
    for turn, loss in losses_by_hand(occ.net_.module_, *parts).items():
        assert occ.history_[-1][f"valid_{turn}_loss"] == pytest.approx(loss, rel=1e-4)
    assert occ.history_[-1]["valid_loss"] == pytest.approx(
        sum(occ.history_[-1][f"valid_{turn}_loss"] for turn in TURNS)
    )


def test_a_row_held_out_as_similar_as_the_last_atypical_one_is_atypical(X):
    class Similarity(nn.Module):
        def forward(self, x, rows):
            return torch.tensor([0.0, 1.0, 2.0])

    net = quick("IntraClassSplitting").fit(X).net_
    net.criterion_.threshold.fill_(1.0)
    net.criterion_.similarity = Similarity()
    with torch.no_grad():
        found = net._is_atypical(torch.zeros(3, 1, 12, 12))
    assert found.tolist() == [True, True, False]


def test_rows_held_out_where_nothing_is_split(table):
    occ = quick("IntraClassSplitting", rho=None, validation_fraction=0.4, batch_size=8).fit(table)
    typical = torch.from_numpy(table[np.setdiff1d(np.arange(50), occ._fit_state.training_rows)]).float()
    expected = losses_by_hand(occ.net_.module_, typical, typical)["closeness"]
    assert occ.history_[-1]["valid_closeness_loss"] == pytest.approx(expected, rel=1e-4)


def test_without_constraints_and_without_a_split(X):
    watch = Watch()
    plain = quick("IntraClassSplitting", constraints=False, callbacks=[watch], batch_size=16).fit(X)
    assert all("encoder" in next(iter(moved)) or "logit" in next(iter(moved)) for moved in watch.moved)
    assert len(watch.moved) == 2 * 3
    assert plain.net_.module_.distance is None
    assert len(plain.atypical_indices_) == 5
    naive = quick("IntraClassSplitting", rho=None, constraints=False).fit(X)
    assert naive.net_.module_.autoencoder is None
    assert naive.net_.epochs_ == {"train": 2}
    assert (len(naive.atypical_indices_), naive.split_threshold_) == (0, -np.inf)
    close = quick("IntraClassSplitting", rho=None).fit(X)
    assert {key for key in close.history_[0] if key.endswith("s_loss")} == {
        "train_closeness_loss",
        "train_intra_class_loss",
    }


def test_the_naive_network_saturates_but_its_scores_do_not_tie():
    digits = load_one_class_digits(majority=3)
    params = {"max_epochs": 300, "channels": 8, "lr": 1e-3, "constraints": False, "random_state": 0}
    naive = IntraClassSplitting(rho=None, **params).fit(digits.X_train)
    scores = naive.score_samples(digits.X_test)
    assert expit(-scores).max() < 0.05  # every row is typical
    assert len(np.unique(scores)) > 0.99 * len(digits.X_test)


def test_each_loss_falls(X):
    occ = quick("IntraClassSplitting", max_epochs=60, pretrain_epochs=5, lr=1e-3).fit(X)
    for turn in TURNS:
        losses = occ.history_[5:, f"train_{turn}_loss"]
        assert losses[-1] < 0.5 * losses[0]
    typical = np.delete(occ.score_samples(X), occ.atypical_indices_)
    assert np.median(typical) > np.median(occ.score_samples(X)[occ.atypical_indices_])


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", torch.optim.NAdam])
def test_optimizers(optimizer, X):
    occ = quick("IntraClassSplitting", optimizer=optimizer, max_epochs=20).fit(X)
    assert occ.history_[-1, "train_loss"] < occ.history_[1, "train_loss"]


def test_fused_sgd_is_sgd(X, tmp_path):
    fused = quick("IntraClassSplitting", optimizer="sgd", max_epochs=5, checkpoint=tmp_path / "fit.pt").fit(X)
    plain = quick("IntraClassSplitting", optimizer=partial(torch.optim.SGD, momentum=0.9), max_epochs=5).fit(X)
    np.testing.assert_allclose(fused.history_[:, "train_loss"], plain.history_[:, "train_loss"], rtol=1e-5)
    np.testing.assert_allclose(fused.score_samples(X), plain.score_samples(X), rtol=1e-3, atol=1e-5)
    again = quick("IntraClassSplitting", optimizer="sgd", max_epochs=5, checkpoint=tmp_path / "fit.pt").fit(X)
    np.testing.assert_array_equal(again.score_samples(X), fused.score_samples(X))


def test_a_users_encoder(X):
    asked = []

    def encoder(shape, n_components):
        asked.append((shape, n_components))
        return nn.Sequential(nn.Flatten(), nn.Linear(144, n_components))

    occ = quick("IntraClassSplitting", encoder=encoder, n_components=3).fit(X)
    assert asked == [((1, 12, 12), 3)]
    assert occ.transform(X).shape == (50, 3)
    module = nn.Sequential(nn.Flatten(), nn.Linear(144, 7))
    occ = quick("IntraClassSplitting", encoder=module, lr=1e-12).fit(X)
    assert occ.n_components_ == 7
    codes = nn.functional.leaky_relu(module(torch.from_numpy(X).float()[:, None] / 255), 0.2).detach().numpy()
    np.testing.assert_allclose(occ.transform(X), codes, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"The encoder turns 2 rows of shape .*expected \(2, 5\)"):
        quick("IntraClassSplitting", encoder=module, n_components=5).fit(X)


def test_what_is_refused(X, table):
    with pytest.raises(ValueError, match="3 majority rows to train on, expected at least 4, two of each kind"):
        quick("IntraClassSplitting").fit(table[:3])
    for rho in (0.1, None):
        with pytest.raises(
            ValueError, match="similarity='ssim' compares images, but X is a table; .* similarity='squared_error'"
        ):
            quick("IntraClassSplitting", similarity="ssim", rho=rho).fit(table)
    for similarity in (lambda x, made: made - x, lambda x, made: np.full(len(x), np.nan)):
        with pytest.raises(ValueError, match=r"similarity returned an array of shape .* return one number a row"):
            quick("IntraClassSplitting", similarity=similarity).fit(X)


def test_an_encoder_whose_units_have_died_is_warned_of(X):
    dead = nn.Sequential(nn.Flatten(), nn.Linear(144, 4), nn.ReLU())
    nn.init.constant_(dead[1].bias, -1e3)
    with pytest.warns(ConvergenceWarning) as caught:
        quick("IntraClassSplitting", encoder=dead).fit(X)
    assert "50 different training rows have 1 different scores. Lower lr, now 0.001" in str(caught[0].message)


def test_patches_are_split_anew_when_they_are_renewed(blobs):
    seen = []

    class Look(Callback):
        def on_epoch_end(self, net, dataset_train, **kwargs):
            rows = dataset_train
            similarity = net.similarities(rows.X)
            assert similarity[rows.atypical].max() <= similarity[rows.typical].min()
            assert net.criterion_.threshold == similarity[rows.atypical].max()
            assert len(rows.atypical) == 12
            seen.append(rows.X.clone())

    scorer = quick("IntraClassSplitting", max_epochs=3, rho=0.2, callbacks=[Look()])
    X = blobs(6, size=32)
    detector = PatchDetector(scorer, patch_size=12, n_patches=60, random_state=0).fit(X)
    assert len(seen) == 3
    assert not torch.equal(seen[0], seen[1])
    assert np.isfinite(detector.score_samples(X)).all()


@pytest.mark.parametrize("constraints", [True, False])
def test_training_beats_the_untrained_network(constraints):
    aucs = {}
    for lr in (1e-12, 1e-3):
        aucs[lr] = []
        for digit in (0, 3, 6):
            digits = load_one_class_digits(majority=digit)
            params = {"pretrain_epochs": 60, "max_epochs": 60, "channels": 8, "constraints": constraints, "lr": lr}
            occ = IntraClassSplitting(**params, random_state=0).fit(digits.X_train)
            aucs[lr].append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    assert np.mean(aucs[1e-3]) > max(0.9, np.mean(aucs[1e-12]) + 0.1)
