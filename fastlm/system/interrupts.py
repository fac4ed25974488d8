"""Ctrl-C while kernels are compiled: the process ends at once, and quietly.

Numba does not survive an exception in the middle of its work: what it has half compiled raises
errors of its own, or the exception is lost. And in native code no signal handler of Python runs. So
a thread watches: it ends the process if the main thread compiles and there is no work to lose, or
if Ctrl-C is pressed a second time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from fastlm.system.signals import at_stake

__all__ = ["is_compiling", "watch_interrupts"]

EXIT_INTERRUPTED = 130

# Seconds between two looks at what the main thread does, and until the user is told of compiling.
_LOOK_SECONDS = 0.25
_TOLD_SECONDS = 1.0
# Seconds that a second Ctrl-C leaves for an orderly end.
_LAST_SECONDS = 0.3


def is_compiling(frame: FrameType | None) -> bool:
    """Tell whether Numba is at work in a frame or in what called it."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(("numba.", "llvmlite.")):
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def watch_interrupts(
    waiting: Callable[[], None] | None, leave: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Let SIGINT end the process at once while kernels are compiled, within the context.

    Outside the main thread, which alone may handle signals, nothing changes.

    Parameters
    ----------
    waiting : callable, optional
        Tells the user what is waited for; None: nobody does. Called by another thread.
    leave : callable
        Called before the process ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    reader.settimeout(_LOOK_SECONDS)
    watcher = _Watcher(reader, waiting, leave)
    old_handler = signal.signal(signal.SIGINT, _on_interrupt)
    old_writer = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        watcher.done = True
        signal.set_wakeup_fd(old_writer)
        signal.signal(signal.SIGINT, old_handler)
        writer.close()  # the watcher reads its end


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    if not is_compiling(frame):
        raise KeyboardInterrupt


class _Watcher(threading.Thread):
    """Reads the signals of the process, and looks at the main thread between them."""

    def __init__(
        self,
        reader: socket.socket,
        waiting: Callable[[], None] | None,
        leave: Callable[[], None],
    ) -> None:
        super().__init__(name="fastlm-interrupts", daemon=True)
        self.done = False
        self._reader = reader
        self._waiting = waiting
        self._leave = leave
        self._main = threading.main_thread().ident

    def run(self) -> None:
        pressed, since = 0, time.monotonic()
        may_end = False  # a press that found no work to lose
        with self._reader:
            while not self.done:
                try:
                    data = self._reader.recv(64)
                except TimeoutError:
                    data = b""
                else:
                    if not data:
                        return
                compiling = self._compiles()
                if not compiling:
                    since = time.monotonic()
                elif self._waiting and time.monotonic() - since > _TOLD_SECONDS:
                    self._waiting()
                    self._waiting = None
                presses = data.count(signal.SIGINT)
                pressed += presses
                may_end |= presses > 0 and not at_stake()
                if may_end and compiling and not at_stake():
                    self._exit()
                if pressed > 1:
                    time.sleep(_LAST_SECONDS)
                    self._exit()

    def _compiles(self) -> bool:
        # The dict has this frame, too: a name for it would be a circle, which keeps the main
        # thread's frames, and the large arrays that they name, until the collector comes by.
        return self._main is not None and is_compiling(sys._current_frames().get(self._main))

    def _exit(self) -> None:
        if not self.done:
            with contextlib.suppress(Exception):
                self._leave()
            os._exit(EXIT_INTERRUPTED)
