"""The command line: ``rnnstats demo``, ``rnnstats fit``, ``rnnstats datasets``."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rnnstats.cli.arguments import parser
from rnnstats.errors import IndexWarning, RnnStatsError

if TYPE_CHECKING:
    import argparse

__all__ = ["main"]

# Exit statuses: a mistake of the user; Ctrl-C; a reader that went away (128 + SIGPIPE).
USAGE, INTERRUPTED, PIPE_CLOSED = 2, 130, 141


class _Stop(BaseException):
    """Ctrl-C; not a KeyboardInterrupt, which a fit answers by returning the best so far."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        Exit status: 0; 2 after a mistake, with one line on standard error; 130 after Ctrl-C; 141
        when the reader of the output went away.

    Raises
    ------
    SystemExit
        By ``--help`` and ``--version`` (status 0) and for unknown options (status 2).
    """
    name = "rnnstats"
    try:
        options = parser().parse_args(argv)
        name = f"rnnstats {options.command}"
        with _stop_at_ctrl_c(), _one_line_warnings(name):
            _run(options)
        sys.stdout.flush()
    except (KeyboardInterrupt, _Stop):
        return _say(f"{name}: interrupted", INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        return PIPE_CLOSED
    except RnnStatsError as error:
        return _say(f"{name}: error: {_line(str(error))}", USAGE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{name}: error: {where}{_line(error.strerror or str(error))}", USAGE)
    return 0


def _run(options: argparse.Namespace) -> None:
    """Import the command when it is needed, so that help and mistakes are fast."""
    from rnnstats.cli import commands

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names that the terminal cannot show become "?"
            stream.reconfigure(errors="replace")
    if options.command == "demo":
        commands.demo(options)
    elif options.command == "fit":
        commands.fit(options)
    else:
        commands.list_datasets()


@contextlib.contextmanager
def _stop_at_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the command wherever it is."""

    def stop(*_: object) -> None:
        raise _Stop

    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread()  # others cannot set handlers
    if not ours or before == signal.SIG_IGN:  # ignored by whoever started us: a background job
        yield
        return
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _one_line_warnings(name: str) -> Iterator[None]:
    """Show each warning once, in one line, without the source line that raised it."""
    seen: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        text = _line(str(message))
        if text not in seen:
            seen.add(text)
            _say(f"{name}: warning: {text}", 0)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        # the last is said in the notes on the data
        for told in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, IndexWarning):
            warnings.simplefilter("ignore", told)
        warnings.showwarning = show
        yield


def _line(text: str) -> str:
    return " ".join(text.split())


def _say(text: str, status: int) -> int:
    print(text, file=sys.stderr)
    return status


def _drop_output() -> None:
    """Send what is left in the buffer nowhere, so that Python's exit does not complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
