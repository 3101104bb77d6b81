"""Discriminators and generators, and the small changes of images, against NumPy loops."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_occ.nn import ConvEncoder, Discriminator, random_flip, random_shift
from sklearn_occ.nn._adversarial import (
    EncodedAdversarial,
    GenerativeAdversarial,
    Recoder,
    RecodingAdversarial,
    build_discriminator,
    default_table_generator,
    keeping_statistics,
)
from sklearn_occ.nn._losses import gradient_penalty

SHAPE = (2, 7, 20)
MOST = 0.15  # 1 pixel of 7 and 3 of 20


@pytest.fixture
def images(rng):
    return rng.normal(size=(400, *SHAPE)).astype(np.float32)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def moved_by(image, down, right):
    """Each pixel from `down` rows and `right` columns further on, or from the edge."""
    made = np.empty_like(image)
    n_channels, height, width = image.shape
    for channel in range(n_channels):
        for i in range(height):
            for j in range(width):
                from_row, from_column = min(max(i + down, 0), height - 1), min(max(j + right, 0), width - 1)
                made[channel, i, j] = image[channel, from_row, from_column]
    return made


def test_shifts_are_whole_pixels_up_to_the_share_and_repeat_the_edge(images):
    shifted = random_shift(torch.from_numpy(images), generator(), MOST).numpy()
    assert shifted.shape == images.shape and shifted.dtype == images.dtype
    by = []
    for image, made in zip(images, shifted, strict=True):
        steps = [(i, j) for i in range(-1, 2) for j in range(-3, 4) if made[0, 3, 10] == image[0, 3 + i, 10 + j]]
        by += steps
        np.testing.assert_array_equal(made, moved_by(image, *steps[0]))
    assert len(by) == 400
    counts = np.array([[by.count((i, j)) for j in range(-3, 4)] for i in range(-1, 2)])
    # Each of the 21 shifts 400 / 21 = 19 times: both sides by themselves, all amounts alike (chi-squared, 20 degrees).
    assert ((counts - 400 / 21) ** 2 / (400 / 21)).sum() < 45.3  # exceeded once in 1000


def test_a_small_image_moves_by_a_pixel_all_the_same(images):
    x = torch.from_numpy(images)
    shifted = random_shift(x, generator(), 1e-9).numpy()
    assert not np.array_equal(shifted, images)
    for image, made in zip(images[:50], shifted, strict=False):
        assert any(np.array_equal(made, moved_by(image, i, j)) for i in range(-1, 2) for j in range(-1, 2))


def test_flips_are_left_to_right_half_of_the_time(images):
    flipped = random_flip(torch.from_numpy(images), generator()).numpy()
    n_flipped = 0
    for image, made in zip(images, flipped, strict=True):
        mirrored = np.stack([[row[::-1] for row in channel] for channel in image])
        n_flipped += np.array_equal(made, mirrored)
        assert np.array_equal(made, mirrored) or np.array_equal(made, image)
    assert abs(n_flipped - 200) < 4 * 10  # four standard deviations


@pytest.mark.parametrize("change", [lambda x, g: random_shift(x, g, MOST), random_flip], ids=["shift", "flip"])
def test_changes_follow_their_generator_and_leave_the_batch_alone(change, images):
    x = torch.from_numpy(images.copy())
    before = torch.get_rng_state()
    first, again, other = change(x, generator(3)), change(x, generator(3)), change(x, generator(4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    np.testing.assert_array_equal(x.numpy(), images)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_discriminator_gives_its_features_and_a_linear_logit(rng):
    features = nn.Linear(6, 4).double()
    module = GenerativeAdversarial(nn.Identity(), Discriminator(features, 4).double())
    x = torch.from_numpy(rng.normal(size=(5, 6)))
    found, logit = module(x)
    w, b = (parameter.detach().numpy() for parameter in module.discriminator.logit.parameters())
    np.testing.assert_allclose(found.detach(), features(x).detach(), rtol=1e-12)
    np.testing.assert_allclose(logit.detach(), features(x).detach().numpy() @ w[0] + b, rtol=1e-12)
    assert logit.shape == (5,)


def test_the_default_discriminator_of_images_is_the_convolutions_of_the_encoder():
    built = build_discriminator(None, (1, 32, 32), 4)
    theirs = ConvEncoder((1, 32, 32), 9, 4).convolutions
    assert str(built.features[0]) == str(theirs)
    assert built.logit.in_features == 16 * 4 * 4 == built.features(torch.zeros(2, 1, 32, 32)).shape[1]


def test_the_default_networks_of_a_table():
    def layers(module):
        return [(layer.in_features, layer.out_features) for layer in module if isinstance(layer, nn.Linear)]

    built, generates = build_discriminator(None, (9,), 4), default_table_generator(3, (9,))
    assert layers(built.features) == [(9, 64), (64, 32)]
    assert layers(generates) == [(3, 32), (32, 64), (64, 9)]
    assert [getattr(layer, "negative_slope", None) for layer in generates] == [None, 0.2, None, 0.2, None]
    assert isinstance(built.features[-1], nn.LeakyReLU)


def test_a_module_is_copied_and_a_factory_called():
    features = nn.Sequential(nn.Flatten(), nn.LazyLinear(5))
    features(torch.zeros(2, 1, 3, 4))
    before = copy.deepcopy(features.state_dict())
    built = build_discriminator(features, (1, 3, 4), 1)
    assert torch.equal(built.features[1].weight, before["1.weight"])
    with torch.no_grad():
        built.features[1].weight.zero_()
    assert torch.equal(features[1].weight, before["1.weight"])
    assert build_discriminator(lambda shape: nn.Linear(*shape, 7), (6,), 1).logit.in_features == 7
    lazy = build_discriminator(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), (1, 3, 4), 1)
    assert lazy.features[1].in_features == 12


def test_discriminators_that_do_not_fit_are_named():
    message = r"The discriminator turns 2 rows of shape \(1, 8, 8\) into shape \(2, 3, 6, 6\), .*flatten its output"
    with pytest.raises(ValueError, match=message):
        build_discriminator(nn.Conv2d(1, 3, 3), (1, 8, 8), 1)
    with pytest.raises(ValueError, match=r"into shape \(2,\), expected"):
        build_discriminator(nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)), (6,), 1)
    with pytest.raises(TypeError, match="returned int, expected a torch.nn.Module"):
        build_discriminator(lambda shape: 3, (6,), 1)


class SmoothCritic(nn.Module):
    """`a . tanh(W x)`, whose gradient by x is `W' (a (1 - tanh(W x)^2))`."""

    def __init__(self, rng):
        super().__init__()
        self.w = nn.Parameter(torch.from_numpy(rng.normal(size=(4, 6))))
        self.a = nn.Parameter(torch.from_numpy(rng.normal(size=4)))

    def forward(self, x):
        return torch.tanh(x.flatten(1) @ self.w.T) @ self.a


def penalty_by_hand(w, a, rows):
    slopes = [w.T @ (a * (1 - np.tanh(w @ row) ** 2)) for row in rows]
    return np.mean([(np.sqrt((slope**2).sum()) - 1) ** 2 for slope in slopes])


def test_the_gradient_penalty_and_its_derivative(rng):
    critic, x = SmoothCritic(rng), rng.normal(size=(5, 1, 2, 3))
    w, a = critic.w.detach().numpy().copy(), critic.a.detach().numpy().copy()
    penalty = gradient_penalty(critic, torch.from_numpy(x))
    assert penalty.item() == pytest.approx(penalty_by_hand(w, a, x.reshape(5, 6)), rel=1e-12)
    penalty.backward()
    numeric, step = np.empty_like(w), 1e-6
    for place in np.ndindex(w.shape):
        ahead, behind = w.copy(), w.copy()
        ahead[place] += step
        behind[place] -= step
        change = penalty_by_hand(ahead, a, x.reshape(5, 6)) - penalty_by_hand(behind, a, x.reshape(5, 6))
        numeric[place] = change / (2 * step)
    np.testing.assert_allclose(critic.w.grad, numeric, rtol=1e-6, atol=1e-8)
    with torch.no_grad():
        assert gradient_penalty(critic, torch.from_numpy(x)).item() == penalty.item()


def test_the_penalty_of_a_plane_is_known_and_zero_at_slope_1():
    rows = torch.randn(7, 5)
    for slope in (0.0, 1.0, 3.0):
        weights = torch.full((5,), slope / 5**0.5, requires_grad=True)
        penalty = gradient_penalty(lambda x, weights=weights: x @ weights, rows)
        assert penalty.item() == pytest.approx((slope - 1) ** 2, abs=1e-6)
        penalty.backward()
        assert torch.isfinite(weights.grad).all()


def test_layer_normalisation_keeps_rows_apart_and_has_no_statistics():
    critic = build_discriminator(None, (2, 13, 9), 3, layer_norm=True)
    x = torch.randn(6, 2, 13, 9)
    assert not list(critic.buffers())
    together = critic(x)[1]
    np.testing.assert_allclose([critic(row[None])[1].item() for row in x], together.detach(), rtol=1e-4, atol=1e-6)
    first = critic.features[0][:2](x).detach().numpy()  # after the first convolution and its normalisation
    np.testing.assert_allclose(first.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(first.std((1, 2, 3)), 1, rtol=1e-3)


def test_keeping_statistics_gives_what_training_does_and_leaves_no_trace():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before, x = copy.deepcopy(module.state_dict()), torch.randn(8, 3)
    found = keeping_statistics(module, x)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    torch.testing.assert_close(found, copy.deepcopy(module)(x), rtol=0, atol=0)
    found[0, 0].backward()
    assert module[0].weight.grad.abs().sum() > 0


def test_what_recoder_and_encoded_networks_give(rng):
    x = torch.from_numpy(rng.normal(size=(5, 6))).float()
    encoder, decoder, reencoder = nn.Linear(6, 2), nn.Linear(2, 6), nn.Linear(6, 2)
    recoding = RecodingAdversarial(Recoder(encoder, decoder, reencoder), Discriminator(nn.Linear(6, 4), 4))
    made, code, recode = recoding(x)
    assert recoding.encoder is encoder and recoding.decoder is decoder
    torch.testing.assert_close(code, encoder(x))
    torch.testing.assert_close(made, decoder(code))
    torch.testing.assert_close(recode, reencoder(made))
    features = nn.Linear(6, 4)
    outputs = EncodedAdversarial(decoder, Discriminator(features, 4), encoder)(x)
    for found, expected in zip(outputs, (made, code, features(x), features(made)), strict=True):
        torch.testing.assert_close(found, expected)
