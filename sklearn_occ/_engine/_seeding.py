"""Private random numbers: torch's global generators are left as they were found."""

import threading
from contextlib import contextmanager

import torch
from torch import nn

_RANDOM_ALWAYS = (nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)
_RANDOM_IN_TRAINING = (
    nn.modules.dropout._DropoutNd,
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.RReLU,
    nn.Transformer,
    nn.TransformerDecoderLayer,
    nn.TransformerEncoderLayer,
)
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_KNOWN_CODE = ("torch.nn.modules.", "sklearn_occ.")

GLOBAL_GENERATORS = threading.RLock()  # a factory of a network may itself fit an estimator


class RandomStream:
    """A stream of random numbers of its own, kept as CPU tensors so that it pickles and resumes.

    Parameters
    ----------
    seed : int
        Start of the stream, 0 to 2**31 - 1.
    """

    def __init__(self, seed):
        self.seed = seed
        self.state = torch.Generator().manual_seed(seed).get_state()
        self.cuda_state = None

    @contextmanager
    def generator(self):
        """A CPU `torch.Generator` that goes on where the last one stopped."""
        generator = torch.Generator()
        generator.set_state(self.state)
        yield generator
        self.state = generator.get_state()

    @contextmanager
    def as_global(self, device="cpu"):
        """Stand in for torch's global generators, for code that draws from nothing else.

        Initial weights and the dropout of users' networks do. One thread at a time.
        """
        device = torch.device(device)
        with GLOBAL_GENERATORS:
            outer = torch.get_rng_state()
            outer_cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
            try:
                torch.set_rng_state(self.state)
                if outer_cuda is not None:
                    self._enter_cuda(device)
                yield
                self.state = torch.get_rng_state()
                if outer_cuda is not None:
                    self.cuda_state = torch.cuda.get_rng_state(device)
            finally:
                torch.set_rng_state(outer)
                if outer_cuda is not None:
                    torch.cuda.set_rng_state(outer_cuda, device)

    def _enter_cuda(self, device):
        if self.cuda_state is None:
            self.cuda_state = torch.Generator(device).manual_seed(self.seed).get_state()
        torch.cuda.set_rng_state(self.cuda_state, device)


def is_plain(module, *, training=True):
    """Whether a module is known to draw no random numbers and not to work in place.

    True when all its parts are layers of torch or of this package, none of them random, with `inplace=True` or with
    hooks, nor any weight. What a user's own class or hook does is not known.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    training : bool
        Whether it is asked of training, or of eval mode, in which dropout draws nothing.
    """
    random_layers = (*_RANDOM_ALWAYS, *_RANDOM_IN_TRAINING) if training else _RANDOM_ALWAYS
    return all(
        f"{type(part).__module__}.".startswith(_KNOWN_CODE)
        and not isinstance(part, random_layers)
        and not getattr(part, "inplace", False)
        and not any(getattr(part, hooks) for hooks in _HOOKS)
        for part in module.modules()
    ) and not any(weight._backward_hooks or weight._post_accumulate_grad_hooks for weight in module.parameters())
