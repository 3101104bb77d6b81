"""Recordings on the CPU, where a tape stands in for CUDA's graphs."""

import pytest
from tape import TapeRecorder

from sklearn_occ._engine.steps import _captured


@pytest.fixture
def recording(monkeypatch):
    """`recording(fit)`: what `fit()` returns where the CPU records, and how often each recording was replayed."""

    def run(fit):
        TapeRecorder.tapes.clear()
        with monkeypatch.context() as patched:
            patched.setitem(_captured.RECORDERS, "cpu", TapeRecorder)
            found = fit()
        return found, [count[0] for count in TapeRecorder.tapes]

    return run
