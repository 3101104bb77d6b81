"""report.html: one page without references to anything outside it."""

import os
from html import escape
from importlib.resources import files

from .._optional import require
from ..plotting import SampleGalleryDisplay
from ..plotting._sample_gallery import ranked_rows
from ._figures import histogram_plot, png, roc_plot
from ._table import HEADER, headline, sentences, table_rows

_N_SAMPLES = 8
_LEGEND = """\
AUC: area under the ROC curve. AUPR: average precision, with the majority (maj) or the minority (min) as the
positive class; a score without information gives the proportion of that class. Mean ± standard deviation over
the seeds; fit s: seconds of one fit; samples/s: test samples scored in a second."""
_CLASSES = {1: "majority", -1: "minority"}


def require_matplotlib():
    """Raise the ImportError that says what to install, where matplotlib is absent."""
    require("matplotlib.figure", purpose="The report", extra="plot")


def write_report(path, comparison):
    """Write the page of a comparison.

    Parameters
    ----------
    path : Path
        The file; it is replaced in one step.
    comparison : Comparison
        A method without a finished fit is named in the table only.
    """
    data = comparison.data
    finished = [fits for fits in map(comparison.fits_of, comparison.methods) if fits]
    chosen = [_median_fit(fits, data.y_test) for fits in finished]
    title = f"{data.name}: {_enumeration(comparison.methods)}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(headline(comparison))} {_standing(comparison)}</p>",
        _table(HEADER, table_rows(comparison)),
        f"<p>{_LEGEND}</p>",
        *(f"<p>{escape(sentence)}</p>" for sentence in sentences(comparison)),
        "<h2>Settings</h2>",
        _settings(comparison),
        f"<details><summary>The data set</summary><pre>{escape(data.DESCR)}</pre></details>",
    ]
    if chosen:
        parts += [
            "<h2>ROC curves</h2>",
            "<p>Here and below, each method is shown with the seed of its median AUC (of two in the middle, the "
            f"lower): {escape('; '.join(fit.label for fit in chosen))}.</p>",
            roc_plot(chosen, data.y_test),
        ]
    parts += [_method(fit, data) for fit in chosen]
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
    unfinished = path.with_suffix(".html.tmp")
    unfinished.write_text(page, encoding="utf-8")
    os.replace(unfinished, path)


def _median_fit(fits, y_test):
    ordered = sorted(fits, key=lambda fit: fit.figures(y_test)["auc"])
    return ordered[(len(ordered) - 1) // 2]


def _enumeration(names):
    *first, last = names
    return f"{', '.join(first)} and {last} compared" if first else last


def _standing(comparison):
    asked = len(comparison.methods) * comparison.seeds
    if len(comparison.fits) < asked:
        return f"The run was stopped after {len(comparison.fits)} of {asked} fits."
    return f"All {asked} fits ended."


def _settings(comparison):
    if not comparison.fits:
        return "<p>No fit is finished.</p>"
    table = comparison.data.X_train.ndim == 2
    used = [fit.settings for fit in comparison.fits]
    deep = [settings for settings in used if settings["epochs"]]
    rows = [
        ("seeds", f"0 to {comparison.seeds - 1}" if comparison.seeds > 1 else "0"),
        (
            "samples",
            f"{used[0]['n_features']} features, standardised with mean and deviation of the training rows"
            if table
            else f"images of {used[0]['image_size'].replace('x', ' x ')} pixels, values as they are",
        ),
        ("versions", f"sklearn_occ {used[0]['sklearn_occ']}, torch {used[0]['torch']}"),
    ]
    if deep:
        epochs, channels = (
            "by default" if deep[0][name] == "auto" else deep[0][name] for name in ("epochs", "channels")
        )
        width = "" if table else f", channels in the first stage: {channels}"
        rows.insert(1, ("networks", f"epochs: {epochs}{width}, on {deep[0]['device']}"))
    rows.append(("otherwise", "each method with the defaults of its class"))
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f'<table class="settings">{cells}</table>'


def _method(fit, data):
    rows = ranked_rows(fit.scores, n_samples=_N_SAMPLES)
    if data.X_test.ndim == 2:
        blocks = {title: _listed(fit, data, of_block) for title, of_block in rows.items()}
    else:
        gallery = SampleGalleryDisplay(images=data.X_test, scores=fit.scores, y_true=data.y_test, rows=rows)
        blocks = {title: _pictured(fit, data, samples) for title, samples in gallery.pictures().items()}
    shown = "".join(f"<h3>{title.capitalize()} test samples</h3>{block}" for title, block in blocks.items())
    return (
        f'<h2>{escape(fit.label)}</h2>\n<div class="method">\n{histogram_plot(fit, data.y_test)}\n'
        f"<div>{shown}</div>\n</div>"
    )


def _pictured(fit, data, samples):
    figures = []
    for row, picture in samples.items():
        name, kind = escape(data.names_test[row]), _CLASSES[data.y_test[row]]
        figures.append(
            f'<figure class="{kind}" title="{name}">'
            f'<img src="{png(picture)}" alt="{name}">'
            f'<figcaption>{fit.scores[row]:.4g}<br><span class="class">{kind}</span><br>'
            f'<span class="name">{name}</span></figcaption></figure>'
        )
    return f'<div class="samples">{"".join(figures)}</div>'


def _listed(fit, data, rows):
    return _table(
        ("sample", "score", "class"),
        [(data.names_test[row], f"{fit.scores[row]:.4g}", _CLASSES[data.y_test[row]]) for row in rows],
    )


def _table(header, rows):
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
