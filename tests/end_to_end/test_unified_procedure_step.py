"""Steps by DIMSE in the whole server: whoever serves them, events outlive kill -9, and the web says the same."""

from collections.abc import Iterator

import httpx
import pytest
from pydicom.dataset import Dataset

from tests.dimse.steps import GLOBAL, Client, Listener, new_uid
from tests.dimse.test_ups_event import until
from tests.server import Server, free_port, remove_folder, scratch_folder
from tests.workflow.steps import attribute, performed, progress

CONFIG = """
[[remote_aes]]
title = "WATCHER"
host = "127.0.0.1"
port = {port}
organisation = "default"
[dimse]
receivers = 1
query_processes = {queries}
artim_timeout_s = 5.0
"""
JSON = {"Content-Type": "application/dicom+json"}


class Place:
    """The server, and the port on which the watcher may listen."""

    def __init__(self, queries: int) -> None:
        self.port = free_port()
        self.folder = scratch_folder("pacsd-ups-")
        self.server = Server(self.folder / "data", config=CONFIG.format(port=self.port, queries=queries))

    def state(self, uid: str, value: str, lock: str) -> int:
        body = {"00741000": attribute("CS", value), "00081195": attribute("UI", lock)}
        url = f"{self.server.base_url}/workitems/{uid}/state"
        return httpx.put(url, json=body, headers=JSON, timeout=30).status_code


@pytest.fixture(params=[1, 0], ids=["query-process", "receivers-alone"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made = Place(request.param)
    try:
        made.server.start()
        yield made
    finally:
        made.server.kill()
        remove_folder(made.folder)


def told(listener: Listener) -> list[tuple[str, int, str | None]]:
    """Without what comes again, as it may after a kill."""
    return list(dict.fromkeys(listener.told()))


def test_a_day_of_a_step(place: Place) -> None:
    uid, left = new_uid(), new_uid()
    with Client(place.server.dicom_port) as client:
        assert client.subscribe(GLOBAL).Status == 0
        assert client.create(uid).Status == 0 and client.create(left).Status == 0
        assert place.state(uid, "IN PROGRESS", "1.2.3") == 200
        assert client.claim(uid, "9.9").Status == 0xC301
        assert client.set(uid, progress(30), "1.2.3").Status == 0
    place.server.kill()
    with Listener(port=place.port) as listener:
        place.server.start()
        expected = [(uid, 1, "SCHEDULED"), (left, 1, "SCHEDULED"), (uid, 1, "IN PROGRESS"), (uid, 3, None),
                    (GLOBAL, 4, None)]  # fmt: skip
        until(lambda: [one for one in told(listener) if one[1] != 5] == expected, within_s=60)
        with Client(place.server.dicom_port) as client:
            assert client.set(uid, performed(), "1.2.3").Status == 0
            assert client.change(uid, "COMPLETED", "1.2.3").Status == 0
            found = [one for _, one in client.find(ProcedureStepState="COMPLETED", SOPInstanceUID="") if one]
            assert [one.SOPInstanceUID for one in found] == [uid]
        until(lambda: told(listener)[-1] == (uid, 1, "COMPLETED"), within_s=30)
    web = httpx.get(f"{place.server.base_url}/workitems/{uid}", headers={"Accept": "application/dicom+json"})
    assert Dataset.from_json(web.json()).ProcedureStepState == "COMPLETED"
