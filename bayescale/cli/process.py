"""The process of a command: its signals, its standard streams, and its exit code, whatever happens.

This module imports nothing of the rest before it is ready for a signal: the other imports take half a second.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

MISTAKE = 2
FAULT = 3
INTERRUPTED = 130

# Names that a system without them lacks.
_SIGNALS = {"SIGINT": "Interrupted.", "SIGTERM": "Terminated.", "SIGHUP": "The terminal was closed."}


class _State:
    received: signal.Signals | None = None
    dropped = False
    reporting = False


def received_signal() -> signal.Signals | None:
    """Return the signal that ends this command, None while there is none."""
    return _State.received


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: the arguments of the process.

    Returns
    -------
    int
        0 if the command worked, 1 if `check` found no convergence, 2 for a user's error or a file or stream that cannot
        be written, 3 for a fault of the program, 128 plus the number of a signal: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
    """
    with _standard_streams() as output, _signals(last=arguments is None):
        try:
            from bayescale.cli.entry import run

            code = run(arguments)
            output.flush()
        except KeyboardInterrupt:
            code = INTERRUPTED
        if _State.received or code == INTERRUPTED:
            number = _State.received or signal.SIGINT
            print(_SIGNALS[number.name], file=sys.stderr)
            return 128 + number
        # A reader that stops early, such as `head`, has what it wanted.
        if output.error and output.error.errno != errno.EPIPE:
            closed = output.error.errno == errno.EBADF
            reason = "it is closed" if closed else os.strerror(output.error.errno or errno.EIO)
            print(f"Error: Cannot write to standard output: {reason}. Files were written first.", file=sys.stderr)
            code = code or MISTAKE
    return code


@contextlib.contextmanager
def _signals(last: bool) -> Iterator[None]:
    """Turn the first signal that asks this process to end into a `KeyboardInterrupt`, so that everything is cleaned up.

    A signal that is ignored stays so, as under `nohup`. Further ones are ignored during the cleaning up, except Ctrl-C.
    If this is the `last` work of the process, what comes later ends it without a traceback.
    """
    _State.received, _State.dropped, _State.reporting = None, False, False
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: Any) -> None:
        if _State.received and number != signal.SIGINT and not _State.dropped:
            return
        _State.received, _State.dropped = _State.received or signal.Signals(number), False
        # Threads that feed worker processes raise errors of their own when the pool is interrupted.
        threading.excepthook = lambda *_: None
        raise KeyboardInterrupt

    def again(unraisable: Any) -> None:
        # Python drops what a finalizer or a callback raises, and the command would go on. Finalizers of what the signal
        # left half done raise errors of their own.
        if not _State.received:
            unraisable_hook(unraisable)
        elif isinstance(unraisable.exc_value, KeyboardInterrupt) and not _State.dropped:
            _State.dropped = _State.reporting = True
            # On a busy machine a thread takes longer to start than it then waits.
            threading.Thread(target=send_again, args=[threading.get_ident(), _State.received], daemon=True).start()
            _State.reporting = False

    def send_again(thread: int, number: signal.Signals) -> None:
        # Python would drop an error of its hook as well.
        time.sleep(0.1)
        while _State.reporting:
            time.sleep(0.1)
        signal.pthread_kill(thread, number)

    asked = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    previous = {one: signal.getsignal(one) for one in asked}
    for one, handler in previous.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(one, interrupt)
    hook, unraisable_hook = threading.excepthook, sys.unraisablehook
    if os.name == "posix":
        sys.unraisablehook = again
    try:
        yield
    finally:
        if not (last and _State.received):
            threading.excepthook, sys.unraisablehook = hook, unraisable_hook
        for one, handler in previous.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(one, signal.SIG_DFL if last else handler)


class _Stream:
    """A text stream that never fails: it keeps the first error of writing, and drops what comes after it.

    Characters that the stream cannot encode are written as escapes. None stands for a closed stream.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.error: OSError | None = None
        self._stream = stream or io.StringIO()
        self._closed = stream is None

    def write(self, text: str) -> int:
        """Write text, unless writing has failed before."""
        if self._closed and text:
            self.error = OSError(errno.EBADF, os.strerror(errno.EBADF))
        elif self.error is None:
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            with self._keeping_errors():
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Flush, unless writing has failed before."""
        if self.error is None:
            with self._keeping_errors():
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: the stream was closed meanwhile
            self.error = error if isinstance(error, OSError) else OSError(errno.EBADF, str(error))
            # Python flushes what is left in the buffer when it ends, and would fail again.
            with contextlib.suppress(OSError, ValueError):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)


@contextlib.contextmanager
def _standard_streams() -> Iterator[_Stream]:
    """Replace the standard streams by such that never fail; yield the one of the output."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # The next file that is opened would get the number of a closed stream, and what libraries print with it.
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    streams = sys.stdout, sys.stderr
    output = _Stream(sys.stdout)
    sys.stdout, sys.stderr = output, _Stream(sys.stderr)
    try:
        yield output
    finally:
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams
