"""Importing the package needs none of the optional packages, and an absent one is named with the pip command."""

import subprocess
import sys

SCRIPT = """
import sys

for absent in ("skimage", "pooch", "pydicom", "matplotlib", "PIL", "imageio", "accelerate"):
    sys.modules[absent] = None

import numpy as np
import sklearn_occ, sklearn_occ.datasets, sklearn_occ.metrics, sklearn_occ.model_selection, sklearn_occ.preprocessing
import sklearn_occ.plotting

X = sklearn_occ.datasets.load_one_class_digits().X_train
occ = sklearn_occ.CAE(max_epochs=1, channels=4).fit(X)
occ.score_samples(X)
occ.anomaly_map(X, kind="ssim")
for call, extra in [
    (lambda: sklearn_occ.preprocessing.HOG().fit_transform(X), "images"),
    (lambda: sklearn_occ.datasets.read_image(sys.argv[1]), "images"),
    (lambda: sklearn_occ.plotting.ScoreHistogramDisplay.from_predictions(None, [1, 2]), "plot"),
    (lambda: sklearn_occ.plotting.SampleGalleryDisplay.from_estimator(occ, X), "plot"),
]:
    try:
        call()
    except ImportError as error:
        if f'pip install "sklearn_occ[{extra}]"' not in str(error):
            raise
    else:
        raise SystemExit("an absent package was not missed")
from sklearn_occ.__main__ import main
raise SystemExit(0 if main(["compare", "--output", sys.argv[2]]) == 2 else "compare ran without matplotlib")
"""


def test_without_optional_packages(tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(32))
    command = [sys.executable, "-c", SCRIPT, str(image), str(tmp_path / "output")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'pip install "sklearn_occ[plot]"' in done.stderr
    assert "Traceback" not in done.stderr
