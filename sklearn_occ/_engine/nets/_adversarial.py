"""AdversarialNet: players that take turns in each step."""

from itertools import chain

import numpy as np
import torch

from .._seeding import RandomStream
from ._net import OneClassNet


class AdversarialNet(OneClassNet):
    """Net whose criterion says what is played on every batch: `rounds`, for each stage by name a tuple of rounds.

    A round is a tuple of players, submodules that make a step each, one after the other, on what the criterion's
    `draw(x, generator)` gives once for the round (a tuple: rows, random codes). The gradient of
    `loss_of(player, module, *drawn)` goes to the player's weights alone, and with it one step of the one optimizer,
    which leaves weights without a gradient as they are. A loss is a scalar, or the terms that add up to it, (k,), which
    `terms[player]` names. A player may have several rounds in a batch, as a critic does.

    `train_<player>_loss` and `train_<term>_loss` are means over a player's steps, `train_loss` is the sum of the
    players' losses. Stages without rounds have `criterion(module(x), x)`, as in any net.

    A subclass writes `_drawn_for(batch, generator)` and `_weights_of(player)` where a turn needs more of a batch than
    its rows, or moves other weights.
    """

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass, recording each player's mean loss and its terms besides their sum."""
        if iterator is None:
            return
        if not self._rounds:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        columns = [name for player in self._players for name in (player, *self._terms.get(player, ()))]
        self.n_rows_ = []
        self.turns_ = torch.empty((len(iterator), len(columns)), dtype=torch.float64, device=self.device)
        try:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            means = np.average(self.turns_.cpu().numpy(), axis=0, weights=self.n_rows_)
        finally:
            del self.turns_, self.n_rows_
        for name, mean in zip(columns, means.tolist(), strict=True):
            self.history.record(f"{prefix}_{name}_loss", mean)

    def train_step(self, batch, **fit_params):
        """One optimizer step of each player in each round."""
        if not self._rounds:
            return super().train_step(batch, **fit_params)
        losses = {player: [] for player in self._players}
        for players in self._rounds:
            with self.stream_.generator() as generator:
                drawn = self._drawn_for(batch, generator)
            for player in players:
                losses[player].append(self._turn(player, drawn, batch))
        return self._noted(batch, [torch.stack(of_turns).mean(0) for of_turns in losses.values()])

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses on rows held out, with the same random codes in each epoch."""
        if not self._rounds:
            return super().validation_step(batch, **fit_params)
        with RandomStream(self.seed).generator() as generator:
            drawn = self._drawn_for(batch, generator)
        losses = [self._loss_of(player, drawn) for player in self._players]
        return self._noted(batch, [_with_sum(self.processes.total(loss, len(batch[0]))) for loss in losses])

    @property
    def _rounds(self):
        return self.criterion_.rounds.get(self.stage_, ())

    @property
    def _players(self):
        return tuple(dict.fromkeys(chain.from_iterable(self._rounds)))

    @property
    def _terms(self):
        return getattr(self.criterion_, "terms", {})

    def _turn(self, player, drawn, batch):
        """Step of one player; its loss and the terms of it, a tensor."""
        n_rows, weights = len(batch[0]), self._trained_weights(player)
        if not weights:  # a network of the user's that is to stay as it is
            return _with_sum(self.processes.total(self._loss_of(player, drawn), n_rows).detach())

        def tell():
            self.notify("on_grad_computed", named_parameters=weights.items(), batch=batch, training=True)

        return self.captured_.run(
            self._gradients_of_turn,
            self.optimizer_,
            player,
            n_rows,
            *drawn,
            before_step=tell if self.watched_ else None,
        )

    def _gradients_of_turn(self, player, n_rows, *drawn):
        loss, weights = self._loss_of(player, drawn), list(self._trained_weights(player).values())
        total = self.processes.backward(self, loss.sum(), n_rows, weights).detach()
        return _with_sum(self.processes.total(loss.detach(), n_rows)) if loss.ndim else total[None]

    def _trained_weights(self, player):
        return {name: weight for name, weight in self._weights_of(player) if weight.requires_grad}

    def _drawn_for(self, batch, generator):
        return self.criterion_.draw(batch[0], generator)

    def _weights_of(self, player):
        return self.module_.get_submodule(player).named_parameters()

    def _loss_of(self, player, drawn):
        drawn = self.processes.shares(*drawn)
        if not self._is_plain_now():  # a network may work in place
            drawn = [part.clone() for part in drawn]
        with self.private_random():
            return self.run_compiled(self._loss_in_precision, player, *drawn)

    def _loss_in_precision(self, player, *drawn):
        kind, bfloat16 = torch.device(self.device).type, self.precision == "bfloat16"
        with torch.autocast(kind, torch.bfloat16, enabled=bfloat16):
            return self.criterion_.loss_of(player, self.module_, *drawn).float()

    def _noted(self, batch, losses):
        self.turns_[len(self.n_rows_)] = torch.cat(losses)
        self.n_rows_.append(len(batch[0]))
        return {"loss": sum(loss[0] for loss in losses), "y_pred": None}


def _with_sum(loss):
    """A loss, and behind it its terms where it has several: a tensor of one or 1 + k numbers."""
    return torch.cat([loss.sum()[None], loss]) if loss.ndim else loss[None]
