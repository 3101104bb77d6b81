"""`precision` and `compile`: what they change, what they leave, and where they cannot be had."""

import copy
import pickle

import numpy as np
import pytest
import torch
from conftest import ONE_NETWORK, QUICK, quick
from torch import nn

from sklearn_occ import CAE
from sklearn_occ.nn import DenseEncoder


@pytest.fixture
def X(blobs):
    return blobs(60)


@pytest.fixture
def compiled(monkeypatch):
    """Names of the functions that were handed to `torch.compile`, which then run as they are."""
    names = []

    def stand_in(function, dynamic):
        def counted(*args):
            names.append(function.__name__)
            return function(*args)

        return counted

    monkeypatch.setattr(torch, "compile", stand_in)
    return names


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_bfloat16_trains_float32_weights_to_like_scores(name, X):
    full, half = quick(name).fit(X), quick(name, precision="bfloat16").fit(X)
    assert all(weight.dtype == torch.float32 for weight in half.net_.module_.parameters())
    assert full.history_[-1, "train_loss"] != half.history_[-1, "train_loss"]
    scores = [occ.score_samples(X) for occ in (full, half)]
    assert np.corrcoef(scores)[0, 1] > 0.98


def test_bfloat16_is_what_the_network_runs_in(X):
    seen = []

    class Spy(DenseEncoder):
        def forward(self, x):
            z = super().forward(x)
            seen.append((self.training, z.dtype))
            return z

    table = X.reshape(60, -1) / 255
    occ = CAE(encoder=lambda shape, width: Spy(shape, width), precision="bfloat16", max_epochs=1).fit(table)
    occ.score_samples(table)
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_compile_changes_nothing_but_rounding(name, X, compiled):
    plain = quick(name).fit(X)
    occ = quick(name, compile=True).fit(X)
    np.testing.assert_array_equal(occ.score_samples(X), plain.score_samples(X))
    rounds = getattr(occ.net_.criterion_, "rounds", {})
    turns = {stage: sum(map(len, of_stage)) for stage, of_stage in rounds.items()}
    steps = sum(epochs * turns.get(stage, 1) for stage, epochs in occ.net_.epochs_.items()) * -(-60 // occ.batch_size)
    assert len(compiled) == (steps if plain.net_.is_plain_ else 0)


def test_what_is_compiled_is_not_pickled(X, compiled):
    occ = quick("CAE", compile=True, warm_start=True).fit(X)
    again = pickle.loads(pickle.dumps(occ))
    assert again.net_.compiled_ is None
    n_before = len(compiled)
    np.testing.assert_array_equal(again.fit(X).score_samples(X), occ.fit(X).score_samples(X))
    assert len(compiled) > n_before
    copy.deepcopy(occ)


def test_a_random_network_runs_uncompiled_and_says_so(X, compiled, capsys):
    table = X.reshape(60, -1) / 255

    def encoder(shape, width):
        return nn.Sequential(nn.Dropout(0.1), nn.Linear(shape[0], 8))

    occ = CAE(encoder=encoder, n_components=8, max_epochs=2, compile=True, verbose=1, random_state=0).fit(table)
    assert "compile: left out" in capsys.readouterr().out
    assert not compiled
    uncompiled = CAE(encoder=encoder, n_components=8, max_epochs=2, random_state=0).fit(table)
    np.testing.assert_array_equal(occ.score_samples(table), uncompiled.score_samples(table))


def test_a_missing_compiler_is_named(X, monkeypatch):
    def failing(function, dynamic):
        def call(*args):
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

        return call

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.raises(RuntimeError, match=r"compile=True needs a C\+\+ compiler .* fit with compile=False"):
        quick("CAE", compile=True).fit(X)


def test_what_cannot_be_compiled_runs_as_it_is_and_says_so(X, monkeypatch, capsys):
    class Unsupported(RuntimeError):
        pass

    Unsupported.__module__ = "torch._dynamo.exc"

    def failing(function, dynamic):
        def call(*args):
            raise Unsupported("see torch.compiler.config")

        return call

    plain = quick("CAE").fit(X).score_samples(X)
    monkeypatch.setattr(torch, "compile", failing)
    occ = quick("CAE", compile=True, verbose=1).fit(X)
    assert capsys.readouterr().out.count("compile: left out, as torch.compile cannot run the network") == 1
    np.testing.assert_array_equal(occ.score_samples(X), plain)


def test_other_errors_of_a_step_are_raised(X, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        quick("CAE", compile=True).fit(X)

    def failing(function, dynamic):
        def call(*args):
            raise RuntimeError("out of memory")

        return call

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.raises(RuntimeError, match="^out of memory$"):
        quick("CAE", compile=True).fit(X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script")  # torch's own
def test_the_tenth_network_is_compiled_too(X):
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    table = X.reshape(60, -1)[:, :12] / 255
    for width in range(1, 11):
        counters.clear()
        CAE(n_components=width, max_epochs=1, batch_size=60, compile=True, random_state=0).fit(table)
        assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:`torch.jit.script")  # torch's own
@pytest.mark.parametrize("name", ONE_NETWORK)
@pytest.mark.parametrize("params", [{"compile": True}, {"precision": "bfloat16"}], ids=str)
def test_accelerated_training_on_cuda_ends_at_like_scores(name, params, X):
    torch.compiler.reset()
    plain, accelerated = (quick(name, device="cuda", **given).fit(X).score_samples(X) for given in ({}, params))
    assert np.corrcoef(plain, accelerated)[0, 1] > 0.98


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script")  # torch's own
@pytest.mark.parametrize("name", ONE_NETWORK)
def test_compiled_training_ends_at_like_scores(name, X):
    torch.compiler.reset()
    # Logits near 0, and rounds of a critic, show what Adam makes of rounding errors, the gradients of biases before
    # batch normalisation.
    params = {"optimizer": "sgd"} if name in ("IntraClassSplitting", "FAnoGAN", "TEND") else {}
    scores = [quick(name, compile=compile, **params).fit(X).score_samples(X) for compile in (False, True)]
    np.testing.assert_allclose(*scores, atol=1e-3 * np.abs(scores[0]).max())
    assert QUICK[name].compile is False
