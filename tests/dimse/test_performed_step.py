"""MPPS with a foreign modality: N-CREATE, N-SET, N-GET, their statuses, and hostile data sets."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.archive.house import opened
from tests.dimse.department import MPPS, RETRIEVE, Ward, may, modality, of_other_organisation
from tests.dimse.fakes import Server
from tests.workflow.performed import begun, ended, series
from tests.workflow.steps import Attributes, attribute


@pytest.fixture
def ward(database: str, tmp_path: Path) -> Iterator[Ward]:
    with opened(database, tmp_path / "blobs") as house:
        yield Ward(house)


@pytest.fixture
def server(ward: Ward) -> Iterator[Server]:
    with ward.serving() as server:
        yield server


def dataset(attributes: Attributes) -> Dataset:
    made = Dataset.from_json(attributes)  # type: ignore[arg-type]
    made.SpecificCharacterSet = "GB18030"
    return made


def create(scu: Any, uid: str | None, **changes: Any) -> Dataset:
    return scu.send_n_create(dataset(begun(**changes)), MPPS, uid)[0]


def set_(scu: Any, uid: str, attributes: Attributes) -> Dataset:
    return scu.send_n_set(dataset(attributes), MPPS, uid)[0]


def test_a_modality_tells_of_an_exam_from_begin_to_end(server: Server) -> None:
    uid = generate_uid()
    with modality(server.port, MPPS) as scu:
        assert create(scu, uid).Status == 0
    with modality(server.port, MPPS, RETRIEVE) as scu:
        assert set_(scu, uid, ended(series("1.2.3.1", [f"1.2.3.1.{n}" for n in range(3)]))).Status == 0
        status, found = scu.send_n_get([0x00400252, 0x00400340, 0x00100010], MPPS, uid, meta_uid=RETRIEVE)
        assert (status.Status, found.PerformedProcedureStepStatus) == (0, "COMPLETED")
        assert str(found.PatientName) == "Zhang^San=张^三"
        assert len(found.PerformedSeriesSequence[0].ReferencedImageSequence) == 3
        status, found = scu.send_n_get([], RETRIEVE, uid)
        assert (status.Status, found.PerformedProcedureStepDescription) == (0, "胸部平扫")
        status, found = scu.send_n_get([0x00400252, 0x00181110], RETRIEVE, uid)
        assert status.Status == 0x0001
        assert [int(tag) for tag in [status.AttributeIdentifierList]] == [0x00181110]
        assert found.PerformedProcedureStepStatus == "COMPLETED"
        assert scu.send_n_get([], RETRIEVE, generate_uid())[0].Status == 0x0112


def test_the_final_state_is_refused_with_its_error_id(server: Server) -> None:
    uid = generate_uid()
    with modality(server.port, MPPS) as scu:
        assert create(scu, uid).Status == 0
        assert set_(scu, uid, ended(status="DISCONTINUED")).Status == 0
        refused = set_(scu, uid, ended())
    assert (refused.Status, refused.ErrorID) == (0x0110, 0xA710)
    assert refused.ErrorComment == "Performed Procedure Step Object may no longer be updated"


def test_statuses_name_what_is_wrong(server: Server) -> None:
    uid = generate_uid()
    with modality(server.port, MPPS) as scu:
        missing = create(scu, uid, t00400253=None)
        assert (missing.Status, missing.ErrorComment) == (0x0120, "a required attribute is missing: (0040,0253)")
        assert create(scu, uid, t00400244=attribute("DA")).Status == 0x0121
        assert create(scu, uid, t00400252=attribute("CS", "COMPLETED")).Status == 0x0106
        assert set_(scu, uid, ended()).Status == 0x0112
        assert create(scu, uid).Status == 0
        assert create(scu, uid).Status == 0x0111
        early = set_(scu, uid, {"00400252": attribute("CS", "COMPLETED")})
        assert early.Status == 0x0121
        assert [int(tag) for tag in early.AttributeIdentifierList] == [0x00400250, 0x00400251, 0x00400340]
        assert set_(scu, uid, {"00100020": attribute("LO", "OTHER")}).Status == 0x0105
        assert set_(scu, uid, ended()).Status == 0


def test_a_uid_is_given_where_the_modality_has_none(ward: Ward, server: Server) -> None:
    with modality(server.port, MPPS) as scu:
        assert create(scu, None).Status == 0
    with ward.house.pool.connection() as connection:
        [(uid,)] = connection.execute("select sop_instance_uid from performed_step").fetchall()
    assert uid.startswith("2.25.")


def test_two_associations_that_end_a_step_at_once(server: Server) -> None:
    uid = generate_uid()
    with modality(server.port, MPPS) as first, modality(server.port, MPPS) as second:
        for _ in range(5):
            uid = generate_uid()
            assert create(first, uid).Status == 0
            with ThreadPoolExecutor(2) as threads:
                ends = [threads.submit(set_, scu, uid, ended()) for scu in (first, second)]
            assert Counter(end.result().Status for end in ends) == {0: 1, 0x0110: 1}


def test_who_may_not_tell_of_steps_gets_no_context(ward: Ward, server: Server) -> None:
    may(ward, "VIEWER", "echo", "find")
    with modality(server.port, "1.2.840.10008.1.1", MPPS, calling="VIEWER") as scu:
        assert [str(one.abstract_syntax) for one in scu.rejected_contexts] == [MPPS]


def test_another_organisation_has_steps_of_its_own(ward: Ward, server: Server) -> None:
    of_other_organisation(ward, "CT2")
    uid = generate_uid()
    with modality(server.port, MPPS) as ours, modality(server.port, MPPS, calling="CT2") as theirs:
        assert create(ours, uid).Status == 0
        assert set_(theirs, uid, ended()).Status == 0x0112
        assert create(theirs, uid).Status == 0
        assert set_(theirs, uid, ended()).Status == 0
        assert set_(ours, uid, ended()).Status == 0


def test_a_step_of_five_thousand_images_is_taken(server: Server) -> None:
    uid = generate_uid()
    images = [f"1.2.826.0.1.3680043.10.54321.{n}" for n in range(5_000)]
    with modality(server.port, MPPS) as scu:
        assert create(scu, uid).Status == 0
        assert set_(scu, uid, ended(series("1.2.3.1", images))).Status == 0


def test_hostile_data_sets_are_refused_and_the_association_goes_on(server: Server) -> None:
    uid = generate_uid()
    with modality(server.port, MPPS) as scu:
        huge = attribute("UT", "x" * (9 << 20))
        assert create(scu, uid, t00189373=huge).Status == 0x0213
        assert create(scu, uid, t00400340=attribute("SQ", series("../../x"))).Status == 0x0106
        assert create(scu, "../../etc/passwd").Status == 0x0117
        assert create(scu, uid, t00400270=attribute("SQ", *[{}] * 5_000)).Status == 0x0120
        assert create(scu, uid).Status == 0
