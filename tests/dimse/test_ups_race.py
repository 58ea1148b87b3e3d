"""Many workers, by DIMSE and by UPS-RS, claim the same steps at once: each step is somebody's, and one's alone."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random

import httpx

from pacsd.dimse import command
from pacsd.dimse.command import Value
from pacsd.dimse.datasets import encoded
from pacsd.dimse.pdu import pdata
from tests.dimse.steps import PULL, PUSH, Client, new_uid, serving
from tests.dimse.wire import IMPLICIT, Raw, request
from tests.web.worklist.conftest import served
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, step

WORKERS, STEPS, WANTED = 50, 200, 24
Claim = Callable[[str], bool]


def claiming(lock: str) -> dict[str, dict[str, object]]:
    return {"00081195": attribute("UI", lock), "00741000": attribute("CS", "IN PROGRESS")}


@contextmanager
def by_pynetdicom(port: int, lock: str) -> Iterator[Claim]:
    with Client(port) as client:
        client.association.dimse_timeout = 120
        yield lambda uid: client.claim(uid, lock).Status == 0


@contextmanager
def by_bytes(port: int, lock: str) -> Iterator[Claim]:
    """As many as pynetdicom has no threads for."""
    information = encoded(claiming(lock), IMPLICIT)

    def claim(uid: str) -> bool:
        values: dict[int, Value] = {
            command.COMMAND_FIELD: command.N_ACTION_RQ, command.MESSAGE_ID: 1, command.ACTION_TYPE_ID: 1,
            command.REQUESTED_SOP_CLASS_UID: PUSH, command.REQUESTED_SOP_INSTANCE_UID: uid,
            command.COMMAND_DATA_SET_TYPE: command.DATA_SET,
        }  # fmt: skip
        sent = pdata(1, command.encode(values), command=True, max_pdu_bytes=16384)
        sent += pdata(1, information, command=False, max_pdu_bytes=16384)
        raw.send(b"".join(bytes(one) for one in sent))
        return command.decode(raw.pdu()[1][6:]).status == 0

    with Raw(port, timeout_s=120) as raw:
        raw.associate(request((PULL, (IMPLICIT,))))
        yield claim


@contextmanager
def by_web(base: str, lock: str) -> Iterator[Claim]:
    headers = {"Content-Type": "application/dicom+json"}
    with httpx.Client(base_url=base, headers=headers, timeout=120) as client:
        yield lambda uid: client.put(f"/workitems/{uid}/state", json=claiming(lock)).is_success


def test_each_step_is_claimed_exactly_once(office: Office) -> None:
    uids = [new_uid() for _ in range(STEPS)]
    for uid in uids:
        office.workitems.create(office.peer, uid, step())
    start = threading.Barrier(WORKERS)

    def work(number: int) -> list[str]:
        """Some of the steps, each wanted by several; the last worker of each kind wants all."""
        mine = Random(number).sample(uids, STEPS if number >= WORKERS - 2 else WANTED)
        lock = f"1.2.{number + 1}"
        dimse = by_bytes if number > 19 else by_pynetdicom
        with by_web(web.base, lock) if number % 2 else dimse(server.port, lock) as claim:
            start.wait(60)
            return [uid for uid in mine if claim(uid)]

    with serving(office, idle_s=120.0) as server, served(office) as web, ThreadPoolExecutor(WORKERS) as workers:
        won = list(workers.map(work, range(WORKERS)))
    assert Counter(uid for mine in won for uid in mine) == Counter(uids)
    owners = dict(office.rows("select sop_instance_uid, transaction_uid from workitem"))
    assert owners == {uid: f"1.2.{number + 1}" for number, mine in enumerate(won) for uid in mine}
    assert any(won[0::2]) and any(won[1::2])
