"""A store of cells: one setting of an experiment, one JSON file with what was measured.

A cell is a dict of plain settings, such as ``{"experiment": "table2", "method": "CAE", "seed": 0, "epochs": 200}``.
Its file is named after the settings, so a run that was killed computes only what is not there. The file does not know
of the code: after a change of the package that changes results, remove the folder.
"""

import contextlib
import hashlib
import json
import os
import platform
import statistics
import threading
import time
import traceback
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import joblib
import numpy as np
import torch

_IN_NAME = ("experiment", "data", "class", "method", "fold", "seed")
_PACKAGES = ("sklearn_occ", "torch", "scikit-learn", "skorch", "numpy", "pyod")


def path_of(cell, folder):
    """Path of the cell's file without its suffix: what it is in words, and a hash of all settings."""
    words = [
        f"{key}{cell[key]}" if key in ("fold", "seed", "class") else str(cell[key]) for key in _IN_NAME if key in cell
    ]
    settings = json.dumps(cell, sort_keys=True)
    name = "-".join([*words, hashlib.sha256(settings.encode()).hexdigest()[:12]])
    return Path(folder) / name.replace(" ", "_")


def read(cell, folder):
    """What is stored of the cell, None where it was not computed.

    A dict with `settings`, `figures` (floats), `fit_seconds`, `score_seconds`, `warnings`, `failure` ("" or the
    sentence of a ValueError), `params`, `versions`, `machine`.
    """
    path = path_of(cell, folder).with_suffix(".json")
    return json.loads(path.read_text()) if path.exists() else None


def read_arrays(cell, folder):
    """Arrays of the cell, as a dict."""
    with np.load(path_of(cell, folder).with_suffix(".npz")) as file:
        return dict(file)


def figures(cells, folder, name):
    """Values of one figure over the cells that are there and did not fail."""
    stored = [read(cell, folder) for cell in cells]
    return [item[name] if name in item else item["figures"][name] for item in stored if item and not item["failure"]]


def run(cells, compute, folder, jobs):
    """Compute the cells that are not there, in `jobs` processes, and return how many raised an unexpected error.

    Parameters
    ----------
    cells : list of dict
        Their order is that of the computation.
    compute : callable
        `compute(cell, checkpoint)` returns a dict with `figures`, `arrays`, `fit_seconds`, `score_seconds`, `params`;
        `checkpoint` is a path that it may hand to an estimator. A ValueError, or too little memory, becomes the
        cell's `failure`, and is not tried again while the file lies there. Any other error is printed and leaves the
        cell absent.
    folder : Path
        Made if it does not exist.
    jobs : int
        Processes. Each uses its share of the cores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    absent = [cell for cell in cells if not path_of(cell, folder).with_suffix(".json").exists()]
    print(f"{len(cells) - len(absent)} of {len(cells)} cells are in {folder}, {len(absent)} to compute.", flush=True)
    started = time.monotonic()
    tasks = (joblib.delayed(_compute_and_write)(cell, compute, folder, os.getpid()) for cell in absent)
    n_errors = 0
    done = joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")(tasks)
    for number, (label, seconds, outcome, error) in enumerate(done, start=1):
        left = (time.monotonic() - started) / number * (len(absent) - number)
        print(f"{number}/{len(absent)} {label}: {outcome}, {seconds:.1f} s; about {_duration(left)} left", flush=True)
        if error:
            n_errors += 1
            print(error, flush=True)
    return n_errors


def _compute_and_write(cell, compute, folder, parent):
    """Return (label, seconds, what came out, traceback or "")."""
    if os.getpid() != parent:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    path = path_of(cell, folder)
    checkpoint = path.with_suffix(".checkpoint")
    stored = {"settings": cell, "figures": {}, "failure": ""}
    arrays = {}
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = compute(cell, checkpoint)
            arrays = result.pop("arrays", {})
            stored.update(result)
            outcome = ", ".join(f"{key} {value:.4f}" for key, value in stored["figures"].items())
        except (ValueError, MemoryError, torch.OutOfMemoryError) as error:
            stored["failure"] = " ".join(str(error).split()) or type(error).__name__
            outcome = f"FAILED: {stored['failure']}"
        except Exception:
            return _label(cell, folder), time.perf_counter() - started, "ERROR", traceback.format_exc()
    stored["warnings"] = list(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))
    stored["versions"] = {name: text for name in _PACKAGES if (text := _version(name))}
    stored["machine"] = machine(cell.get("device"))
    if arrays:
        _write(path.with_suffix(".npz"), lambda file: np.savez_compressed(file, **arrays))
    text = json.dumps(stored, indent=1, default=float)
    _write(path.with_suffix(".json"), lambda file: file.write(text.encode()))  # last: it says that the cell is there
    for leftover in folder.glob(f"{checkpoint.name}*"):
        leftover.unlink()
    return _label(cell, folder), time.perf_counter() - started, outcome, ""


def _label(cell, folder):
    """The file's name, and what differs from the method's defaults."""
    return " ".join([path_of(cell, folder).name, *(f"{key}={value}" for key, value in cell.get("params", {}).items())])


def _end_with(parent):
    """End this process when its parent is gone, or an orphan would write beside the next run."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _write(path, write):
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with unfinished.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _version(package):
    with contextlib.suppress(PackageNotFoundError):
        return version(package)
    return ""


def machine(device):
    """Name of the GPU for "cuda", else of the processor with the number of threads."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return f"{name}, threads: {torch.get_num_threads()}"


def missing(cells, folder):
    """Say what is not there, what failed and what warned, on one line each."""
    stored = [read(cell, folder) for cell in cells]
    absent = [path_of(cell, folder).name for cell, item in zip(cells, stored, strict=True) if item is None]
    if absent:
        more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
        print(f"\n{len(absent)} of {len(cells)} cells are not computed yet: {', '.join(absent[:3])}{more}.")
    for cell, item in zip(cells, stored, strict=True):
        if item and item["failure"]:
            print(f"\nFailed: {path_of(cell, folder).name}: {item['failure']} (remove its .json to try again)")
    warned = {}
    for item in filter(None, stored):
        for text in item["warnings"]:
            warned.setdefault((item["settings"]["method"], text.split(":")[0]), []).append(text)
    for (method, _), texts in warned.items():
        print(f"\nWarned, {method}, {len(texts)} cells, such as: {texts[0]}")


def machines(cells, folder):
    """Distinct machines and versions of the cells that are there, as text."""
    found = [item for cell in cells if (item := read(cell, folder))]
    names = dict.fromkeys(item["machine"] for item in found)
    packages = dict.fromkeys(", ".join(f"{k} {v}" for k, v in item["versions"].items()) for item in found)
    return "; ".join([*names, *packages]) or "nothing computed"


def mean_std(values, expected, *, scale=100.0, digits=1):
    """Mean ± standard deviation (n - 1), "-" without a value; says so where there are fewer than expected."""
    if not values:
        return "-"
    mean = f"{scale * statistics.fmean(values):.{digits}f}"
    spread = f" ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return mean + spread + ("" if len(values) == expected else f" ({len(values)} of {expected})")


def mean_over_classes(cells, folder, figure, n_seeds):
    """Mean over classes, ± over seeds, of cells sorted by seed; "-" unless every cell is there."""
    found = figures(cells, folder, figure)
    if len(found) < len(cells):
        return "-"
    return mean_std(np.reshape(found, (n_seeds, -1)).mean(axis=1).tolist(), n_seeds)


def print_table(header, rows):
    """Print a markdown table."""
    print()
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(map(str, row))} |")


def _duration(seconds):
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
