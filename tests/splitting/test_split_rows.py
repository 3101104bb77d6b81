"""SplitRows and its batches: which rows come when."""

import numpy as np
import pytest
import torch

from sklearn_occ._engine import HostRows, RandomStream
from sklearn_occ.splitting._split_rows import SplitBatches, SplitRows


def rows_of(n, n_atypical, on_host=False):
    """Rows whose value is their number; the odd ones are least alike."""
    X = np.arange(n, dtype=np.float32)[:, None]
    X = HostRows(X, "cpu") if on_host else torch.from_numpy(X)
    threshold = torch.tensor(0.0, dtype=torch.float64)
    return SplitRows(X, n_atypical, lambda X: X[:].squeeze(1).double() - 1000 * (X[:].squeeze(1) % 2), threshold)


def one_pass(rows, batch_size, stream):
    return [(x.squeeze(1).long().tolist(), n) for x, n in SplitBatches(rows, batch_size, stream)]


def test_the_least_alike_are_atypical():
    rows = rows_of(20, 3)
    assert rows.atypical.tolist() == [1, 3, 5]
    assert rows.typical.tolist() == [0, 2, 4, *range(6, 20)]
    assert rows.threshold == 5 - 1000
    threshold = rows.threshold
    rows.copy_(torch.arange(20.0, 40.0).flip(0)[:, None])
    assert rows.atypical.tolist() == [14, 16, 18]  # the values 21, 23 and 25
    assert threshold == 25 - 1000


@pytest.mark.parametrize("on_host", [False, True])
@pytest.mark.parametrize(("n", "n_atypical", "batch_size"), [(50, 5, 8), (50, 25, 8), (9, 2, 64), (47, 6, 8)])
def test_batches(n, n_atypical, batch_size, on_host):
    rows, stream = rows_of(n, n_atypical, on_host), RandomStream(0)
    passes = [one_pass(rows, batch_size, stream) for _ in range(3)]
    assert passes[0] != passes[1]
    n_typical = n - n_atypical
    left_over = n_typical % batch_size == 1  # a batch of one row has no pair
    for batches in passes:
        assert len(batches) == len(SplitBatches(rows, batch_size, stream))
        typical = [number for batch, n in batches for number in batch[:n]]
        assert len(set(typical)) == len(typical) == n_typical - left_over
        assert set(typical) <= set(rows.typical.tolist())
        atypical = [batch[n:] for batch, n in batches]
        size = min(batch_size, n_atypical)
        assert all(len(set(part)) == size and set(part) <= set(rows.atypical.tolist()) for part in atypical)
        in_a_round = n_atypical // size
        for start in range(0, len(atypical), in_a_round):  # none comes again before all others have
            seen = [number for part in atypical[start : start + in_a_round] for number in part]
            assert len(set(seen)) == len(seen)


def test_rows_on_the_host_come_in_the_same_order():
    passes = [one_pass(rows_of(50, 5, on_host), 8, RandomStream(3)) for on_host in (False, True)]
    assert passes[0] == passes[1]
