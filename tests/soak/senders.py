"""A foreign sender (pynetdicom) that knows of every single object whether it was acknowledged."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, KeyObjectSelectionDocumentStorage
from pynetdicom import AE, _config
from pynetdicom.association import Association

from tests.soak.ledger import Ledger

PATIENCE_S = 30


@contextmanager
def association_with(port: int, *, ae_title: str = "PACSD", calling: str = "SOAK") -> Iterator[Association]:
    """An association for CT images and key objects in Explicit VR Little Endian, released at the end.

    Check `is_established`. pynetdicom forgets to close sockets that the peer has reset, so that is done here.
    """
    _config.STORE_SEND_CHUNKED_DATASET = True  # paths go out byte by byte as they lie on disk
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = (
        PATIENCE_S
    )
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    entity.add_requested_context(KeyObjectSelectionDocumentStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=ae_title)
    connection = association.dul.socket.socket if association.dul.socket else None
    if connection is not None and association.is_established:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with _reactor_held(association):
            yield association
    finally:
        if association.is_established:
            association.release()
        if connection is not None:
            connection.close()


@contextmanager
def _reactor_held(association: Association) -> Iterator[None]:
    """Keep pynetdicom's reactor paused from the first request to the last.

    pynetdicom 3.0.4 lets it run between requests; when it wakes late it takes the next, quick, answer off the queue
    and throws it away, and `send_c_store` waits for ever.
    """
    checkpoint = association._reactor_checkpoint
    checkpoint.clear()
    time.sleep(0.02)  # let a turn that has begun come to its end
    checkpoint.set = lambda: None
    try:
        yield
    finally:
        del checkpoint.set
        checkpoint.set()


def listens(port: int) -> bool:
    """Whether the server accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def store(association: Association, path: Path, ledger: Ledger) -> int | None:
    """Send one file; its status, or None if no answer came."""
    uid = ledger.sending(path)
    try:
        answer = association.send_c_store(path)
    except RuntimeError:  # pynetdicom: the association is not established any more
        ledger.lost()
        return None
    if "Status" not in answer:
        ledger.lost()
        return None
    ledger.answered(uid, int(answer.Status))
    return int(answer.Status)


class Sender(threading.Thread):
    """Sends files in order; on a lost association begins another if `again`, or ends."""

    def __init__(self, port: int, paths: Iterable[Path], ledger: Ledger, *, again: bool = False) -> None:
        super().__init__(daemon=True)
        self._port, self._paths, self._ledger, self._again = port, paths, ledger, again
        self._stopping = threading.Event()
        self.progress = threading.Condition()

    def stop(self) -> None:
        """No further objects after the current one."""
        self._stopping.set()

    def run(self) -> None:
        """Send everything, or until stopped."""
        waiting = iter(self._paths)
        path = next(waiting, None)
        while path is not None and not self._stopping.is_set():
            path = self._over_one_association(path, waiting)
            if not self._again:
                return
            self._stopping.wait(0.05)

    def _over_one_association(self, path: Path, waiting: Iterator[Path]) -> Path | None:
        """Send from `path` on until the association is lost; what is to be sent next."""
        if not listens(self._port):
            self._ledger.lost()
            return path
        following: Path | None = path
        with association_with(self._port) as association:
            while following is not None and association.is_established and not self._stopping.is_set():
                if store(association, following, self._ledger) is None:
                    break
                following = next(waiting, None)
                with self.progress:
                    self.progress.notify_all()
        return following

    def wait_acknowledged(self, count: int, *, timeout_s: float) -> bool:
        """Wait until that many objects of the ledger are acknowledged; whether it came to that."""
        with self.progress:
            return self.progress.wait_for(lambda: len(self._ledger.acknowledged) >= count, timeout_s)
