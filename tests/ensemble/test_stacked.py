"""Fits in one loop against the same fits one after the other."""

import copy
import pickle

import numpy as np
import pytest
import torch
from conftest import blobs, quick
from skorch.callbacks import EpochTimer
from torch import nn

from sklearn_occ import CAE, ConOCC
from sklearn_occ._engine import RandomStream
from sklearn_occ._engine.rows import _batches, _streaming
from sklearn_occ._engine.rows._batches import ResidentBatches, StackedBatches, resident
from sklearn_occ.ensemble._seed_ensemble import runs_on_cuda
from sklearn_occ.ensemble._stacked import StackingError, fit_stacked
from sklearn_occ.nn._losses import ReconstructionLoss

SEEDS = (3, 4, 5)
ONE_STAGE = {
    "CAE": {},
    "SAE": {"alpha": 0.1},
    "ConOCC": {"update_interval": 2, "gamma": 0.1},
    "ConOCC-joint": {"update_interval": 2, "gamma": 0.1},
}
images = blobs(50, size=16)[:, None]  # as validated input comes: (n, C, H, W)


def both(name, X, *, seeds=SEEDS, **params):
    """Fitted in turn and fitted in one loop, with the same seeds."""
    make = [lambda seed=seed: quick(name, **params).set_params(random_state=seed) for seed in seeds]
    return [build().fit(X) for build in make], fit_stacked([build() for build in make], X)


def assert_same_state(ours, theirs, *, atol):
    ours = ours.state_dict()
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours[key], value, rtol=0, atol=atol, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("name", ONE_STAGE)
def test_weights_statistics_and_buffers_are_those_of_separate_fits(name):
    # Five epochs of three batches. With SGD, since Adam makes steps of lr of the rounding errors that are the gradients
    # of a bias in front of batch normalisation.
    params = {"max_epochs": 5, "batch_size": 20, "optimizer": "sgd", "lr": 1e-4, **ONE_STAGE[name]}
    in_turn, together = both(name, images, **params)
    for theirs, ours in zip(in_turn, together, strict=True):
        assert_same_state(ours.net_.module_, theirs.net_.module_, atol=1e-5)
        assert_same_state(ours.net_.criterion_, theirs.net_.criterion_, atol=1e-4)
    batch_norm = [name for name in together[0].net_.module_.state_dict() if "num_batches" in name]
    assert batch_norm and all(int(together[1].net_.module_.state_dict()[name]) == 15 for name in batch_norm[:1])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimizer_makes_the_steps_of_separate_fits(optimizer, table):
    lr = 1e-4 if optimizer == "sgd" else 1e-3
    in_turn, together = both("CAE", table, max_epochs=5, batch_size=20, optimizer=optimizer, lr=lr, weight_decay=0.01)
    untrained = quick("CAE", max_epochs=1, lr=1e-12, random_state=SEEDS[0]).fit(table).net_.module_
    for theirs, ours in zip(in_turn, together, strict=True):
        assert_same_state(ours.net_.module_, theirs.net_.module_, atol=1e-5)
    moved = together[0].net_.module_.encoder[0].weight - untrained.encoder[0].weight
    assert moved.abs().max() > 1e-3


@pytest.mark.parametrize("name", ONE_STAGE)
@pytest.mark.parametrize("kind", ["images", "table"])
def test_scores_of_a_whole_fit(name, kind, table):
    X = images if kind == "images" else table
    in_turn, together = both(name, X, max_epochs=20, lr=1e-3, **ONE_STAGE[name])
    for theirs, ours in zip(in_turn, together, strict=True):
        expected = theirs.score_samples(X)
        np.testing.assert_allclose(ours.score_samples(X), expected, rtol=0.02)
        assert ours.offset_ == pytest.approx(theirs.offset_, rel=0.02)
        for row, of_theirs in zip(ours.history_, theirs.history_, strict=True):
            assert row["epoch"] == of_theirs["epoch"] and row["dur"] > 0
            assert row["train_loss"] == pytest.approx(of_theirs["train_loss"], rel=0.01)
    assert not np.allclose(together[0].score_samples(X), together[1].score_samples(X), rtol=0.05)


def test_members_are_ordinary_estimators(table):
    _, together = both("ConOCC", table, max_epochs=6)
    for occ in together:
        scores = occ.score_samples(table)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(occ)).score_samples(table), scores)
        assert (occ.predict(table) == -1).sum() == 5
        assert occ.net_.epochs_ == {"train": 6} and occ.net_.finished_ == {"train"}
        assert occ.center_.shape == (3,) and np.abs(occ.center_).max() > 0
        assert all(weight.requires_grad for weight in occ.net_.module_.parameters())
    assert not np.shares_memory(*(occ.net_.module_.encoder[0].weight.detach().numpy() for occ in together[:2]))


def test_pickles_hold_one_members_weights():
    alone = quick("CAE", random_state=3).fit(images)
    member = fit_stacked([quick("CAE", random_state=seed) for seed in SEEDS], images)[0]
    assert len(pickle.dumps(member)) < 1.05 * len(pickle.dumps(alone))


@pytest.mark.parametrize("name", ["CAE", "ConOCC"])
@pytest.mark.parametrize("kind", ["images", "table"])
def test_warm_start_goes_on_from_moments_order_and_centre(name, kind, table):
    X = images if kind == "images" else table
    optimizer = {"optimizer": "sgd", "lr": 1e-4} if kind == "images" else {}
    params = {"max_epochs": 4, "batch_size": 20, "warm_start": True, **optimizer, **ONE_STAGE[name]}
    in_turn, together = both(name, X, **params)
    for theirs, ours in zip(in_turn, together, strict=True):
        theirs.fit(X), ours.fit(X)
        assert_same_state(ours.net_.module_, theirs.net_.module_, atol=2e-5)
        assert len(ours.history_) == 8


def test_optimizer_state_is_laid_out_as_the_weights():
    # The fused kernel walks through memory: another layout would pair weights with wrong moments.
    in_turn, together = both("CAE", images, max_epochs=1)
    theirs, ours = in_turn[0].net_.optimizer_.state, together[0].net_.optimizer_.state
    for (weight, state), (of_theirs, expected) in zip(ours.items(), theirs.items(), strict=True):
        assert weight.stride() == of_theirs.stride() and state.keys() == expected.keys()
        assert all(state[key].stride() == expected[key].stride() for key in state)


def test_frozen_weights_and_statistics_stay_put(monkeypatch):
    # The second of two epochs of the alternating schedule trains the encoder alone.
    seen = []

    class Spy(EpochTimer):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(copy.deepcopy(net.module_.state_dict()))

        def on_epoch_end(self, net, **kwargs):
            seen.append(copy.deepcopy(net.module_.state_dict()))

    monkeypatch.setattr(ConOCC, "_make_callbacks", callbacks_and(ConOCC._make_callbacks, Spy))
    fit_stacked([quick("ConOCC", max_epochs=2, random_state=seed) for seed in (0, 1)], images)
    for before, after in ((seen[-4], seen[-2]), (seen[-3], seen[-1])):  # members 0 and 1, epoch 2
        moved = {key for key in before if not torch.equal(before[key], after[key])}
        assert moved and all(key.startswith("encoder") for key in moved)
    first = {key for key in seen[0] if not torch.equal(seen[0][key], seen[2][key])}
    assert any(key.startswith("decoder") for key in first)


def callbacks_and(make, spy):
    return lambda self: [*make(self), ("spy", spy())]


def test_streams_stay_in_step_with_those_of_separate_fits(table):
    in_turn, together = both("CAE", table, max_epochs=3)
    for theirs, ours in zip(in_turn, together, strict=True):
        assert torch.equal(ours.net_.stream_.state, theirs.net_.stream_.state)


@pytest.mark.parametrize("n_rows", [50, 41])  # a last batch of 10, or of a single row, which is left out
def test_batches_are_those_of_each_stream(n_rows, monkeypatch):
    monkeypatch.setattr("sklearn_occ._engine.rows._batches._CHUNK_VALUES", 2000)  # several chunks
    X = resident(images[:n_rows], "cpu")
    alone = [ResidentBatches(X, 20, RandomStream(seed)) for seed in SEEDS]
    together = StackedBatches(X, 20, [RandomStream(seed) for seed in SEEDS])
    for _ in range(2):
        expected = [[x for x, _ in batches] for batches in alone]
        found = list(together)
        assert len(found) == len(together) == len(expected[0])
        for i, x in enumerate(found):
            torch.testing.assert_close(x, torch.stack([batches[i] for batches in expected]), rtol=0, atol=0)


def test_batches_of_more_than_a_buffer_are_those_of_separate_fits(monkeypatch):
    monkeypatch.setattr(_batches, "BUFFER_BYTES", 600)
    monkeypatch.setattr(_batches, "BLOCK_BYTES", 100)
    X = torch.arange(130.0)[:, None].expand(130, 5)
    alone = [[x for x, _ in ResidentBatches(X, 8, RandomStream(seed))] for seed in SEEDS]
    for i, x in enumerate(StackedBatches(X, 8, [RandomStream(seed) for seed in SEEDS])):
        torch.testing.assert_close(x, torch.stack([batches[i] for batches in alone]), rtol=0, atol=0)


def test_rows_that_stream_do_not_share_a_loop(monkeypatch, table):
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: 0)
    with pytest.raises(StackingError, match="has 50 rows, which need more memory"):
        fit_stacked([quick("CAE", random_state=seed) for seed in SEEDS], table)


class OwnCode(nn.Linear):
    def forward(self, x):
        return super().forward(x)


def own_decoder(n_components, shape):
    return nn.Linear(n_components, *shape)


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("OCSVM", {}, "not one network trained in one stage"),
        ("COCSVM", {}, "not one network trained in one stage"),
        ("DeepSVDD", {}, "not one network trained in one stage"),
        ("DAGMM", {}, "not one network trained in one stage"),
        ("AnoGAN", {}, "draws random numbers for its steps, or has players that take turns"),
        ("CAE", {"callbacks": [EpochTimer()]}, "has callbacks"),
        ("CAE", {"checkpoint": "fit.pt", "random_state": 0}, "has checkpoint"),
        ("CAE", {"validation_fraction": 0.2}, "has validation_fraction"),
        ("CAE", {"compile": True}, "has compile=True or another precision"),
        ("CAE", {"precision": "bfloat16"}, "another precision than float32"),
        ("CAE", {"optimizer": torch.optim.NAdam}, "has an optimizer that is not one of adam, adamw, sgd, rmsprop"),
        ("CAE", {"encoder": nn.Sequential(nn.Dropout(0.2), nn.Linear(6, 3))}, "draws random numbers"),
        ("CAE", {"encoder": OwnCode(6, 3)}, "code of its own"),
        (
            "CAE",  # the statistics' weight is a number that torch reads from a tensor
            {"encoder": nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3, momentum=None))},
            r"torch\.func\.vmap cannot run \(vmap: It looks like you're .*item",
        ),
    ],
)
def test_what_cannot_share_a_loop_says_why(name, params, reason, table):
    if "encoder" in params:
        params = {**params, "decoder": own_decoder}
    with pytest.raises(StackingError, match=reason):
        fit_stacked([quick(name, random_state=seed).set_params(**params) for seed in (0, 1)], table)


def used_twice(shape, n_components):
    layer = nn.Linear(*shape, *shape)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(*shape, n_components))


def tied(shape, n_components):
    first, second = nn.Linear(*shape, *shape), nn.Linear(*shape, *shape)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second, nn.Linear(*shape, n_components))


@pytest.mark.parametrize(
    "encoder",
    [nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ELU(), nn.Linear(8, 3)), used_twice, tied],
    ids=["batch norm", "a layer used twice", "tied weights"],
)
def test_a_users_network_of_torchs_layers_can(encoder, table):
    params = {"max_epochs": 5, "optimizer": "sgd", "lr": 1e-3, "encoder": encoder, "decoder": own_decoder}
    in_turn, together = both("CAE", table, **params)
    for theirs, ours in zip(in_turn, together, strict=True):
        assert_same_state(ours.net_.module_, theirs.net_.module_, atol=1e-5)


def test_a_loss_that_is_not_finite_stops_the_fit(table):
    with pytest.raises(ValueError, match=r"train loss is (nan|inf) in epoch .* lower lr \(now 1e\+20\)"):
        fit_stacked([quick("CAE", lr=1e20, optimizer="sgd", max_epochs=5, random_state=k) for k in (0, 1)], table)


def test_parameters_are_checked(table):
    with pytest.raises(ValueError, match="The 'lr' parameter of CAE"):
        fit_stacked([CAE(lr=-1.0)], table)


def test_which_device_a_fit_takes():
    assert runs_on_cuda(CAE()) == torch.cuda.is_available()
    assert not runs_on_cuda(CAE(device="cpu"))
    assert not runs_on_cuda(quick("OCSVM"))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ONE_STAGE)
def test_cuda(name):
    params = {"max_epochs": 5, "batch_size": 20, "optimizer": "sgd", "lr": 1e-4, "device": "cuda", **ONE_STAGE[name]}
    in_turn, together = both(name, images, **params)
    for theirs, ours in zip(in_turn, together, strict=True):
        assert_same_state(ours.net_.module_, theirs.net_.module_, atol=1e-3)  # convolutions in TF32
        expected = theirs.score_samples(images)
        np.testing.assert_allclose(ours.score_samples(images), expected, atol=0.05 * expected.std())


class Averaging(ReconstructionLoss):
    """Keeps a moving average of a weight."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.tensor(0.0))

    def after_step(self, module):
        self.average.mul_(0.9).add_(0.1 * module.encoder[0].weight.sum())


class Teacher(CAE):
    def _make_criterion(self):
        return Averaging()


def test_every_members_criterion_hears_of_each_step(table):
    def members():
        return [Teacher(max_epochs=4, batch_size=10, lr=1e-3, random_state=seed, verbose=0) for seed in range(3)]

    together = members()
    fit_stacked(together, table)
    for ours, alone in zip(together, members(), strict=True):
        expected = float(alone.fit(table).net_.criterion_.average)
        assert float(ours.net_.criterion_.average) == pytest.approx(expected, rel=1e-3)
        assert expected != 0
