"""DAGMM against its formulas in NumPy and SciPy: the loss, the mixture of all rows, and what training moves."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import CtrlC
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score
from torch import nn

from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.density import DAGMM
from sklearn_occ.density._dagmm import MixtureLoss

WEIGHTS = {"energy_weight": 0.7, "covariance_weight": 0.02}


def quick(**params):
    return DAGMM(**{"max_epochs": 2, "channels": 4, "lr": 1e-3, "random_state": 0} | params)


@pytest.fixture
def table(rng):
    return rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6)) + 1


def mixture_in_numpy(features, logits):
    """Weights, means and covariances with their ridge, by sums over the rows."""
    gamma, d = softmax(logits, axis=1), features.shape[1]
    means = gamma.T @ features / gamma.sum(0)[:, None]
    covariances = []
    for share, mean in zip(gamma.T, means, strict=True):
        covariance = np.cov(features.T, aweights=share, ddof=0)
        np.testing.assert_allclose(np.average(features, axis=0, weights=share), mean, rtol=1e-10)
        covariances.append(covariance + (1e-6 * np.trace(covariance) / d + 1e-12) * np.eye(d))
    return gamma.mean(0), means, np.array(covariances)


def energy_in_scipy(features, weights, means, covariances):
    components = zip(weights, means, covariances, strict=True)
    return -logsumexp([np.log(w) + multivariate_normal(m, c).logpdf(features) for w, m, c in components], axis=0)


def features_of(occ, rows):
    """The features from what `transform` and `reconstruct` return."""
    x, made = rows.reshape(len(rows), -1), occ.reconstruct(rows).reshape(len(rows), -1).astype(float)
    norms = np.linalg.norm(x, axis=1), np.linalg.norm(made, axis=1)
    relative, cosine = np.linalg.norm(x - made, axis=1) / norms[0], (x * made).sum(1) / (norms[0] * norms[1])
    return np.column_stack([occ.transform(rows), relative, cosine])


def logits_of(occ, features):
    w, b, v, c = (parameter.detach().numpy().astype(float) for parameter in occ.net_.module_.estimation.parameters())
    return np.tanh(features @ w.T + b) @ v.T + c


def test_loss_is_the_formula(rng):
    x, reconstruction = rng.normal(size=(2, 30, 2, 3, 4))
    features, logits = rng.normal(size=(30, 5)), rng.normal(size=(30, 3))
    errors = ((x - reconstruction) ** 2).sum((1, 2, 3))
    mixture = mixture_in_numpy(features, logits)
    inverse_variances = sum(1 / covariance[j, j] for covariance in mixture[2] for j in range(5))
    expected = errors.mean() + 0.7 * energy_in_scipy(features, *mixture).mean() + 0.02 * inverse_variances
    outputs = tuple(map(torch.from_numpy, (reconstruction, features, logits)))
    criterion = MixtureLoss(**WEIGHTS, n_features=5, n_mixtures=3)
    assert criterion(outputs, torch.from_numpy(x)).item() == pytest.approx(expected, rel=1e-10)
    alone = tuple(part[:1] for part in outputs)
    assert criterion(alone, torch.from_numpy(x[:1])).item() == pytest.approx(errors[0], rel=1e-12)


@pytest.mark.parametrize("kind", ["table", "images"])
def test_mixture_and_scores_are_those_of_all_training_rows(X, table, kind):
    rows = table if kind == "table" else X / 255
    occ = quick(batch_size=16, max_epochs=5, n_mixtures=3).fit(rows)  # the last of four batches has two rows
    features = features_of(occ, rows)
    expected = mixture_in_numpy(features, logits_of(occ, features))
    for found, wanted in zip((occ.weights_, occ.means_, occ.covariances_), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    energy = energy_in_scipy(features, occ.weights_, occ.means_, occ.covariances_)
    np.testing.assert_allclose(occ.score_samples(rows), -energy, rtol=1e-7 if kind == "table" else 1e-3)


def test_scores_do_not_depend_on_the_batches(table):
    scores = [quick(lr=1e-30, batch_size=size).fit(table).score_samples(table) for size in (7, 25, 50)]
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=1e-5)
    occ = quick().fit(table)
    before = occ.score_samples(table)
    with torch.no_grad():
        x = torch.from_numpy(table[:5]).float()
        occ.net_.criterion_(occ.net_.module_(x), x)
    np.testing.assert_array_equal(occ.score_samples(table), before)


def test_a_row_of_a_table_scores_the_same_alone(table):
    occ = quick(max_epochs=30).fit(table)
    alone = np.concatenate([occ.score_samples(table[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(alone, occ.score_samples(table), rtol=1e-11)


def test_scores_fall_without_end(table):
    occ = quick(max_epochs=30).fit(table)
    scores = [occ.score_samples(table[:10] + 10.0**k * table.std(0)) for k in range(1, 7)]
    for near, far in pairwise(scores):
        assert (far < near).all()
    assert len(np.unique(np.concatenate(scores))) == 60


@pytest.mark.parametrize(
    ("shape", "expected"), [((12, 12), 8), ((2, 8, 8), 8), ((40,), 8), ((9,), 4), ((1,), 1)], ids=str
)
def test_the_code_is_narrow(rng, shape, expected):
    X = rng.uniform(size=(20, *shape))
    assert quick().fit(X).means_.shape == (4, expected + 2)
    assert quick(n_components=12).fit(X).transform(X).shape == (20, 12)


def test_shapes_dtypes_and_symmetry(X):
    occ = quick(n_mixtures=3, n_hidden=5).fit(X)
    layers = occ.net_.module_.estimation
    assert (layers[0].weight.shape, layers[-1].weight.shape) == ((5, 10), (3, 5))
    assert (occ.weights_.shape, occ.means_.shape, occ.covariances_.shape) == ((3,), (3, 10), (3, 10, 10))
    occ.means_[:] = 0  # a copy
    assert (occ.means_ != 0).any()
    assert {part.dtype for part in (occ.weights_, occ.means_, occ.covariances_)} == {np.dtype(float)}
    assert occ.weights_.sum() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(occ.covariances_, occ.covariances_.transpose(0, 2, 1), rtol=1e-9, atol=1e-15)
    assert [buffer.dtype for buffer in occ.net_.criterion_.buffers()] == [torch.float64] * 3
    assert list(occ.net_.criterion_.parameters()) == []


def test_one_step_changes_every_weight(X):
    trained, untrained = (quick(max_epochs=1, batch_size=50, lr=lr).fit(X) for lr in (1e-2, 1e-30))
    before, after = (dict(occ.net_.module_.named_parameters()) for occ in (untrained, trained))
    # A bias in front of batch normalisation has no effect, hence no gradient beyond rounding.
    assert all(not torch.equal(before[key], after[key]) for key in after)
    assert {key.split(".")[0] for key in after} == {"encoder", "decoder", "estimation"}


@pytest.mark.parametrize("term", ["energy_weight", "covariance_weight"])
def test_each_term_reaches_all_three_networks(table, term):
    occ = quick(energy_weight=0, covariance_weight=0).fit(table)
    module, x = occ.net_.module_.train(), torch.from_numpy(table).float()

    def gradients(**weights):
        criterion = MixtureLoss(**{"energy_weight": 0, "covariance_weight": 0} | weights, n_features=5, n_mixtures=4)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            loss = criterion(module(x), x)
        return torch.autograd.grad(loss, list(module.parameters()), materialize_grads=True)

    for name, without, with_it in zip(
        dict(module.named_parameters()), gradients(), gradients(**{term: 1.0}), strict=True
    ):
        change = (with_it - without).abs().max()
        assert change > 1e-6 * with_it.abs().max() > 0, name


def test_the_energy_is_lowered_where_it_weighs(table):
    mean = {}
    for weight in (0, 10):
        occ = quick(energy_weight=weight, max_epochs=200, random_state=1).fit(table)
        features = features_of(occ, table)
        mean[weight] = energy_in_scipy(features, occ.weights_, occ.means_, occ.covariances_).mean()
    assert mean[10] < mean[0] - 1


def test_inverse_variances_are_lowered_where_they_weigh(table):
    smallest = {}
    for weight in (0, 1):
        occ = quick(covariance_weight=weight, max_epochs=200, random_state=1).fit(table)
        smallest[weight] = occ.covariances_.diagonal(axis1=1, axis2=2).min()
    assert smallest[1] > 3 * smallest[0]


def test_dropout_draws_from_a_stream_of_its_own(table):
    state = torch.get_rng_state()
    scores = {rate: quick(dropout=rate, max_epochs=20).fit(table).score_samples(table) for rate in (0.0, 0.5)}
    assert torch.equal(torch.get_rng_state(), state)
    assert not np.allclose(scores[0.0], scores[0.5])
    torch.manual_seed(1)
    np.testing.assert_array_equal(quick(max_epochs=20).fit(table).score_samples(table), scores[0.5])


class Deficient(nn.Module):
    """Codes with a unit that is constant and one that is there twice."""

    def __init__(self, n_features):
        super().__init__()
        self.linear = nn.Linear(n_features, 2)

    def forward(self, x):
        code = self.linear(x.flatten(1))
        return torch.cat([code, code[:, :1], torch.full_like(code[:, :1], 3)], 1)


@pytest.mark.parametrize("batch_size", [2, 16])
def test_singular_codes_train_and_score(table, batch_size):
    occ = quick(encoder=lambda shape, n: Deficient(6), n_components=4, max_epochs=50, lr=1e-2, batch_size=batch_size)
    occ.fit(table)
    assert np.isfinite(occ.history_[:, "train_loss"]).all()
    np.testing.assert_array_equal(occ.transform(table)[:, 0], occ.transform(table)[:, 2])
    features = features_of(occ, table)
    energy = energy_in_scipy(features, occ.weights_, occ.means_, occ.covariances_)
    np.testing.assert_allclose(occ.score_samples(table), -energy, rtol=1e-3, atol=1e-5)  # one is near 0
    assert occ.score_samples(100 * table).max() < occ.score_samples(table).min()


def test_rows_of_zeros_train_and_score(table, X):
    for rows, size in ((table, (5, 6)), (X, (5, 12, 12))):
        rows[:5] = np.zeros(size)
        occ = quick(max_epochs=20).fit(rows)
        assert np.isfinite(occ.history_[:, "train_loss"]).all()
        assert np.isfinite(occ.score_samples(rows)).all()
        assert len(np.unique(occ.score_samples(rows)[5:])) == 45


def test_a_perfect_reconstruction_trains_and_scores(table):
    identity = nn.Linear(6, 6)
    with torch.no_grad():
        identity.weight.copy_(torch.eye(6))
        identity.bias.zero_()
    occ = quick(encoder=identity, decoder=identity, lr=1e-4).fit(table)
    assert np.isfinite(occ.history_[:, "train_loss"]).all() and np.isfinite(occ.score_samples(table)).all()


def test_networks_of_a_users_own(X):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(144, 3), nn.Dropout(0.1))

        def forward(self, x):
            return self.layers(x)

    encoder, decoder = Encoder(), nn.Sequential(nn.Linear(3, 144), nn.Unflatten(1, (1, 12, 12)))
    occ = quick(encoder=encoder, decoder=decoder).fit(X)
    assert occ.means_.shape == (4, 5)
    assert not torch.equal(occ.net_.module_.encoder.layers[1].weight, encoder.layers[1].weight)
    np.testing.assert_allclose(occ.inverse_transform(occ.transform(X)), occ.reconstruct(X), rtol=1e-5, atol=1e-6)
    features = features_of(occ, X / 255)
    energy = energy_in_scipy(features, occ.weights_, occ.means_, occ.covariances_)
    np.testing.assert_allclose(occ.score_samples(X), -energy, rtol=1e-3)


def test_a_single_validation_row_counts_with_its_reconstruction(table):
    occ = quick(batch_size=4, validation_fraction=0.1).fit(table)  # five rows are held out
    assert np.isfinite(occ.history_[:, "valid_loss"]).all()
    assert max(occ.history_[:, "valid_loss"]) < 1e6
    with pytest.raises(ValueError, match="'batch_size' parameter of DAGMM must be an int in the range \\[2, inf\\)"):
        quick(batch_size=1).fit(table)


def assert_same_mixture(a, b):
    for ours, theirs in ((a.weights_, b.weights_), (a.means_, b.means_), (a.covariances_, b.covariances_)):
        np.testing.assert_array_equal(ours, theirs)


def test_a_killed_fit_resumes_to_the_same_mixture(X, tmp_path):
    settings = {"max_epochs": 8, "batch_size": 16}
    with pytest.warns(UserWarning, match="interrupted after 3 of 8"):
        stopped = quick(checkpoint=tmp_path / "fit.pt", callbacks=[CtrlC(4)], **settings).fit(X)
    assert stopped.weights_.sum() == pytest.approx(1, rel=1e-12)
    assert np.isfinite(stopped.score_samples(X)).all()
    state = torch.load(tmp_path / "fit.pt", weights_only=True)
    state["identity"]["callbacks"] = "None"
    torch.save(state, tmp_path / "fit.pt")
    whole = quick(**settings).fit(X)
    for _ in range(2):  # resumed, then loaded
        occ = quick(checkpoint=tmp_path / "fit.pt", **settings).fit(X)
        assert_same_mixture(occ, whole)
        np.testing.assert_array_equal(occ.score_samples(X), whole.score_samples(X))
    assert not np.allclose(stopped.means_, whole.means_)


def test_a_warm_start_moves_the_mixture_with_the_network(table):
    occ = quick(warm_start=True, batch_size=16, max_epochs=3).fit(table)
    floor = occ.net_.module_.norm_floor.item()
    assert floor == pytest.approx(0.01 * np.linalg.norm(table, axis=1).mean(), rel=1e-6)
    first = occ.means_
    occ.fit(table)
    assert_same_mixture(occ, quick(batch_size=16, max_epochs=6).fit(table))
    assert not np.allclose(first, occ.means_)
    assert occ.net_.module_.norm_floor.item() == floor


def test_training_finds_digits_better_than_the_untrained_network():
    # A code of 4, because random codes of the default 8 already tell digits apart: 0.93.
    auc = {}
    for name, settings in {"untrained": (1, 1e-30), "trained": (60, 1e-2)}.items():
        found = np.empty((3, 10))
        for seed, majority in np.ndindex(found.shape):
            digits = load_one_class_digits(majority=majority, random_state=seed)
            occ = DAGMM(n_components=4, channels=8, max_epochs=settings[0], lr=settings[1], random_state=seed)
            found[seed, majority] = roc_auc_score(digits.y_test, occ.fit(digits.X_train).score_samples(digits.X_test))
        auc[name] = found.mean(1)
    spread = max(means.std(ddof=1) for means in auc.values())
    assert auc["trained"].mean() > auc["untrained"].mean() + 2 * spread
    assert auc["trained"].mean() > 0.9
