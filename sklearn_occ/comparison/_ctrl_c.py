"""Ctrl-C that is not lost on its way out of a fit."""

import signal
from threading import current_thread, main_thread


class CtrlC:
    """Context manager that raises KeyboardInterrupt at Ctrl-C and remembers it.

    skorch ends a fit at KeyboardInterrupt as if it were finished, and where C code calls Python (pickle does,
    at each checkpoint) the exception can vanish; whoever goes on calls `raise_if_pressed`. Outside the main
    thread, and where the process ignores the signal or has a handler of its own, nothing is changed.

    Attributes
    ----------
    pressed : bool
        Whether Ctrl-C has come.
    """

    def __enter__(self):
        self.pressed = False
        is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self.is_handler = is_default and current_thread() is main_thread()
        if self.is_handler:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *exc):
        if self.is_handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, signum, frame):
        self.pressed = True
        raise KeyboardInterrupt

    def raise_if_pressed(self):
        """Raise KeyboardInterrupt once Ctrl-C has come."""
        if self.pressed:
            raise KeyboardInterrupt
