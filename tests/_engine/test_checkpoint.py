"""A killed fit resumes to the model of a fit that was never killed."""

import json
import subprocess
import sys
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ONE_NETWORK, CtrlC, blobs, quick
from skorch.callbacks import Callback
from torch import nn

from sklearn_occ import CAE
from sklearn_occ._engine.nets import _checkpoint

SCRIPT = """
import sys
sys.path[:0] = {path!r}
from conftest import blobs, quick
quick({name!r}, checkpoint={checkpoint!r}, **{params!r}).fit(blobs(50))
"""


def settings(name):
    params = {"max_epochs": 4000, "batch_size": 16, "random_state": 5, "validation_fraction": 0.2}
    return params | ({"update_interval": 7} if "ConOCC" in name else {})


def kill_a_fit(name, checkpoint, **params):
    """Start the fit in a process of its own and kill it once it has written a few checkpoints."""
    script = SCRIPT.format(path=sys.path, name=name, checkpoint=str(checkpoint), params=params)
    process = subprocess.Popen([sys.executable, "-c", script])
    written, last = 0, None
    while written < 4:
        assert process.poll() is None, "the fit ended before it could be killed"
        time.sleep(0.005)
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns != last:
            written, last = written + 1, checkpoint.stat().st_mtime_ns
    process.kill()
    process.wait()


def assert_same_fit(resumed, never_stopped, X):
    np.testing.assert_array_equal(resumed.score_samples(X), never_stopped.score_samples(X))
    assert resumed.offset_ == never_stopped.offset_
    assert resumed.history_[:, "train_loss"] == never_stopped.history_[:, "train_loss"]
    ours, theirs = (occ.net_.optimizer_.state_dict()["state"] for occ in (resumed, never_stopped))
    for key, moments in theirs.items():
        for moment, value in moments.items():
            torch.testing.assert_close(ours[key][moment], value, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["ConOCC-joint", "FAnoGAN"])  # a schedule; two stages, two optimizers, drawn numbers
def test_a_killed_process_resumes_to_the_same_bits(name, tmp_path):
    checkpoint, X = tmp_path / "fit.pt", blobs(50)
    params = settings(name)
    kill_a_fit(name, checkpoint, **params)
    done = torch.load(checkpoint, weights_only=True)["epochs"]["train"]
    assert 0 < done < 4000
    shorter = {**params, "max_epochs": done + 25}
    # The rest of 4000 epochs would take long; the file is told that fewer were asked for.
    state = torch.load(checkpoint, weights_only=True)
    state["identity"]["max_epochs"] = repr(shorter["max_epochs"])
    torch.save(state, checkpoint)
    resumed = quick(name, checkpoint=str(checkpoint), **shorter).fit(X)
    assert_same_fit(resumed, quick(name, **shorter).fit(X), X)


class Death(Exception):
    """The end of a fit of which only the file is left."""


class Dies(Callback):
    """Leave the fit inside its sixth epoch."""

    def on_batch_end(self, net, training, **kwargs):
        if training and len(net.history) == 6:
            raise Death


@pytest.mark.filterwarnings("ignore:The codes of ConOCC")
@pytest.mark.parametrize("name", ONE_NETWORK)
def test_a_fit_that_died_resumes_to_the_same_bits(name, tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoint, "_PAUSE", 0)  # written after each epoch
    checkpoint, X = tmp_path / "fit.pt", blobs(50)
    params = {**settings(name), "max_epochs": 12}
    with pytest.raises(Death):
        quick(name, checkpoint=checkpoint, callbacks=[Dies()], **params).fit(X)
    state = torch.load(checkpoint, weights_only=True)
    assert len(json.loads(state["history"])) == sum(state["epochs"].values()) == 5
    state["identity"]["callbacks"] = "None"
    torch.save(state, checkpoint)
    resumed = quick(name, checkpoint=checkpoint, **params).fit(X)
    assert_same_fit(resumed, quick(name, **params).fit(X), X)


class Epochs(Callback):
    """Each epoch takes a second on a clock of its own."""

    now = 0.0

    def on_epoch_begin(self, net, **kwargs):
        Epochs.now += 1


@pytest.mark.parametrize("seconds", [0.5, 3.0, 20.0])
def test_writing_takes_a_tenth_of_the_time(seconds, tmp_path, monkeypatch, rng):
    written = []

    def save(state, path):
        Epochs.now += seconds
        written.append(path)
        path.touch()

    monkeypatch.setattr(_checkpoint, "time", SimpleNamespace(monotonic=lambda: Epochs.now))
    monkeypatch.setattr(torch, "save", save)
    occ = quick("CAE", max_epochs=600, batch_size=50, callbacks=[Epochs()], checkpoint=tmp_path / "fit.pt")
    occ.fit(rng.normal(size=(50, 3)))
    within = seconds * (len(written) - 2)  # besides the first and the last, which each fit has
    assert 57 - seconds <= within <= 60


def test_a_finished_fit_is_loaded_and_not_trained_again(tmp_path):
    X, checkpoint = blobs(50), tmp_path / "fit.pt"
    first = quick("ConOCC", checkpoint=checkpoint).fit(X)
    again = quick("ConOCC", checkpoint=checkpoint).fit(X)
    assert [row["dur"] for row in again.history_] == [row["dur"] for row in first.history_]
    np.testing.assert_array_equal(again.score_samples(X), first.score_samples(X))


def test_a_checkpoint_changes_nothing(tmp_path):
    X = blobs(50)
    with_file = quick("SAE", checkpoint=tmp_path / "fit.pt").fit(X)
    np.testing.assert_array_equal(with_file.score_samples(X), quick("SAE").fit(X).score_samples(X))
    assert [path.name for path in tmp_path.iterdir()] == ["fit.pt"]


def test_another_fit_is_refused_with_what_differs(tmp_path):
    X, checkpoint = blobs(50), tmp_path / "fit.pt"
    quick("CAE", checkpoint=checkpoint).fit(X)
    with pytest.raises(ValueError, match="belongs to another fit, which differs in lr, max_epochs;"):
        quick("CAE", checkpoint=checkpoint, lr=0.5, max_epochs=7).fit(X)
    with pytest.raises(ValueError, match="differs in X;"):
        quick("CAE", checkpoint=checkpoint).fit(X[1:])
    with pytest.raises(ValueError, match="differs in estimator, alpha;|differs in estimator"):
        quick("SAE", checkpoint=checkpoint, lr=1e-3).fit(X)
    # What does not change the model may change.
    quick("CAE", checkpoint=checkpoint, contamination=0.3, verbose=0).fit(X)


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        ({"lr": 1e-3}, {"lr": np.float64(1e-3)}, None),
        ({"optimizer": partial(torch.optim.SGD, momentum=0.9)}, {"optimizer": partial(torch.optim.SGD)}, "optimizer"),
        ({"encoder": nn.Sequential(nn.Flatten(), nn.Dropout(0.1))}, {"encoder": nn.Flatten()}, "encoder"),
    ],
    ids=["numpy scalar", "partial", "dropout"],
)
def test_what_makes_another_fit(first, second, differs, tmp_path):
    decoder = nn.Unflatten(1, (1, 12, 12))
    common = {"checkpoint": tmp_path / "fit.pt", "max_epochs": 1, "random_state": 0}
    if "encoder" in first:
        linear = nn.Linear(144, 144)
        first, second = (
            {"encoder": nn.Sequential(params["encoder"], linear), "decoder": decoder} for params in (first, second)
        )
    CAE(**common, **first).fit(blobs(20))
    if differs is None:
        CAE(**common, **second).fit(blobs(20))
    else:
        with pytest.raises(ValueError, match=f"differs in {differs};"):
            CAE(**common, **second).fit(blobs(20))


def test_a_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "notes.txt").write_text("not a checkpoint")
    with pytest.raises(ValueError, match="is not a checkpoint of sklearn_occ; remove the file or name another"):
        quick("CAE", checkpoint=tmp_path / "notes.txt").fit(blobs(50))
    assert (tmp_path / "notes.txt").read_text() == "not a checkpoint"


def test_a_checkpoint_needs_a_folder_and_a_seed(tmp_path):
    with pytest.raises(FileNotFoundError, match="lies in a folder that does not exist; create"):
        quick("CAE", checkpoint=tmp_path / "absent" / "fit.pt").fit(blobs(50))
    with pytest.raises(ValueError, match="needs an int random_state"):
        quick("CAE", checkpoint=tmp_path / "fit.pt", random_state=None).fit(blobs(50))


def test_ctrl_c_keeps_the_last_whole_epoch(tmp_path):
    X, checkpoint = blobs(50), tmp_path / "fit.pt"
    with pytest.warns(UserWarning, match="interrupted after 3 of 8"):
        quick("CAE", checkpoint=checkpoint, max_epochs=8, batch_size=10, callbacks=[CtrlC(4)]).fit(X)
    state = torch.load(checkpoint, weights_only=True)
    state["identity"]["callbacks"] = "None"
    torch.save(state, checkpoint)
    resumed = quick("CAE", checkpoint=checkpoint, max_epochs=8, batch_size=10).fit(X)
    whole = quick("CAE", max_epochs=8, batch_size=10).fit(X)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
