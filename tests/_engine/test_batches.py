import numpy as np
import pytest
import torch
from torch import nn

from sklearn_occ._engine._seeding import RandomStream, is_plain
from sklearn_occ._engine.rows._batches import ResidentBatches, as_network_input, resident
from sklearn_occ.nn import ConvDecoder, ConvEncoder, DenseEncoder


class OwnCode(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (ConvEncoder((1, 8, 8), 3, channels=2), True),
        (ConvDecoder(3, (1, 8, 8), channels=2), True),
        (DenseEncoder((5,), 2), True),
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.BatchNorm1d(2)), True),
        (nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.1)), False),
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU(inplace=True)), False),
        (nn.Sequential(nn.Linear(3, 2), OwnCode()), False),
        (nn.LSTM(3, 2), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_is_plain(module, expected):
    assert is_plain(module) is expected


def rows_of(batches):
    return [x[:, 0].tolist() for x, _ in batches]


@pytest.mark.parametrize(("n", "batch_size"), [(10, 3), (12, 4), (5, 8), (7, 1), (9, 4)])
def test_every_row_once_an_epoch(n, batch_size):
    X = torch.arange(n, dtype=torch.float32)[:, None]
    batches = ResidentBatches(X, batch_size, RandomStream(0))
    epoch = rows_of(batches)
    left_out = 1 if n > batch_size > 1 and n % batch_size == 1 else 0
    rows = [row for batch in epoch for row in batch]
    assert len(rows) == len(set(rows)) == n - left_out
    assert len(epoch) == len(batches)
    assert all(len(batch) > 1 for batch in epoch) or batch_size == 1
    assert rows_of(batches) != epoch or n < 3  # another order in the next epoch


def test_a_lone_last_row_is_not_always_the_same_one():
    batches = ResidentBatches(torch.arange(9.0)[:, None], 4, RandomStream(0))
    left_out = {frozenset(range(9)) - {row for batch in rows_of(batches) for row in batch} for _ in range(30)}
    assert len(left_out) > 3


def test_without_a_stream_the_order_is_kept():
    assert rows_of(ResidentBatches(torch.arange(5.0)[:, None], 2)) == [[0, 1], [2, 3], [4]]


def test_chunks_do_not_change_the_batches(monkeypatch):
    X = torch.arange(100.0).reshape(50, 2)
    whole = rows_of(ResidentBatches(X, 8, RandomStream(1)))
    monkeypatch.setattr("sklearn_occ._engine.rows._batches._CHUNK_VALUES", 40)
    assert rows_of(ResidentBatches(X, 8, RandomStream(1))) == whole


def test_bytes_stay_bytes_until_they_are_a_batch():
    X = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    tensor = resident(X, "cpu")
    assert tensor.dtype == torch.uint8
    ((x, _),) = ResidentBatches(tensor, 256)
    np.testing.assert_array_equal(x.numpy(), (X / 255).astype(np.float32))
    np.testing.assert_array_equal(x.numpy(), X.astype(np.float32) / np.float32(255))


def test_a_read_only_array_is_copied_and_a_writable_one_shared():
    X = np.ones((3, 2), dtype=np.float32)
    assert resident(X, "cpu").data_ptr() == X.ctypes.data
    X.flags.writeable = False
    assert resident(X, "cpu").data_ptr() != X.ctypes.data


def test_the_input_is_not_changed():
    x = torch.full((2, 2), 51, dtype=torch.uint8)
    assert as_network_input(x).tolist() == [[0.2] * 2] * 2 or torch.allclose(as_network_input(x), torch.tensor(0.2))
    assert x.tolist() == [[51] * 2] * 2


def test_stream_goes_on_and_starts_again():
    stream = RandomStream(3)
    draws = []
    for _ in range(2):
        with stream.generator() as generator:
            draws.append(torch.rand(2, generator=generator))
    with RandomStream(3).generator() as generator:
        torch.testing.assert_close(torch.rand(4, generator=generator), torch.cat(draws), rtol=0, atol=0)


def test_stream_stands_in_for_the_global_generator():
    stream, state = RandomStream(3), torch.get_rng_state()
    with stream.as_global():
        first = torch.rand(2)
    with stream.as_global():
        second = torch.rand(2)
    assert torch.equal(state, torch.get_rng_state())
    with torch.random.fork_rng():
        torch.manual_seed(3)
        torch.testing.assert_close(torch.rand(4), torch.cat([first, second]), rtol=0, atol=0)


def test_stream_restores_the_global_generator_after_an_error():
    state = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), RandomStream(3).as_global():
        torch.rand(1)
        raise ZeroDivisionError
    assert torch.equal(state, torch.get_rng_state())
