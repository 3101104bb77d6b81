"""The cascade's networks: what feeds the branch, exact sizes, how both reconstructions join."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_occ.nn._cascade import build_cascade


@pytest.fixture(params=[(7,), (2, 13, 18)], ids=str)
def shape(request):
    return request.param


@pytest.fixture
def cascade(shape):
    torch.manual_seed(0)
    return build_cascade(shape, 3, 4, nn.Sigmoid())[0].eval()


@pytest.fixture
def x(shape, rng):
    return torch.from_numpy(rng.uniform(size=(5, *shape)).astype(np.float32))


def test_layers_of_the_thesis():
    cascade, width = build_cascade((1, 256, 256), 6, 16, None)
    assert width == 30
    assert cascade.encoder.shallow(torch.zeros(2, 1, 256, 256)).shape == (2, 64, 32, 32)
    (convolution,) = (layer for layer in cascade.branch_encoder.modules() if isinstance(layer, nn.Conv2d))
    assert (convolution.in_channels, convolution.kernel_size, convolution.stride) == (2 * 64, (4, 4), (2, 2))
    assert cascade.branch_encoder.latent.out_features == 2 * 24
    n_back = [sum(isinstance(layer, nn.ConvTranspose2d) for layer in m.modules()) for m in cascade.decoder.children()]
    assert n_back[:2] == [5, 5]


@pytest.mark.parametrize("height", [8, 9, 11, 17, 28, 33, 63, 100])
@pytest.mark.parametrize("width", [8, 31, 50])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_comes_back_exactly(height, width, channels):
    shape = (channels, height, width)
    outputs = build_cascade(shape, 2, 2, None)[0](torch.zeros(3, *shape), torch.zeros(3, 10))
    assert {part.shape for part in (outputs.reconstruction, outputs.primary, outputs.branch)} == {(3, *shape)}
    assert outputs.mean.shape == outputs.log_variance.shape == (3, 10)


def test_the_way_through_is_that_of_the_figure(cascade, x):
    """Layer by layer, in the order of the thesis's figure 4.6."""
    outputs = cascade(x)
    near = cascade.encoder.shallow(x)
    latent = cascade.encoder.latent(cascade.encoder.deep(near))
    middle = cascade.decoder.primary.deep(latent[:, :3])
    branch = cascade.branch_encoder
    branch_latent = branch.latent(branch.deep(branch.shallow(torch.cat([near, middle], 1))))
    first, second = cascade.decoder.primary.shallow(middle), cascade.decoder.branch(branch_latent[:, :12])
    expected = {
        "reconstruction": ((first + second) / 2).sigmoid(),
        "mean": torch.cat([latent[:, :3], branch_latent[:, :12]], 1),
        "log_variance": torch.cat([latent[:, 3:], branch_latent[:, 12:]], 1),
        "primary": first.sigmoid(),
        "branch": second.sigmoid(),
    }
    for name, value in expected.items():
        torch.testing.assert_close(getattr(outputs, name), value, msg=name)
    torch.testing.assert_close(cascade.decoder(outputs.mean), outputs.reconstruction)


def test_two_decoders_that_are_right_are_right_together(cascade, x):
    right = x.logit(eps=1e-6)
    torch.testing.assert_close(cascade.decoder.combined(right, right), x, rtol=1e-4, atol=1e-5)


def test_noise_reaches_the_code_that_it_belongs_to(cascade, x):
    plain, zero = cascade(x), torch.zeros(5, 15)
    torch.testing.assert_close(cascade(x, zero), plain)
    of_primary, of_branch = zero.clone(), zero.clone()
    of_primary[:, :3], of_branch[:, 3:] = 1, 1
    moved = cascade(x, of_primary)
    for name in ("primary", "branch", "reconstruction"):  # the branch sees what the primary code is decoded to
        assert not torch.allclose(getattr(moved, name), getattr(plain, name))
    moved = cascade(x, of_branch)
    torch.testing.assert_close((moved.primary, moved.mean), (plain.primary, plain.mean))
    assert not torch.allclose(moved.branch, plain.branch)
