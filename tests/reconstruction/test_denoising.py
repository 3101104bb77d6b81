"""DenoisingAutoencoder: its noise against closed forms, the loss, what it learns, and where it finds a blob."""

import numpy as np
import pytest
import torch
from conftest import quick
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score
from torch import nn

from sklearn_occ import DenoisingAutoencoder
from sklearn_occ._engine.rows import _streaming
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn._augmentation import coarse_noise
from sklearn_occ.nn._unet import Denoiser
from sklearn_occ.reconstruction._denoising import DenoisingLoss


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def table(rng):
    return rng.normal(size=(400, 3)) @ np.array([[2.0, 1.0, 0.5], [0.0, 1.0, 0.2], [0.0, 0.0, 0.3]]) + 5


@pytest.mark.parametrize("sizes", [(1, 1), (4, 4), (3.3, 3.3), (1, 16), (40, 40)], ids=str)
def test_mean_and_variance_of_the_noise(sizes):
    noise = coarse_noise(6000, (1, 12, 17), sizes, generator()).double()
    assert noise.shape == (6000, 1, 12, 17)
    assert abs(noise[:, 0, 5, 5].mean()) < 4 * 0.7 / 6000**0.5
    np.testing.assert_allclose(noise.square().mean((0, 1)), 4 / 9, rtol=0.12)  # of every pixel, over random offsets
    assert noise.square().mean() == pytest.approx(4 / 9, rel=0.03)


@pytest.mark.parametrize("size", [2, 5, 8])
def test_correlation_of_the_noise(size):
    """Over random offsets two pixels d apart correlate as the function w with itself: a cubic B-spline of d / size."""
    noise = coarse_noise(8000, (1, 24, 3), (size, size), generator()).double()[:, 0]
    for distance in range(1, 20):
        t = distance / size
        spline = 2 / 3 - t**2 + t**3 / 2 if t < 1 else max(0, 2 - t) ** 3 / 6
        found = (noise[:, :-distance] * noise[:, distance:]).mean()
        assert found == pytest.approx(2 / 3 * spline, abs=0.03), distance


def test_a_node_of_the_grid_has_variance_1_and_the_middle_of_a_cell_a_quarter():
    noise = coarse_noise(5000, (1, 9, 9), (8, 8), generator()).double()[:, 0]
    again = generator()
    torch.rand(5000, generator=again, dtype=torch.float64)
    offsets = torch.rand(5000, 2, generator=again, dtype=torch.float64)
    fraction = (offsets[:, :, None] + torch.arange(9) / 8) % 1
    of_axis = fraction**2 + (1 - fraction) ** 2
    expected = of_axis[:, 0, :, None] * of_axis[:, 1, None, :]
    for low, high in ((0.25, 0.3), (0.4, 0.5), (0.8, 1.0)):
        alike = (expected >= low) & (expected <= high)
        assert noise[alike].square().mean() == pytest.approx(expected[alike].mean().item(), rel=0.06)


def test_noise_is_independent_between_rows_and_channels_and_comes_from_its_generator():
    state = torch.get_rng_state()
    noise = coarse_noise(4000, (2, 9, 9), (3, 6), generator())
    assert torch.equal(noise, coarse_noise(4000, (2, 9, 9), (3, 6), generator()))
    assert not torch.equal(noise, coarse_noise(4000, (2, 9, 9), (3, 6), generator(1)))
    assert torch.equal(state, torch.get_rng_state())
    centre = noise[:, :, 4, 4].double()
    for a, b in ((centre[:-1, 0], centre[1:, 0]), (centre[:, 0], centre[:, 1])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / 4000**0.5


def test_each_image_has_a_size_of_its_own_whose_logarithm_is_uniform():
    """Pixels d apart correlate as the mean of the B-spline of d / size over the sizes that are drawn."""
    noise = coarse_noise(8000, (1, 24, 3), (2, 16), generator()).double()[:, 0]
    sizes = 2 * 8 ** ((np.arange(1000) + 0.5) / 1000)
    for distance in (2, 6, 12):
        t = distance / sizes
        spline = np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.maximum(0, 2 - t) ** 3 / 6)
        found = (noise[:, :-distance] * noise[:, distance:]).mean()
        assert found == pytest.approx(2 / 3 * spline.mean(), abs=0.012), distance
    roughness = coarse_noise(200, (1, 64, 64), (2, 16), generator()).diff(dim=2).square().mean((1, 2, 3))
    assert roughness.quantile(0.9) > 10 * roughness.quantile(0.1)


def test_large_cells_make_smooth_noise():
    roughness = []
    for size in (1, 4, 16):
        noise = coarse_noise(500, (1, 32, 32), (size, size), generator())
        roughness.append(noise.diff(dim=2).square().mean().item())
    assert roughness[0] > 5 * roughness[1] > 25 * roughness[2]


def test_loss_and_score(rng):
    made, x = (torch.from_numpy(rows) for rows in rng.normal(size=(2, 5, 2, 3, 4)))
    criterion = DenoisingLoss(0.5, (1, 4), (2, 3, 4))
    errors = ((made - x).numpy() ** 2).sum((1, 2, 3))
    assert criterion((made,), x).item() == pytest.approx(errors.mean(), rel=1e-12)
    np.testing.assert_allclose(criterion.score((made,), x), -errors / 24, rtol=1e-12)


def test_what_is_drawn_is_the_row_and_noise_in_the_scale_of_its_channel(rng):
    x = torch.from_numpy(rng.normal(size=(7, 2, 8, 8))).float()
    criterion = DenoisingLoss(0.5, (2, 2), (2, 8, 8))
    criterion.row_std.copy_(torch.tensor([1.0, 3.0]).view(2, 1, 1))
    rows, noise = criterion.draw(x, generator())
    assert rows is x
    expected = coarse_noise(7, (2, 8, 8), (2, 2), generator()) * torch.tensor([0.5, 1.5]).view(2, 1, 1)
    assert torch.equal(noise, expected)
    module = Denoiser(nn.Identity())
    assert torch.equal(module(rows, noise)[0], x + noise)
    assert module(rows)[0] is x


def test_scale_of_the_training_rows(rng, table):
    X = rng.normal(size=(40, 2, 9, 11)) * np.array([1.0, 4.0]).reshape(2, 1, 1) + 3
    occ = quick("DenoisingAutoencoder", batch_size=16).fit(X)
    np.testing.assert_allclose(occ.row_std_, X.std((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(quick("DenoisingAutoencoder").fit(table).row_std_, table.std(0), rtol=1e-5)
    held_out = quick("DenoisingAutoencoder", validation_fraction=0.5).fit(table)
    assert not np.allclose(held_out.row_std_, table.std(0), rtol=1e-5)


@pytest.mark.parametrize("streams", [False, True])
def test_batch_normalisation_has_the_statistics_of_rows_without_noise(streams, X, monkeypatch):
    if streams:
        monkeypatch.setattr(_streaming, "most_resident", lambda X, device: 0)
    occ = quick("DenoisingAutoencoder", batch_size=17, noise_std=5.0).fit(X)  # two batches of 17 rows, one of 16
    first, norm = occ.net_.module_.denoiser[0].down[0][:2]
    with torch.no_grad():
        maps = first(torch.from_numpy(X[:, None] / np.float32(255)))
    np.testing.assert_allclose(norm.running_mean, maps.mean((0, 2, 3)), rtol=0.02, atol=1e-3)
    np.testing.assert_allclose(norm.running_var, maps.var((0, 2, 3)), rtol=0.1)
    assert norm.momentum == 0.1 and not norm.training and norm.num_batches_tracked == 3


def test_a_resumed_and_a_continued_fit_end_at_the_same_statistics(X):
    params = {"batch_size": 17, "lr": 1e-2}
    whole = quick("DenoisingAutoencoder", max_epochs=4, **params).fit(X)
    twice = quick("DenoisingAutoencoder", max_epochs=2, warm_start=True, **params).fit(X).fit(X)
    for key, value in whole.net_.module_.state_dict().items():
        assert torch.equal(value, twice.net_.module_.state_dict()[key]), key


def test_a_warm_start_keeps_the_scale(X):
    occ = quick("DenoisingAutoencoder", warm_start=True).fit(X)
    before = occ.row_std_
    np.testing.assert_array_equal(occ.fit(X // 4).row_std_, before)


def test_images_within_0_and_1_come_back_within():
    bright = [nn.Conv2d(1, 1, 1), nn.Identity()]
    with torch.no_grad():
        bright[0].weight.fill_(50)
    images = np.random.default_rng(0).integers(0, 255, (10, 8, 8), dtype=np.uint8)
    made = {
        activation: quick(
            "DenoisingAutoencoder", denoiser=nn.Sequential(*bright), lr=1e-9, output_activation=activation
        )
        .fit(images)
        .reconstruct(images)
        for activation in ("auto", "linear")
    }
    assert made["auto"].min() >= 0 and made["auto"].max() <= 1 < made["linear"].max()


def test_noise_of_a_table_is_independent_in_each_feature():
    noise = DenoisingLoss(2.0, (1, 1), (3,)).draw(torch.zeros(20_000, 3), generator())[1].double().numpy()
    np.testing.assert_allclose(np.cov(noise.T), 4 * np.eye(3), atol=0.15)


def test_of_normal_rows_it_learns_the_conditional_mean(table):
    """For normal rows with covariance S and noise with covariance N, E[x | x + n] = m + S (S + N)^-1 (x + n - m)."""
    occ = DenoisingAutoencoder(noise_std=0.5, max_epochs=300, lr=3e-3, random_state=0).fit(table)
    mean, S = table.mean(0), np.cov(table.T)
    N = np.diag(0.25 * table.var(0))
    expected = mean + (table - mean) @ np.linalg.solve(S + N, S)
    scale = table.std(0)
    difference = (occ.reconstruct(table) - expected) / scale
    removed = (expected - table) / scale
    assert np.sqrt((difference**2).mean()) < 0.35 * np.sqrt((removed**2).mean())
    far = mean + 4 * np.linalg.eigh(S)[1][:, 0] * np.sqrt(S.diagonal().mean())  # along the narrowest direction
    assert occ.score_samples(far[None])[0] < occ.score_samples(table).min()


def test_little_noise_leaves_rows_as_they_are(table):
    removed = []
    for level in (0.5, 0.05):
        occ = DenoisingAutoencoder(noise_std=level, max_epochs=200, random_state=0).fit(table)
        removed.append(-occ.score_samples(table).mean())
    assert removed[1] < 0.05 * removed[0]


def test_training_beats_the_untrained_network_and_no_network(X):
    params = {"noise_std": 1.5, "batch_size": 10}
    untrained = quick("DenoisingAutoencoder", max_epochs=1, lr=1e-12, **params).fit(X)
    trained = quick("DenoisingAutoencoder", max_epochs=120, lr=3e-3, **params).fit(X)
    losses = trained.history_[:, "train_loss"]
    assert losses[-1] < 0.3 * losses[0]
    x, found = torch.from_numpy(X[:, None] / 255).float(), []
    for occ in (untrained, trained):
        criterion = occ.net_.criterion_
        rows, noise = criterion.draw(x, generator(5))
        found.append(criterion(occ.net_.module_.eval()(rows, noise), rows).item())
    of_noise = float(noise.square().flatten(1).sum(1).mean())
    assert found[1] < 0.5 * min(found[0], of_noise)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (31, 100)], ids=str)
def test_a_score_is_that_of_the_reconstruction_and_the_same_in_any_company(size, blobs):
    X = blobs(20, size=size)
    occ = quick("DenoisingAutoencoder").fit(X)
    scores = occ.score_samples(X)
    np.testing.assert_allclose(scores, -((occ.reconstruct(X) - X / 255) ** 2).mean((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(occ.score_samples(X[3:4]), scores[3:4], rtol=1e-6)
    np.testing.assert_allclose(occ.score_samples(X[::-1]), scores[::-1], rtol=1e-6)


def test_the_global_generator_is_left_alone(X):
    state = torch.get_rng_state()
    quick("DenoisingAutoencoder").fit(X).score_samples(X)
    assert torch.equal(state, torch.get_rng_state())


def test_sizes_of_cells_are_checked(X):
    for size in ((1,), (0.5, 4), (8, 4), (1, np.inf), ("a", "b")):
        with pytest.raises(ValueError, match=r"noise_size=\(.*expected pixels, at least 1, or a pair"):
            quick("DenoisingAutoencoder", noise_size=size).fit(X)
    one, pair = (quick("DenoisingAutoencoder", noise_size=size).fit(X) for size in (4, (4, 4.0)))
    np.testing.assert_array_equal(one.score_samples(X), pair.score_samples(X))


def test_it_has_no_codes(X):
    occ = quick("DenoisingAutoencoder").fit(X)
    assert not any(hasattr(occ, name) for name in ("transform", "inverse_transform", "n_components_"))


def test_a_network_of_ones_own(X, table):
    network = nn.Conv2d(1, 1, 3, padding=1)
    before = network.weight.clone()
    occ = quick("DenoisingAutoencoder", denoiser=network, output_activation="linear", max_epochs=1, lr=1e-12).fit(X)
    assert torch.equal(network.weight, before)
    expected = network(torch.from_numpy(X[:, None] / 255).float()).detach().numpy()[:, 0]
    np.testing.assert_allclose(occ.reconstruct(X), expected, rtol=1e-4, atol=1e-6)
    asked = []

    def factory(shape):
        asked.append(shape)
        return nn.Linear(*shape, *shape)

    quick("DenoisingAutoencoder", denoiser=factory).fit(table)
    assert asked == [(3,)]
    with pytest.raises(ValueError, match=r"denoiser turns rows of shape \(1, 12, 12\) into .* shape \(1, 10, 10\)"):
        quick("DenoisingAutoencoder", denoiser=nn.Conv2d(1, 1, 3)).fit(X)
    with pytest.raises(ValueError, match=r"denoiser cannot take rows of shape \(3,\)"):
        quick("DenoisingAutoencoder", denoiser=nn.Linear(4, 4)).fit(table)


def test_a_planted_blob_is_found_better_than_by_the_untrained_network(rng):
    y, x = np.mgrid[:24, :24]

    def slopes(n):
        turn = rng.uniform(0, 2 * np.pi, (n, 1, 1))
        slope = (np.cos(turn) * (y - 11.5) + np.sin(turn) * (x - 11.5)) / 40
        return 0.5 + slope + 0.1 * gaussian_filter(rng.normal(size=(n, 24, 24)), (0, 1, 1))

    X, images = slopes(150), slopes(40)
    centre = rng.uniform(6, 18, (40, 2, 1, 1))
    spot = np.exp(-((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) / (2 * 2.5**2))
    sign = rng.choice([-1, 1], (40, 1, 1))
    images, masks = images + 0.2 * sign * spot, spot > 0.3
    found = []
    for params in ({"max_epochs": 1, "lr": 1e-12}, {"max_epochs": 30}):
        occ = DenoisingAutoencoder(random_state=0, **params).fit(X)
        found.append(roc_auc_score(masks.ravel(), occ.anomaly_map(images, smoothing=1).ravel()))
    assert found[0] < 0.7
    assert found[1] > 0.85


def test_digits():
    digits = load_one_class_digits(majority=0)
    occ = DenoisingAutoencoder(max_epochs=30, random_state=0).fit(digits.X_train)
    assert roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)) > 0.97
