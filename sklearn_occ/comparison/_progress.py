"""How far the fits are: a bar on a terminal, else one line for each finished fit. Both on stderr."""

import sys

from tqdm import tqdm


class Progress:
    """Context manager around `total` fits; a fit in progress counts by the part of its epochs.

    Parameters
    ----------
    total : int
        Number of fits.
    """

    def __init__(self, total):
        self.total = total

    def __enter__(self):
        self.done = 0
        self.on_terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=self.total,
            file=sys.stderr,
            disable=not self.on_terminal,
            bar_format="{percentage:3.0f}% |{bar}| {elapsed}, {remaining} to go  {desc}",
        )
        return self

    def __exit__(self, *exc):
        self.bar.close()

    def begin(self, label):
        """Name the fit that begins."""
        self.bar.set_description_str(f"{label} (fit {self.done + 1} of {self.total})")

    def within(self, part):
        """Show that `part` of the present fit, 0 to 1, is done."""
        self.bar.update(self.done + part - self.bar.n)

    def end(self, fit, figures):
        """Count a fit as finished; `figures` are those of `Fit.figures`."""
        self.done += 1
        self.within(0)
        if self.on_terminal:
            return
        if fit.failure:
            result = f"failed: {fit.failure}"
        else:
            origin = "read from an earlier run" if fit.was_read else f"fitted in {fit.fit_seconds:.1f} s"
            result = f"AUC {figures['auc']:.3f}, {origin}"
        sys.stderr.write(f"{self.done}/{self.total} {fit.label}: {result}\n")
        sys.stderr.flush()
