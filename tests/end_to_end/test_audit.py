"""A day on record: every interface, in the index and outside, with nothing of a patient in the log."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from fhir.validation.check import Validator
from hl7.client import Client
from tests.ihe_profiles.atna.receivers import Receiver, certificate
from tests.server import Server, remove_folder, scratch_folder
from tests.soak.ledger import Ledger
from tests.soak.senders import association_with, store
from tests.synthetic import small_object, study, write_folder

STUDY = study(77, modality="CT")
ADT = (
    b"MSH|^~\\&|HIS|EAST|PACSD|X|20261130120000||ADT^A04^ADT_A01|M1|P|2.5.1\r"
    b"EVN|A04|20261130120000\rPID|1||SECRET77^^^default||Geheim^Hannelore||19700101|F\rPV1|1|O\r"
)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receiver, Path]]:
    cert, key = certificate(tmp_path_factory.mktemp("certificates"))
    receiver = Receiver(cert, key)
    yield receiver, cert
    receiver.close()


@pytest.fixture(scope="module")
def server(receiver: tuple[Receiver, Path]) -> Iterator[Server]:
    repository, cert = receiver
    folder = scratch_folder()
    config = '[audit]\nanchor_s = 0.2\n[[audit_repositories]]\nname = "central"\nhost = "127.0.0.1"\n'
    config += f'port = {repository.port}\nca_file = "{cert}"\n'
    running = Server(folder / "data", config=config)
    running.start()
    yield running
    running.kill()
    remove_folder(folder)


def get(server: Server, path: str, accept: str = "application/fhir+json") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def events(server: Server, query: str) -> list[dict[str, object]]:
    status, body = get(server, f"/fhir/AuditEvent?{query}")
    assert status == 200, body
    return [one["resource"] for one in json.loads(body).get("entry", ())]


@pytest.mark.timeout(180)
def test_a_day_is_on_record_everywhere(server: Server, receiver: tuple[Receiver, Path], tmp_path: Path) -> None:
    with association_with(server.dicom_port) as association:
        for path in write_folder(tmp_path, [small_object(STUDY, instance=n, size_bytes=3000) for n in (1, 2, 3)]):
            assert store(association, path, Ledger()) == 0
    dicom = "application/dicom+json"
    assert get(server, f"/dicom-web/studies?PatientID={STUDY.patient_id}", dicom)[0] == 200
    for _ in range(3):
        assert get(server, f"/dicom-web/studies/{STUDY.study_instance_uid}/metadata", dicom)[0] == 200
    assert get(server, "/dicom-web/studies/1.2.3.4/metadata", dicom)[0] == 404
    client = Client("127.0.0.1", server.mllp_port, answer_timeout_s=20.0)
    assert client.send(ADT).accepted
    client.close()
    assert get(server, "/fhir/Patient?family=Geheim")[0] == 200
    assert server.command("rejections").returncode == 0

    told = events(server, f"date=ge2020&entity:identifier=urn:oid:{STUDY.study_instance_uid}")
    kinds = sorted(one["type"]["code"] for one in told)                       # type: ignore[index]
    assert kinds.count("110102") == 1 and kinds.count("110104") >= 2
    mine = events(server, f"patient.identifier=urn:pacsd:authority:default|{STUDY.patient_id}")
    assert {"110112", "110102", "110104"} <= {one["type"]["code"] for one in mine}        # type: ignore[index]
    assert [one["action"] for one in events(server, "patient.identifier=urn:pacsd:authority:default|SECRET77")] == ["U"]
    assert len(events(server, "subtype=rejections&agent-name=nobody")) == 0
    assert len(events(server, "subtype=rejections")) == 1
    assert events(server, "outcome=4&entity:identifier=1.2.3.4")
    checked = Validator()
    for one in events(server, "_count=200"):
        assert [issue for issue in checked.check(one) if issue.severity in ("error", "fatal")] == [], one
        AuditEvent.model_validate_json(json.dumps(one))

    repository, _ = receiver
    heard = b"\n".join(repository.wait_for(12))
    assert b'csd-code="110102"' in heard and STUDY.study_instance_uid.encode() in heard
    assert f"{STUDY.patient_id}^^^default".encode() in heard
    log = server.log.read_text()
    for secret in ("Geheim", "Hannelore", "SECRET77", STUDY.patient_id):
        assert secret not in log


@pytest.mark.timeout(180)
def test_audit_events_of_others_are_taken_and_never_changed(server: Server) -> None:
    event = {
        "resourceType": "AuditEvent", "type": {"system": "http://dicom.nema.org/resources/ontology/DCM",
                                               "code": "110103"},
        "recorded": "2026-11-30T10:00:00Z", "outcome": "0", "action": "R",
        "agent": [{"who": {"identifier": {"value": "viewer-7"}}, "requestor": True}],
        "source": {"observer": {"display": "viewer"}},
        "entity": [{"what": {"reference": "Patient/abc"}}],
    }  # fmt: skip
    base = f"http://127.0.0.1:{server.http_port}/fhir/"

    def send(method: str, path: str, body: object) -> tuple[int, dict[str, str]]:
        headers = {"Content-Type": "application/fhir+json"}
        request = urllib.request.Request(base + path, json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers)

    status, headers = send("POST", "AuditEvent", event)
    assert status == 201
    name = headers["location"].split("/_history")[0].rpartition("/")[2]
    status, body = get(server, f"/fhir/AuditEvent/{name}")
    assert status == 200 and json.loads(body)["agent"] == event["agent"]
    assert [one["id"] for one in events(server, "agent:identifier=viewer-7")] == [name]
    about = [one["id"] for one in events(server, "entity=Patient/abc")]       # that this was asked is about it, too
    assert name in about and len(about) <= 2
    assert send("PUT", f"AuditEvent/{name}", {**event, "id": name})[0] == 405
    assert send("DELETE", f"AuditEvent/{name}", {})[0] == 405
    assert send("POST", "AuditEvent", {**event, "recorded": "yesterday"})[0] in (400, 422)
    transaction = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": event, "request": {"method": "POST", "url": "AuditEvent"}}]}  # fmt: skip
    assert send("POST", "", transaction)[0] == 400
    assert send("POST", "", {**transaction, "type": "batch"})[0] == 200
    assert len(events(server, "agent:identifier=viewer-7")) == 2
    status, _ = get(server, "/fhir/AuditEvent?unknown=1")
    assert status == 400
    _, page = get(server, "/fhir/AuditEvent?_count=2")
    following = next(one["url"] for one in json.loads(page)["link"] if one["relation"] == "next")
    seen = {one["resource"]["id"] for one in json.loads(page)["entry"]}
    _, second = get(server, "/fhir/" + following.partition("/fhir/")[2])
    assert not seen & {one["resource"]["id"] for one in json.loads(second)["entry"]}


@pytest.mark.timeout(180)
def test_records_are_verified_and_survive_a_kill(server: Server) -> None:
    dicom = "application/dicom+json"
    for number in range(20):
        assert get(server, f"/dicom-web/studies?PatientID=KILLED{number}", dicom)[0] == 200
    os.killpg(server.pid, signal.SIGKILL)
    server.kill()
    server.start()
    for number in range(20):
        assert events(server, f"patient.identifier=urn:pacsd:authority:default|KILLED{number}")
    done = server.command("audit", "verify")
    assert done.returncode == 0 and "0 problems" in done.stdout, done.stdout
    last = max((server.data / "audit").iterdir(), key=lambda one: one.stat().st_size)
    last.write_bytes(last.read_bytes().replace(b"KILLED3", b"KILLED4", 1).replace(b"anonymous", b"somebody!", 1))
    done = server.command("audit", "verify")
    assert done.returncode == 3, done.stdout
