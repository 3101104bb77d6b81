"""Mixtures from soft memberships against NumPy and SciPy, and what rows of zeros and empty components do."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal
from torch import nn

from sklearn_occ.nn._autoencoder import Autoencoder
from sklearn_occ.nn._mixture import MixtureAutoencoder, mixture_log_density, mixture_statistics


def statistics_in_numpy(features, logits):
    gamma, d = softmax(logits, axis=1), features.shape[1]
    means, covariances = [], []
    for share in gamma.T:
        mean = (share[:, None] * features).sum(0) / share.sum()
        covariance = sum(g * np.outer(f - mean, f - mean) for g, f in zip(share, features, strict=True)) / share.sum()
        means.append(mean)
        covariances.append(covariance + (1e-6 * np.trace(covariance) / d + 1e-12) * np.eye(d))
    return gamma.mean(0), np.array(means), np.array(covariances)


def log_density_in_scipy(features, weights, means, covariances):
    components = zip(weights, means, covariances, strict=True)
    return logsumexp([np.log(w) + multivariate_normal(m, c).logpdf(features) for w, m, c in components], axis=0)


def log_density(features, weights, means, covariances):
    return mixture_log_density(*map(torch.from_numpy, (features, np.log(weights), means, covariances))).numpy()


@pytest.fixture
def features(rng):
    return rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5)) + 3


@pytest.fixture
def logits(rng):
    return rng.normal(size=(40, 3))


def test_statistics_are_the_formulas(features, logits):
    log_weights, means, covariances = mixture_statistics(torch.from_numpy(features), torch.from_numpy(logits))
    expected = statistics_in_numpy(features, logits)
    for found, wanted in zip((log_weights.exp(), means, covariances), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("distance", [0, 1, 1e3, 1e4, 1e5, 1e6])
def test_log_density_is_scipys_however_far(features, logits, rng, distance):
    weights, means, covariances = statistics_in_numpy(features, logits)
    directions = rng.normal(size=(50, 5))
    rows = features.mean(0) + distance * features.std(0) * directions
    expected = log_density_in_scipy(rows, weights, means, covariances)
    np.testing.assert_allclose(log_density(rows, weights, means, covariances), expected, rtol=1e-9)
    assert len(np.unique(expected)) == (50 if distance else 1)


def test_one_component_is_a_gaussian(features):
    mixture = mixture_statistics(torch.from_numpy(features), torch.zeros(40, 1))
    expected = multivariate_normal(features.mean(0), np.cov(features.T, bias=True)).logpdf(features)
    np.testing.assert_allclose(mixture_log_density(torch.from_numpy(features), *mixture), expected, rtol=1e-4)


def test_the_mixture_is_in_float64_whatever_comes(features, logits):
    mixture = mixture_statistics(*(torch.from_numpy(a).float() for a in (features, logits)))
    assert {part.dtype for part in mixture} == {torch.float64}
    assert mixture_log_density(torch.from_numpy(features).float(), *mixture).dtype == torch.float64


@pytest.mark.parametrize("deficiency", ["constant", "twice", "all constant", "two rows"])
def test_a_singular_covariance_is_regular_with_its_ridge(features, logits, deficiency):
    if deficiency == "two rows":
        features, logits = features[:2], logits[:2]
    elif deficiency == "constant":
        features[:, 1] = 4
    elif deficiency == "twice":
        features[:, 1] = features[:, 2]
    else:
        features[:] = 4
    f = torch.from_numpy(features).requires_grad_()
    mixture = mixture_statistics(f, torch.from_numpy(logits))
    density = mixture_log_density(f, *mixture)
    density.sum().backward()
    assert torch.isfinite(f.grad).all()
    if deficiency == "all constant":
        np.testing.assert_allclose(mixture[2].detach(), np.tile(1e-12 * np.eye(5), (3, 1, 1)), rtol=1e-9, atol=1e-24)
    weights, means, covariances = statistics_in_numpy(features, logits)
    expected = log_density_in_scipy(features, weights, means, covariances)
    np.testing.assert_allclose(density.detach(), expected, rtol=1e-6)  # condition numbers of 1e6


@pytest.mark.parametrize("logit", [-40.0, -2000.0])
def test_an_empty_component_is_still_a_mean_of_rows(features, logits, logit):
    logits[:, 1] += logit  # memberships of 1e-17; of 0 in float64
    f = torch.from_numpy(features).requires_grad_()
    wanted = torch.from_numpy(logits).requires_grad_()
    log_weights, means, covariances = mixture_statistics(f, wanted)
    assert log_weights[1].item() == pytest.approx(logit, abs=5)
    assert (means[1] > f.min(0).values).all() and (means[1] < f.max(0).values).all()
    assert (covariances[1].diagonal() > 0.01 * f.var(0)).all()
    density = mixture_log_density(f, log_weights, means, covariances)
    (density.mean() + covariances.diagonal(dim1=1, dim2=2).reciprocal().sum()).backward()
    assert torch.isfinite(f.grad).all() and torch.isfinite(wanted.grad).all()
    others = mixture_statistics(f, wanted[:, [0, 2]])
    np.testing.assert_allclose(density.detach(), mixture_log_density(f, *others).detach(), rtol=1e-12)


def module_for(reconstruct, width=3):
    return MixtureAutoencoder(nn.Linear(6, width), reconstruct, width, n_mixtures=2)


def test_features_and_logits_are_the_formulas(rng):
    x = rng.normal(size=(9, 6))
    module = module_for(nn.Linear(3, 6)).double().eval()
    module.set_norm_floor([torch.from_numpy(part) for part in (x[:4], x[4:])])
    assert module.norm_floor.item() == pytest.approx(0.01 * np.linalg.norm(x, axis=1).mean(), rel=1e-12)
    with torch.no_grad():
        made, features, logits = (part.numpy() for part in module(torch.from_numpy(x)))
        code = module.encoder(torch.from_numpy(x)).numpy()
    relative = np.linalg.norm(x - made, axis=1) / np.linalg.norm(x, axis=1)
    cosine = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(x, made, strict=True)]
    np.testing.assert_allclose(features, np.column_stack([code, relative, cosine]), rtol=1e-12)
    w, b, v, c = (parameter.detach().numpy() for parameter in module.estimation.parameters())
    np.testing.assert_allclose(logits, np.tanh(features @ w.T + b) @ v.T + c, rtol=1e-12, atol=1e-14)


def test_without_the_estimation_network_it_is_the_autoencoder(rng):
    module, x = module_for(nn.Linear(3, 6)), torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    made, code = Autoencoder(module.encoder, module.decoder)(x)
    found = module(x)
    assert torch.equal(found[0], made) and torch.equal(found[1][:, :3], code.double())


def test_dropout_is_for_training_alone():
    module, x = module_for(nn.Linear(3, 6)), torch.ones(4, 6)
    assert torch.equal(module.eval()(x)[2], module(x)[2])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(module.train()(x)[2], module(x)[2])


@pytest.mark.parametrize("case", ["zero row", "no error", "zero reconstruction", "both zero"])
def test_gradients_are_finite_where_a_norm_is_zero(case):
    x = torch.zeros(3, 6) if "row" in case or "both" in case else torch.ones(3, 6)
    x[0] = 1
    made = {"zero row": torch.ones(3, 6), "no error": x.clone()}.get(case, torch.zeros(3, 6)).requires_grad_()
    module = module_for(nn.Linear(3, 6))
    module.set_norm_floor([x])
    errors = module.errors(x, made)
    errors.sum().backward()
    assert torch.isfinite(errors).all() and torch.isfinite(made.grad).all()
    expected = {"zero row": [6**0.5 / module.norm_floor.item(), 0], "no error": [0, 1]}
    expected |= {"zero reconstruction": [1, 0], "both zero": [0, 0]}
    np.testing.assert_allclose(errors[-1].detach(), expected[case], rtol=1e-12, atol=1e-15)


def test_the_scale_of_the_rows_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    x, made = torch.randn(2, 5, 6, generator=generator, dtype=torch.float64)
    x[3] = 0
    errors = []
    for scale in (1e-9, 1.0, 1e9):
        module = module_for(nn.Linear(3, 6))
        module.set_norm_floor([scale * x])
        errors.append(module.errors(scale * x, scale * made))
    for other in errors[::2]:
        torch.testing.assert_close(other, errors[1], rtol=1e-12, atol=0)
