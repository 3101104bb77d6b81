"""DrawingNet: a net whose criterion draws random numbers for each step."""

import torch

from ._net import OneClassNet
from ._seeding import RandomStream


class DrawingNet(OneClassNet):
    """Net for `criterion(module(x, noise), x)`, with `noise = criterion.draw(x, generator)`, a tensor of b rows.

    In training the generator is that of the net's stream; on rows held out each epoch has the same noise. For scores
    the module runs without, `module(x)`.
    """

    def train_step_single(self, batch, **fit_params):
        """Loss and gradients of one batch; the mode was set when the epoch began."""
        with self.stream_.generator() as generator:
            noise = self.criterion_.draw(batch[0], generator)
        loss = self.run_compiled(self._loss_of, *self.processes.shares(batch[0], noise))
        return {"loss": self.processes.backward(self, loss, len(batch[0])), "y_pred": None}

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Loss of one batch of rows held out."""
        with RandomStream(self.seed).generator() as generator:
            noise = self.criterion_.draw(batch[0], generator)
        loss = self._loss_of(*self.processes.shares(batch[0], noise))
        return {"loss": self.processes.total(loss, len(batch[0])), "y_pred": None}

    def _loss_of(self, x, noise):
        return self.get_loss(self.infer(x, noise), None, X=x)
