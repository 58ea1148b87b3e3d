"""UPS Push, Pull and Watch, end to end: pynetdicom as a foreign SCU on the workflow on real PostgreSQL."""

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from config.interfaces import SERVICES
from tests.dimse.steps import EVENT, FILTERED, GLOBAL, PULL, PUSH, QUERY, WATCH, Client, new_uid, serving
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, code, performed, progress, step

LOCK = "1.2.3"


def test_a_step_from_creation_to_completion(office: Office) -> None:
    uid = new_uid()
    with serving(office) as server, Client(server.port) as client:
        assert client.create(uid).Status == 0
        assert client.claim(uid).Status == 0
        assert client.set(uid, progress(50), LOCK).Status == 0
        assert client.change(uid, "COMPLETED").Status == 0xC304
        assert client.set(uid, performed(), LOCK).Status == 0
        assert client.change(uid, "COMPLETED").Status == 0
        status, found = client.get(uid)
    assert status.Status == 0 and found is not None
    assert (found.ProcedureStepState, found.SOPClassUID, found.SOPInstanceUID) == ("COMPLETED", PUSH, uid)
    assert str(found.PatientName) == "Zhang^San=张^三" and found.SpecificCharacterSet == "ISO_IR 192"
    assert found.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 50
    assert "TransactionUID" not in found
    assert office.workitems.retrieve(office.peer.scope, uid)["00741000"]["Value"] == ["COMPLETED"]


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"t00741000": attribute("CS", "IN PROGRESS")}, 0xC309, ""),
        ({"t00741204": None}, 0x0120, "(0074,1204)"),
        ({"t00741204": attribute("LO")}, 0x0121, "(0074,1204)"),
        ({"t00741200": attribute("CS", "VERY")}, 0x0106, "(0074,1200)"),
        ({"t00741216": attribute("SQ", {})}, 0x0106, "(0074,1216)"),
        ({"t00404005": attribute("DT", "tomorrow")}, 0x0106, "00404005"),
        ({"t00404018": attribute("SQ", {"00080104": attribute("LO", "no code")})}, 0x0121, "(0040,4018)"),
        ({"t00380010": None}, 0xB300, ""),
        ({"t00741202": attribute("LO")}, 0xB300, ""),
    ],
)
def test_what_is_created_is_checked(office: Office, changes: Any, status: int, named: str) -> None:
    with serving(office) as server, Client(server.port) as client:
        answer = client.create(attributes=step(**changes))
    assert answer.Status == status
    assert named in answer.get("ErrorComment", "")
    assert len(office.rows("select from workitem")) == (status == 0xB300)


def test_a_uid_is_taken_once_and_never_that_of_a_worklist(office: Office) -> None:
    uid = new_uid()
    with serving(office) as server, Client(server.port) as client:
        assert client.create(uid).Status == 0
        assert client.create(uid).Status == 0x0111
        assert client.create(GLOBAL).Status == 0x0117
        assert client.create(uid, step(t00080018=attribute("UI", "1.2.3.4"))).Status == 0x0117


def test_a_uid_that_the_scu_leaves_out_is_made(office: Office) -> None:
    with serving(office) as server, Client(server.port) as client:
        made = Dataset.from_json(step())
        status, _ = client.association.send_n_create(made, PUSH)
        assert status.Status == 0
    [[uid]] = office.rows("select sop_instance_uid from workitem")
    assert str(uid).startswith("2.25.")


def test_attributes_of_an_unclaimed_step_are_set_without_a_transaction_uid(office: Office) -> None:
    uid = new_uid()
    with serving(office) as server, Client(server.port) as client:
        client.create(uid)
        assert client.set(uid, {"00741204": attribute("LO", "other")}).Status == 0
        assert client.set(uid, {"00741204": attribute("LO", "other")}, LOCK).Status == 0xC310
        assert client.set(uid, {"00100020": attribute("LO", "P2")}).Status == 0x0106
        assert client.set(uid, {"00741202": attribute("LO")}).Status == 0xB305
        client.claim(uid)
        assert client.set(uid, progress(1)).Status == 0xC301
        assert client.set(uid, progress(1), "9.9").Status == 0xC301
        assert client.set(new_uid(), progress(1), LOCK).Status == 0xC307
        client.set(uid, performed(), LOCK)
        client.change(uid, "COMPLETED")
        assert client.set(uid, progress(2), LOCK).Status == 0xC300


def test_the_states_and_their_statuses(office: Office) -> None:
    uid, other = new_uid(), new_uid()
    with serving(office) as server, Client(server.port) as client:
        client.create(uid)
        assert client.change(uid, "COMPLETED").Status == 0xC310
        assert client.change(uid, "CANCELED").Status == 0xC310
        assert client.change(uid, "SCHEDULED").Status == 0xC303
        assert client.claim(uid).Status == 0
        assert client.claim(uid).Status == 0xC302
        assert client.claim(uid, "9.9").Status == 0xC301
        assert client.act(uid, 1, PULL, ProcedureStepState="CANCELED").Status == 0xC301
        assert client.act(uid, 1, PULL, TransactionUID=LOCK).Status == 0x0115
        assert client.act(uid, 1, PULL, ProcedureStepState="DONE", TransactionUID=LOCK).Status == 0x0115
        assert client.change(uid, "CANCELED").Status == 0
        assert client.change(uid, "CANCELED").Status == 0xB304
        assert client.change(uid, "COMPLETED").Status == 0xC300
        assert client.claim(uid).Status == 0xC300
        assert client.claim(other).Status == 0xC307
        client.create(other)
        client.claim(other)
        client.set(other, performed(), LOCK)
        client.change(other, "COMPLETED")
        assert client.change(other, "COMPLETED").Status == 0xB306


def test_a_cancellation_is_asked_for_by_push_or_watch(office: Office) -> None:
    waiting, begun, done = (new_uid() for _ in range(3))
    with serving(office) as server, Client(server.port) as client:
        for uid in (waiting, begun, done):
            client.create(uid)
        assert client.act(waiting, 2, PUSH, ReasonForCancellation="no need").Status == 0
        assert client.act(waiting, 2, WATCH).Status == 0xB304
        client.claim(begun)
        assert client.act(begun, 2, WATCH).Status == 0xC312
        client.subscribe(begun)
        assert client.act(begun, 2, WATCH, ContactDisplayName="Dr Li").Status == 0
        client.claim(done)
        client.set(done, performed(), LOCK)
        client.change(done, "COMPLETED")
        assert client.act(done, 2, PUSH).Status == 0xC311
        assert client.act(new_uid(), 2, PUSH).Status == 0xC307
        found = client.get(waiting)[1]
    assert found is not None and found.ProcedureStepState == "CANCELED"
    assert found.ProcedureStepProgressInformationSequence[0].ReasonForCancellation == "no need"
    asked = [text for text in office.heard("WATCHER") if '"00001002":{"vr":"US","Value":[2]}' in text]
    assert len(asked) == 1 and '"FOREIGN"' in asked[0] and "Dr Li" in asked[0]


def test_named_attributes_are_answered(office: Office) -> None:
    uid = new_uid()
    with serving(office) as server, Client(server.port) as client:
        client.create(uid)
        client.claim(uid)
        status, found = client.get(uid, 0x00741000, 0x00404018, 0x00404052, 0x00102000)
        assert status.Status == 0x0001 and found is not None
        assert set(found.keys()) == {0x00741000, 0x00404018, 0x00102000}
        assert found.ScheduledWorkitemCodeSequence[0].CodeValue == "110005" and not found.MedicalAlerts
        status, found = client.get(uid, 0x00741000, by=PUSH)
        assert status.Status == 0 and found is not None and found.ProcedureStepState == "IN PROGRESS"
        status, found = client.get(uid, 0x00081195, 0x00741000, by=PULL)
        assert status.Status == 0x0001 and found is not None and "TransactionUID" not in found
        assert client.get(new_uid())[0].Status == 0xC307


@pytest.mark.parametrize(
    ("by", "served"), [(PUSH, {2}), (WATCH, {2, 3, 4, 5}), (PULL, {1}), (EVENT, set()), (QUERY, set())]
)
def test_each_class_has_its_own_actions(office: Office, by: str, served: set[int]) -> None:
    with serving(office) as server, Client(server.port) as client:
        refused = {action for action in range(7) if client.act(new_uid(), action, by).Status in (0x0123, 0x0211)}
    assert refused == set(range(7)) - served


def test_each_class_has_its_own_operations(office: Office) -> None:
    uid = new_uid()
    with serving(office) as server, Client(server.port) as client:
        association, made = client.association, Dataset.from_json(step())
        assert association.send_n_create(made, PUSH, uid, meta_uid=PULL)[0].Status == 0x0211
        assert association.send_n_set(made, PUSH, uid, meta_uid=WATCH)[0].Status == 0x0211
        assert association.send_n_get([], PUSH, uid, meta_uid=QUERY)[0].Status == 0x0211
        assert association.send_n_delete(PUSH, uid).Status == 0x0211
        assert association.send_n_get([], WATCH, uid)[0].Status == 0x0119
        assert [status.Status for status, _ in client.find(by=PUSH, PatientID="")] == [0x0122]


def test_subscriptions_and_their_statuses(office: Office) -> None:
    uid = new_uid()
    with serving(office) as server, Client(server.port) as client:
        client.create(uid)
        assert client.subscribe(uid, "NOBODY").Status == 0xC308
        assert client.subscribe(uid, "WESTERN").Status == 0xC308
        assert client.subscribe(new_uid()).Status == 0xC307
        assert client.subscribe(uid, lock="MAYBE").Status == 0x0115
        assert client.act(uid, 3, WATCH, DeletionLock="TRUE").Status == 0x0115
        assert client.subscribe(uid, PatientID="P1").Status == 0x0114
        assert client.subscribe(FILTERED).Status == 0x0115
        assert client.subscribe(uid, lock="TRUE").Status == 0
        assert office.rows("select deletion_lock, by_worklist from subscription") == [(True, False)]
        assert client.act(uid, 5, WATCH, ReceivingAE="WATCHER").Status == 0xC314
        assert client.act(uid, 4, WATCH, ReceivingAE="WATCHER").Status == 0
        assert client.act(uid, 4, WATCH, ReceivingAE="WATCHER").Status == 0
        assert client.act(new_uid(), 4, WATCH, ReceivingAE="WATCHER").Status == 0xC307
        assert client.act(GLOBAL, 4, WATCH, ReceivingAE="WATCHER").Status == 0
        assert client.act(GLOBAL, 5, WATCH, ReceivingAE="WATCHER").Status == 0
        assert client.subscribe(GLOBAL).Status == 0
        assert client.act(GLOBAL, 5, WATCH, ReceivingAE="WATCHER").Status == 0
        assert office.rows("select worklist from subscriber") == [(None,)]
        assert client.act(GLOBAL, 4, WATCH, ReceivingAE="WATCHER").Status == 0
        assert office.rows("select from subscription") == []


def test_a_filter_is_made_of_matching_keys(office: Office) -> None:
    station = Dataset()
    station.CodeValue = "GPU2"
    fits, other = new_uid(), new_uid()
    with serving(office) as server, Client(server.port) as client:
        keys = {"ScheduledStationNameCodeSequence": Sequence([station]), "PatientName": "Zhang*",
                "ScheduledProcedureStepStartDateTime": "20261101-20261231", "WorklistLabel": ""}  # fmt: skip
        assert client.subscribe(FILTERED, lock="TRUE", **keys).Status == 0
        client.create(fits, step(t00404025=attribute("SQ", code("GPU2"))))
        client.create(other)
        assert client.subscribe(FILTERED, ReasonForCancellation="none").Status == 0x0115
    rows = office.rows("select w.sop_instance_uid from subscription x join workitem w on w.pk = x.workitem")
    assert rows == [(fits,)]
    [[kept]] = office.rows("select filter from subscriber")
    assert kept == {"00404025.00080100": "GPU2", "00100010": "Zhang*", "00404005": "20261101-20261231"}


def test_readers_of_another_organisation_see_and_do_not_change(office: Office) -> None:
    uid = new_uid()
    with serving(office) as server, Client(server.port) as client, Client(server.port, "READER") as reader:
        client.create(uid)
        assert reader.get(uid)[0].Status == 0
        assert reader.claim(uid).Status == 0x0124
        assert reader.set(uid, progress(1)).Status == 0x0124
        assert reader.act(uid, 2, WATCH).Status == 0x0124
        assert reader.subscribe(uid, "WESTERN", lock="TRUE").Status == 0xB301
        hidden = new_uid()
        assert reader.create(hidden).Status == 0
        assert client.get(hidden)[0].Status == 0xC307


def test_an_ae_that_may_not_ask_gets_no_context(office: Office) -> None:
    from dataclasses import replace

    office.peer = replace(office.peer, services=frozenset(SERVICES) - {"ups"})
    with serving(office) as server:
        from pynetdicom import AE

        ae = AE("FOREIGN")
        ae.add_requested_context(PUSH)
        ae.add_requested_context("1.2.840.10008.1.1")
        association = ae.associate("127.0.0.1", server.port, ae_title="PACSD")
        assert [context.abstract_syntax for context in association.accepted_contexts] == ["1.2.840.10008.1.1"]
        association.release()
