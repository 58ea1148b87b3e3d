"""Rejection Note Stored (IHE RAD-66 4.66.4): what a note names is hidden from every transaction, and nothing else is.

IHE lets a server decide for notes of quality whether instances stay in use; for the other titles they are hidden. A
server for which a note is an object like others does not support this.
"""

from collections.abc import Iterable, Mapping, Sequence

from conformance.dicomweb import expect, models, multipart
from conformance.dicomweb import store_response as response
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import DICOM, JSON, OCTETS, Answer, Server
from conformance.dicomweb.store_response import REFERENCED
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import Instance, rejection_note, rewritten
from conformance.judging import Failed, NotSupported

REJECTION = Transaction("rejection", "Rejection notes (IHE RAD-66)", "IHE RAD-66 4.66.4")
QUALITY, SAFETY, WORKLIST_ENTRY, RETENTION, OF_INTEREST = "113001", "113037", "113038", "113039", "113000"
_SOP_INSTANCE_UID, _STUDY_RELATED_INSTANCES = "00080018", "00201208"
_GONE = (404, 410)


@REJECTION.optional("safety", "IHE RAD-66 4.66.4.2.3", "Rejected for Patient Safety Reasons: hidden everywhere")
def safety(server: Server, data: Prepared) -> None:
    _hides(server, data, SAFETY)


@REJECTION.optional("worklist-entry", "IHE RAD-66 4.66.4.3.3", "Incorrect Modality Worklist Entry: hidden everywhere")
def worklist_entry(server: Server, data: Prepared) -> None:
    _hides(server, data, WORKLIST_ENTRY)


@REJECTION.optional("retention", "IHE RAD-66 4.66.4.4.3", "Data Retention Policy Expired: hidden everywhere")
def retention(server: Server, data: Prepared) -> None:
    _hides(server, data, RETENTION)


@REJECTION.optional("quality", "IHE RAD-66 4.66.4.1.3", "Rejected for Quality Reasons: hidden everywhere, or in use")
def quality(server: Server, data: Prepared) -> None:
    _hides(server, data, QUALITY)


@REJECTION.optional("whole-study", "IHE RAD-66 4.66.4.2.3", "Of a study that is rejected as a whole no image is found")
def whole_study(server: Server, data: Prepared) -> None:
    instances = _stored(server, data, 2)
    _note(server, instances, SAFETY)
    _hidden(server, instances[0])
    _hidden(server, instances[1])
    found = server.get(f"/studies?StudyInstanceUID={instances[0].study}&ModalitiesInStudy=CT")
    expect.same([], expect.status(found, 200, 204).models(), "studies with CT images:")


@REJECTION.optional("count", "IHE RAD-66 4.66.4.2.3", "Number of Study Related Instances counts no hidden instance")
def count(server: Server, data: Prepared) -> None:
    instances = _stored(server, data, 3)
    _note(server, instances[:1], SAFETY)
    _hidden(server, instances[0])
    path = f"/studies/{instances[0].study}/instances"
    listed = len(expect.status(server.get(path), 200).models())
    found = server.get(f"/studies?StudyInstanceUID={instances[0].study}&includefield={_STUDY_RELATED_INSTANCES}")
    counts = [models.value(one, _STUDY_RELATED_INSTANCES) for one in expect.status(found, 200).models()]
    expect.same([listed], [int(one or 0) for one in counts], "as many as are listed:")


@REJECTION.optional("again", "IHE RAD-66 4.66.4.2.3.1", "What was hidden is not accepted again")
def again(server: Server, data: Prepared) -> None:
    instances = _stored(server, data, 2)
    _note(server, instances[:1], SAFETY)
    _hidden(server, instances[0])
    answer = _send(server, [instances[0].part10])
    if answer.status in (200, 202):
        expect.same([], response.of(answer).uids(REFERENCED), "in Referenced SOP Sequence")
    else:
        expect.refused(answer)
    _hidden(server, instances[0])


@REJECTION.optional("note-first", "IHE RAD-66 4.66.4.2.3", "What arrives after its note is not shown")
def note_first(server: Server, data: Prepared) -> None:
    named, other = (instances := _made(data, 2))
    _note(server, [named], SAFETY)
    _send(server, [one.part10 for one in instances])
    _shown(server, other)
    _hidden(server, named)


@REJECTION.optional("other-title", "IHE RAD-66 4.66.4.1.2", "A Key Object Selection of interest rejects nothing")
def other_title(server: Server, data: Prepared) -> None:
    instances = _stored(server, data, 2)
    _note(server, instances, OF_INTEREST)
    for one in instances:
        _shown(server, one)


def _hides(server: Server, data: Prepared, code: str) -> None:
    """Of two instances the note names one: that is hidden, and the other still there."""
    named, other = _stored(server, data, 2)
    _note(server, [named], code)
    _shown(server, other)
    _hidden(server, named)


def _made(data: Prepared, count: int) -> list[Instance]:
    first = data.fresh()
    return [first, *(rewritten(first, InstanceNumber=str(number)) for number in range(2, count + 1))]


def _stored(server: Server, data: Prepared, count: int) -> list[Instance]:
    instances = _made(data, count)
    response.stored(_send(server, [one.part10 for one in instances]), instances)
    for one in instances:
        _shown(server, one)
    return instances


def _send(server: Server, files: Iterable[bytes]) -> Answer:
    return server.post("/studies", *multipart.encoded(map(Part, files)), accept=JSON)


def _note(server: Server, named: Sequence[Instance], code: str) -> None:
    note = rejection_note(named, code=code)
    response.stored(_send(server, [note.part10]), [note])


def _ways(server: Server, one: Instance) -> Mapping[str, bool]:
    """By which transactions an instance is to be had."""
    found = {
        "search": _names(server.get(f"/studies/{one.study}/instances"), one),
        "metadata of the study": _names(server.get(f"/studies/{one.study}/metadata"), one),
    }
    for name, answer in (
        ("retrieval", server.get(one.path, DICOM + "; transfer-syntax=*")),
        ("metadata", server.get(f"{one.path}/metadata")),
        ("frames", server.get(f"{one.path}/frames/1", OCTETS + "; transfer-syntax=*")),
    ):
        found[name] = expect.status(answer, 200, *_GONE).status == 200
    return found


def _names(answer: Answer, one: Instance) -> bool:
    if expect.status(answer, 200, 204, *_GONE).status != 200:
        return False
    return one.uid in [models.value(found, _SOP_INSTANCE_UID) for found in answer.models()]


def _shown(server: Server, one: Instance) -> None:
    missing = [name for name, shown in _ways(server, one).items() if not shown]
    if missing:
        raise Failed(f"expected an instance that no note names, got none by {', '.join(missing)}")


def _hidden(server: Server, one: Instance) -> None:
    ways = _ways(server, one)
    if all(ways.values()):
        raise NotSupported("a rejection note changes nothing here, or rejected instances are in regular use")
    if any(ways.values()):
        shown = ", ".join(name for name, is_shown in ways.items() if is_shown)
        raise Failed(f"expected a rejected instance to be hidden, got it by {shown}")
