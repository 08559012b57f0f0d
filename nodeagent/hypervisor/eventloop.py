"""libvirt's event loop, in a thread of its own.

libvirt delivers events, keep-alives and the news of a lost connection only while somebody runs its loop:
https://libvirt.org/html/libvirt-libvirt-event.html. There is one per process, and it must be registered before the
first connection is opened.
"""

import contextlib
import threading
from collections.abc import Callable

import libvirt


class EventLoop:
    """Runs libvirt's default loop from ``start`` to ``stop``; callbacks come in its thread.

    ``failed`` is told there, too, what ended the loop before it was to end.
    """

    def __init__(self, failed: Callable[[Exception], object]) -> None:
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name="libvirt-events", daemon=True)
        self._stopping = False
        self._waker = -1

    def start(self) -> None:
        """Register the loop with libvirt and run it."""
        libvirt.virEventRegisterDefaultImpl()
        # Errors are raised and logged where they belong; libvirt would print them to stderr as well.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        # A timer that never fires by itself: the loop sleeps in poll(), and only an event wakes it up.
        self._waker = libvirt.virEventAddTimeout(-1, lambda _timer, _opaque: None, None)
        self._thread.start()

    def stop(self) -> None:
        """End the loop and wait for its thread."""
        self._stopping = True
        libvirt.virEventUpdateTimeout(self._waker, 0)
        self._thread.join()
        # What was closed last is let go of in the turn that follows, which comes at once as the timer is due.
        with contextlib.suppress(libvirt.libvirtError):
            libvirt.virEventRunDefaultImpl()
        libvirt.virEventRemoveTimeout(self._waker)

    def _run(self) -> None:
        while not self._stopping:
            try:
                libvirt.virEventRunDefaultImpl()
            except libvirt.libvirtError as error:
                self._failed(error)
                return
