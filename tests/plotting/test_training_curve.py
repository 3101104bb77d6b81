"""Curves of each stage and player, as the history has them."""

import numpy as np
import pytest
from conftest import quick
from matplotlib import pyplot
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_occ.plotting import TrainingCurveDisplay

HISTORY = [{"epoch": k, "dur": 0.1, "train_loss": 9.0 / k, "train_loss_best": True} for k in range(1, 8)]


def test_losses_over_epochs():
    history = [{**row, "valid_loss": 2 * row["train_loss"], "train_encoder_loss": 1.0} for row in HISTORY]
    display = TrainingCurveDisplay.from_history(history)
    (of_stage,) = display.lines_.values()
    assert list(of_stage) == ["train_loss", "valid_loss", "train_encoder_loss"]
    np.testing.assert_array_equal(of_stage["train_loss"].get_xdata(), np.arange(1, 8))
    np.testing.assert_array_equal(of_stage["valid_loss"].get_ydata(), 18.0 / np.arange(1, 8))
    labels = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert labels == ["training", "validation", "training, encoder"]
    looks = {(line.get_color(), line.get_linestyle()) for line in of_stage.values()}
    assert len({colour for colour, _ in looks}) == len({line for _, line in looks}) == 3
    assert display.axes_[0].get_yscale() == "linear"


def test_a_loss_that_some_epochs_lack_is_a_gap():
    display = TrainingCurveDisplay.from_history([*HISTORY, {"train_loss": 1.0, "valid_loss": 4.0}])
    valid = display.lines_["train"]["valid_loss"].get_ydata()
    assert np.isnan(valid[:-1]).all()
    assert valid[-1] == 4


def test_one_epoch_is_seen():
    display = TrainingCurveDisplay.from_history(HISTORY[:1])
    assert display.lines_["train"]["train_loss"].get_marker() == "."


def test_a_panel_for_each_stage(overlaps):
    display = TrainingCurveDisplay.from_history(HISTORY, stages={"pretrain": 3, "none": 0, "train": 4}, log=True)
    assert list(display.lines_) == ["pretrain", "train"]
    np.testing.assert_array_equal(display.lines_["pretrain"]["train_loss"].get_ydata(), 9 / np.arange(1, 4))
    np.testing.assert_array_equal(display.lines_["train"]["train_loss"].get_ydata(), 9 / np.arange(4, 8))
    np.testing.assert_array_equal(display.lines_["train"]["train_loss"].get_xdata(), np.arange(1, 5))
    assert [ax.get_xlabel() for ax in display.axes_] == ["epoch, stage 'pretrain'", "epoch, stage 'train'"]
    assert all(ax.get_yscale() == "log" for ax in display.axes_)
    assert overlaps(display.figure_, [ax.xaxis.label for ax in display.axes_]) == []


def test_line_kw_and_legend_kw():
    display = TrainingCurveDisplay.from_history(
        HISTORY, line_kw={"train_loss": {"c": "red", "label": "L"}}, legend_kw={"title": "losses"}
    )
    assert display.lines_["train"]["train_loss"].get_color() == "red"
    assert display.axes_[0].get_legend().get_title().get_text() == "losses"


@pytest.mark.parametrize("name", ["CAE", "DeepSVDD", "AnoGAN", "DAGMM"])
def test_estimator_and_history_agree(name, rng):
    occ = quick(name, validation_fraction=0.2).fit(rng.normal(size=(30, 4)))
    first = TrainingCurveDisplay.from_estimator(occ)
    second = TrainingCurveDisplay.from_history(occ.history_, stages=occ.net_.epochs_)
    assert list(first.curves) == (["pretrain", "train"] if name == "DeepSVDD" else ["train"])
    for stage, of_stage in first.curves.items():
        for key, losses in of_stage.items():
            np.testing.assert_array_equal(second.curves[stage][key], losses)
    losses = np.concatenate([of_stage["train_loss"] for of_stage in first.curves.values()])
    assert losses.tolist() == occ.history_[:, "train_loss"]
    players = {"train_generator_loss", "train_discriminator_loss"}
    assert players & set(first.curves["train"]) == (players if name == "AnoGAN" else set())


def test_network_inside_another_estimator(rng):
    X = rng.normal(size=(20, 4))
    pipe = make_pipeline(StandardScaler(), quick("SAE")).fit(X)
    assert (
        TrainingCurveDisplay.from_estimator(pipe).curves["train"]["train_loss"][0] == pipe[-1].history_[0, "train_loss"]
    )
    two_stages = quick("COCSVM").fit(X)
    assert len(TrainingCurveDisplay.from_estimator(two_stages).curves["train"]["train_loss"]) == 2


def test_places():
    stages = {"pretrain": 3, "train": 4}
    figure, axes = pyplot.subplots(1, 2)
    display = TrainingCurveDisplay.from_history(HISTORY, stages=stages, ax=axes)
    assert list(display.axes_) == list(axes)
    assert TrainingCurveDisplay.from_history(HISTORY, ax=axes[0]).axes_[0] is axes[0]

    figure = pyplot.figure()
    right = figure.add_gridspec(1, 2)[1]
    display = TrainingCurveDisplay.from_history(HISTORY, stages=stages, ax=right)
    assert display.figure_ is figure
    assert all(ax.get_position().x0 > 0.5 for ax in display.axes_)
    whole = TrainingCurveDisplay.from_history(HISTORY, stages=stages, ax=figure.add_gridspec(1, 2)).axes_
    assert whole[0].get_position().x0 < 0.2
    assert whole[1].get_position().x1 > 0.8

    by_hand = figure.add_axes((0.1, 0.2, 0.3, 0.4))
    divided = TrainingCurveDisplay.from_history(HISTORY, stages=stages, ax=by_hand).axes_
    assert not by_hand.axison
    np.testing.assert_allclose([divided[0].get_position().x0, divided[1].get_position().x1], [0.1, 0.4])
    np.testing.assert_allclose(divided[0].get_position().extents[[1, 3]], [0.2, 0.6])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"history": []}, "history has 0 epochs and stages 0"),
        ({"stages": {"train": 6}}, "history has 7 epochs and stages 6, expected one and the same"),
        ({"history": [{"train_loss": -1.5}], "log": True}, "log=True, but the lowest loss is -1.5"),
        ({"log": "yes"}, "'log' parameter"),
        (
            {"history": [{"epoch": 1}]},
            r"1 epochs of history have the keys \['epoch'\], expected one that ends in '_loss'",
        ),
        (
            {"history": [{"dur": 1.0}, *HISTORY[:2]], "stages": {"a": 1, "b": 2}},
            r"1 epochs of history have the keys \['dur'\]",
        ),
        ({"history": [{"train_loss": np.nan}, {"train_loss": 0.0}], "log": True}, "the lowest loss is 0"),
    ],
)
def test_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TrainingCurveDisplay.from_history(**{"history": HISTORY} | kwargs)


@pytest.mark.parametrize("log", [False, True])
def test_losses_that_are_no_numbers_leave_a_gap(log):
    display = TrainingCurveDisplay.from_history([{"train_loss": np.nan}] * 3, log=log)
    display.figure_.canvas.draw()
    assert np.isnan(display.lines_["train"]["train_loss"].get_ydata()).all()


def test_another_number_of_axes():
    with pytest.raises(ValueError, match="ax holds 3 axes, but 2 panels are drawn"):
        TrainingCurveDisplay.from_history(HISTORY, stages={"a": 3, "b": 4}, ax=pyplot.subplots(1, 3)[1])


@pytest.mark.parametrize("name", ["OCSVM", "SeedEnsemble"])
def test_an_estimator_without_history(name, rng):
    with pytest.raises(TypeError, match=f"needs a fitted network with history_, but {name} has none"):
        TrainingCurveDisplay.from_estimator(quick(name).fit(rng.normal(size=(20, 3))))
    with pytest.raises(TypeError, match="fit it first"):
        TrainingCurveDisplay.from_estimator(quick("CAE"))
