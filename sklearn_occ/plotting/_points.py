"""Rows as points in the plane, the classes by colour and marker."""

from ._axes import with_defaults
from ._classes import MINORITY, classes_in


def draw_points(ax, points, y, majority_kw=None, minority_kw=None):
    """Draw rows; returns the PathCollection of each class, by its name.

    Parameters
    ----------
    ax : matplotlib Axes
        Where.
    points : ndarray of shape (n, 2)
        Where the rows lie.
    y : array-like of shape (n,) or None
        1 majority, -1 minority; None draws all rows alike.
    majority_kw, minority_kw : dict, default=None
        Passed to `Axes.scatter`. Without labels `majority_kw` counts.
    """
    from matplotlib.collections import PathCollection

    drawn = {}
    for look, rows in classes_in(y, len(points)):
        defaults = {
            "s": 22,
            "color": look.colour,
            "marker": look.marker,
            "alpha": 0.6,
            "linewidths": 0,
            "zorder": 2 - rows.mean(),  # the smaller class is not hidden
            "label": look.name,
        }
        given = with_defaults(defaults, minority_kw if look is MINORITY else majority_kw, PathCollection)
        drawn[look.name] = ax.scatter(*points[rows].T, **given)
    return drawn


def draw_centre(ax, place, centre_kw=None):
    """Draw a star at (x, y), above all points; `centre_kw` goes to `Axes.scatter`."""
    from matplotlib.collections import PathCollection

    defaults = {"s": 260, "color": "#f0e442", "edgecolors": "black", "marker": "*", "zorder": 3, "label": "centre"}
    return ax.scatter(*place, **with_defaults(defaults, centre_kw, PathCollection))
