"""Why training was stopped by a KeyboardInterrupt: Ctrl-C, or a callback's wish."""

import dis

from skorch.callbacks import Callback


def asked_by_callback(stop):
    """Whether a callback's own `raise KeyboardInterrupt` ended training: so skorch's EarlyStopping does it."""
    traceback = stop.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    instruction = dis.opname[frame.f_code.co_code[traceback.tb_lasti]]
    return isinstance(frame.f_locals.get("self"), Callback) and instruction == "RAISE_VARARGS"
