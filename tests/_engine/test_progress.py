"""`verbose="auto"`: one line, rewritten in place, where a person can see it, and nothing elsewhere."""

import io
import re
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import quick
from joblib import Parallel, delayed

from sklearn_occ import SeedEnsemble, _progress
from sklearn_occ._engine.nets import _progress as of_nets
from sklearn_occ._engine.nets._callbacks import watch_batches
from sklearn_occ._progress import Count, Line, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def lines(self):
        """What the line was, one after another, without the blanks that cover the one before."""
        return [text.rstrip() for text in self.getvalue().split("\r") if text.strip()]

    def shown(self):
        """What stands in the line."""
        screen = ""
        for text in self.getvalue().split("\r")[1:]:
            screen = text + screen[len(text) :]
        return screen.rstrip()


@pytest.fixture
def terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=terminal))
    monkeypatch.setattr(_progress, "_PAUSE", 0)
    return terminal


def fit(X, name="CAE", **params):
    return quick(name, verbose="auto", **params).fit(X)


def test_one_line_an_epoch_rewritten_in_place(X, terminal, capsys):
    occ = fit(X, max_epochs=3)
    expected = [f"CAE: epoch {row['epoch']} of 3, loss {row['train_loss']:.4g}" for row in occ.history_]
    assert [line.rpartition(", about")[0] for line in terminal.lines()] == expected
    assert all(re.search(r", about \d+:\d\d left$", line) for line in terminal.lines())
    assert "\n" not in terminal.getvalue()
    assert terminal.shown() == ""  # at the end the line is free
    assert capsys.readouterr().out == ""


def test_stages_are_named_and_the_time_left_counts_all(X, terminal, monkeypatch):
    monkeypatch.setattr(of_nets, "duration", lambda seconds: f"{seconds:.1f} s")
    occ = quick("TEND", verbose="auto", pretrain_epochs=2, max_epochs=3)
    seconds = iter([2.0, 4.0, 1.0, 1.0, 1.0])
    kept = of_nets.ProgressLine.on_epoch_end

    def on_epoch_end(self, net, **kwargs):
        net.history.record("dur", next(seconds))
        kept(self, net, **kwargs)

    monkeypatch.setattr(of_nets.ProgressLine, "on_epoch_end", on_epoch_end)
    occ.fit(X)
    ends = [(line.partition(":")[0], line.rpartition("about ")[2]) for line in terminal.lines()]
    # one epoch of two done in 2 s: 1 * 2 left, and 3 of the next stage as long; then 3 * 3; then of the stage itself
    first = ("TEND, pretrain", "TEND, train")
    assert ends == [
        (first[0], "8.0 s left"), (first[0], "9.0 s left"),
        (first[1], "2.0 s left"), (first[1], "1.0 s left"), (first[1], "0.0 s left"),
    ]  # fmt: skip


def test_nothing_is_shown_without_a_terminal(X, capsys):
    fit(X)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_shown_in_a_thread_or_another_process(X, terminal, capfd):
    thread = threading.Thread(target=fit, args=(X,))
    thread.start()
    thread.join()
    Parallel(n_jobs=2)(delayed(fit)(X) for _ in range(2))
    assert terminal.getvalue() == ""
    assert capfd.readouterr() == ("", "")


def test_a_notebook_shows_it(X, monkeypatch):
    notebook = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=notebook))
    fit(X, max_epochs=2)
    assert "CAE: epoch 2 of 2" in notebook.getvalue()


@pytest.mark.parametrize("name", ["CAE", "TEND", "AnoGAN"])
def test_the_bits_do_not_depend_on_verbose(name, X, terminal, capsys):
    scores = [quick(name, verbose=verbose).fit(X).score_samples(X) for verbose in ("auto", 0, 1)]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert terminal.lines()


def test_no_callback_looks_at_batches(X, terminal):
    occ = fit(X)
    assert not watch_batches(occ.net_.callbacks_)


def test_an_interrupted_fit_frees_the_line(X, terminal):
    class Error(Exception):
        pass

    class Failing(of_nets.Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 2:
                raise Error

    with pytest.raises(Error):
        fit(X, max_epochs=4, callbacks=[Failing()])
    assert terminal.lines()
    assert terminal.shown() == ""


def test_the_search_of_anogan_counts_its_rows(X, terminal, monkeypatch):
    occ = fit(X, "AnoGAN")
    monkeypatch.setattr(type(occ), "_searched_at_once", lambda self: 20)
    terminal.truncate(0)
    terminal.seek(0)
    occ.score_samples(X[:50])
    lines = [line.rpartition(", about")[0] for line in terminal.lines()]
    assert lines == ["AnoGAN, search: 20 of 50 rows", "AnoGAN, search: 40 of 50 rows"]
    assert terminal.shown() == ""


def test_members_trained_in_one_loop_show_one_line(X, terminal):
    member = quick("CAE", max_epochs=3)
    SeedEnsemble(member, n_estimators=3, vectorized=True, random_state=0).fit(X)
    assert sum("epoch 3 of 3" in line for line in terminal.lines()) == 1


def test_a_count_shows_what_is_left_and_ends(terminal, monkeypatch):
    clock = iter([0.0, 10.0, 20.0, 30.0, 40.0])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(Line, "write", lambda self, text: (terminal.write(f"\r{text}"), setattr(self, "length", 1)))
    with Count("{done} of {total} images", 3, "auto") as count:
        count.show(1)
        count.show(2)
        count.show(3)
    assert terminal.lines() == ["1 of 3 images, about 0:20 left", "2 of 3 images, about 0:10 left"]


@pytest.mark.parametrize("verbose", [0, 1, False])
def test_a_count_is_silent_unless_auto(verbose, terminal):
    Count("{done} of {total}", 3, verbose).show(1)
    assert terminal.getvalue() == ""


def test_lines_wait_a_moment_between_two_writings(terminal, monkeypatch):
    monkeypatch.setattr(_progress, "_PAUSE", 0.1)
    clock = iter([0.0, 0.05, 0.2, 0.21])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    line = Line()
    for text in ("one, longer", "two", "three"):
        line.write(text)
    line.write("last", at_once=True)
    assert terminal.lines() == ["one, longer", "three", "last"]
    assert terminal.shown() == "last"


def test_a_line_is_cut_to_the_terminal(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    line = Line()
    line.write("longer than ten columns")
    assert terminal.lines() == ["longer th"]
    line.erase()
    assert terminal.shown() == ""


def test_durations():
    assert [duration(seconds) for seconds in (7, 750, 11100)] == ["0:07", "12:30", "3 h 05 min"]
