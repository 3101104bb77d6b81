"""The job: every method with every seed, resumed where an earlier run stopped."""

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ..reconstruction import CAE
from ._ctrl_c import CtrlC
from ._data import load_data
from ._fit import FitFile, fingerprint
from ._methods import DEFAULT_METHODS, WITHOUT_NETWORK, choose_device, parse_methods
from ._progress import Progress
from ._report import require_matplotlib, write_report
from ._table import write_csv


@dataclass
class Comparison:
    """What `compare` found.

    Parameters
    ----------
    data : Bunch
        As `load_data` returns it.
    methods : tuple of str
        Names of the methods, in the order asked for.
    seeds : int
        Number of seeds asked for.
    fits : list of Fit
        Those that ended, in the order of methods and seeds, failed ones among them.
    interrupted : bool, default=False
        Whether Ctrl-C ended it early.

    Attributes
    ----------
    data, methods, seeds, fits, interrupted
        The parameters.

    See Also
    --------
    compare : Function that returns one.
    text_table : The figures as text.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_occ.comparison import compare
    >>> comparison = compare("digits", tempfile.mkdtemp(), methods=["OCSVM"], seeds=1)
    >>> comparison.methods, len(comparison.fits_of("OCSVM")), comparison.interrupted
    (('OCSVM',), 1, False)
    """

    data: Bunch
    methods: tuple
    seeds: int
    fits: list
    interrupted: bool = False

    def fits_of(self, method):
        """Return the fits of one method that have scores.

        Parameters
        ----------
        method : str
            Name of the method.

        Returns
        -------
        fits : list of Fit
            In the order of seeds.
        """
        return [fit for fit in self.fits if fit.settings["method"] == method and not fit.failure]

    @property
    def failures(self):
        """The fits without scores."""
        return [fit for fit in self.fits if fit.failure]


@validate_params(
    {
        "methods": ["array-like"],
        "seeds": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "channels": [Interval(Integral, 1, None, closed="left"), None],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "device": [StrOptions({"auto", "cpu", "cuda"})],
    },
    prefer_skip_nested_validation=True,
)
def compare(
    data,
    output,
    *,
    methods=DEFAULT_METHODS,
    seeds=3,
    epochs="auto",
    channels=None,
    majority=None,
    image_size=None,
    device="auto",
):
    """Fit methods on majority samples, score the test set, write ``results.csv`` and ``report.html``.

    Every method is fitted with `random_state` 0 to `seeds` - 1. Each finished fit is written to
    ``output/fits`` at once, and read from there when the same fit is asked for again; a fit of a network
    that was killed goes on from its last checkpoint. Images are used as they are, features of a table are
    standardised with the mean and the standard deviation of the training rows.

    Parameters
    ----------
    data : str or path-like
        As in `load_data`, `majority` and `image_size` too.
    output : str or path-like
        Folder for the results; made where it is missing.
    methods : sequence of str, default=DEFAULT_METHODS
        Names among `METHODS`, as `parse_methods` reads them; by default `DEFAULT_METHODS`: neither those that
        take minutes to hours nor the baselines of the literature.
    seeds : int, default=3
        Number of fits of each method.
    epochs : int or "auto", default="auto"
        Epochs of each network; "auto" are those that each method has by default.
    channels : int, default=None
        Channels of the first stage of the networks of images; None are those that each method has by default. Tables
        have none.
    majority : int or str, default=None
        The label that is the majority.
    image_size : int, default=None
        Side in pixels to which images are resized.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where networks are trained and run; "auto" is CUDA where there is one.

    Returns
    -------
    comparison : Comparison
        After Ctrl-C with `interrupted` True and the fits finished until then, which are written too.

    Raises
    ------
    ValueError, OSError
        If an argument or the data cannot be used; raised before the first fit.
    ImportError
        If matplotlib is absent, which the report needs.

    See Also
    --------
    load_data : The data that it reads.
    parse_methods : How names of methods are read.
    text_table : The figures of what it returns, as text.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_occ.comparison import compare
    >>> comparison = compare("digits", tempfile.mkdtemp(), methods=["OCSVM"], seeds=1)
    >>> print(f"{comparison.fits[0].figures(comparison.data.y_test)['auc']:.3f}")
    1.000
    """
    require_matplotlib()
    methods = parse_methods(methods)
    device = choose_device(device)
    data = load_data(data, majority=majority, image_size=image_size)
    data.fingerprint = fingerprint(data)
    if channels is not None and data.X_train.ndim == 2:
        raise ValueError(f"channels is {channels}, but {data.name} is a table, whose networks have none: leave it out.")
    output = _make_folder(Path(output))
    files = [
        FitFile(
            output / "fits",
            data,
            method=method,
            seed=seed,
            epochs=epochs,
            channels=channels,
            device=device,
        )
        for method in methods
        for seed in range(seeds)
    ]
    comparison = Comparison(data, methods, seeds, [])
    try:
        _run(files, data, comparison.fits, device)
    except KeyboardInterrupt:
        comparison.interrupted = True
    write_csv(output / "results.csv", comparison)
    write_report(output / "report.html", comparison)
    return comparison


def _run(files, data, fits, device):
    """Append one Fit to `fits` for each file."""
    is_warm = False
    with CtrlC() as ctrl_c, Progress(len(files)) as progress:

        def on_epoch(part):
            ctrl_c.raise_if_pressed()
            progress.within(part)

        for file in files:
            progress.begin(f"{file.settings['method']}, seed {file.settings['seed']}")
            fit = file.read()
            if fit is None:
                if not is_warm and file.settings["method"] not in WITHOUT_NETWORK:
                    _warm_up(device)
                    is_warm = True
                    ctrl_c.raise_if_pressed()
                fit = file.run(data, on_epoch=on_epoch)
            fits.append(fit)
            progress.end(fit, fit.figures(data.y_test))
            ctrl_c.raise_if_pressed()


def _warm_up(device):
    """Train a network of no use, so that no method's time holds what torch sets up once (seconds)."""
    X = np.arange(128, dtype=np.float32).reshape(2, 8, 8) / 128
    CAE(max_epochs=1, channels=1, device=device, random_state=0).fit(X).score_samples(X)


def _make_folder(output):
    try:
        (output / "fits").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"The output folder {str(output)!r} cannot be made ({error.strerror}): name another.") from error
    return output
