"""An AE that FHIR registers is served and reached by the running server, and no more when it is deleted; DCMTK asks."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients import require
from tests.end_to_end import dcmtk
from tests.fhir.acting.test_administration import CLINIC, device, endpoint
from tests.server import Server, free_port, remove_folder, scratch_folder
from tests.synthetic import ct_slice, study, write_folder

STUDY = study(91, 1, name="utf8", patient_id="RG1", modality="CT")
SETTINGS = '[[organisations]]\ncode = "east"\n[dimse]\naccept_unknown_callers = false\n'


@pytest.fixture
def server() -> Iterator[Server]:
    folder = scratch_folder("pacsd-registering-")
    made = Server(folder / "data", config=SETTINGS)
    try:
        yield made.start()
    finally:
        made.kill()
        remove_folder(folder)


def eventually(done: Callable[[], Any], *, within_s: float = 15.0) -> None:
    """Every process looks once a second."""
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "it did not come about"


def test_an_ae_is_served_and_reached_without_a_restart_until_it_is_deleted(server: Server, tmp_path: Path) -> None:
    require("echoscu", "storescu", "movescu", "storescp")
    receiver = free_port()
    files = write_folder(tmp_path / "sent", [ct_slice(STUDY, series=1, instance=1, rows=32, columns=32)])

    def answered(program: str, *options: str, **more: Any) -> bool:
        return dcmtk.attempt(program, server.dicom_port, *options, calling="NEW", **more).returncode == 0

    assert not answered("storescu", files=files)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.http_port}/fhir") as client:
        mine = [CLINIC, device("NEW", "clinic"), endpoint("NEW", "clinic", address=f"dicom://127.0.0.1:{receiver}")]
        entries = [{"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
                   for one in mine]  # fmt: skip
        done = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert done.status_code == 200, done.text
        eventually(lambda: answered("storescu", files=files))
        (tmp_path / "came").mkdir()
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY.study_instance_uid}")
        with dcmtk.receiver(receiver, tmp_path / "came", title="NEW"):
            eventually(lambda: answered("movescu", "-S", "-aem", "NEW", *keys))
        assert dcmtk.objects_in(tmp_path / "came").keys() == {STUDY.sop_instance_uid(1, 1)}
        with httpx.Client(base_url=server.base_url) as web:          # the web reads for east: it is another hospital's
            assert web.get("/studies").json() == []
        assert client.delete("/Device/new").status_code == 204
        eventually(lambda: not answered("echoscu"))
