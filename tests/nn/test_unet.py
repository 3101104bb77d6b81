"""UNet and DenseDenoiser: the maps that the docstring names, exact sizes everywhere, and all parts are trained."""

import pytest
import torch
from torch import nn

from sklearn_occ.nn import DenseDenoiser, UNet
from sklearn_occ.nn._unet import build_denoiser


def maps_of(network, shape):
    """Shape of what each convolution but the last gives, in the order in which they run."""
    shapes = []
    handles = [
        layer.register_forward_hook(lambda layer, args, output: shapes.append(tuple(output.shape[1:])))
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)
    ]
    assert network.eval()(torch.zeros(2, *shape)).shape == (2, *shape)
    for handle in handles:
        handle.remove()
    return shapes


def test_the_maps():
    down = [(8, 32, 32), (16, 16, 16), (32, 8, 8), (64, 4, 4)]
    expected = [one for one in [*down, *down[-2::-1]] for _ in range(2)]
    assert maps_of(UNet((1, 32, 32), channels=8, depth=3), (1, 32, 32)) == expected


@pytest.mark.parametrize("height", [*range(8, 34), 63, 64, 65, 99, 100, 101])
@pytest.mark.parametrize("width", [8, 31, 100])
def test_any_size_comes_back_exactly(height, width):
    shape = (2, height, width)
    for depth in (1, 3, 9):
        network = UNet(shape, channels=1, depth=depth)
        sides = maps_of(network, shape)[-1][1:]
        assert sides == (height, width)
        assert len(network.rise) <= depth
    halvings = len(network.rise)
    assert 4 <= -(-min(height, width) // 2**halvings) <= 7


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="7 x 12 pixels are too small .* at least 8 x 8"):
        UNet((1, 7, 12))


def test_maps_of_the_way_down_pass_by_the_smallest():
    network, x = UNet((1, 16, 16), channels=2, depth=2).eval(), torch.rand(1, 1, 16, 16)
    for rise in network.rise:
        nn.init.zeros_(rise.weight)
        nn.init.zeros_(rise.bias)
    moved = x.clone()
    moved[0, 0, 8, 8] += 1
    changed = (network(moved) - network(x)).abs()[0, 0]
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[4:13, 4:13] = True  # four convolutions of 3 x 3 reach 4 pixels
    assert changed[inside].max() > 0
    assert changed[~inside].max() == 0


def test_every_part_is_trained():
    network = UNet((1, 16, 16), channels=2, depth=2)
    network(torch.rand(4, 1, 16, 16)).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for name, weight in network.named_parameters() if "bias" not in name)


def test_a_dense_denoiser_adds_to_the_row():
    network, x = DenseDenoiser(3), torch.randn(5, 3)
    assert [layer.out_features for layer in network.layers if isinstance(layer, nn.Linear)] == [64, 64, 3]
    assert [layer.out_features for layer in DenseDenoiser(200).layers if isinstance(layer, nn.Linear)] == [
        512,
        512,
        200,
    ]
    torch.testing.assert_close(network(x) - network.layers(x), x)
    for weight in network.layers[-1].parameters():
        nn.init.zeros_(weight)
    assert torch.equal(network(x), x)


def test_what_a_factory_has_to_return():
    with pytest.raises(TypeError, match="A factory of a network returned str"):
        build_denoiser(lambda shape: "network", (3,), 8, 3)
