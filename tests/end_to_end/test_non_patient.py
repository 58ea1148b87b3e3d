"""Palettes and protocols over DIMSE by pynetdicom and DCMTK, and the same ones over the web."""

import subprocess
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context, build_role

from pacsd.archive.non_patient.models import (
    COLOR_PALETTE,
    GENERIC_IMPLANT_TEMPLATE,
    HANGING_PROTOCOL,
    PROTOCOL_APPROVAL,
    InformationModel,
)
from tests import non_patient as made
from tests.clients import require
from tests.end_to_end.conftest import Hospitals
from tests.synthetic import ct_slice, dataset_bytes, study

JSON = {"Accept": "application/dicom+json"}


@pytest.fixture(scope="module")
def base(hospitals: Hospitals) -> str:
    return hospitals.server.base_url


@pytest.fixture(scope="module")
def stored(hospitals: Hospitals) -> Dataset:
    """A palette that pynetdicom sent to EAST."""
    palette = made.color_palette("FROM_DIMSE", entries=4096)
    assert send(hospitals, "EAST", palette) == 0
    return palette


def association(hospitals: Hospitals, called: str, *classes: str, on_store: object = None) -> Association:
    entity = AE("E2E")
    made_association = entity.associate(
        "127.0.0.1", hospitals.server.dicom_port, ae_title=called,
        contexts=[build_context(one, ExplicitVRLittleEndian) for one in classes],
        ext_neg=[build_role(one, scp_role=True) for one in classes if one.endswith(".1")] if on_store else [],
        evt_handlers=[(evt.EVT_C_STORE, on_store)] if on_store else [],  # type: ignore[list-item]
    )  # fmt: skip
    assert made_association.is_established
    return made_association


def send(hospitals: Hospitals, called: str, dataset: Dataset) -> int:
    one = association(hospitals, called, dataset.SOPClassUID)
    assert one.accepted_contexts
    made.part10(dataset)                     # gives it its group 2
    status = int(one.send_c_store(dataset).Status)
    one.release()
    return status


def found(hospitals: Hospitals, called: str, model: InformationModel, **keys: object) -> list[Dataset]:
    identifier = Dataset()
    for keyword, value in {"SOPInstanceUID": "", **keys}.items():
        setattr(identifier, keyword, value)
    one = association(hospitals, called, model.find)
    answers = [(int(status.Status), answer) for status, answer in one.send_c_find(identifier, model.find)]
    one.release()
    assert answers[-1][0] == 0 and all(status == 0xFF00 for status, _ in answers[:-1])
    return [answer for _, answer in answers if answer is not None]


def test_c_find_answers_by_the_model_and_only_what_was_asked_for(hospitals: Hospitals, stored: Dataset) -> None:
    [answer] = found(hospitals, "EAST", COLOR_PALETTE, ContentLabel="FROM_*", ContentDescription="")
    assert answer.SOPInstanceUID == stored.SOPInstanceUID and answer.ContentLabel == "FROM_DIMSE"
    assert answer.ContentDescription == "测试调色板"
    assert "QueryRetrieveLevel" not in answer and "RetrieveAETitle" not in answer
    assert found(hospitals, "EAST", COLOR_PALETTE, ContentLabel="from_*") == []
    assert found(hospitals, "EAST", HANGING_PROTOCOL, SOPInstanceUID=stored.SOPInstanceUID) == []


def test_c_find_matches_inside_sequences(hospitals: Hospitals) -> None:
    for modality in ("CT", "MR"):
        assert send(hospitals, "EAST", made.hanging_protocol(f"E2E {modality}", modality=modality)) == 0
    item = Dataset()
    item.Modality = "MR"
    [answer] = found(
        hospitals, "EAST", HANGING_PROTOCOL, HangingProtocolName="E2E*", HangingProtocolDefinitionSequence=[item]
    )
    assert answer.HangingProtocolName == "E2E MR"
    assert answer.HangingProtocolDefinitionSequence[0].Modality == "MR"


def test_another_hospital_does_not_see_it_and_one_that_reads_does(
    hospitals: Hospitals, stored: Dataset
) -> None:
    seen = {one: len(found(hospitals, one, COLOR_PALETTE, SOPInstanceUID=stored.SOPInstanceUID)) for one in
            ("EAST", "WEST", "NORTH")}  # fmt: skip
    assert seen == {"EAST": 1, "WEST": 0, "NORTH": 1}


def got(hospitals: Hospitals, called: str, uid: str) -> tuple[int, list[bytes]]:
    came: list[bytes] = []

    def on_store(event: evt.Event) -> int:
        came.append(event.request.DataSet.getvalue())
        return 0

    identifier = Dataset()
    identifier.SOPInstanceUID = uid
    one = association(hospitals, called, COLOR_PALETTE.get, COLOR_PALETTE.storage[0][0], on_store=on_store)
    statuses = [int(status.Status) for status, _ in one.send_c_get(identifier, COLOR_PALETTE.get)]
    one.release()
    return statuses[-1], came


def test_c_get_gives_it_back_bit_identical_to_who_may_see_it(hospitals: Hospitals, stored: Dataset) -> None:
    expected = dataset_bytes(made.part10(stored))
    assert got(hospitals, "EAST", stored.SOPInstanceUID) == (0, [expected])
    assert got(hospitals, "NORTH", stored.SOPInstanceUID) == (0, [expected])
    assert got(hospitals, "WEST", stored.SOPInstanceUID) == (0, [])


def test_c_move_sends_it_to_a_third_party(hospitals: Hospitals, stored: Dataset) -> None:
    came: list[str] = []

    def on_store(event: evt.Event) -> int:
        came.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    receiver = AE("STORESCP")
    receiver.add_supported_context(COLOR_PALETTE.storage[0][0])
    server = receiver.start_server(
        ("127.0.0.1", hospitals.storescp_port), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)]
    )
    try:
        identifier = Dataset()
        identifier.SOPInstanceUID = stored.SOPInstanceUID
        one = association(hospitals, "EAST", COLOR_PALETTE.move)
        statuses = [int(status.Status) for status, _ in one.send_c_move(identifier, "STORESCP", COLOR_PALETTE.move)]
        one.release()
    finally:
        server.shutdown()
    assert statuses[-1] == 0 and came == [stored.SOPInstanceUID]


def test_a_retrieval_without_a_uid_is_refused(hospitals: Hospitals) -> None:
    one = association(hospitals, "EAST", COLOR_PALETTE.get)
    identifier = Dataset()
    identifier.ContentLabel = "X"
    statuses = [int(status.Status) for status, _ in one.send_c_get(identifier, COLOR_PALETTE.get)]
    one.release()
    assert statuses == [0xA900]


def test_a_repeat_succeeds_and_another_object_of_the_same_uid_is_refused(
    hospitals: Hospitals, stored: Dataset
) -> None:
    assert send(hospitals, "EAST", stored) == 0
    other = made.color_palette("FROM_DIMSE", entries=4096)
    other.ContentDescription = "another"
    assert send(hospitals, "EAST", other) != 0


def test_protocol_approvals_are_kept_and_found(hospitals: Hospitals) -> None:
    approval = Dataset()
    approval.SOPClassUID, approval.SOPInstanceUID = made.PROTOCOL_APPROVAL, "1.2.826.0.1.3680043.9.9.1"
    approval.InstanceCreationDate, approval.InstanceCreationTime = "20260301", "120000"
    assert send(hospitals, "EAST", approval) == 0
    [answer] = found(hospitals, "EAST", PROTOCOL_APPROVAL, InstanceCreationDate="20260201-20260401")
    assert answer.SOPInstanceUID == approval.SOPInstanceUID
    assert found(hospitals, "EAST", PROTOCOL_APPROVAL, InstanceCreationDate="-20260201") == []


def test_the_web_finds_and_tells_what_dimse_stored(base: str, stored: Dataset) -> None:
    answer = httpx.get(f"{base}/color-palettes", params={"ContentLabel": "FROM_D?MSE"}, headers=JSON)
    assert answer.status_code == 200
    [one] = answer.json()
    assert one["00080018"]["Value"] == [stored.SOPInstanceUID]
    assert set(one) == {"00080005", "00080016", "00080018", "00700080", "00700081", "00700084"}
    url = f"{base}/color-palettes/{stored.SOPInstanceUID}"
    [told] = httpx.get(url).json()                                           # JSON is the default
    back = Dataset.from_json(told)
    assert back.GreenPaletteColorLookupTableData == stored.GreenPaletteColorLookupTableData
    file = httpx.get(url, headers={"Accept": "application/dicom"})
    assert file.headers["content-type"].startswith("application/dicom")
    assert dataset_bytes(file.content) == dataset_bytes(made.part10(stored))
    xml = httpx.get(url, headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    assert xml.status_code == 200 and b"FROM_DIMSE" in xml.content
    tag = httpx.get(url, headers=JSON).headers["etag"]
    assert httpx.get(url, headers={**JSON, "If-None-Match": tag}).status_code == 304
    assert httpx.get(url, headers={"Accept": "image/png"}).status_code == 406


def test_dimse_finds_what_the_web_stored(hospitals: Hospitals, base: str) -> None:
    template = made.implant_template("FROM_WEB")
    url = f"{base}/implant-templates"
    answer = httpx.post(url, content=made.part10(template), headers={"Content-Type": "application/dicom", **JSON})
    assert answer.status_code == 200
    [item] = answer.json()["00081199"]["Value"]
    assert item["00081190"]["Value"] == [f"{url}/{template.SOPInstanceUID}"]
    [seen] = found(hospitals, "EAST", GENERIC_IMPLANT_TEMPLATE, ImplantName="FROM_WEB", EffectiveDateTime="2026-")
    assert seen.SOPInstanceUID == template.SOPInstanceUID


def test_metadata_with_inline_values_is_stored_by_the_web(base: str) -> None:
    palette = made.color_palette("AS_JSON")
    url = f"{base}/color-palettes/{palette.SOPInstanceUID}"
    text = dcmread(BytesIO(made.part10(palette))).to_json_dict()
    answer = httpx.post(url, json=[text], headers={"Content-Type": "application/dicom+json", **JSON})
    assert answer.status_code == 200, answer.text
    [told] = httpx.get(url, headers=JSON).json()
    assert Dataset.from_json(told).BluePaletteColorLookupTableData == palette.BluePaletteColorLookupTableData


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/hanging-protocols", made.part10(made.color_palette("WRONG")), 409, 0x0122),
        ("/color-palettes", ct_slice(study(9)), 409, 0x0122),
        ("/color-palettes/1.2.3", made.part10(made.color_palette("OTHER_UID")), 409, 0xA900),
        ("/studies", made.part10(made.color_palette("NO_STUDY")), 409, 0x0122),
    ],
)
def test_what_does_not_belong_to_a_resource_is_refused(
    base: str, path: str, body: bytes, status: int, reason: int
) -> None:
    answer = httpx.post(f"{base}{path}", content=body, headers={"Content-Type": "application/dicom", **JSON})
    assert answer.status_code == status
    [item] = answer.json()["00081198"]["Value"]
    assert item["00081197"]["Value"] == [reason]


def test_unknown_resources_and_instances_are_not_found(base: str, stored: Dataset) -> None:
    for path in ("/protocol-approvals", "/color-palettes/1.2.3", f"/hanging-protocols/{stored.SOPInstanceUID}"):
        assert httpx.get(f"{base}{path}", headers=JSON).status_code == 404
    assert httpx.request("DELETE", f"{base}/color-palettes").status_code == 405


def test_a_key_that_is_none_is_ignored_with_a_warning(base: str, stored: Dataset) -> None:
    answer = httpx.get(f"{base}/color-palettes?ContentDescription=x&ContentLabel=FROM_DIMSE", headers=JSON)
    assert len(answer.json()) == 1 and "00700081" in answer.headers["warning"]


def test_capabilities_name_the_resources(base: str) -> None:
    answer = httpx.options(f"{base}/", headers={"Accept": "application/json"})
    resources = {one["path"] for one in answer.json()["application"]["resources"]["resource"]}
    assert {"color-palettes", "hanging-protocols", "implant-templates", "inventories"} <= resources
    one = httpx.options(f"{base}/color-palettes")
    assert one.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_import_brings_one_in_and_purge_takes_one_away(hospitals: Hospitals, tmp_path: Path) -> None:
    palette = made.color_palette("IMPORTED")
    (tmp_path / "palette.dcm").write_bytes(made.part10(palette))
    done = hospitals.server.command("import", str(tmp_path), "--organisation", "east")
    assert "1 stored" in done.stdout, done.stdout
    assert len(found(hospitals, "EAST", COLOR_PALETTE, ContentLabel="IMPORTED")) == 1
    checked = hospitals.server.command("check")
    assert "non-patient" not in checked.stdout
    purged = hospitals.server.command(
        "purge", palette.SOPInstanceUID, "--non-patient", "--organisation", "east", "--yes"
    )
    assert purged.returncode == 0, purged.stdout
    assert found(hospitals, "EAST", COLOR_PALETTE, ContentLabel="IMPORTED") == []


def test_dcmtk_stores_a_palette(hospitals: Hospitals, tmp_path: Path) -> None:
    require("storescu")
    (tmp_path / "palette.dcm").write_bytes(made.part10(made.color_palette("DCMTK")))
    done = subprocess.run(
        ["storescu", "-R", "-aec", "EAST", "+sd", "127.0.0.1", str(hospitals.server.dicom_port), str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(found(hospitals, "EAST", COLOR_PALETTE, ContentLabel="DCMTK")) == 1
