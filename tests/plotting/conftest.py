"""Figures without a window, closed after each test."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


@pytest.fixture
def overlaps():
    """`overlaps(figure, texts)`: pairs of texts that cover each other when the figure is drawn."""

    def pairs(figure, texts):
        figure.canvas.draw()
        shown = [text for text in texts if text.get_text()]
        boxes = [text.get_window_extent() for text in shown]
        return [
            (shown[k].get_text(), shown[i].get_text())
            for k in range(len(boxes))
            for i in range(k)
            if boxes[k].overlaps(boxes[i])
        ]

    return pairs


@pytest.fixture
def scored():
    """Scores of 40 majority and 25 minority rows, and labels."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(2, 1, 40), rng.normal(-1, 1, 25)]), np.repeat([1, -1], [40, 25])
