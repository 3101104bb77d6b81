"""``python -m sklearn_occ``: the command line."""

import argparse
import sys

from .comparison import DATA_SETS, DEFAULT_METHODS, METHODS, compare, text_table

_EXIT_FAILED_FIT, _EXIT_USER_ERROR, _EXIT_INTERRUPTED = 1, 2, 130

_COMPARE = """\
Fits one-class methods on majority samples only, scores a test set of both classes, prints one table and
writes results.csv and report.html. Finished fits are kept in the output folder: the same command, run again,
goes on where it was stopped."""

_EXIT_CODES = """\
exit codes: 0 all fits are done; 1 a fit failed, the others are in the table; 2 an argument or the data
cannot be used; 130 stopped by Ctrl-C, the results until then are written."""


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as every other error of the user is reported."""

    def error(self, message):
        raise ValueError(f"{message}; see {self.prog} --help.")


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    code : int
        0 done, 1 a fit failed, 2 an error of the user (one sentence on stderr), 130 Ctrl-C.
    """
    parser = _make_parser()
    try:
        arguments = vars(parser.parse_args(argv))
        if arguments.pop("command") is None:
            parser.print_help()
            return _EXIT_USER_ERROR
        return _compare(**arguments)
    except (ValueError, OSError, ImportError) as error:
        return _say(_sentence(error), _EXIT_USER_ERROR)
    except KeyboardInterrupt:
        return _say("stopped by Ctrl-C before the first fit.", _EXIT_INTERRUPTED)


def _compare(data, output, **settings):
    comparison = compare(data, output, **settings)
    n_read = sum(fit.was_read for fit in comparison.fits)
    n_asked = len(comparison.methods) * comparison.seeds
    sys.stdout.write(
        f"{text_table(comparison)}\n"
        f"{len(comparison.fits)} of {n_asked} fits, {n_read} of them read from {output}/fits.\n"
        f"Written: {output}/results.csv, {output}/report.html\n"
    )
    if comparison.interrupted:
        return _say("stopped by Ctrl-C; the same command goes on where it stopped.", _EXIT_INTERRUPTED)
    if comparison.failures:
        return _say(f"{len(comparison.failures)} of {n_asked} fits failed, see the table.", _EXIT_FAILED_FIT)
    return 0


def _make_parser():
    parser = _Parser(prog="python -m sklearn_occ", description="One-class classification of images and tables.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    command = commands.add_parser(
        "compare",
        help="compare methods on one data set: a table, results.csv and report.html",
        description=_COMPARE,
        epilog=_EXIT_CODES,
        allow_abbrev=False,
    )
    add = command.add_argument
    add(
        "--data",
        default="digits",
        metavar="DATA",
        help=f"{', '.join(DATA_SETS)} (all but digits are read from the folder "
        "SKLEARN_OCC_DATA or downloaded); or an .npz file with X_train, X_test, y_test (1 majority, -1 "
        "minority; y_train may be there, its majority rows are kept), or with X, y (0 normal, 1 anomaly: half "
        "of the normal rows, drawn with seed 0, trains, the other half and all anomalies are tested), X of two "
        "axes being a table; or a folder that holds train/, test/majority/ and test/minority/ with PNG, JPEG or "
        "DICOM files (default: %(default)s)",
    )
    add(
        "--majority",
        metavar="CLASS",
        help="the label that is the majority, all others are the minority: a digit for digits and mnist, the number "
        "of a class for fashion_mnist and cifar10 (default: 0), a value of the labels of an .npz file; other data have "
        "no such choice",
    )
    add(
        "--methods",
        nargs="+",
        default=list(DEFAULT_METHODS),
        metavar="METHOD",
        help=f"any of {', '.join(METHODS)}, separated by blanks or commas (default: all but "
        f"{', '.join(name for name in METHODS if name not in DEFAULT_METHODS)})",
    )
    add(
        "--seeds",
        type=_positive,
        default=3,
        metavar="N",
        help="fits of each method, with random_state 0 to N - 1 (default: %(default)s)",
    )
    add(
        "--epochs",
        type=_positive_or_auto,
        default="auto",
        metavar="N",
        help="epochs of each network (default: those of each method, a number of training steps)",
    )
    add(
        "--channels",
        type=_positive,
        metavar="N",
        help="channels of the first stage of the networks of images, fewer are faster (default: those of each "
        "method); a table has none",
    )
    add(
        "--image-size",
        type=_positive,
        metavar="S",
        help="resize all images to S x S pixels, with anti-aliasing (default: as they are; chestx 100)",
    )
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where networks are trained (default: %(default)s, CUDA where there is one)",
    )
    add(
        "--output",
        default="sklearn_occ_comparison",
        metavar="DIR",
        help="folder for results.csv, report.html and the finished fits (default: %(default)s)",
    )
    return parser


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is given, expected a whole number of at least 1")
    return int(text)


def _positive_or_auto(text):
    return text if text == "auto" else _positive(text)


def _sentence(error):
    """Return one line; parameters of functions are called by the options that set them."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return " ".join(str(error).split()).replace("image_size=", "--image-size")


def _say(sentence, code):
    sys.stderr.write(f"sklearn_occ: {sentence}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
