"""Exit codes, messages and the page of `python -m sklearn_occ`."""

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from sklearn_occ.__main__ import main
from sklearn_occ.comparison._progress import Progress


def compare(output, *arguments):
    return main(["compare", "--output", str(output), "--epochs", "2", *arguments])


def test_without_arguments_help_is_printed(capsys):
    assert main([]) == 2
    assert "compare" in capsys.readouterr().out


def test_help_explains_each_option(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["compare", "--help"])
    assert ended.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    options = re.findall(r" --([a-z-]+) [A-Z{]\S* (?:\[METHOD \.\.\.\] )?[a-z]", out)
    assert set(options) >= {"data", "majority", "methods", "seeds", "epochs", "channels", "image-size", "output"}
    assert "(default: those of each method, a number of training steps)" in out
    assert "130 stopped by Ctrl-C" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "CAE", "PCA"], "'PCA' is no method here: choose among AEGMM, CAE, COCSVM, "),
        (["--methods", ","], "No method is given"),
        (["--data", "no/such/path"], "'no/such/path' is neither a file nor a folder"),
        (["--majority", "x"], "majority is 'x', expected a digit"),
        (["--seeds", "0"], "argument --seeds: '0' is given, expected a whole number of at least 1"),
        (["--epochs", "ten"], "argument --epochs: 'ten' is given"),
        (["--image-size", "-3"], "argument --image-size"),
        (["--device", "tpu"], "argument --device: invalid choice: 'tpu'"),
        (["--colour", "red"], "unrecognized arguments: --colour red; see python -m sklearn_occ"),
        (["--device", "cuda"], "torch finds no CUDA device"),
    ],
)
def test_errors_of_the_user(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert compare(tmp_path / "out", *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("sklearn_occ: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unknown_command(capsys):
    assert main(["train"]) == 2
    assert "invalid choice: 'train'" in capsys.readouterr().err


def test_channels_of_a_table(tmp_path, capsys):
    np.savez(tmp_path / "t.npz", X=np.random.default_rng(0).normal(size=(12, 3)), y=np.repeat([0, 1], 6))
    assert compare(tmp_path / "out", "--data", str(tmp_path / "t.npz"), "--channels", "8") == 2
    assert "channels is 8, but t.npz is a table" in capsys.readouterr().err


def test_an_output_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("kept")
    assert compare(tmp_path / "file") == 2
    assert "file' cannot be made (" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "kept"


def test_matplotlib_is_looked_for_before_the_first_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert compare(tmp_path / "out") == 2
    assert 'pip install "sklearn_occ[plot]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_error_of_the_program_keeps_its_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_occ.comparison._compare.fingerprint", lambda data: data.no_such_thing)
    with pytest.raises(AttributeError):
        compare(tmp_path)


class Page(HTMLParser):
    """Collects references, figures and text, and checks that elements are closed."""

    VOID = frozenset({"meta", "img", "br", "path", "use", "rect"})

    def __init__(self, text):
        super().__init__()
        self.references, self.samples, self.text, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.references += [v for k, v in attrs.items() if k in ("src", "href", "xlink:href", "data", "action")]
        if tag == "figure":
            self.samples.append(attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page(tmp_path):
    assert compare(tmp_path, "--seeds", "3", "--channels", "4", "--methods", "CAE", "OCSVM") == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all(reference.startswith(("data:image/png;base64,", "#")) for reference in page.references)
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    assert not re.search(r"#0101\d\d|#0102\d\d", text)  # every colour belongs to the style sheet
    assert len(text) < 1_500_000
    assert "<title>digits, majority 0: CAE and OCSVM compared</title>" in text
    assert text.count("<svg") == 3

    words = " ".join(page.text)
    (seed,) = re.findall(r"CAE, seed (\d); OCSVM", words)
    scores = {}
    for file in (tmp_path / "fits").glob("CAE-*.npz"):
        scores[file.name[4]] = np.load(file)["scores"]
    y_test = np.load(file)["y_test"]
    with (tmp_path / "results.csv").open() as file:
        aucs = [line.split(",")[2] for line in file if line.startswith("CAE")]
    assert np.argsort(np.array(aucs, dtype=float))[1] == int(seed)

    order = np.argsort(-scores[seed], kind="stable")
    expected = [*order[:8], *order[::-1][:8]]
    assert [sample["title"] for sample in page.samples[:16]] == [f"row {row}" for row in expected]
    classes = ["majority" if y_test[row] == 1 else "minority" for row in expected]
    assert [sample["class"] for sample in page.samples[:16]] == classes
    for row in expected:
        assert f"{scores[seed][row]:.4g}" in words


def test_samples_of_a_table_are_listed(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "t.npz", X_train=X, X_test=X[:5], y_test=[1, -1, 1, 1, -1])
    assert compare(tmp_path, "--data", str(tmp_path / "t.npz"), "--methods", "OCSVM", "--seeds", "1") == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    Page(text)
    (stored,) = (tmp_path / "fits").iterdir()
    scores = np.load(stored)["scores"]
    best = int(np.argmax(scores))
    label = "minority" if best in (1, 4) else "majority"
    assert f"<tr><td>row {best}</td><td>{scores[best]:.4g}</td><td>{label}</td></tr>" in text


@pytest.mark.parametrize("shape", [(3, 6, 6), (2, 6, 6), (200, 150)])
def test_samples_in_colour_of_other_channels_and_large(tmp_path, shape):
    X = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    np.savez(tmp_path / "i.npz", X_train=X, X_test=X, y_test=[1, -1] * 3)
    assert compare(tmp_path, "--data", str(tmp_path / "i.npz"), "--methods", "OCSVM", "--seeds", "1") == 0
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("data:image/png") == 12


class Terminal:
    """Stands for stderr on a terminal."""

    def __init__(self):
        self.written = ""

    def write(self, text):
        self.written += text

    def flush(self):
        pass

    def isatty(self):
        return True


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(4) as progress:
        progress.begin("CAE, seed 0")
        progress.within(0.5)
        assert progress.bar.n == 0.5
        progress.end(None, {})
        progress.begin("CAE, seed 1")
        assert progress.bar.n == 1
    assert "CAE, seed 0 (fit 1 of 4)" in terminal.written
    assert "CAE, seed 1 (fit 2 of 4)" in terminal.written
    assert " 25%" in terminal.written
