"""Recordings on the CPU, where a tape stands in for CUDA's graphs."""

import pytest
from tape import TapeRecorder

from sklearn_occ._engine.steps import _making, _recorder


@pytest.fixture
def recording(monkeypatch):
    """`recording(fit)`: what `fit()` returns where the CPU records, and how often each recording was replayed."""

    def run(fit, recorder=TapeRecorder):
        TapeRecorder.tapes.clear()
        with monkeypatch.context() as patched:
            patched.setitem(_recorder.RECORDERS, "cpu", recorder)
            patched.setattr(_making, "has_graphs", lambda device: True)
            found = fit()
        return found, [count[0] for count in TapeRecorder.tapes]

    return run
