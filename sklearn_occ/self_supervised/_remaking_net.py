"""RemakingNet: trains on rows that are made anew of each batch."""

import torch

from ..engine import OneClassNet, RandomStream


class RemakingNet(OneClassNet):
    """Net whose criterion makes what is trained on: `draw(x, generator)`, a tuple of tensors, a row for each of x.

    Module and criterion get them one below the other.
    """

    def train_step_single(self, batch, **fit_params):
        """Loss and gradients of what is drawn of one batch."""
        with self.stream_.generator() as generator:
            x = self._drawn(batch[0], generator)
        outputs, loss = self.run_compiled(self._outputs_and_loss, x)
        return {"loss": self.processes.backward(self, loss, len(batch[0])), "y_pred": outputs}

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Loss on rows held out, of which the same is drawn in each epoch."""
        with RandomStream(self.seed).generator() as generator:
            x = self._drawn(batch[0], generator)
        outputs, loss = self._outputs_and_loss(x)
        return {"loss": self.processes.total(loss, len(batch[0])), "y_pred": outputs}

    @torch.no_grad()
    def _drawn(self, x, generator):
        return torch.cat(self.processes.shares(*self.criterion_.draw(x, generator)))
