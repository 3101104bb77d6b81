"""The job itself: figures, what is kept, and how it goes on after an end that was not planned."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import sklearn_occ
from sklearn_occ import CAE, COCSVM, DAGMM, SAE, DeepSVDD
from sklearn_occ.__main__ import main
from sklearn_occ.comparison import _fit, _methods, load_data, parse_methods
from sklearn_occ.datasets import load_one_class_digits

pytestmark = pytest.mark.usefixtures("short_budgets")
TIMES = {"fit_seconds", "score_seconds", "samples_per_second"}


def run(output, *arguments, epochs=2):
    """Run the command with narrow networks; return its exit code."""
    quick = ["--epochs", str(epochs), "--channels", "4", "--output", str(output)]
    return main(["compare", *quick, *map(str, arguments)])


def rows_of(output, without=()):
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k not in without} for row in csv.DictReader(file)]


@contextmanager
def started(output, *arguments):
    """The command in a process of its own, with the sources that are tested; it is ended at the latest here."""
    sources = str(Path(sklearn_occ.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-m", "sklearn_occ", "compare", "--channels", "4", "--output", output, *arguments],
        env=os.environ | {"PYTHONPATH": sources},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(folder, pattern, process):
    deadline = time.monotonic() + 60
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.01)


def test_table_csv_and_stored_scores_agree_with_sklearn(tmp_path, capsys):
    methods = [name for name in _methods.METHODS if "AnoGAN" not in name]  # a search, a first stage of minutes
    assert run(tmp_path, "--majority", 3, "--seeds", 2, "--methods", *methods) == 0
    rows = rows_of(tmp_path)
    assert [(row["method"], row["seed"]) for row in rows] == [(m, s) for m in methods for s in "01"]

    digits = load_one_class_digits(3)
    majority = digits.y_test == 1
    measured = {}
    for row in rows:
        (stored,) = (tmp_path / "fits").glob(f"{row['method']}-{row['seed']}-*.npz")
        with np.load(stored) as file:
            scores = file["scores"]
            np.testing.assert_array_equal(file["y_test"], digits.y_test)
            assert json.loads(str(file["settings"]))["method"] == row["method"]
        auc = roc_auc_score(majority, scores)
        assert float(row["auc"]) == pytest.approx(auc)
        assert float(row["aupr_majority"]) == pytest.approx(average_precision_score(majority, scores))
        assert float(row["aupr_minority"]) == pytest.approx(average_precision_score(~majority, -scores))
        assert float(row["samples_per_second"]) * float(row["score_seconds"]) == pytest.approx(1706)
        assert float(row["fit_seconds"]) > 0
        assert (row["n_train"], row["n_test"], row["image_size"]) == ("91", "1706", "8x8")
        trained = row["method"] not in _methods.WITHOUT_NETWORK
        assert (row["epochs"], row["channels"]) == (("2", "4") if trained else ("", ""))
        measured.setdefault(row["method"], []).append(auc)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("digits, majority 3: 91 majority samples to train on, 1706 to test on (92 maj")
    for method, aucs in measured.items():
        (line,) = [line for line in lines if line.startswith(f"{method} ")]
        assert f" {np.mean(aucs):.3f} ± {np.std(aucs, ddof=1):.3f} " in line
    n_fits = 2 * len(methods)
    assert f"{n_fits} of {n_fits} fits, 0 of them read from" in lines[-2]


def test_each_method_is_the_estimator_of_that_name(tmp_path):
    run(tmp_path, "--methods", "C-OCSVM", "SAE", "DAGMM", "D-SVDD", "--seeds", 2)
    digits = load_one_class_digits(0)
    quick = {"max_epochs": 2, "channels": 4}
    expected = {"COCSVM": COCSVM(autoencoder=CAE(**quick), random_state=1), "SAE": SAE(random_state=1, **quick)}
    expected |= {"DAGMM": DAGMM(random_state=1, **quick), "DeepSVDD": DeepSVDD(random_state=1, **quick)}
    for name, estimator in expected.items():
        (stored,) = (tmp_path / "fits").glob(f"{name}-1-*.npz")
        scores = estimator.fit(digits.X_train).score_samples(digits.X_test)
        np.testing.assert_array_equal(np.load(stored)["scores"], scores)


def test_a_table_is_standardised_on_the_training_rows(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(5, [1, 1000, 0.001], (90, 3))
    X[60:] += [4, 4000, 0.004]
    np.savez(tmp_path / "table.npz", X=X, y=np.repeat([0, 1], [60, 30]))
    data = ["--data", tmp_path / "table.npz", "--output", tmp_path, "--methods", "OCSVM,CAE", "--seeds", 1]
    assert main(["compare", "--epochs", "2", *map(str, data)]) == 0
    split = load_data(tmp_path / "table.npz")
    mean, deviation = split.X_train.mean(0), split.X_train.std(0)
    expected = (
        sklearn_occ.OCSVM().fit((split.X_train - mean) / deviation).score_samples((split.X_test - mean) / deviation)
    )
    (stored,) = (tmp_path / "fits").glob("OCSVM-0-*.npz")
    np.testing.assert_allclose(np.load(stored)["scores"], expected, rtol=1e-9)
    assert {row["image_size"] + row["channels"] for row in rows_of(tmp_path)} == {""}
    assert "3 features, standardised" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_second_run_reads_what_the_first_one_wrote(tmp_path, capsys):
    run(tmp_path, "--methods", "OCSVM", "CAE", "--seeds", 1)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "fits").iterdir()}
    first = rows_of(tmp_path)
    capsys.readouterr()
    assert run(tmp_path, "--methods", "OCSVM", "CAE", "--seeds", 1) == 0
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "fits").iterdir()} == before
    assert rows_of(tmp_path) == first
    printed = capsys.readouterr()
    assert "2 of 2 fits, 2 of them read from" in printed.out
    assert "read from an earlier run" in printed.err


@pytest.mark.parametrize(
    ("changed", "n_read"),
    [
        (["--epochs", 3], 1),  # OCSVM has no epochs
        (["--majority", 1], 0),
        (["--image-size", 9], 0),
        (["--seeds", 2], 2),
        (["--methods", "CAE", "SAE"], 1),
    ],
)
def test_other_settings_are_fitted_anew(tmp_path, capsys, changed, n_read):
    run(tmp_path, "--methods", "OCSVM", "CAE", "--seeds", 1)
    capsys.readouterr()
    assert run(tmp_path, "--methods", "OCSVM", "CAE", "--seeds", 1, *changed) == 0
    assert f" {n_read} of them read" in capsys.readouterr().out


def test_other_data_under_the_same_name_are_fitted_anew(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for shift in (1, 2):
        X = rng.normal(shift, 1, (20, 3))
        np.savez(tmp_path / "a.npz", X=X, y=np.repeat([0, 1], 10))
        argv = ["--data", tmp_path / "a.npz", "--methods", "OCSVM", "--seeds", 1, "--output", tmp_path]
        assert main(["compare", *map(str, argv)]) == 0
        assert " 0 of them read" in capsys.readouterr().out


def test_a_damaged_fit_is_named(tmp_path, capsys):
    run(tmp_path, "--methods", "OCSVM", "--seeds", 1)
    (stored,) = (tmp_path / "fits").iterdir()
    stored.write_bytes(stored.read_bytes()[:100])
    assert run(tmp_path, "--methods", "OCSVM", "--seeds", 1) == 2
    error = capsys.readouterr().err
    assert str(stored) in error
    assert "remove it" in error


def test_a_killed_run_goes_on_inside_its_second_fit(tmp_path, monkeypatch, capsys):
    settings = ["--methods", "CAE", "SAE", "--seeds", "1", "--epochs", "300"]
    with started(tmp_path / "killed", *settings) as process:
        wait_for(tmp_path / "killed" / "fits", "CAE-0-*.npz", process)
        wait_for(tmp_path / "killed" / "fits", "SAE-0-????????????.part", process)
        process.kill()
    assert not (tmp_path / "killed" / "results.csv").exists()
    assert not list((tmp_path / "killed" / "fits").glob("SAE-0-*.npz"))

    trained = []
    monkeypatch.setattr(_fit.EpochReport, "on_epoch_end", lambda self, net, **_: trained.append(net.epochs_["train"]))
    assert run(tmp_path / "killed", *settings) == 0
    assert " 1 of them read" in capsys.readouterr().out
    assert trained[0] > 1
    assert trained[-1] == 300
    assert not list((tmp_path / "killed" / "fits").glob("*.part*"))
    assert run(tmp_path / "whole", *settings) == 0
    assert rows_of(tmp_path / "killed", without=TIMES) == rows_of(tmp_path / "whole", without=TIMES)


def test_ctrl_c_ends_a_run_with_results(tmp_path):
    with started(tmp_path, "--methods", "OCSVM,ConOCC", "--seeds", "1", "--epochs", "100000") as process:
        wait_for(tmp_path / "fits", "ConOCC-0-*.part", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "sklearn_occ: stopped by Ctrl-C; the same command goes on where it stopped."
    assert "ConOCC  not run" in out
    assert [row["method"] for row in rows_of(tmp_path)] == ["OCSVM"]
    assert "stopped after 1 of 2 fits" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not list((tmp_path / "fits").glob("ConOCC-0-*.npz"))


@pytest.mark.parametrize("method", ["CAE", "COCSVM"])
def test_a_fit_cut_short_inside_skorch_is_not_kept(tmp_path, monkeypatch, capsys, method):
    def stop(self, net, **kwargs):
        if net.epochs_["train"] == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(_fit.EpochReport, "on_epoch_end", stop)
        patch.setattr(_fit.EpochReport, "on_epoch_begin", lambda self, net, **_: time.sleep(0.3))
        assert run(tmp_path, "--methods", method, "SAE", "--seeds", 1, epochs=6) == 130
    assert rows_of(tmp_path) == []
    assert "0 of 2 fits" in capsys.readouterr().out
    assert run(tmp_path, "--methods", method, "SAE", "--seeds", 1, epochs=6) == 0
    assert " 0 of them read" in capsys.readouterr().out
    assert float(rows_of(tmp_path)[0]["fit_seconds"]) > 0.3  # the epochs of the first run are counted
    assert run(tmp_path / "whole", "--methods", method, "SAE", "--seeds", 1, epochs=6) == 0
    assert rows_of(tmp_path, without=TIMES) == rows_of(tmp_path / "whole", without=TIMES)


def test_ctrl_c_that_was_lost_ends_the_run_at_the_next_epoch(tmp_path, monkeypatch, capsys):
    report, epochs = _fit.EpochReport.on_epoch_end, []

    def lose(self, net, **kwargs):
        report(self, net)
        epochs.append(net.epochs_["train"])
        with suppress(KeyboardInterrupt):
            if epochs[-1] == 3:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_fit.EpochReport, "on_epoch_end", lose)
    assert run(tmp_path, "--methods", "SAE", "CAE", "--seeds", 1, epochs=9) == 130
    assert epochs == [1, 2, 3]
    assert rows_of(tmp_path) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_torch_warms_up(tmp_path, monkeypatch):
    def lose(device):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("sklearn_occ.comparison._compare._warm_up", lose)
    assert run(tmp_path, "--methods", "OCSVM", "CAE", "--seeds", 1) == 130
    assert [row["method"] for row in rows_of(tmp_path)] == ["OCSVM"]


def test_ctrl_c_while_the_data_are_read(tmp_path, monkeypatch, capsys):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_occ.comparison._compare.load_data", stop)
    assert run(tmp_path) == 130
    assert capsys.readouterr().err == "sklearn_occ: stopped by Ctrl-C before the first fit.\n"


def test_a_failing_fit_leaves_the_others(tmp_path, monkeypatch, capsys):

    def diverging(seed, network):
        return CAE(lr=1e30 if seed else 1e-3, random_state=seed, **network)

    monkeypatch.setitem(_methods.METHODS, "CAE", diverging)
    assert run(tmp_path, "--methods", "CAE", "OCSVM", "--seeds", 2, epochs=20) == 1
    printed = capsys.readouterr()
    assert "CAE, seed 1 failed: The train loss is nan in epoch" in printed.out
    assert "lower lr" in printed.out
    (line,) = [line for line in printed.out.splitlines() if line.startswith("CAE ")]
    assert line.endswith("1 (1 failed)")
    assert printed.err.splitlines()[-1] == "sklearn_occ: 1 of 4 fits failed, see the table."
    rows = rows_of(tmp_path)
    assert [row["auc"] != "" for row in rows] == [True, False, True, True]
    assert "The train loss is nan" in rows[1]["failure"]
    assert len(list((tmp_path / "fits").iterdir())) == 3  # neither scores nor a checkpoint of the failed one
    assert "CAE, seed 1 failed" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_method_of_which_every_fit_failed(tmp_path, monkeypatch, capsys):

    def diverging(seed, network):
        return CAE(lr=1e30, random_state=seed, **network)

    monkeypatch.setitem(_methods.METHODS, "CAE", diverging)
    assert run(tmp_path, "--methods", "CAE", "--seeds", 1, epochs=20) == 1
    assert "CAE     failed  -" in capsys.readouterr().out
    assert "<h2>ROC" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_warnings_of_a_fit_are_kept_with_it(tmp_path, monkeypatch, capsys):

    def constant(seed, network):
        return CAE(lr=1e-30, random_state=seed, **network)

    monkeypatch.setitem(_methods.METHODS, "CAE", constant)
    zeros = np.zeros((6, 8, 8), dtype=np.float32)
    zeros[0, 0, 0] = 1e-30  # rows differ, their scores do not
    y_test = np.repeat([1, -1], 3)
    np.savez(tmp_path / "flat.npz", X_train=zeros, X_test=zeros, y_test=y_test)
    for _ in range(2):
        assert run(tmp_path, "--data", tmp_path / "flat.npz", "--methods", "CAE", "--seeds", 1) == 0
        assert "CAE, seed 0: CAE gives all 6 calibration rows the score" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "methods"),
    [
        (["cae"], ("CAE",)),
        (["ConOCC,C-OCSVM", "sae"], ("ConOCC", "COCSVM", "SAE")),
        (["ocsvm , CAE", "Cae"], ("OCSVM", "CAE")),
        (["ICS", "D-SVDD"], ("IntraClassSplitting", "DeepSVDD")),
    ],
)
def test_names_of_methods(names, methods):
    assert parse_methods(names) == methods
