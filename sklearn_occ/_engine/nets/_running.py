"""RunningNet: how a net runs its module, for training and for scores."""

from contextlib import nullcontext

import torch
from skorch import NeuralNet
from torch.utils._pytree import tree_map_only

from .._seeding import RandomStream
from ._evaluation import evaluate_in_blocks


class RunningNet(NeuralNet):
    """skorch net that runs its module in a precision, compiled or not, and away from torch's global generators.

    A subclass sets `stream_`, `stream_of_share_`, `is_plain_`, `is_plain_in_eval_` and `compiled_`; see `OneClassNet`.
    """

    def infer(self, x, *drawn, **fit_params):
        """Outputs of the module for a batch on the device, and for what was drawn for it."""
        x = x.to(self.device)
        if self._is_plain_now():
            return self.module_in_precision(x, *drawn)
        with self.private_random():
            return self.module_in_precision(x.clone(), *drawn)

    def module_in_precision(self, x, *drawn):
        """`module(x, *drawn)`, run in the precision of training, as float32."""
        if self.precision == "float32":
            return self.module_(x, *drawn)
        with torch.autocast(torch.device(self.device).type, getattr(torch, self.precision)):
            outputs = self.module_(x, *drawn)
        return tree_map_only(torch.Tensor, torch.Tensor.float, outputs)

    def run_compiled(self, method, *args):
        """`method(*args)`, compiled where that is asked for and the module is plain."""
        if self.compiles and self._is_plain_now():
            return self.compiled_.run(method, *args)
        return method(*args)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """`criterion(outputs, x)`."""
        return self.criterion_(y_pred, X)

    @torch.no_grad()
    def sweep(self, X, module=None):
        """Yield `(module(x), x)` for the batches of some rows, in order and in eval mode.

        Parameters
        ----------
        X : tensor of shape (n, ...) on the device, or HostRows
            Rows, as in training.
        module : torch.nn.Module, optional
            What to run: `module_`, or a part of it.
        """
        self._set_training(False)
        module = self.module_ if module is None else module
        for x, _ in self.get_iterator(X):
            with self.private_random():
                outputs = module(x if self.is_plain_in_eval_ else x.clone())
            yield outputs, x

    def evaluate(self, X, read, *, block_size, module=None, dtype=torch.float32):
        """`read(module(x), x)` for all rows of `X`, in eval mode; see `evaluate_in_blocks`.

        `module` is what to run: `module_`, or a part of it.
        """
        self._set_training(False)
        with self.private_random(RandomStream(self.seed)):
            return evaluate_in_blocks(
                self.module_ if module is None else module,
                X,
                read,
                block_size=block_size,
                device=self.device,
                dtype=dtype,
                copies=not self.is_plain_in_eval_,
            )

    def private_random(self, stream=None):
        """Context in which a module that draws from torch's global generators draws from a stream of the net."""
        stream = stream or self.stream_of_share_ or self.stream_
        return nullcontext() if self._is_plain_now() else stream.as_global(self.device)

    def _is_plain_now(self):
        return self.is_plain_ if self.module_.training else self.is_plain_in_eval_
