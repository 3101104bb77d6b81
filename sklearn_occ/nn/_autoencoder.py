"""Autoencoder: an encoder, a decoder and their activations, checked to fit together."""

import copy

import torch
from torch import nn

from . import _convolutional, _dense


class Autoencoder(nn.Module):
    """`x -> (decoder(encoder(x)), encoder(x))`.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        `(b, *shape) -> (b, n_components)` and back.
    code_activation, output_activation : torch.nn.Module, optional
        Applied to the code and to the reconstruction.
    """

    def __init__(self, encoder, decoder, code_activation=None, output_activation=None):
        super().__init__()
        self.encoder = encoder if code_activation is None else nn.Sequential(encoder, code_activation)
        self.decoder = decoder if output_activation is None else nn.Sequential(decoder, output_activation)

    def forward(self, x):
        code = self.encoder(x)
        return self.decoder(code), code


def default_code_width(shape):
    """Width of the code for rows of `shape`: that of the default network for them."""
    return _network_for(shape).default_code_width(shape)


def build_encoder(encoder, shape, n_components, channels, *, default_width=None, bias=True, name="encoder"):
    """Encoder for rows of `shape`, and the width of its code.

    Parameters
    ----------
    encoder : None, torch.nn.Module or callable
        None = the default; a module is copied; else `encoder(shape, n_components)`.
    shape : tuple (C, H, W) or (n_features,)
        Shape of one row.
    n_components : int or None
        Width of the code; None = the default for the shape, or what the module gives.
    channels : int
        Width of the default network of images.
    default_width : int, optional
        Width of the code where `n_components` is None; None = `default_code_width(shape)`.
    bias : bool
        False leaves biases and learnt scales of batch normalisation out of the default network.
    name : str
        What errors call it: the estimator's parameter.

    Returns
    -------
    encoder : torch.nn.Module
    n_components : int
    """
    wanted = n_components
    if n_components is None:
        n_components = default_code_width(shape) if default_width is None else default_width
    if isinstance(encoder, nn.Module):
        built = copy.deepcopy(encoder)
    elif encoder is not None:
        built, wanted = encoder(shape, n_components), n_components
    elif len(shape) == 3:
        built = _convolutional.ConvEncoder(shape, n_components, channels, bias=bias)
    else:
        built = _dense.DenseEncoder(shape, n_components, bias=bias)
    code = probe(built, shape, f"The {name} cannot take rows of shape {shape}")
    if code.ndim != 2 or wanted not in (None, code.shape[1]):
        width = "n_components" if wanted is None else wanted
        raise ValueError(
            f"The {name} turns 2 rows of shape {shape} into shape {tuple(code.shape)}, expected (2, {width}); flatten "
            "its output, or set n_components."
        )
    return built, code.shape[1]


def build_decoder(decoder, n_components, shape, channels, *, name="decoder"):
    """Decoder from codes of width `n_components` to rows of `shape`; parameters as in `build_encoder`.

    `name` is what errors call it: the estimator's parameter.
    """
    if isinstance(decoder, nn.Module):
        built = copy.deepcopy(decoder)
    elif decoder is not None:
        built = decoder(n_components, shape)
    elif len(shape) == 3:
        built = _convolutional.ConvDecoder(n_components, shape, channels)
    else:
        built = _dense.DenseDecoder(n_components, shape)
    output = probe(built, (n_components,), f"The {name} cannot take codes of width n_components={n_components}")
    if tuple(output.shape[1:]) != tuple(shape):
        raise ValueError(
            f"The {name} turns codes of width {n_components} into rows of shape {tuple(output.shape[1:])}, expected "
            f"{shape}; change its last layers, or pass {name}=None for the default."
        )
    return built


def _network_for(shape):
    return _convolutional if len(shape) == 3 else _dense


def probe(module, shape, complaint):
    """Output for two rows of zeros, in eval mode, on the CPU, where the module stays; it also sets lazy layers' sizes.

    `complaint` begins the error of a module that cannot take them.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"A factory of a network returned {type(module).__name__}, expected a torch.nn.Module; return one."
        )
    training = module.training
    module.cpu().eval()
    try:
        with torch.no_grad():
            output = module(torch.zeros(2, *shape))
    except RuntimeError as error:
        raise ValueError(f"{complaint}: {' '.join(str(error).split())}; change its first layers.") from error
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"A network returned {type(output).__name__}, expected a single torch.Tensor; return one.")
    module.train(training)
    return output
