"""Query UPS Workitems (RAD-81): C-FIND by UPS Pull, Watch and Query (PS3.4 CC.2.8)."""

from typing import Any

from pydicom.dataset import Dataset

from conformance.judging import Failed
from conformance.ups.peer import PULL, PUSH, QUERY, WATCH, Peer
from conformance.ups.steps import (
    IN_PROGRESS,
    SUCCESS,
    claimed,
    code,
    created,
    dataset,
    expect,
    same,
)
from conformance.ups.suite import Transaction

PENDING = (0xFF00, 0xFF01)
QUERYING = Transaction("query", "Query UPS Workitems", "RAD-81")


def found(peer: Peer, *, by: str = PULL, **keys: Any) -> list[Dataset]:
    """The identifiers of the answers to these keys."""
    *pending, last = peer.find(dataset(**{"SOPInstanceUID": None, **keys}), by=by)
    expect(last, SUCCESS)
    return [one.dataset for one in pending if expect(one, *PENDING).dataset is not None]  # type: ignore[misc]


def uids(peer: Peer, **keys: Any) -> set[str]:
    """The steps of this run that match."""
    return {str(one.get("SOPInstanceUID")) for one in found(peer, **{"WorklistLabel": peer.tag, **keys})}


def finds(peer: Peer, by: str) -> None:
    """A step is found by the label of its worklist."""
    uid = created(peer)
    same({uid}, {str(one.get("SOPInstanceUID")) for one in found(peer, by=by, SOPInstanceUID=uid)}, "matches")


@QUERYING.required("pull", "CC.2.8, Table CC.2-2", "Steps are found by UPS Pull")
def finds_by_pull(peer: Peer) -> None:
    finds(peer, PULL)


@QUERYING.required("watch", "CC.2.8, Table CC.2-3", "Steps are found by UPS Watch")
def finds_by_watch(peer: Peer) -> None:
    finds(peer, WATCH)


@QUERYING.required("query", "CC.2.8, Table CC.2-5", "Steps are found by UPS Query")
def finds_by_query(peer: Peer) -> None:
    finds(peer, QUERY)


@QUERYING.required("return", "CC.2.8.1.3.2", "An answer holds what was asked for, and nothing else")
def returns_what_was_asked(peer: Peer) -> None:
    uid = created(peer)
    (one,) = found(peer, SOPInstanceUID=uid, SOPClassUID=None, PatientName=None, AdmissionID=None)
    expected = {"SOPInstanceUID", "SOPClassUID", "PatientName", "AdmissionID"}
    conditional = {"SpecificCharacterSet", "TimezoneOffsetFromUTC"}
    same(expected, {element.keyword for element in one} - conditional, "attributes")
    same("Schritt^Jörg", str(one.PatientName), "Patient's Name")


@QUERYING.required("class", "CC.3.1.1", "The SOP Class UID of a match is that of UPS Push")
def says_push(peer: Peer) -> None:
    (one,) = found(peer, SOPInstanceUID=created(peer), SOPClassUID=None)
    same(PUSH, one.get("SOPClassUID"), "SOP Class UID")


@QUERYING.required("none", "CC.2.8.3", "No match is a success without an identifier")
def finds_nothing(peer: Peer) -> None:
    created(peer)
    same([], found(peer, WorklistLabel="nobody's label at all"), "matches")


@QUERYING.required("key.state", "Table CC.2.5-3", "Procedure Step State matches")
def matches_state(peer: Peer) -> None:
    waiting, (begun, _) = created(peer), claimed(peer)
    got = uids(peer, ProcedureStepState=IN_PROGRESS)
    if begun not in got or waiting in got:
        raise Failed("expected the step in progress and not the other, got something else")


@QUERYING.required("key.start", "Table CC.2.5-3, C.2.2.2.5", "Scheduled start matches a range")
def matches_start(peer: Peer) -> None:
    early = created(peer, ScheduledProcedureStepStartDateTime="20300101080000")
    late = created(peer, ScheduledProcedureStepStartDateTime="20300301080000")
    got = uids(peer, ScheduledProcedureStepStartDateTime="20300201-20300401")
    same({late}, got & {early, late}, "matches")
    same({early}, uids(peer, ScheduledProcedureStepStartDateTime="20291201-20300115") & {early, late}, "matches")


@QUERYING.required("key.station", "Table CC.2.5-3, C.2.2.2.6", "A code inside Scheduled Station Name matches")
def matches_station(peer: Peer) -> None:
    here = created(peer, ScheduledStationNameCodeSequence=[code("HERE")])
    there = created(peer, ScheduledStationNameCodeSequence=[code("THERE")])
    got = uids(peer, ScheduledStationNameCodeSequence=[dataset(CodeValue="HERE", CodingSchemeDesignator=None)])
    same({here}, got & {here, there}, "matches")


@QUERYING.required("key.label", "Table CC.2.5-3, C.2.2.2.4", "Wildcards match")
def matches_wildcards(peer: Peer) -> None:
    uid, other = created(peer, ProcedureStepLabel="Lung CAD"), created(peer, ProcedureStepLabel="Breast CAD")
    same({uid}, uids(peer, ProcedureStepLabel="Lung*") & {uid, other}, "matches of Lung*")
    same({uid, other}, uids(peer, ProcedureStepLabel="*C?D") & {uid, other}, "matches of *C?D")


@QUERYING.required("key.patient", "Table CC.2.5-3", "Patient's Name and Patient ID match")
def matches_patient(peer: Peer) -> None:
    uid = created(peer, PatientName="Only^One", PatientID=f"{peer.tag}-ONE")
    other = created(peer)
    same({uid}, uids(peer, PatientID=f"{peer.tag}-ONE") & {uid, other}, "matches")
    same({uid}, uids(peer, PatientName="Only^*") & {uid, other}, "matches")


@QUERYING.required("key.uids", "Table CC.2.5-3, C.2.2.2.2", "A list of UIDs matches each of them")
def matches_a_list(peer: Peer) -> None:
    one, two, three = created(peer), created(peer), created(peer)
    same({one, three}, uids(peer, SOPInstanceUID=[one, three]) & {one, two, three}, "matches")


@QUERYING.required("lock", "CC.2.7.3", "The Transaction UID is told to nobody")
def hides_the_lock(peer: Peer) -> None:
    uid, lock = claimed(peer)
    (one,) = found(peer, SOPInstanceUID=uid, TransactionUID=None)
    if str(one.get("TransactionUID") or ""):
        raise Failed("expected no Transaction UID, got one")
    if lock in str(one):
        raise Failed("expected no Transaction UID, got it elsewhere")


@QUERYING.optional("cancel", "CC.2.8.3", "A search that is cancelled ends with FE00, or had ended before")
def cancels(peer: Peer) -> None:
    for _ in range(20):
        created(peer)
    answers = peer.find(dataset(WorklistLabel=peer.tag, SOPInstanceUID=None))
    expect(next(answers), *PENDING)
    peer.cancel_find()
    *rest, last = answers
    expect(last, 0xFE00, SUCCESS)
    for one in rest:
        expect(one, *PENDING)
