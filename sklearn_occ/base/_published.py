"""published: the class method `from_paper`, which gives an estimator the settings of its paper."""

import copy
from textwrap import indent

_DOC = """Return an estimator with published settings; what a paper does not give has the package's default.

Parameters
----------
setting : {{{names}}}, default=None
    None is {first}.

{settings}
**overrides
    Parameters that differ from it, nested ones too.

Returns
-------
estimator : {name}
    Unfitted.

Raises
------
ValueError
    If there is no such setting, or no such parameter.

Notes
-----
{departures}
"""


def published(settings, *, departures):
    """Make the class method `from_paper` of a class.

    Parameters
    ----------
    settings : dict of str to dict
        Parameters by the name of a setting; the first one is the main experiment.
    departures : str
        Where the settings come from, and where the package departs from them.

    Returns
    -------
    from_paper : classmethod
        `from_paper(setting=None, **overrides)`, which documents the settings.
    """

    def from_paper(cls, setting=None, **overrides):
        name = first if setting is None else setting
        if name not in settings:
            raise ValueError(
                f"setting={setting!r} is no published setting of {cls.__name__}: choose among "
                f"{', '.join(map(repr, settings))}."
            )
        return cls(**copy.deepcopy(settings[name])).set_params(**overrides)

    first = next(iter(settings))
    listed = "\n".join(
        f"- {name!r}: {', '.join(f'`{key}={value!r}`' for key, value in params.items())}"
        for name, params in settings.items()
    )
    from_paper.__doc__ = _DOC.format(
        names=", ".join(map(repr, settings)),
        first=repr(first),
        settings=indent(listed, "    "),
        name="estimator of this class",
        departures=" ".join(departures.split()),
    )
    return classmethod(from_paper)
