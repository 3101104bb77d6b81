"""One fit of the comparison: done, timed, and kept in a file from which a rerun reads it."""

import hashlib
import json
import os
import time
import warnings
from dataclasses import dataclass, replace

import joblib
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback

from .. import __version__
from ..metrics import aupr_score
from ._methods import WITHOUT_NETWORK, make_detector, network_of


@dataclass(frozen=True)
class Fit:
    """What is known of one method with one seed.

    Attributes
    ----------
    settings : dict
        What decides the result, and where it was computed; plain numbers and text.
    scores : ndarray of shape (n_test,), float64, or None
        Scores of the test rows, higher = majority; None when the fit failed.
    fit_seconds, score_seconds : float
        Time of `fit` on the training rows, and of `score_samples` on the test rows.
    notes : sequence of str
        Warnings of the fit.
    failure : str
        Why there are no scores, "" when there are.
    was_read : bool
        Whether it was read from the file of an earlier run.
    """

    settings: dict
    scores: np.ndarray | None = None
    fit_seconds: float = np.nan
    score_seconds: float = np.nan
    notes: tuple = ()
    failure: str = ""
    was_read: bool = False

    @property
    def label(self):
        """Method and seed."""
        return f"{self.settings['method']}, seed {self.settings['seed']}"

    def figures(self, y_test):
        """AUC, AUPR of either class, times: a dict, empty when the fit failed."""
        if self.failure:
            return {}
        return {
            "auc": float(roc_auc_score(y_test == 1, self.scores)),
            "aupr_majority": aupr_score(y_test, self.scores),
            "aupr_minority": aupr_score(y_test, self.scores, pos_label=-1),
            "fit_seconds": self.fit_seconds,
            "score_seconds": self.score_seconds,
            "samples_per_second": len(self.scores) / self.score_seconds,
        }


class FitFile:
    """The file of one fit; its name holds a hash of settings, parameters and data.

    Parameters
    ----------
    folder : Path
        Where the file lies.
    data : Bunch
        As `load_data` returns it, with `fingerprint`.
    method, seed, epochs, channels, device
        As in `compare`; `device` is "cpu" or "cuda".
    """

    def __init__(self, folder, data, *, method, seed, epochs, channels, device):
        self.table = data.X_train.ndim == 2
        trains_network = method not in WITHOUT_NETWORK
        self.network = {"max_epochs": epochs, "device": device, "verbose": 0}
        if channels is not None:
            self.network["channels"] = channels
        self.settings = {
            "method": method,
            "seed": seed,
            "epochs": epochs if trains_network else "",
            "channels": ("auto" if channels is None else channels) if trains_network and not self.table else "",
            "device": device if trains_network else "cpu",
            "data": data.name,
            "image_size": "" if self.table else "x".join(map(str, data.X_train.shape[1:])),
            "n_features": int(np.prod(data.X_train.shape[1:])),
            "n_train": len(data.X_train),
            "n_test": len(data.X_test),
            "sklearn_occ": __version__,
            "torch": torch.__version__,
        }
        params = self._detector().get_params()
        identity = json.dumps([self.settings, data.fingerprint, params], default=repr, sort_keys=True)
        name = f"{method}-{seed}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
        self.path = folder / f"{name}.npz"
        self.checkpoint = folder / f"{name}.part"

    def _detector(self, **more):
        return make_detector(
            self.settings["method"],
            seed=self.settings["seed"],
            table=self.table,
            network=self.network | more,
        )

    def read(self):
        """Return the stored Fit, None where there is none."""
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                stored = json.loads(str(file["about"]))
                return Fit(settings=self.settings, scores=file["scores"], was_read=True, **stored)
        except Exception as error:
            raise ValueError(f"{str(self.path)!r} is damaged ({error}): remove it, and it is computed anew.") from error

    def run(self, data, *, on_epoch):
        """Fit and score; a finished fit is written, one that raises ValueError becomes a failure.

        Parameters
        ----------
        data : Bunch
            As above.
        on_epoch : callable
            Gets the part of the epochs that are trained, 0 to 1, after each.

        Returns
        -------
        Fit

        Raises
        ------
        KeyboardInterrupt
            At Ctrl-C, also where skorch kept it to itself.
        """
        detector = self._detector(checkpoint=self.checkpoint, callbacks=[EpochReport(on_epoch)])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                fit = self._fit_and_score(detector, data)
            except (ValueError, MemoryError, torch.OutOfMemoryError) as error:
                sentence = " ".join(str(error).split()) or type(error).__name__
                fit = Fit(settings=self.settings, failure=sentence)
        fit = replace(fit, notes=tuple(dict.fromkeys(str(warning.message) for warning in caught)))
        if not fit.failure:
            self._write(fit, data.y_test)
        for leftover in self.checkpoint.parent.glob(f"{self.checkpoint.name}*"):
            leftover.unlink()
        return fit

    def _fit_and_score(self, detector, data):
        started = time.perf_counter()
        detector.fit(data.X_train)
        fitted = time.perf_counter()
        network = network_of(detector)
        if network is not None and network.net_.interrupted_:
            raise KeyboardInterrupt
        scores = detector.score_samples(data.X_test)
        scored = time.perf_counter()
        # A fit that went on from its checkpoint has more in its history than this process has seen.
        trained = 0.0 if network is None else sum(network.history_[:, "dur"])
        return Fit(
            settings=self.settings,
            scores=scores,
            fit_seconds=max(fitted - started, trained),
            score_seconds=scored - fitted,
        )

    def _write(self, fit, y_test):
        about = {"fit_seconds": fit.fit_seconds, "score_seconds": fit.score_seconds, "notes": fit.notes}
        unfinished = self.path.with_suffix(f".{os.getpid()}.tmp")
        with unfinished.open("wb") as file:
            np.savez(
                file,
                scores=fit.scores,
                y_test=y_test,
                about=np.array(json.dumps(about)),
                settings=np.array(json.dumps(self.settings)),
            )
        os.replace(unfinished, self.path)


class EpochReport(Callback):
    """Call `report(part of the epochs that are trained)` after each epoch.

    Parameters
    ----------
    report : function
        A plain function: an estimator deep-copies its callbacks, and functions stay what they are.
    """

    may_end_training = False  # a KeyboardInterrupt that it raises is Ctrl-C, not the end of a fit

    def __init__(self, report):
        self.report = report

    def on_train_begin(self, net, **kwargs):
        self.n_epochs_ = net.epochs_["train"] + net.max_epochs

    def on_epoch_end(self, net, **kwargs):
        self.report(net.epochs_["train"] / self.n_epochs_)


def fingerprint(data):
    """Hash of the samples and labels."""
    return joblib.hash([data.X_train, data.X_test, data.y_test])
