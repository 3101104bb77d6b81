"""TrainingCurveDisplay: the losses of each epoch."""

from itertools import accumulate

import numpy as np
from sklearn.utils._param_validation import validate_params

from ._axes import axes_grid, legend_above, require_matplotlib, with_defaults
from ._fitted import owner_of

_LOOKS = (("#0072b2", "-"), ("#d55e00", "--"), ("#009e73", "-."), ("#cc79a7", ":"), ("#000000", (0, (5, 1))))


class TrainingCurveDisplay:
    """Losses of each epoch, a panel for each stage of training.

    A curve is what the stage minimises in that epoch: with `ConOCC(schedule="alternating")` every
    `update_interval_ + 1`-th epoch trains the constraint alone and stands out. With players (`AnoGAN`) there is a curve
    for each and one for their sum.

    `from_estimator` and `from_history` make one and draw it; the parameters are kept as attributes.

    Parameters
    ----------
    curves : dict of str to dict of str to ndarray
        The losses of each stage by name, such as `{"train": {"train_loss": [3.1, 2.4]}}`.

    Attributes
    ----------
    lines_ : dict of str to dict of str to matplotlib Line2D
        As `curves`.
    axes_ : ndarray of matplotlib Axes, shape (n_stages,)
        The panels.
    figure_ : matplotlib Figure
        Where it was drawn.

    See Also
    --------
    ScoreHistogramDisplay : Histograms of the scores.
    CodeMapDisplay : The codes of the rows.

    Examples
    --------
    >>> from sklearn_occ import DeepSVDD
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.plotting import TrainingCurveDisplay
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = DeepSVDD(pretrain_epochs=5, max_epochs=10, channels=4, validation_fraction=0.2, random_state=0)
    >>> display = TrainingCurveDisplay.from_estimator(occ.fit(digits.X_train), log=True)
    >>> {stage: list(losses) for stage, losses in display.curves.items()}
    {'pretrain': ['train_loss', 'valid_loss'], 'train': ['train_loss', 'valid_loss']}
    """

    def __init__(self, *, curves):
        self.curves = curves

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **plot_kw):
        """Draw the `history_` of a fitted network.

        Parameters
        ----------
        estimator : fitted estimator with `history_`
            A pipeline or search that ends in one, or `COCSVM`, will do; of a `SeedEnsemble` pass one of `estimators_`.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        owner = owner_of(estimator, "history_")
        if owner is None:
            raise TypeError(
                f"{cls.__name__} needs a fitted network with history_, but {type(estimator).__name__} has none; fit it "
                "first, or pass the network inside it."
            )
        return cls.from_history(owner.history_, stages=owner.net_.epochs_, ax=ax, **plot_kw)

    @classmethod
    @validate_params({"stages": [dict, None]}, prefer_skip_nested_validation=False)
    def from_history(cls, history, *, stages=None, ax=None, **plot_kw):
        """Draw a history that is there.

        Parameters
        ----------
        history : list of dict
            One for each epoch; every key that ends in "_loss" is a curve. skorch's `History` is such a list.
        stages : dict of str to int, default=None
            Number of epochs of each stage, in their order; None is a single one.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        history = list(history)
        stages = {"train": len(history)} if stages is None else {name: n for name, n in stages.items() if n}
        if not history or sum(stages.values()) != len(history):
            raise ValueError(
                f"history has {len(history)} epochs and stages {sum(stages.values())}, expected one and the same "
                "number of at least 1; pass the history of a whole fit."
            )
        ends = accumulate(stages.values())
        curves = {name: _losses(history[end - n : end]) for (name, n), end in zip(stages.items(), ends, strict=True)}
        return cls(curves=curves).plot(ax, **plot_kw)

    @validate_params({"log": ["boolean"]}, prefer_skip_nested_validation=False)
    def plot(self, ax=None, *, log=False, line_kw=None, legend_kw=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            An Axes or cell of a grid is divided where there are several stages, an array has one for each. None makes
            a figure.
        log : bool, default=False
            Logarithmic axis of the losses, which then have to be above 0.
        line_kw : dict of str to dict, default=None
            Passed to `Axes.plot`, for each curve by name, such as `{"train_loss": {"color": "black"}}`.
        legend_kw : dict, default=None
            Passed to `Axes.legend`.

        Returns
        -------
        self
            With what was drawn in its attributes.
        """
        require_matplotlib(type(self))
        from matplotlib.lines import Line2D

        if log:
            losses = [losses for of_stage in self.curves.values() for losses in of_stage.values()]
            lowest = np.fmin.reduce(np.concatenate(losses))  # of those that are numbers
            if lowest <= 0:
                raise ValueError(
                    f"log=True, but the lowest loss is {lowest:g}, expected only losses above 0; set log=False."
                )
        n_stages = len(self.curves)
        self.axes_ = axes_grid(ax, 1, n_stages, size=(1 + 5 * n_stages, 3.8), wspace=0.4)[0]
        self.figure_ = self.axes_[0].figure
        self.lines_ = {}
        self.axes_[0].set_ylabel("loss")
        for panel, (stage, of_stage) in zip(self.axes_, self.curves.items(), strict=True):
            self.lines_[stage] = {}
            for number, (name, losses) in enumerate(of_stage.items()):
                colour, line = _LOOKS[number % len(_LOOKS)]
                defaults = {
                    "color": colour,
                    "linestyle": line,
                    "linewidth": 1.6,
                    "marker": "." if len(losses) == 1 else "",
                    "label": _label(name),
                }
                given = with_defaults(defaults, (line_kw or {}).get(name), Line2D)
                epochs = np.arange(1, len(losses) + 1)
                (self.lines_[stage][name],) = panel.plot(epochs, losses, **given)
            panel.set(
                xlabel="epoch" if n_stages == 1 else f"epoch, stage {stage!r}",
                yscale="log" if log else "linear",
            )
            panel.xaxis.get_major_locator().set_params(integer=True)
            legend_above(panel, legend_kw)
        return self


def _losses(rows):
    """Every loss as an array, NaN where an epoch has none."""
    names = dict.fromkeys(name for row in rows for name in row if name.endswith("_loss"))
    if not names:
        raise ValueError(
            f"{len(rows)} epochs of history have the keys {sorted(set().union(*rows))}, expected one that ends in "
            "'_loss'; pass the history of a fit."
        )
    in_order = sorted(names, key=lambda name: (name != "train_loss", name != "valid_loss"))
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in in_order}


def _label(name):
    rows, *player = name.removesuffix("_loss").split("_", 1)
    return ", ".join([{"train": "training", "valid": "validation"}.get(rows, rows), *player])
