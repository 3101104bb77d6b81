"""PatchAutoencoder: the paper's network, its score, and what it says of a network that died."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_occ import PatchAutoencoder
from sklearn_occ.nn import PatchDecoder, PatchEncoder
from sklearn_occ.nn._patches import patch_code_width


def shapes_after(network, x, kind):
    """Shapes of the maps, (channels, height, width), after each layer of a kind."""
    found = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, kind):
            found.append(tuple(x.shape[1:]))
    return found


def test_the_network_at_128_is_that_of_the_paper():
    shape = (1, 128, 128)
    encoder, decoder = PatchEncoder(shape, 512), PatchDecoder(512, shape)
    down = shapes_after(encoder, torch.zeros(1, *shape), nn.Conv2d)
    assert down == [(2, 64, 64), (4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 4, 4)]
    up = shapes_after(decoder, torch.zeros(1, 512), nn.ConvTranspose2d)
    assert up == [(16, 8, 8), (8, 16, 16), (4, 32, 32), (2, 64, 64), (1, 128, 128)]
    assert not any(isinstance(layer, nn.Linear) for layer in [*encoder, *decoder])
    assert sum(isinstance(layer, nn.ReLU) for layer in [*encoder, *decoder]) == 9  # all but the last


@pytest.mark.parametrize(("side", "width"), [(64, 256), (32, 128), (16, 64), (8, 32)])
def test_smaller_patches_have_fewer_stages(side, width):
    assert patch_code_width((1, side, side), 2) == width
    code = PatchEncoder((1, side, side), width)(torch.zeros(1, 1, side, side))
    assert code.shape == (1, width)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 50), (1, 97, 64)])
def test_patches_come_back_in_their_size(shape):
    width = patch_code_width(shape, 3)
    code = PatchEncoder(shape, width, 3)(torch.zeros(2, *shape))
    assert PatchDecoder(width, shape, 3)(code).shape == (2, *shape)


@pytest.mark.slow
def test_patches_are_learnt_with_any_seed(rng):
    X = gaussian_filter(rng.normal(size=(600, 32, 32)), (0, 3, 3))
    X = (X - X.min()) / np.ptp(X)
    for seed in range(8):  # with torch's own initial weights the sixth dies
        occ = PatchAutoencoder(max_epochs=60, batch_size=50, random_state=seed).fit(X)
        assert (occ.score_samples(X) ** 2).mean() < 0.5 * X.var(axis=0).mean()


def test_a_code_of_another_width_is_dense(blobs):
    X = blobs(20)
    occ = PatchAutoencoder(n_components=5, max_epochs=1, random_state=0).fit(X)
    assert occ.transform(X).shape == (20, 5)
    assert isinstance(occ.net_.module_.encoder[-1], nn.Linear)


def test_the_score_is_the_root_of_the_mean_squared_error(blobs):
    X = blobs(20, channels=2)
    occ = PatchAutoencoder(max_epochs=1, random_state=0).fit(X)
    error = occ.reconstruct(X).astype(np.float64) - X / 255
    np.testing.assert_allclose(occ.score_samples(X), -np.sqrt((error**2).mean(axis=(1, 2, 3))), rtol=1e-6)


def test_the_map_has_the_unit_of_the_score(blobs):
    X = blobs(20, channels=2)
    occ = PatchAutoencoder(max_epochs=1, random_state=0).fit(X)
    maps = occ.anomaly_map(X)
    np.testing.assert_allclose(np.sqrt((maps**2).mean(axis=(1, 2))), -occ.score_samples(X), rtol=1e-6)
    np.testing.assert_array_equal(maps, occ.anomaly_map(X, kind="root_squared_error"))


def test_the_loss_is_the_sum_over_pixels(blobs):
    X = blobs(20)
    occ = PatchAutoencoder(max_epochs=1, batch_size=20, lr=1e-12, random_state=0).fit(X)
    np.testing.assert_allclose(occ.history_[0, "train_loss"], (144 * occ.score_samples(X) ** 2).mean(), rtol=1e-5)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_dead_units_are_warned_of(blobs, part):
    def encoder(shape, width):
        network = PatchEncoder(shape, width)
        if part == "encoder":
            nn.init.constant_(network[0].bias, -1e3)
        return network

    def decoder(width, shape):
        network = PatchDecoder(width, shape)
        if part == "decoder":
            nn.init.constant_(network[1].bias, -1e3)
        return network

    X = blobs(20, size=(28, 28))
    with pytest.warns(
        ConvergenceWarning, match=r"gives all 20 training images the same reconstruction.* another random"
    ):
        PatchAutoencoder(encoder=encoder, decoder=decoder, n_components=128, max_epochs=1, random_state=0).fit(X)
