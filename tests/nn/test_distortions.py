"""Distortions against the maps that define them, and resampling that leaves no trace a classifier could find."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates, uniform_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from sklearn_occ.nn import _distortions, _places
from sklearn_occ.nn._distortions import random_distortion, random_permutation, random_resampling

KINDS = list(_places.DISTORTIONS)
SIDES = (40, 28)  # width, height


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers_of(n, seed=0):
    return torch.rand(n, 10, generator=generator(seed))


def places(kind, x, y, numbers):
    """Where points (x, y), each of shape (k,), are taken from, for one row of numbers."""
    parameters_of, places_of, _ = _places.DISTORTIONS[kind]
    points = [torch.as_tensor(value, dtype=torch.float64) for value in (x, y)]
    return torch.stack(places_of(*points, parameters_of(numbers.double()[:, None], SIDES), SIDES), -1)


def distorted(kind, X, numbers, shifts):
    """Images that are all distorted in the same way."""
    kinds = torch.full((len(X),), KINDS.index(kind))
    where, wraps = _places.distorted_places(_places.own_places((X.shape[3], X.shape[2])), kinds, numbers)
    return _distortions._sampled(X, where, shifts, wraps)


@pytest.fixture
def X(rng):
    return torch.from_numpy(rng.uniform(size=(60, 3, 28, 40))).float()


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_come_from_where_the_map_says(kind, X):
    wraps = _places.DISTORTIONS[kind].wraps
    numbers, shifts = numbers_of(len(X)), torch.rand(len(X), 2, generator=generator(1)) - 0.5
    ours = distorted(kind, X, numbers, shifts)
    rows, columns = np.mgrid[:28, :40]
    for k in range(8):
        x, y = places(kind, (columns.ravel() + 0.5) / 40, (rows.ravel() + 0.5) / 28, numbers[k]).numpy().T
        x, y = x + shifts[k, 0].item() / 40, y + shifts[k, 1].item() / 28
        x, y = (x % 1, y % 1) if wraps else (x, y)
        for channel in range(3):
            image = X[k, channel].double().numpy()
            expected = map_coordinates(image, [y * 28 - 0.5, x * 40 - 0.5], order=1, mode="nearest")
            difference = np.abs(ours[k, channel].numpy().ravel() - expected)
            assert np.quantile(difference, 0.99) < 1e-3  # at a seam a rounding error decides
            assert difference.mean() < 5e-3


def test_barrel():
    numbers = torch.tensor([0.0, 1.0, 0.5])  # a = 0.2, b = 1.5, c = 0.3
    found = places("barrel", [0.5, 0.5 + 14 / 40], [0.5, 0.5], numbers)  # the centre, and r = 1
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.5 + 14 / 40 * 3.0, 0.5]], rtol=1e-6)


def test_perspective_keeps_lines_and_sends_corners_to_corners():
    for numbers in numbers_of(50):
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
        found = places("perspective", *corners.T, numbers).numpy()
        signed = [2 * number - 1 for number in numbers.tolist()]
        together = [math.copysign(0.1 + 0.15 * abs(number), number) for number in signed[:2]]
        np.testing.assert_allclose(found, corners + together + 0.24 * np.reshape(signed[2:], (4, 2)), atol=1e-6)
        middle = places("perspective", [0.5, 0.25], [0.5, 0.25], numbers).numpy()
        along, off = found[2] - found[0], middle - found[0]  # the diagonal stays straight
        np.testing.assert_allclose(along[0] * off[:, 1] - along[1] * off[:, 0], 0, atol=1e-6)
        assert np.isfinite(
            places("perspective", *np.random.default_rng(0).uniform(size=(2, 500)), numbers).numpy()
        ).all()


def test_arc_keeps_lengths_along_its_middle():
    degrees, radius = 95, 40 / math.radians(95)
    angle = np.linspace(-math.radians(degrees) / 2, math.radians(degrees) / 2, 9)
    right, down = radius * np.sin(angle), radius - radius * np.cos(angle)  # points of a circle below the top
    found = places("arc", 0.5 + right / 40, 0.5 + down / 28, torch.ones(1)).numpy()
    np.testing.assert_allclose(found[:, 0], np.linspace(0, 1, 9), atol=1e-7)
    np.testing.assert_allclose(found[:, 1], 0.5, atol=1e-7)


def test_polar_is_angle_and_radius():
    radius = 0.57 * 28
    found = places("polar", [0.5, 0.5 + radius / 40, 0.5], [0.5 + radius / 28, 0.5, 0.5 + radius / 56], torch.zeros(1))
    np.testing.assert_allclose(found, [[0.5, 1], [0.75, 1], [0.5, 0.5]], atol=1e-6)


def test_tile_repeats_the_image(X):
    numbers = torch.tensor([[1.0, 0.9, 0.1, *7 * [0.0]]]).expand(60, -1)
    ours = distorted("tile", X[..., :28], numbers, torch.zeros(60, 2))
    torch.testing.assert_close(ours[..., 16:], ours[..., :-16], rtol=1e-3, atol=1e-3)  # 28 / 1.75 pixels further
    assert (ours[..., 8:] - ours[..., :-8]).abs().mean() > 0.1


def test_affine_shrinks_and_shears():
    for numbers in numbers_of(50):
        found = places("affine", [0.5, 0.6, 0.5], [0.5, 0.5, 0.6], numbers).numpy()
        forward = np.linalg.inv(np.stack([(found[1] - found[0]) / 0.1, (found[2] - found[0]) / 0.1], 1))
        assert 0.3 <= forward[0, 0] <= 0.8 and 0.6 <= forward[1, 1] <= 0.9
        shears = sorted(np.abs([forward[0, 1], forward[1, 0]]))
        assert shears[0] == pytest.approx(0, abs=1e-9) and 0.1 <= shears[1] <= 0.5
        moved = np.abs(forward @ (found[0] - 0.5))
        assert (moved >= 0.02 - 1e-9).all() and (moved <= 0.18 + 1e-9).all()


def test_all_kinds_are_drawn_and_change_the_image(X, monkeypatch):
    drawn = []

    def noting(kind, places_of):
        return lambda *args: drawn.append(kind) or places_of(*args)

    noted = {kind: one._replace(places_of=noting(kind, one.places_of)) for kind, one in _places.DISTORTIONS.items()}
    monkeypatch.setattr(_places, "DISTORTIONS", noted)
    changed = random_distortion(X, generator())
    assert sorted(drawn) == sorted(KINDS)
    assert (changed - X).abs().mean((1, 2, 3)).min() > 0.05
    assert changed.min() >= 0 and changed.max() <= 1


def test_each_image_is_distorted_in_its_own_way(X):
    kinds, numbers, shifts = torch.arange(60) % 6, numbers_of(60), torch.zeros(60, 2)
    where, wraps = _places.distorted_places(_places.own_places(SIDES), kinds, numbers)
    together = _distortions._sampled(X, where, shifts, wraps)
    for number, kind in enumerate(KINDS):
        alone = distorted(kind, X[number::6], numbers[number::6], shifts[number::6])
        torch.testing.assert_close(together[number::6], alone, rtol=0, atol=0)


@pytest.mark.parametrize("change", [random_distortion, random_resampling])
def test_they_follow_from_the_generator_alone(change, X):
    before, state = X.clone(), torch.get_rng_state()
    first, second, other = (change(X, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(X, before) and torch.equal(state, torch.get_rng_state())
    assert first.shape == X.shape and first.dtype == X.dtype
    assert torch.equal(first[:, 1:], change(X[:, 1:], generator(0)))  # the channels move together


def test_resampling_moves_by_up_to_half_a_pixel():
    ramp = torch.arange(20.0).expand(200, 1, 16, 20)  # its value says where it was taken from
    moved = (random_resampling(ramp, generator()) - ramp)[:, 0, 8, 5:-5]
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved), rtol=0, atol=1e-4)
    assert -0.5 <= moved.min() < -0.45 and 0.45 < moved.max() <= 0.5 + 1e-4
    assert abs(float(moved.mean())) < 0.06


def test_a_distortion_of_little_amplitude_is_near_the_image(X):
    smooth = torch.from_numpy(uniform_filter(X.numpy(), (0, 0, 9, 9)))
    distances = [
        float((random_distortion(smooth, generator(), amplitude) - smooth).abs().mean()) for amplitude in (1e-3, 0.3, 1)
    ]
    assert distances[0] < distances[1] / 2 and distances[1] < distances[2]


def high_pass(x):
    """Numbers that say how an image was interpolated: what a blur takes away, and how neighbours in it agree."""
    residual = x[:, 0].numpy() - uniform_filter(x[:, 0].numpy(), (0, 3, 3))
    inside = residual[:, 2:-2, 2:-2]
    along, across = (inside * np.roll(residual, 1, axis)[:, 2:-2, 2:-2] for axis in (1, 2))
    edges = [np.abs(residual[:, 0]), np.abs(residual[:, -1]), np.abs(residual[..., 0]), np.abs(residual[..., -1])]
    spread = [np.abs(inside), inside**2, along, across]
    return np.stack([part.reshape(len(x), -1).mean(1) for part in spread + edges], 1)


def heldout_auc(rows, distorted):
    features, y = np.concatenate([high_pass(rows), high_pass(distorted)]), np.repeat([0, 1], len(rows))
    test = np.arange(len(y)) % 2 == 1
    forest = RandomForestClassifier(60, min_samples_leaf=10, random_state=0).fit(features[~test], y[~test])
    return roc_auc_score(y[test], forest.predict_proba(features[test])[:, 1])


def test_a_classifier_cannot_tell_resampled_images_from_hardly_distorted_ones(rng):
    noise = uniform_filter(rng.normal(size=(6000, 1, 16, 16)), (0, 0, 3, 3)) + 0.1 * rng.normal(size=(6000, 1, 16, 16))
    X = torch.from_numpy(np.round(255 * (0.5 + 0.2 * noise).clip(0, 1)) / 255).float()  # bytes
    rows, other = X[:3000], X[3000:]
    hardly = random_distortion(other, generator(0), amplitude=1e-4)
    assert heldout_auc(random_resampling(rows, generator(1)), hardly) == pytest.approx(0.5, abs=0.05)
    assert heldout_auc(rows, hardly) > 0.8  # what is not resampled is found out


def test_a_table_is_permuted_and_stretched(rng):
    x = torch.from_numpy(rng.normal(3, 2, size=(200, 6)))
    mean, scale = x.mean(0), x.std(0, correction=0)
    changed = random_permutation(x, generator(), mean, scale)
    z, changed_z = ((rows - mean) / scale for rows in (x, changed))
    factors = changed_z.abs().sum(1, keepdim=True) / z.abs().sum(1, keepdim=True)
    assert 1 <= factors.min() < 1.1 and 2.9 < factors.max() <= 3
    torch.testing.assert_close((changed_z / factors).sort(1).values, z.sort(1).values)
    half = random_permutation(x, generator(), mean, scale, amplitude=0.5)
    torch.testing.assert_close(half, (x + changed) / 2)
    assert torch.equal(changed, random_permutation(x, generator(), mean, scale))


def test_a_feature_that_never_varies_stays(rng):
    x = torch.from_numpy(rng.normal(size=(20, 3)))
    x[:, 1] = 7
    changed = random_permutation(x, generator(), x.mean(0), torch.tensor([1.0, 0.0, 2.0]))
    assert (changed[:, 1] == 7).all() and torch.isfinite(changed).all()
