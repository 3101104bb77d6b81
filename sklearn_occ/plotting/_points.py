"""Rows as points in the plane, the classes by colour and marker."""

from ._axes import with_defaults
from ._classes import MINORITY


def draw_points(ax, points, classes, majority_kw=None, minority_kw=None):
    """Draw rows; returns the PathCollection of each class, by its name.

    Parameters
    ----------
    ax : matplotlib Axes
        Where.
    points : ndarray of shape (n, 2)
        Where the rows lie.
    classes : list of (look, rows)
        How each class looks and which rows it has, from `classes_in`.
    majority_kw, minority_kw : dict, default=None
        Passed to `Axes.scatter`. Without labels `majority_kw` counts.
    """
    drawn = {}
    for look, rows in classes:
        defaults = {
            "s": 22,
            "color": look.colour,
            "marker": look.marker,
            "alpha": 0.6,
            "linewidths": 0,
            "zorder": 2 - rows.mean(),  # the smaller class is not hidden
            "label": look.name,
        }
        given = _scatter_options(defaults, minority_kw if look is MINORITY else majority_kw)
        drawn[look.name] = ax.scatter(*points[rows].T, **given)
    return drawn


def draw_center(ax, place, center_kw=None):
    """Draw a star at (x, y), above all points; `center_kw` goes to `Axes.scatter`."""
    defaults = {"s": 260, "color": "#f0e442", "edgecolors": "black", "marker": "*", "zorder": 3, "label": "centre"}
    return ax.scatter(*place, **_scatter_options(defaults, center_kw))


def _scatter_options(defaults, given):
    """`given` over `defaults`; of `c` and `color`, which exclude each other, the one that is given."""
    from matplotlib.collections import PathCollection

    if "c" in (given or {}):
        defaults = {name: value for name, value in defaults.items() if name != "color"}
    return with_defaults(defaults, given, PathCollection)
