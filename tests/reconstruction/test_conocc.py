"""ConOCC against its formulas in NumPy, and against CAE."""

import copy

import numpy as np
import pytest
import torch
from conftest import quick
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sklearn_occ import CAE, ConOCC
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.reconstruction._conocc import ConstrainedLoss

GAMMA = 2.5


@pytest.fixture
def outputs(rng):
    """Reconstruction, code, rows and centre, as float64 arrays."""
    return (
        rng.normal(size=(6, 2, 5, 4)),
        rng.normal(size=(6, 3)),
        rng.normal(size=(6, 2, 5, 4)),
        rng.normal(size=3),
    )


def criterion_at(mu, **params):
    criterion = ConstrainedLoss(GAMMA, len(mu), **params)
    criterion.center = torch.from_numpy(mu)
    return criterion


@pytest.mark.parametrize("phase", ["reconstruction", "both", "constraint"])
def test_loss_is_the_formula(outputs, phase):
    reconstruction, code, x, mu = outputs
    l_ae = np.array([((reconstruction[i] - x[i]) ** 2).sum() for i in range(6)])
    l_con = np.array([np.linalg.norm(code[i] - mu) ** 2 for i in range(6)])
    expected = {"reconstruction": l_ae, "both": l_ae + GAMMA * l_con, "constraint": GAMMA * l_con}[phase].mean()
    criterion = criterion_at(mu)
    criterion.phase = phase
    loss = criterion((torch.from_numpy(reconstruction), torch.from_numpy(code)), torch.from_numpy(x))
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("score_function", ["reconstruction", "distance", "sum"])
def test_score_is_the_formula(outputs, score_function):
    reconstruction, code, x, mu = outputs
    l_ae = ((reconstruction - x) ** 2).sum((1, 2, 3))
    l_con = ((code - mu) ** 2).sum(1)
    expected = {"reconstruction": -l_ae / 40, "distance": -l_con, "sum": -(l_ae + GAMMA * l_con) / 40}[score_function]
    criterion = criterion_at(mu, score_function=score_function)
    score = criterion.score((torch.from_numpy(reconstruction), torch.from_numpy(code)), torch.from_numpy(x))
    np.testing.assert_allclose(score.numpy(), expected, rtol=1e-12)


def test_scores_of_the_estimator_are_those_of_its_parts(X):
    rows = X.astype(np.float32) / np.float32(255)
    occ = quick("ConOCC-joint").fit(X)
    error = ((occ.reconstruct(X).astype(float) - rows) ** 2).mean((1, 2))
    distance = ((occ.transform(X).astype(float) - occ.center_) ** 2).sum(1)
    np.testing.assert_allclose(occ.score_samples(X), -error, rtol=1e-5)
    for score_function, expected in {"distance": -distance, "sum": -error - 10 * distance / 144}.items():
        scores = quick("ConOCC-joint", score_function=score_function).fit(X).score_samples(X)
        np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_gamma_0_is_a_cae_to_the_bit(X):
    params = {"lr": 1e-3, "max_epochs": 6, "channels": 4, "random_state": 3}
    conocc, cae = ConOCC(gamma=0, schedule="joint", **params).fit(X), CAE(**params).fit(X)
    np.testing.assert_array_equal(conocc.score_samples(X), cae.score_samples(X))
    for ours, theirs in zip(conocc.net_.module_.parameters(), cae.net_.module_.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert not np.array_equal(ConOCC(gamma=1, schedule="joint", **params).fit(X).score_samples(X), cae.score_samples(X))


@pytest.mark.parametrize(("max_epochs", "interval", "expected"), [(6, 3, 3), (6, 60, 3), (1, 60, 1), (120, 60, 60)])
def test_the_interval_is_capped_so_that_mu_acts(X, max_epochs, interval, expected):
    occ = quick("ConOCC-joint", max_epochs=max_epochs, update_interval=interval, gamma=0.1).fit(X)
    assert occ.update_interval_ == expected
    assert (occ.center_ != 0).all()


def test_mu_is_the_mean_code_in_eval_mode(X):
    # Six epochs with an interval of 3: mu was set last after the last step.
    occ = quick("ConOCC-joint", max_epochs=6, update_interval=3).fit(X)
    np.testing.assert_allclose(occ.center_, occ.transform(X).mean(0), rtol=1e-4, atol=1e-6)
    off = quick("ConOCC-joint", max_epochs=7, update_interval=3).fit(X)
    assert not np.allclose(off.center_, off.transform(X).mean(0), rtol=1e-4, atol=1e-6)


def test_mu_is_no_gradient_parameter_and_stays_between_updates(X):
    occ = quick("ConOCC-joint", max_epochs=6, update_interval=3)
    occ.fit(X)
    assert not occ.net_.criterion_.center.requires_grad
    assert list(occ.net_.criterion_.parameters()) == []
    longer = quick("ConOCC-joint", max_epochs=8, update_interval=3).fit(X)
    np.testing.assert_array_equal(longer.center_, occ.center_)


def test_the_constraint_shrinks_the_codes(X):
    spread = {}
    for gamma in (0, 10):
        occ = quick("ConOCC-joint", gamma=gamma, max_epochs=5, batch_size=5, random_state=1).fit(X)
        spread[gamma] = ((occ.transform(X) - occ.center_) ** 2).sum(1).mean()
    assert spread[10] < 0.5 * spread[0]


def test_warm_up_is_reconstruction_alone(X):
    params = {"max_epochs": 8, "update_interval": 4, "random_state": 2}
    occ = quick("ConOCC-joint", **params).fit(X)
    cae = quick("CAE", lr=1e-3, max_epochs=8, random_state=2).fit(X)
    losses, reference = occ.history_[:, "train_loss"], cae.history_[:, "train_loss"]
    assert losses[:4] == reference[:4]
    assert losses[4] > reference[4]


def test_alternating_trains_the_encoder_alone_every_so_often(X):
    # An interval of 2: epochs 1 and 2 reconstruct, epoch 3 constrains, epochs 4 and 5 reconstruct.
    states = {}

    class Remember(Callback):
        def on_epoch_end(self, net, **kwargs):
            states[len(net.history)] = copy.deepcopy(net.module_.state_dict())

    quick("ConOCC", update_interval=2, max_epochs=5, callbacks=[Remember()]).fit(X)

    def moved(epoch):
        before, after = states[epoch - 1], states[epoch]
        return {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}

    assert [moved(epoch) for epoch in (2, 3, 4, 5)] == [
        {"encoder", "decoder"},
        {"encoder"},
        {"encoder", "decoder"},
        {"encoder", "decoder"},
    ]


def test_alternating_pulls_the_codes_together(X):
    loose = quick("ConOCC", gamma=0, max_epochs=9, update_interval=2).fit(X)
    tight = quick("ConOCC", gamma=10, max_epochs=9, update_interval=2).fit(X)

    def spread(occ):
        return ((occ.transform(X) - occ.center_) ** 2).sum(1).mean()

    assert spread(tight) < spread(loose)


def test_a_collapsed_code_warns():
    X = load_one_class_digits(majority=8).X_train
    with pytest.warns(ConvergenceWarning, match="collapsed onto mu.*Lower gamma, now 1000"):
        ConOCC(schedule="joint", gamma=1000, update_interval=60, max_epochs=150, channels=8, random_state=0).fit(X)


class Shrink(Callback):
    """After the second epoch the decoder makes rows of a given share of their variance."""

    def __init__(self, share):
        self.share = share

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            net.module_.decoder.weight.data.mul_(self.share**0.5)


def fit_that_shrinks(rng, *, before, after):
    """A fit whose reconstructions have the share `before` of the variance when mu is first set, in the end `after`."""
    decoder = torch.nn.Linear(4, 4, bias=False)
    decoder.weight.data = torch.eye(4) * before**0.5
    networks = {"encoder": torch.nn.Identity(), "decoder": decoder, "n_components": 4}
    params = {"schedule": "joint", "max_epochs": 2, "lr": 1e-30, "random_state": 0}
    occ = ConOCC(**networks, **params, callbacks=[Shrink(after / before)])
    return occ.fit(rng.normal(size=(40, 4)))


def test_a_thousandth_of_the_variance_is_a_collapse(rng):
    with pytest.warns(ConvergenceWarning, match=r"have 0\.0009 of the rows' variance, below 0\.001"):
        fit_that_shrinks(rng, before=1.0, after=0.0009)
    fit_that_shrinks(rng, before=1.0, after=0.0011)


def test_a_network_that_made_as_little_before_mu_is_no_collapse(rng):
    fit_that_shrinks(rng, before=0.0009, after=0.0005)
    with pytest.warns(ConvergenceWarning, match="collapsed onto mu"):
        fit_that_shrinks(rng, before=0.0009, after=0.0004)
