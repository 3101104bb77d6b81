"""The networks of variational autoencoders: the thesis's layers at 256 x 256, exact sizes, halves that join."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.distributions import kl_divergence as kl_of_torch

from sklearn_occ.nn._variational import (
    VariationalAutoencoder,
    build_variational_decoder,
    build_variational_encoder,
    halved_maps,
    kl_divergence,
    sampled,
    variational_code_width,
)


def layers(module, kind):
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def mean_of(encoder, x):
    return encoder.distribution(encoder.shallow(x))[0]


def test_layers_of_the_thesis():
    encoder, decoder = (
        build((1, 256, 256), 512, 16) for build in (build_variational_encoder, build_variational_decoder)
    )
    convolutions, back = layers(encoder, nn.Conv2d), layers(decoder, nn.ConvTranspose2d)
    assert [layer.out_channels for layer in convolutions] == [16, 32, 64, 128, 256]
    assert [layer.out_channels for layer in back] == [128, 64, 32, 16, 1]
    assert {(*layer.kernel_size, *layer.stride, *layer.padding) for layer in (*convolutions, *back)} == {
        (4, 4, 2, 2, 1, 1)
    }
    assert len(layers(encoder.shallow, nn.Conv2d)) == 3 and len(layers(decoder.deep, nn.ConvTranspose2d)) == 2
    assert (encoder.latent.in_features, encoder.latent.out_features) == (256 * 8 * 8, 2 * 512)
    assert {layer.negative_slope for m in (encoder, decoder) for layer in layers(m, nn.LeakyReLU)} == {0.2}
    assert len(layers(encoder, nn.BatchNorm2d)) == 5 and len(layers(decoder, nn.BatchNorm2d)) == 4
    assert variational_code_width((1, 256, 256)) == 512


@pytest.mark.parametrize("height", [*range(8, 42), 63, 64, 65, 99, 100, 101, 128, 255, 319, 320, 512])
@pytest.mark.parametrize("width", [8, 31, 100])
def test_any_size_comes_back_exactly(height, width):
    shape = (1, height, width)
    assert 4 <= min(halved_maps(shape, 2)[-1][1]) <= 9
    encoder, decoder = build_variational_encoder(shape, 3, 2).eval(), build_variational_decoder(shape, 3, 2).eval()
    z = mean_of(encoder, torch.zeros(1, *shape))
    assert z.shape == (1, 3)
    assert decoder(z).shape == (1, *shape)
    # Where a cascade takes them, the maps of both are of one size.
    assert encoder.shallow(torch.zeros(1, *shape)).shape == decoder.deep(z).shape


@pytest.mark.parametrize(
    ("side", "n_stages"), [(8, 1), (16, 2), (28, 2), (32, 3), (100, 4), (256, 5), (319, 5), (320, 6)]
)
def test_number_of_stages(side, n_stages):
    assert len(halved_maps((1, side, side), 16)) - 1 == n_stages


@pytest.mark.parametrize("n_features", [1, 2, 7, 300])
def test_networks_of_tables(n_features):
    width = variational_code_width((n_features,))
    encoder, decoder = (
        build((n_features,), width, 16) for build in (build_variational_encoder, build_variational_decoder)
    )
    x = torch.zeros(2, n_features)
    z = mean_of(encoder, x)
    assert decoder(z).shape == x.shape
    assert encoder.shallow(x).shape == decoder.deep(z).shape
    assert [len(layers(m, nn.Linear)) for m in (encoder, decoder)] == [3, 3]


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="Images of 7 x 30 pixels are too small .* at least 8 x 8; enlarge them.$"):
        build_variational_encoder((1, 7, 30), 3, 2)


def test_divergence_is_that_of_torch(rng):
    mean, log_variance = (torch.from_numpy(rng.normal(size=(9, 4))) for _ in range(2))
    expected = kl_of_torch(Normal(mean, log_variance.exp().sqrt()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
    zero = torch.zeros(2, 3)
    assert torch.equal(kl_divergence(zero, zero), torch.zeros(2))


def test_a_code_is_drawn_with_noise_and_the_mean_without(rng):
    mean, log_variance = torch.full((20000, 2), 3.0), torch.tensor([[0.0, -2.0]]).expand(20000, 2)
    noise = torch.from_numpy(rng.normal(size=(20000, 2)).astype(np.float32))
    drawn = sampled(mean, log_variance, noise)
    np.testing.assert_allclose(drawn.mean(0), [3, 3], atol=0.03)
    np.testing.assert_allclose(drawn.var(0), [1, np.exp(-2)], rtol=0.05)
    assert sampled(mean, log_variance, None) is mean


def test_the_gradient_reaches_mean_and_variance_by_the_noise():
    encoder, decoder = build_variational_encoder((5,), 2, 16), build_variational_decoder((5,), 2, 16)
    module, x = VariationalAutoencoder(encoder, decoder), torch.ones(3, 5)
    for noise, moves_variance in ((None, False), (torch.ones(3, 2), True)):
        module.zero_grad()
        module(x, noise)[0].sum().backward()
        gradient = encoder.latent.bias.grad
        assert gradient[:2].abs().min() > 0
        assert bool(gradient[2:].abs().min() > 0) == moves_variance
