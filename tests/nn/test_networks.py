"""The default networks: the layers of ConOCC's figure 1, and exact sizes everywhere."""

import pytest
import torch
from torch import nn

from sklearn_occ.nn import ConvDecoder, ConvEncoder, DenseDecoder, DenseEncoder
from sklearn_occ.nn._autoencoder import build_encoder
from sklearn_occ.nn._convolutional import default_code_width, feature_maps
from sklearn_occ.nn._dense import mlp
from sklearn_occ.nn._losses import mean_squared_error, squared_error


def outputs_of(module, kind, x):
    shapes = []
    handles = [
        layer.register_forward_hook(lambda layer, args, output: shapes.append(tuple(output.shape[1:])))
        for layer in module.modules()
        if isinstance(layer, kind)
    ]
    module.eval()(x)
    for handle in handles:
        handle.remove()
    return shapes


def test_layers_of_figure_1():
    encoder, decoder = ConvEncoder((1, 32, 32), 256), ConvDecoder(256, (1, 32, 32))
    assert outputs_of(encoder, nn.Conv2d, torch.zeros(2, 1, 32, 32)) == [
        (64, 16, 16),
        (128, 8, 8),
        (256, 4, 4),
    ]
    assert (encoder.code.in_features, encoder.code.out_features) == (4096, 256)
    assert (decoder.dense.in_features, decoder.dense.out_features) == (256, 4096)
    assert outputs_of(decoder, nn.ConvTranspose2d, torch.zeros(2, 256)) == [
        (128, 8, 8),
        (64, 16, 16),
        (1, 32, 32),
    ]
    kernels = {layer.kernel_size for m in (encoder, decoder) for layer in m.modules() if hasattr(layer, "kernel_size")}
    assert kernels == {(3, 3)}


@pytest.mark.parametrize("height", [*range(8, 42), 63, 64, 65, 99, 100, 101, 128, 255, 512])
@pytest.mark.parametrize("width", [8, 31, 100])
def test_any_size_comes_back_exactly(height, width):
    shape = (1, height, width)
    maps = feature_maps(shape, 2)
    assert 4 <= min(maps[-1][1]) <= 7
    assert len(maps) - 1 <= 7
    encoder, decoder = ConvEncoder(shape, 3, channels=2), ConvDecoder(3, shape, channels=2)
    assert decoder.eval()(encoder.eval()(torch.zeros(1, *shape))).shape == (1, *shape)


def test_channels_double_up_to_512():
    assert [channels for channels, _ in feature_maps((3, 256, 256), 64)] == [3, 64, 128, 256, 512, 512, 512]
    assert [channels for channels, _ in feature_maps((1, 100, 100), 64)] == [1, 64, 128, 256, 512, 512]


@pytest.mark.parametrize(
    ("shape", "expected"), [((1, 32, 32), 256), ((1, 8, 8), 16), ((3, 28, 28), 256), ((1, 100, 100), 256)]
)
def test_width_of_the_code(shape, expected):
    assert default_code_width(shape) == expected
    assert build_encoder(None, shape, None, 2)[1] == expected


@pytest.mark.parametrize(("n_features", "expected"), [(1, 1), (2, 1), (3, 1), (9, 4), (20, 10), (784, 32)])
def test_width_of_the_code_of_a_table(n_features, expected):
    encoder, n_components = build_encoder(None, (n_features,), None, 2)
    assert n_components == expected
    widths = [layer.out_features for layer in encoder if isinstance(layer, nn.Linear)]
    assert [n_features, *widths] == sorted([n_features, *widths], reverse=True)


def test_dense_networks_mirror_each_other():
    encoder, decoder = DenseEncoder((100,), 10), DenseDecoder(10, (100,))
    down = [(layer.in_features, layer.out_features) for layer in encoder if isinstance(layer, nn.Linear)]
    up = [(layer.out_features, layer.in_features) for layer in decoder if isinstance(layer, nn.Linear)]
    assert down == up[::-1]
    assert not isinstance(encoder[-1], nn.LeakyReLU) and not isinstance(decoder[-1], nn.LeakyReLU)


def test_without_biases_no_layer_can_shift():
    x = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    convolutional, dense = ConvEncoder((1, 16, 16), 5, 4, bias=False), DenseEncoder((9,), 3, bias=False)
    for encoder in (convolutional, dense):
        assert not [key for key, parameter in encoder.named_parameters() if "bias" in key or parameter.ndim == 1]
    norms = [layer for layer in convolutional.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 2 and not any(layer.affine for layer in norms)
    # What is left is homogeneous: a row twice as long has a code twice as long, and 0 stays 0.
    convolutional.eval()
    torch.testing.assert_close(convolutional(2 * x), 2 * convolutional(x))
    torch.testing.assert_close(dense(2 * x.flatten(1)[:, :9]), 2 * dense(x.flatten(1)[:, :9]))
    assert not convolutional(0 * x).any()


def test_biases_are_the_default_and_leave_the_other_weights_as_they_are():
    shapes = {}
    for bias in (True, False):
        for encoder in (ConvEncoder((1, 16, 16), 5, 4, bias=bias), DenseEncoder((9,), 3, bias=bias)):
            shapes.setdefault(bias, []).extend(p.shape for p in encoder.parameters() if p.ndim > 1)
    assert shapes[True] == shapes[False]
    with_bias, without = (build_encoder(None, (1, 16, 16), None, 4, bias=bias)[0] for bias in (True, False))
    assert str(with_bias) == str(build_encoder(None, (1, 16, 16), None, 4)[0]) != str(without)
    assert sum("bias" in key for key, _ in with_bias.named_parameters()) == 5  # two stages of two layers, and the code


@pytest.mark.parametrize("last", [True, False])
def test_mlp(last):
    module = mlp((7, 5, 3), slope=0.3, last=last)
    x = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    expected = x
    for k in (0, 2):
        expected = expected @ module[k].weight.T + module[k].bias
        if k == 0 or last:
            expected = torch.where(expected > 0, expected, 0.3 * expected)
    torch.testing.assert_close(module(x), expected)
    assert len(module) == 3 + last


def test_squared_error():
    a, b = torch.arange(12.0).reshape(2, 2, 3), torch.ones(2, 2, 3)
    assert squared_error(a, b).tolist() == [1 + 0 + 1 + 4 + 9 + 16, 25 + 36 + 49 + 64 + 81 + 100]
    assert mean_squared_error(a, b).item() == squared_error(a, b).mean().item()
    assert squared_error(a, torch.ones(3)).tolist() == squared_error(a, b).tolist()
