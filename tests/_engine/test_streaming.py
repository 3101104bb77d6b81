"""Rows that are read while the network trains give the batches, and so the bits, of rows on the device."""

import gc
import pickle
import subprocess
import sys
import threading
import tracemalloc
import weakref

import joblib
import numpy as np
import pytest
import torch
from conftest import DEEP, ONE_NETWORK, CtrlC, blobs, quick
from torch import nn

from sklearn_occ import CAE
from sklearn_occ._engine._seeding import RandomStream
from sklearn_occ._engine.rows import _batches, _streaming
from sklearn_occ._engine.rows._batches import ResidentBatches, resident
from sklearn_occ._engine.rows._streaming import HostRows, StreamedBatches, placed


@pytest.fixture
def small_buffers(monkeypatch):
    """Buffers of about 16 images of 12 x 12 bytes, or 40 rows of 15 floats, from blocks of 3 or 8."""
    monkeypatch.setattr(_batches, "BUFFER_BYTES", 2400)
    monkeypatch.setattr(_batches, "BLOCK_BYTES", 500)


@pytest.fixture
def stream_all(small_buffers, monkeypatch):
    """Let nothing be copied to the device as a whole; returns the rows that were placed since."""
    seen = []
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: seen.append(X) or 0)
    return seen


@pytest.fixture
def in_file(tmp_path):
    """`in_file(X, mode)`: X as a memory map of a .npy file."""

    def write_and_map(X, mode="r"):
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode=mode)

    return write_and_map


def numbered(n, dtype=np.float64):
    """Rows of 15 values that say which row they are."""
    return np.repeat(np.arange(n)[:, None], 15, 1).astype(dtype)


def rows_of(batches):
    return [x[:, 0].tolist() for x, _ in batches]


@pytest.mark.parametrize("rows", [[3], [4, 0, 2]])
def test_rows_are_taken_by_arrays_and_tensors_of_numbers(rows):
    X = numbered(5)
    for numbers in (np.array(rows), torch.tensor(rows)):
        taken = HostRows(X, "cpu")[numbers]
        np.testing.assert_array_equal(taken, X[rows])
        assert taken.dtype == torch.float32


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize(("n", "batch_size"), [(200, 8), (201, 8), (203, 8), (240, 1), (39, 20), (200, 90), (121, 120)])
def test_every_row_once_an_epoch_in_the_order_of_resident_rows(n, batch_size, dtype, small_buffers):
    X = numbered(n, dtype)
    streamed = StreamedBatches(HostRows(X, "cpu"), batch_size, RandomStream(0))
    tensor = ResidentBatches(resident(X, "cpu"), batch_size, RandomStream(0))
    left_out = 1 if n % batch_size == 1 and batch_size > 1 else 0
    epochs = [rows_of(streamed) for _ in range(3)]
    assert epochs == [rows_of(tensor) for _ in range(3)]
    for epoch in epochs:
        rows = [row for batch in epoch for row in batch]
        assert len(rows) == len(set(rows)) == n - left_out
        assert len(epoch) == len(streamed)
        assert all(len(batch) == batch_size for batch in epoch[:-1])
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] == rows_of(StreamedBatches(HostRows(X, "cpu"), batch_size, RandomStream(0)))
    assert epochs[0] != rows_of(StreamedBatches(HostRows(X, "cpu"), batch_size, RandomStream(1)))


@pytest.mark.parametrize(("n", "batch_size"), [(200, 8), (201, 8), (5, 8)])
def test_without_a_stream_the_order_is_kept(n, batch_size, small_buffers):
    X = numbered(n)
    epoch = rows_of(StreamedBatches(HostRows(X, "cpu"), batch_size))
    assert epoch == rows_of(ResidentBatches(resident(X, "cpu"), batch_size))
    assert [row for batch in epoch for row in batch] == list(range(n))


def test_blocks_are_shuffled_and_rows_within_a_buffer(small_buffers):
    """Of 100 blocks of 8 rows, a buffer of 40 takes five (the first may be cut) from anywhere."""
    batches = StreamedBatches(HostRows(numbered(800), "cpu"), 8, RandomStream(0))
    for _ in range(3):
        rows = np.concatenate(rows_of(batches)).reshape(-1, 40)
        blocks = [np.unique(buffer // 8) for buffer in rows]
        assert all(5 <= len(buffer) <= 6 for buffer in blocks)
        assert np.median([np.ptp(buffer) for buffer in blocks]) > 50
        assert np.mean(np.diff(rows, axis=1) == 1) < 0.1  # neighbours in the file are hardly ever neighbours


def test_less_than_a_buffer_is_shuffled_as_a_whole():
    with RandomStream(3).generator() as generator:
        order = torch.randperm(200, generator=generator).tolist()
    for batches in (
        StreamedBatches(HostRows(numbered(200), "cpu"), 8, RandomStream(3)),
        ResidentBatches(resident(numbered(200), "cpu"), 8, RandomStream(3)),
    ):
        assert [row for batch in rows_of(batches) for row in batch] == order


def test_a_lone_last_row_is_not_always_the_same_one(small_buffers):
    batches = StreamedBatches(HostRows(numbered(89), "cpu"), 8, RandomStream(0))
    left_out = {frozenset(range(89)) - {row for batch in rows_of(batches) for row in batch} for _ in range(20)}
    assert len(left_out) > 10


def test_what_streams_on_the_cpu(small_buffers, in_file, tmp_path):
    """A memory map of more than a buffer, however it came about; anything else is resident."""
    X = blobs(50)[:, None]
    joblib.dump(X, tmp_path / "X.joblib")
    raw = np.memmap(tmp_path / "raw", dtype=np.uint8, mode="w+", shape=X.shape)
    for mapped in (
        in_file(X),
        in_file(X, "r+"),
        in_file(X, "c"),
        np.asarray(in_file(X))[5:].reshape(45, -1),
        joblib.load(tmp_path / "X.joblib", mmap_mode="r"),
        raw,
    ):
        assert isinstance(placed(mapped, "cpu"), HostRows)
    for other in (X, in_file(X)[:10], in_file(X) + 1, np.array(in_file(X))):
        assert isinstance(placed(other, "cpu"), torch.Tensor)


def test_rows_on_the_host_look_like_a_tensor():
    X = np.arange(24.0).reshape(4, 6)
    rows, tensor = HostRows(X, "cpu"), resident(X, "cpu")
    assert (len(rows), rows.shape, rows.dtype, rows.device) == (4, tensor.shape, tensor.dtype, tensor.device)
    for key in (0, slice(1, 3), slice(None)):
        torch.testing.assert_close(rows[key], tensor[key], rtol=0, atol=0)
    assert HostRows(X.astype(np.uint8), "cpu").dtype == torch.uint8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("held_out", [None, 0.3])
@pytest.mark.parametrize("name", [name for name in DEEP if not name.startswith("SeedEnsemble")])
def test_streamed_images_give_the_bits_of_resident_ones(name, held_out, small_buffers, stream_all, monkeypatch):
    X, params = blobs(60), {"validation_fraction": held_out}
    has_stages = hasattr(quick(name), "autoencoder")
    prefix = "autoencoder__" if has_stages else ""
    params |= {f"{prefix}batch_size": 8}
    streamed = quick(name, **params).fit(X)
    assert len(stream_all) == (1 if held_out is None or has_stages else 2)
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: np.inf)
    on_device = quick(name, **params).fit(X)
    scores = streamed.score_samples(X)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, on_device.score_samples(X))
    assert streamed.offset_ == on_device.offset_
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(streamed.score_samples(X[order])[:7], scores[order[:7]], rtol=1e-6)
    np.testing.assert_allclose(streamed.score_samples(X[7:9]), scores[7:9], rtol=1e-6)
    again = pickle.loads(pickle.dumps(streamed))
    np.testing.assert_array_equal(again.score_samples(X), scores)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ONE_NETWORK)
def test_streamed_tables_give_the_bits_of_resident_ones(name, stream_all, monkeypatch, rng):
    X = rng.normal(size=(120, 15))
    streamed = quick(name, batch_size=8).fit(X)
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: np.inf)
    np.testing.assert_array_equal(streamed.score_samples(X), quick(name, batch_size=8).fit(X).score_samples(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ONE_NETWORK)
def test_an_interrupted_streamed_fit_resumes_to_the_same_bits(name, stream_all, tmp_path, monkeypatch):
    X, checkpoint = blobs(50), tmp_path / "fit.pt"
    params = {"max_epochs": 5, "batch_size": 8, "validation_fraction": 0.2}
    before = getattr(quick(name), "pretrain_epochs", 0)
    with pytest.warns(UserWarning, match="interrupted after 2 of 5"):
        quick(name, checkpoint=checkpoint, callbacks=[CtrlC(before + 3)], **params).fit(X)
    state = torch.load(checkpoint, weights_only=True)
    state["identity"]["callbacks"] = "None"
    torch.save(state, checkpoint)
    interrupted = checkpoint.read_bytes()
    resumed = quick(name, checkpoint=checkpoint, **params).fit(X)
    whole = quick(name, **params).fit(X)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
    assert resumed.history_[:, "train_loss"] == whole.history_[:, "train_loss"]
    # Memory may be free when it goes on that was not when it began.
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: np.inf)
    checkpoint.write_bytes(interrupted)
    resumed = quick(name, checkpoint=checkpoint, **params).fit(X)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))


def test_a_memory_map_is_never_copied_as_a_whole(in_file, monkeypatch, tmp_path):
    """From validation to the threshold, checkpoint included, NumPy takes less than a tenth of the data."""
    monkeypatch.setattr(_batches, "BUFFER_BYTES", 2**18)
    monkeypatch.setattr(_batches, "BLOCK_BYTES", 2**14)
    peaks = {}
    for dtype in (np.uint8, np.float32):
        X = in_file(np.random.default_rng(0).integers(0, 2, (4000, 40, 40)).astype(dtype))
        y = np.repeat([1, -1], [3900, 100])
        occ = CAE(
            encoder=nn.Sequential(nn.Flatten(), nn.Linear(1600, 2)),
            decoder=nn.Sequential(nn.Linear(2, 1600), nn.Unflatten(1, (1, 40, 40))),
            max_epochs=1,
            checkpoint=tmp_path / f"{X.dtype}.pt",
            random_state=0,
        )
        for way, most in [("streamed", 0), ("copied", np.inf)]:
            monkeypatch.setattr(_streaming, "most_resident", lambda X, device, most=most: most)
            tracemalloc.start()
            occ.fit(X, y)
            peaks[way] = tracemalloc.get_traced_memory()[1] / X.nbytes
            tracemalloc.stop()
            (tmp_path / f"{X.dtype}.pt").unlink()
        assert peaks["streamed"] < 0.1
        assert peaks["copied"] > 0.9


PEAK = """
import re
from pathlib import Path
import numpy as np
from torch import nn
from sklearn_occ import CAE

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
CAE(
    encoder=nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 32)),
    decoder=nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 784), nn.Unflatten(1, (1, 28, 28))),
    max_epochs=1,
    random_state=0,
    device="cpu",
).fit(np.load({path!r}, mmap_mode="r"))
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_of_half_a_million_images(tmp_path):
    """Beside the file's pages two buffers and 300 MiB, of which torch takes half when it first trains.

    Another copy would take 374 MiB, and losses kept as tensors of their own left holes of as much.
    """
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.uint8, (500_000, 28, 28))
    X[::1000] = np.random.default_rng(0).integers(0, 256, (500, 28, 28))
    X.flush()
    size = X.nbytes
    del X
    script = PEAK.format(path=str(tmp_path / "X.npy"))
    peak = int(subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE).stdout) * 1024
    assert peak - size < 2 * _batches.BUFFER_BYTES + 300 * 2**20


def test_a_checkpoint_does_not_ask_where_the_rows_were(small_buffers, in_file, tmp_path):
    X = blobs(60)
    first = quick("CAE", batch_size=8, checkpoint=tmp_path / "fit.pt").fit(in_file(X))
    again = quick("CAE", batch_size=8, checkpoint=tmp_path / "fit.pt").fit(X)
    assert [row["dur"] for row in again.history_] == [row["dur"] for row in first.history_]


def test_nothing_is_left_of_the_rows_or_their_reader(stream_all, monkeypatch):
    made = []
    monkeypatch.setattr(HostRows, "__init__", _noting(HostRows.__init__, made))
    threads = threading.active_count()
    occ = quick("CAE", batch_size=8, validation_fraction=0.2).fit(blobs(60))
    gc.collect()
    assert len(made) == 2
    assert [rows() for rows in made] == [None, None]
    assert threading.active_count() == threads
    assert not any(isinstance(value, HostRows) for value in vars(occ.net_).values())


def _noting(init, made):
    def noting(self, *args):
        init(self, *args)
        made.append(weakref.ref(self))

    return noting


def test_an_epoch_left_early_leaves_no_reader(small_buffers):
    threads = threading.active_count()
    batches = iter(StreamedBatches(HostRows(numbered(800), "cpu"), 8, RandomStream(0)))
    next(batches)
    assert threading.active_count() == threads + 1
    batches.close()
    assert threading.active_count() == threads


def test_an_error_of_the_file_ends_the_fit(stream_all, monkeypatch):
    def broken(self, spans, buffer):
        raise OSError("the disk is gone")

    monkeypatch.setattr(HostRows, "read", broken)
    occ = quick("CAE")
    with pytest.raises(OSError, match="the disk is gone"):
        occ.fit(blobs(60))
    assert not hasattr(occ, "net_")


def test_the_global_generators_are_left_as_they_were(stream_all):
    ours, theirs = torch.get_rng_state(), np.random.get_state()[1].copy()
    quick("DAGMM", batch_size=8).fit(blobs(60))
    assert torch.equal(ours, torch.get_rng_state())
    np.testing.assert_array_equal(theirs, np.random.get_state()[1])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_on_cuda_batches_come_through_pinned_memory(dtype, small_buffers):
    X = (numbered(203) % 200).astype(dtype)
    rows = HostRows(X, "cuda")
    assert rows.buffer(3).is_pinned()
    streamed = StreamedBatches(rows, 8, RandomStream(0))
    tensor = ResidentBatches(resident(X, "cuda"), 8, RandomStream(0))
    for _ in range(3):
        for (ours, _), (theirs, _) in zip(streamed, tensor, strict=True):
            assert ours.device.type == "cuda"
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.gpu
def test_what_streams_on_cuda(monkeypatch):
    X = blobs(60)[:, None]
    assert isinstance(placed(X, "cuda"), torch.Tensor)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (X.nbytes, X.nbytes))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 0)
    assert isinstance(placed(X, "cuda"), HostRows)
    assert isinstance(placed(X[:30], "cuda"), torch.Tensor)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ONE_NETWORK)
def test_streamed_fits_on_cuda(name, stream_all, monkeypatch):
    X = blobs(60)
    streamed = quick(name, batch_size=8, device="cuda").fit(X).score_samples(X)
    monkeypatch.setattr(_streaming, "most_resident", lambda X, device: np.inf)
    on_device = quick(name, batch_size=8, device="cuda").fit(X).score_samples(X)
    assert np.isfinite(streamed).all()
    assert np.corrcoef(streamed, on_device)[0, 1] > 0.99
