"""What is asked of CUDA for a recording; and, where there is a GPU, that recorded steps train as others do."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from recorded import PLAIN, Reading, stages
from skorch.callbacks import LRScheduler

from sklearn_occ import CAE, ConOCC, SeedEnsemble
from sklearn_occ._engine.steps._recorder import CudaRecorder


@pytest.fixture
def X(blobs):
    return blobs(60)


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 6))


@pytest.fixture
def cuda_calls(monkeypatch):
    """What is asked of `torch.cuda`, in order, where a stand-in answers."""
    calls = []

    class Stream:
        device = "cuda:1"

        def __init__(self, device):
            self.name = f"stream of {device}"

        def wait_stream(self, other):
            calls.append(f"{self.name} waits for {other.name}")

    class Graph:
        def capture_begin(self, pool, capture_error_mode):
            calls.append(f"begin {pool} {capture_error_mode}")

        def capture_end(self):
            calls.append("end")
            if "failed" in calls:
                raise RuntimeError("invalidated")

        def replay(self):
            calls.append("replay")

    @contextmanager
    def stream(chosen):
        calls.append(f"enter {chosen.name}")
        yield
        calls.append(f"leave {chosen.name}")

    for name, stand_in in {
        "Stream": Stream,
        "CUDAGraph": Graph,
        "stream": stream,
        "current_stream": lambda device: Stream(f"outer {device}"),
        "graph_pool_handle": lambda: "pool",
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return calls


def test_a_recording_of_cuda_is_made_aside(cuda_calls):
    recorder = CudaRecorder(torch.device("cuda", 1))
    replay, result = recorder.record(lambda: cuda_calls.append("run") or 5)
    assert cuda_calls == [
        "stream of cuda:1 waits for stream of outer cuda:1",
        "enter stream of cuda:1",
        "begin pool thread_local",
        "run",
        "end",
        "leave stream of cuda:1",
        "stream of outer cuda:1 waits for stream of cuda:1",
    ]
    replay()
    assert (cuda_calls[-1], result) == ("replay", 5)


def test_a_recording_that_fails_is_ended_and_the_reason_raised(cuda_calls):
    def failing():
        cuda_calls.append("failed")
        raise RuntimeError("the reason")

    recorder = CudaRecorder(torch.device("cuda", 1))
    with pytest.raises(RuntimeError, match="the reason"):
        recorder.record(failing)
    assert cuda_calls[-2:] == ["end", "stream of outer cuda:1 waits for stream of cuda:1"]
    with recorder.aside():  # which another recording could not enter if the failed one still held it
        pass


@pytest.mark.gpu
@pytest.mark.parametrize("name", PLAIN)
def test_cuda_graphs_train_as_steps_that_run(name, X):
    params = {"device": "cuda", "max_epochs": 6, "lr": 1e-4, "optimizer": "sgd"}
    state = torch.cuda.get_rng_state()
    occ = stages(name, **params).fit(X)
    assert not occ.net_.recordings_.gave_up and occ.net_.recordings_.runs == {}
    assert torch.equal(torch.cuda.get_rng_state(), state)
    plain = stages(name, capture=False, **params).fit(X)
    np.testing.assert_allclose(occ.score_samples(X), plain.score_samples(X), rtol=1e-2)


@pytest.mark.gpu
def test_cuda_graphs_with_adam_and_a_schedule(X, capsys):
    def fit(**params):
        schedule = LRScheduler("StepLR", step_size=5, gamma=0.5)
        return ConOCC(
            update_interval=4, channels=8, max_epochs=20, batch_size=16, device="cuda", random_state=0,
            callbacks=[schedule], verbose=1, **params,
        ).fit(X)  # fmt: skip

    occ = fit()
    assert "CUDA graph: left out" not in capsys.readouterr().out
    assert np.corrcoef(occ.score_samples(X), fit(capture=False).score_samples(X))[0, 1] > 0.98


@pytest.mark.gpu
def test_threads_record_on_one_device(X):
    alone = CAE(channels=4, max_epochs=10, batch_size=16, device="cuda", random_state=0).fit(X)
    ensemble = SeedEnsemble(
        CAE(channels=4, max_epochs=10, batch_size=16, device="cuda"), n_estimators=4, vectorized=False, n_jobs=4,
        random_state=0,
    ).fit(X)  # fmt: skip
    assert not any(occ.net_.recordings_.gave_up for occ in (alone, *ensemble.estimators_))


@pytest.mark.gpu
def test_a_step_that_the_host_reads_runs_as_it_is_on_cuda(table, capsys):
    def encoder(shape, width):
        return Reading(shape, width)

    occ = stages("CAE", encoder=encoder, device="cuda", verbose=1).fit(table)
    assert "CUDA graph: left out, as the host waits for the device in a step" in capsys.readouterr().out
    expected = stages("CAE", encoder=encoder, device="cpu").fit(table).score_samples(table)
    np.testing.assert_allclose(occ.score_samples(table), expected, rtol=1e-2)
