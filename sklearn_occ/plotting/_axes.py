"""Where a display draws: axes of its own, or what it was given."""

import numpy as np

from .._optional import require


def require_matplotlib(display):
    """Raise the ImportError that says what to install, where matplotlib is absent."""
    require("matplotlib.figure", purpose=display.__name__, extra="plot")


def one_axes(ax, *, size):
    """The axes of a single panel, see `axes_grid`."""
    return axes_grid(ax, 1, 1, size=size)[0, 0]


def axes_grid(place, n_rows, n_columns, *, size, width_ratios=None, wspace=None):
    """Axes of several panels.

    Parameters
    ----------
    place : Axes, SubplotSpec, GridSpec, array-like of Axes, or None
        As many axes as there are panels are taken as they are, row by row. An Axes for more than one is switched off
        and its place divided, as is a cell of a grid or a whole grid. None makes a pyplot figure.
    n_rows, n_columns : int
        The panels.
    size : tuple of float
        Width and height of a new figure, inches.
    width_ratios : list of float, default=None
        Of the columns, where the axes are made here; None makes them equal.
    wspace : float, default=None
        Gap between the columns, in widths of a panel, where a place is divided.

    Returns
    -------
    axes : ndarray of Axes, shape (n_rows, n_columns)

    Raises
    ------
    ValueError
        If another number of axes is given.
    """
    from matplotlib.axes import Axes
    from matplotlib.gridspec import GridSpec, SubplotSpec

    if place is None:
        pyplot = require("matplotlib.pyplot", purpose="A new figure", extra="plot")
        figure = pyplot.figure(figsize=size, layout="constrained")
        return figure.subplots(n_rows, n_columns, squeeze=False, width_ratios=width_ratios)
    if isinstance(place, Axes) and n_rows * n_columns > 1:
        place.set_axis_off()
        place = place.get_subplotspec() or _cell_at(place)
    if isinstance(place, GridSpec):
        place = place[:]
    if isinstance(place, SubplotSpec):
        grid = place.subgridspec(n_rows, n_columns, width_ratios=width_ratios, wspace=wspace)
        return grid.subplots(squeeze=False)
    axes = np.array(place, dtype=object)
    if axes.size != n_rows * n_columns:
        raise ValueError(
            f"ax holds {axes.size} axes, but {n_rows * n_columns} panels are drawn; give one Axes, whose place is "
            "divided, or one for each panel."
        )
    return axes.reshape(n_rows, n_columns)


def _cell_at(ax):
    """A cell where axes lie that were put by hand."""
    box = ax.get_position()
    return ax.figure.add_gridspec(1, 1, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1)[0]


def with_defaults(defaults, given, artist):
    """`given` over `defaults`, with matplotlib's short names of the properties of `artist` written out."""
    from matplotlib.cbook import normalize_kwargs

    return normalize_kwargs(defaults, artist) | normalize_kwargs(given or {}, artist)


def legend_above(ax, given):
    """Legend over the axes, where it covers nothing; `given` goes to `Axes.legend`."""
    handles, _ = ax.get_legend_handles_labels()
    defaults = {
        "loc": "lower left",
        "bbox_to_anchor": (0, 1.01),
        "ncols": len(handles),
        "frameon": False,
        "borderaxespad": 0,
        "fontsize": 9,
        "columnspacing": 1.2,
    }
    return ax.legend(**defaults | (given or {}))
