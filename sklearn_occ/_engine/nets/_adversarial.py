"""AdversarialNet: players that take turns in each step."""

from functools import partial
from itertools import chain, groupby

import numpy as np
import torch

from .._seeding import RandomStream
from ..steps import make_step
from ..steps._eager import IdleStep, Turn
from ._net import OneClassNet


class AdversarialNet(OneClassNet):
    """Net whose criterion says what is played on every batch: `rounds`, for each stage by name a tuple of rounds.

    A round is a tuple of players, submodules that make a step each, one after the other, on what the criterion's
    `draw(x, generator)` gives once for the round (a tuple: rows, random codes). A turn is
    `criterion(module(*drawn, player=player), x, player=player)`. Its gradient goes to the player's weights alone, and
    with it one step of the one optimizer, which leaves weights without a gradient as they are. A loss is a scalar, or
    the terms that add up to it, (k,), which `terms[player]` names. A player may have several rounds in a batch, as a
    critic does.

    `train_<player>_loss` and `train_<term>_loss` are means over a player's steps, `train_loss` is the sum of the
    players' losses. Stages without rounds have `criterion(module(x), x)`, as in any net.

    A subclass writes `_drawn_for(batch, generator)` and `_weights_of(player)` if a turn needs more of a batch than
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
            of_turns = []
            for step in self.step_[players]:
                of_turns += step(*drawn)
            for player, loss in zip(players, of_turns, strict=True):
                losses[player].append(_with_sum(loss))
        return self._noted(batch, [torch.stack(of_turns).mean(0) for of_turns in losses.values()])

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses on rows held out, with the same random codes in each epoch."""
        if not self._rounds:
            return super().validation_step(batch, **fit_params)
        with RandomStream(self.seed).generator() as generator:
            drawn = self._drawn_for(batch, generator)
        return self._noted(batch, [_with_sum(self._held_out_loss(player, *drawn)) for player in self._players])

    @property
    def _rounds(self):
        return self.criterion_.rounds.get(self.stage_, ())

    @property
    def _players(self):
        return tuple(dict.fromkeys(chain.from_iterable(self._rounds)))

    @property
    def _terms(self):
        return getattr(self.criterion_, "terms", {})

    def _step_of_pass(self):
        """For each round the steps that its players make, which most rounds have one of."""
        if not self._rounds:
            return super()._step_of_pass()
        return {players: self._steps_of(players) for players in self._rounds}

    def _steps_of(self, players):
        turns = [self._turn(player) for player in players]
        if self.processes is not None:
            return [make_step(self, turns)]
        parts = ((moves, list(part)) for moves, part in groupby(turns, key=lambda turn: bool(turn.weights)))
        return [make_step(self, part) if moves else IdleStep(part) for moves, part in parts]

    def _turn(self, player):
        weights = [weight for _, weight in self._weights_of(player) if weight.requires_grad]
        return Turn(self.played(player=player), partial(self.criterion_, player=player), weights, player)

    def _held_out_loss(self, player, *drawn):
        mine = drawn if self.processes is None else self.processes.rows_of_this(*drawn)
        play, loss_of, *_ = self._turn(player)
        loss = loss_of(play(*mine), mine[0])
        return loss if self.processes is None else self.processes.sums(self.processes.share_of(len(drawn[0])) * loss)

    def _drawn_for(self, batch, generator):
        return self.criterion_.draw(batch[0], generator)

    def _weights_of(self, player):
        return self.module_.get_submodule(player).named_parameters()

    def _noted(self, batch, losses):
        self.turns_[len(self.n_rows_)] = torch.cat(losses)
        self.n_rows_.append(len(batch[0]))
        return {"loss": sum(loss[0] for loss in losses), "y_pred": None}


def _with_sum(loss):
    """A loss, and behind it its terms where it has several: a tensor of one or 1 + k numbers."""
    return torch.cat([loss.sum()[None], loss]) if loss.ndim else loss[None]
