"""SplitRows, SplittingNet: rows split into two kinds, and the net that trains on batches with both."""

from itertools import islice

import torch

from .._engine import LAST_STAGE, AdversarialNet, ResidentBatches, as_network_input


class SplitRows:
    """Rows of which the least similar to their reconstructions are atypical.

    Parameters
    ----------
    X : tensor of shape (n, ...) on the device, or HostRows
        All rows.
    n_atypical : int
        How many are atypical.
    similarity_of : callable
        `similarity_of(X)` returns (n,) values, float64.
    threshold : tensor, a float64 scalar
        What each split sets to the similarity of its most similar atypical row.

    Attributes
    ----------
    typical, atypical : LongTensor
        Numbers of the rows of each kind, ascending.
    """

    def __init__(self, X, n_atypical, similarity_of, threshold):
        self.X = X
        self.n_atypical = n_atypical
        self.similarity_of = similarity_of
        self.threshold = threshold
        self.shape = X.shape
        self._split()

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        """Some rows on the device; `rows` is a LongTensor."""
        return self.X[rows]

    def copy_(self, rows):
        """Replace all rows by those of a tensor, and split these."""
        self.X.copy_(rows)
        self._split()

    def _split(self):
        similarity, order = self.similarity_of(self.X).cpu().sort(stable=True)
        self.atypical, self.typical = (
            part.sort().values for part in (order[: self.n_atypical], order[self.n_atypical :])
        )
        self.threshold.copy_(similarity[self.n_atypical - 1])


class SplitBatches:
    """Iterate over `(x, n_typical)`: that many typical rows, and behind them atypical ones.

    A pass takes the typical rows in the order of `ResidentBatches`, `batch_size` at a time, each once but for a last
    single one. As many atypical rows come with them, or all if there are fewer: they are shuffled, cut into batches
    and, when these are used up, shuffled anew; rows that fill no batch wait for the next shuffle.

    Parameters
    ----------
    rows : SplitRows
        All rows.
    batch_size : int
        Typical rows of a batch; the last one may be smaller.
    stream : RandomStream
        Where the order comes from.
    """

    def __init__(self, rows, batch_size, stream):
        self.rows = rows
        self.batch_size = batch_size
        self.stream = stream
        like_typical = torch.empty((len(rows.typical), *rows.shape[1:]), dtype=rows.X.dtype, device="meta")
        self._order_of_typical = ResidentBatches(like_typical, batch_size, stream)

    def __len__(self):
        return len(self._order_of_typical)

    def __iter__(self):
        typical = self.rows.typical[self._order_of_typical.row_order()].split(self.batch_size)
        with self.stream.generator() as generator:
            atypical = list(islice(self._atypical(generator), len(typical)))
        for both in zip(typical, atypical, strict=True):
            yield as_network_input(self.rows[torch.cat(both)]), len(both[0])

    def _atypical(self, generator):
        size = min(self.batch_size, self.rows.n_atypical)
        while True:
            order = torch.randperm(self.rows.n_atypical, generator=generator)
            for part in order[: len(order) // size * size].split(size):  # no row twice in a batch
                yield self.rows.atypical[part]


class SplittingNet(AdversarialNet):
    """Net whose turns are losses of typical and atypical rows, each of which moves all weights that are not frozen."""

    def initialize_optimizer(self, *args, **kwargs):
        """As in skorch; momentum starts at 0 for all weights at once, since the first turn does not move each of them.

        torch's fused SGD takes it for started in all weights that have a gradient, or in none.
        """
        super().initialize_optimizer(*args, **kwargs)
        for group in self.optimizer_.param_groups:
            if isinstance(self.optimizer_, torch.optim.SGD) and group["fused"] and group["momentum"]:
                for weight in group["params"]:
                    self.optimizer_.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        return self

    def get_iterator(self, dataset, training=False):
        """Batches of both kinds when training on `SplitRows`."""
        if isinstance(dataset, SplitRows):
            return SplitBatches(dataset, self.batch_size, self.stream_)
        return super().get_iterator(dataset, training)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass; rows held out are one batch, whose pairs and kinds do not depend on `batch_size`."""
        if iterator is not None and not training and self.stage_ == LAST_STAGE:
            iterator = [(iterator.X, None)]
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)

    @torch.no_grad()
    def similarities(self, X):
        """Similarity of all rows to their reconstructions, (n,) on the device."""
        return torch.cat(
            [self.criterion_.similarity(x, outputs[0]) for outputs, x in self.sweep(X, self.module_.autoencoder)]
        )

    def _drawn_for(self, batch, generator):
        x, n_typical = batch
        if not self.module_.training:
            return self._outputs_by_kind(x)
        if n_typical is None:  # nothing is split
            n_typical = len(x)
        return x[:n_typical], x[n_typical:]

    def _held_out_loss(self, player, *drawn):
        return self.criterion_(self.module_.outputs_of(player, *drawn), None, player=player)

    def _outputs_by_kind(self, X):
        """Logits and features of all rows held out, the typical ones first, and how many these are."""
        found = [(*self.infer(x), self._is_atypical(x)) for x, _ in self.get_iterator(X)]
        logit, z, atypical = (torch.cat(parts) for parts in zip(*found, strict=True))
        order = atypical.to(torch.uint8).argsort(stable=True)
        return logit[order], z[order], int((~atypical).sum())

    def _is_atypical(self, x):
        if self.module_.autoencoder is None:
            return torch.zeros(len(x), dtype=torch.bool, device=x.device)
        with self.private_random():
            outputs = self.module_.autoencoder(x if self.is_plain_in_eval_ else x.clone())
        return self.criterion_.similarity(x, outputs[0]) <= self.criterion_.threshold

    def _weights_of(self, player):
        return self.module_.named_parameters()
