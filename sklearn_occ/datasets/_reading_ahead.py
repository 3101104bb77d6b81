"""Items read in threads, a few ahead of where they are used; what cannot be used is raised, or counted and named."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import joblib

from .._warning import warn

_NAMED = 5  # items that a warning names


def ahead(function, items, n_jobs):
    """Call a function of each item in threads, a few items ahead; yield what returns or raises each one's result.

    Parameters
    ----------
    function : callable
        Called in several threads at once.
    items : iterable
    n_jobs : int or None
        Number of threads, as joblib counts them.

    Yields
    ------
    result : callable
        To be called without arguments, in the order of `items`.
    """
    n_threads = joblib.effective_n_jobs(n_jobs)
    waiting = deque()
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="sklearn_occ-read")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * n_threads:
                yield waiting.popleft().result
        while waiting:
            yield waiting.popleft().result
    finally:
        pool.shutdown(cancel_futures=True)


def usable(function, items, n_jobs, unusable):
    """As `ahead`, but yield `(index, result)`, and leave items to `unusable` that raise a ValueError or an OSError."""
    places = count()
    with closing(ahead(function, items, n_jobs)) as results:
        for result in results:  # enumerate would hold the last one while the next is read
            index = next(places)
            try:
                found = result()
            except (ValueError, OSError) as error:
                unusable.add(str(items[index]), error)
                continue
            del result  # it holds what was found, which is the caller's to drop
            yield index, found
            del found


class Unusable:
    """Items that cannot be used.

    Parameters
    ----------
    on_error : {"raise", "skip"}
        Whether the first one's error is raised, or all are kept for one warning.
    """

    def __init__(self, on_error):
        self._raises = on_error == "raise"
        self.names, self.sentences = [], []

    def add(self, name, error):
        """Raise the error of the item, or keep its sentence; the error itself would keep what its frames hold."""
        if self._raises:
            raise error
        self.names.append(name)
        self.sentences.append(str(error))

    def warn(self, text, n_items):
        """Warn of what was kept, if anything was.

        Parameters
        ----------
        text : str
            With {n} and {total}, how many of how many; {names} and {sentences}, the first five and how many more there
            are; {first}, the first sentence.
        n_items : int
            How many there are in all.
        """
        if not self.names:
            return
        n_more = len(self.names) - _NAMED
        text = text.format(
            n=len(self.names),
            total=n_items,
            names=", ".join(map(repr, self.names[:_NAMED])) + (f" and {n_more} more" if n_more > 0 else ""),
            sentences=" ".join(self.sentences[:_NAMED]) + (f" (and {n_more} more)" if n_more > 0 else ""),
            first=self.sentences[0],
        )
        warn(text)
