"""The store behind the benchmarks: what was computed is not computed again, and what failed is told."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def cells():
    spec = importlib.util.spec_from_file_location("_cells", BENCHMARKS / "_cells.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings(seed, **more):
    return {"experiment": "toy", "method": "CAE", "seed": seed, **more}


def compute_into(computed):
    def compute(cell, checkpoint):
        computed.append(cell["seed"])
        if cell["seed"] == 2:
            raise ValueError("too few rows")
        if cell["seed"] == 3:
            raise RuntimeError("a defect")
        return {"figures": {"auc": cell["seed"] / 10}, "arrays": {"scores": np.arange(3)}, "fit_seconds": 1.5}

    return compute


def test_only_what_is_absent_is_computed(cells, tmp_path, capsys):
    computed = []
    cells.run([settings(0), settings(1)], compute_into(computed), tmp_path, 1)
    cells.run([settings(0), settings(1), settings(0, epochs=3)], compute_into(computed), tmp_path, 1)
    assert computed == [0, 1, 0]
    assert cells.figures([settings(0), settings(1)], tmp_path, "auc") == [0.0, 0.1]
    assert cells.figures([settings(1)], tmp_path, "fit_seconds") == [1.5]
    np.testing.assert_array_equal(cells.read_arrays(settings(1), tmp_path)["scores"], np.arange(3))
    assert "2 of 3 cells are in" in capsys.readouterr().out


def test_the_mean_over_classes_has_the_spread_of_seeds(cells, tmp_path):
    asked = [settings(seed, **{"class": k}) for seed in (0, 1) for k in range(3)]

    def compute(cell, checkpoint):
        return {"figures": {"auc": cell["class"] / 10 + cell["seed"] / 2}}

    cells.run(asked[:-1], compute, tmp_path, 1)
    assert cells.mean_over_classes(asked, tmp_path, "auc", 2) == "-"
    cells.run(asked, compute, tmp_path, 1)
    assert cells.mean_over_classes(asked, tmp_path, "auc", 2) == "35.0 ± 35.4"  # of 10 and 60


def test_a_failure_is_kept_a_defect_is_not(cells, tmp_path, capsys):
    asked = [settings(seed) for seed in range(4)]
    assert cells.run(asked, compute_into([]), tmp_path, 1) == 1
    assert cells.read(settings(2), tmp_path)["failure"] == "too few rows"
    assert cells.read(settings(3), tmp_path) is None
    again = []
    assert cells.run(asked, compute_into(again), tmp_path, 1) == 1
    assert again == [3]
    cells.missing(asked, tmp_path)
    printed = capsys.readouterr().out
    assert "RuntimeError: a defect" in printed
    assert "1 of 4 cells are not computed yet" in printed and "too few rows" in printed


def test_what_a_kill_leaves_half_written_does_not_count(cells, tmp_path):
    path = cells.path_of(settings(0), tmp_path)
    path.with_name(f"{path.name}.json.123.tmp").write_text("{")
    computed = []
    cells.run([settings(0)], compute_into(computed), tmp_path, 1)
    assert computed == [0]
    assert json.loads(path.with_suffix(".json").read_text())["figures"] == {"auc": 0.0}


def test_mean_and_spread(cells):
    assert cells.mean_std([0.5, 0.7], 2) == "60.0 ± 14.1"
    assert cells.mean_std([0.5], 3) == "50.0 (1 of 3)"
    assert cells.mean_std([], 3) == "-"
