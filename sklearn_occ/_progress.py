"""A line that says how far something is, rewritten in place on a terminal or in a notebook."""

import multiprocessing
import shutil
import sys
import threading
import time

_PAUSE = 0.1  # seconds between two writings: small data have hundreds of epochs in one


def shows_progress():
    """Whether a line can be rewritten in place where this runs.

    On stderr, if it is a terminal or belongs to a notebook; in the main thread of the main process alone, since lines
    of several fits at once would overwrite each other.
    """
    is_alone = (
        multiprocessing.current_process().name == "MainProcess"
        and threading.current_thread() is threading.main_thread()
    )
    return is_alone and (_is_terminal(sys.stderr) or type(sys.stderr).__module__.startswith("ipykernel"))


def _is_terminal(stream):
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # there is none, or it was closed
        return False


class Line:
    """A line of stderr that is rewritten in place."""

    def __init__(self):
        self.length = 0
        self.not_before = 0.0

    def write(self, text, *, at_once=False):
        """Replace the line, unless it was replaced a moment ago."""
        now = time.monotonic()
        if now < self.not_before and not at_once:
            return
        self.not_before = now + _PAUSE
        if _is_terminal(sys.stderr):  # a longer line would go on in the next one, and stay
            text = text[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r{text}{' ' * (self.length - len(text))}")
        sys.stderr.flush()
        self.length = len(text)

    def erase(self):
        """Leave an empty line, the cursor at its beginning."""
        if self.length:
            sys.stderr.write(f"\r{' ' * self.length}\r")
            sys.stderr.flush()
            self.length = 0


class Count:
    """Line with how many of a total are done and the time left, erased at the last; none if `verbose` is not "auto".

    As a context it is erased at the end, whatever happened.

    Parameters
    ----------
    text : str
        What is counted, with `{done}` and `{total}`.
    total : int
        How many there are.
    verbose : int or "auto"
        The estimator's.
    """

    def __init__(self, text, total, verbose):
        self._text, self._total, self._begun = text, total, time.monotonic()
        self._line = Line() if verbose == "auto" and shows_progress() else None

    def show(self, done):
        """So many are done."""
        if self._line is not None and done < self._total:
            left = (time.monotonic() - self._begun) / done * (self._total - done)
            text = self._text.format(done=done, total=self._total)
            self._line.write(f"{text}, about {duration(left)} left")
        elif self._line is not None:
            self._line.erase()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self._line is not None:
            self._line.erase()


def duration(seconds):
    """Text of a time: "0:07", "12:30" or "3 h 05 min"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes}:{seconds:02}"
