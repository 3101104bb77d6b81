"""An estimator that the package exports is tested, compared and benchmarked without being named again."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import NAMES, OTHER_ROWS, QUICK, VARIANTS, short
from sklearn.base import BaseEstimator

import sklearn_occ
from sklearn_occ._detectors import PAPER_NAMES, all_detectors, has_network

ROOT = Path(__file__).parents[1]
CONTRACT = {  # files and a test in each that ask every estimator
    "tests/test_common.py": "test_scikit_learn",
    "tests/base/test_input.py": "test_not_finite",
    "tests/base/test_scores.py": "test_same_seed_same_bits",
    "tests/base/test_detector.py": "test_rows_held_out_set_the_threshold",
    "tests/base/test_anomaly_map.py": "test_layouts_and_bytes",
    "tests/_engine/test_training.py": "test_training_lowers_the_loss",
    "tests/_engine/test_checkpoint.py": "resumes_to_the_same_bits",
}
SCRIPT = """
import sys
sys.path.insert(0, "benchmarks")
import sklearn_occ

class Throwaway(sklearn_occ.CAE):
    pass

sklearn_occ.Throwaway = Throwaway
sklearn_occ.__all__.append("Throwaway")
import _methods
from sklearn_occ.comparison import METHODS
print(METHODS["Throwaway"](7, {"max_epochs": 3}))
print("Throwaway" in _methods.OURS)
import pytest
raise SystemExit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-k", "Throwaway", *sys.argv[1:]]))
"""


def test_a_new_estimator_is_in_every_list():
    command = [sys.executable, "-c", SCRIPT, *CONTRACT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    of_compare, of_benchmarks, *tests = done.stdout.splitlines()
    assert of_compare == "Throwaway(max_epochs=3, random_state=7)"
    assert of_benchmarks == "True"
    for file, name in CONTRACT.items():
        assert any(test.startswith(f"{file}::") and name in test for test in tests), file


def test_every_exported_class_is_a_detector():
    assert list(all_detectors()) == sklearn_occ.__all__
    assert set(NAMES) | set(OTHER_ROWS) == set(sklearn_occ.__all__)
    assert set(PAPER_NAMES.values()) < set(all_detectors())


def test_what_is_exported_beside_detectors_is_none(monkeypatch):
    monkeypatch.setattr(sklearn_occ, "__all__", ["CAE", "function", "Other"])
    monkeypatch.setattr(sklearn_occ, "function", lambda: None, raising=False)
    monkeypatch.setattr(sklearn_occ, "Other", BaseEstimator, raising=False)
    assert all_detectors() == {"CAE": sklearn_occ.CAE}


def test_which_detectors_train_a_network():
    without = {name for name, detector in all_detectors().items() if not has_network(detector)}
    assert without >= {"OCSVM", "PCAReconstruction"}
    assert not {"CAE", "COCSVM", "AEGMM", "AnoGAN"} & without


@pytest.mark.parametrize("name", QUICK)
def test_settings_of_the_tests_are_short(name):
    epochs = {key: value for key, value in QUICK[name].get_params().items() if key.split("__")[-1].endswith("epochs")}
    assert all(number <= 2 for number in epochs.values())
    assert type(QUICK[name]) is all_detectors()[VARIANTS[name][0] if name in VARIANTS else name]


def test_a_setting_beats_the_short_one():
    assert short("CAE", max_epochs=5).max_epochs == 5
