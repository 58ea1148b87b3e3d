"""pynetdicom's requestor, of which no answer is lost.

While an answer is waited for, its reactor stands still at an event, for what it takes off the queue itself is to it a
request. A reactor that has just passed that event, and got no processor since, took answers too: a suite would blame
the server for it.
"""

import threading

from pynetdicom.association import Association

_MOST_S = 5.0                            # that somebody waits for a reactor: one that ended comes no more


class Gate(threading.Event):
    """An event whose `clear` returns when the one thread that waits for it does so, and not a moment before."""

    def __init__(self) -> None:
        super().__init__()
        self._change = threading.Condition()
        self._is_open = True
        self._is_waited_for = False

    def is_set(self) -> bool:
        """Whether nobody has to wait."""
        return self._is_open

    def set(self) -> None:
        """Let the thread go on."""
        with self._change:
            self._is_open = True
            self._change.notify_all()

    def clear(self) -> None:
        """Have the thread stand still."""
        with self._change:
            self._is_open = False
            self._change.wait_for(lambda: self._is_waited_for, _MOST_S)

    def wait(self, timeout: float | None = None) -> bool:
        """Stand still, of one thread, until `set`."""
        with self._change:
            self._is_waited_for = True
            self._change.notify_all()
            is_open = self._change.wait_for(lambda: self._is_open, timeout)
            self._is_waited_for = False
            return is_open


def attentive(association: Association) -> Association:
    """The same association, of which every answer is heard by who asked."""
    if association.is_established and not isinstance(association._reactor_checkpoint, Gate):
        association._reactor_checkpoint = Gate()
    return association


__all__ = ["Gate", "attentive"]
