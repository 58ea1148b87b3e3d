"""Storage Commitment Push Model (PS3.4 Annex J; IHE RAD-10)."""

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from conformance.exams.modality import (
    CT,
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    SECONDARY_CAPTURE,
    Event,
    Modality,
    reference,
    status_of,
)
from conformance.exams.suite import Service
from conformance.judging import Failed, NotSupported, NotTested

COMMITMENT = Service("commitment")
RAD_10 = "RAD-10"
SUCCESSFUL, FAILURES_EXIST = 1, 2
Reference = tuple[str, str]


@COMMITMENT.required("result", "PS3.4 J.3.3.1", RAD_10, "What is stored is committed to, on either association")
def result(modality: Modality) -> None:
    """Event Type 1 with all references, under the Transaction UID of the request."""
    stored = modality.store(3)
    event = _asked(modality, stored)
    _is(event, SUCCESSFUL, committed=stored)


@COMMITMENT.required("result.released", "PS3.4 J.3.3.1.2", RAD_10, "The result reaches a modality that has released")
def released(modality: Modality) -> None:
    """On an association that the server opens in the role of SCP."""
    if not modality.listen_port:
        raise NotTested("no --listen port, at which the server knows this modality")
    stored = modality.store()
    transaction = generate_uid()
    with modality.association(PUSH_MODEL) as made:
        _expect(_action(made, transaction, stored), 0)
    _is(modality.result_of(transaction), SUCCESSFUL, committed=stored)


@COMMITMENT.required("result.unknown", "PS3.3 C.14.1.1", RAD_10, "An unknown instance fails with 0112H, others do not")
def unknown(modality: Modality) -> None:
    """Event Type 2 with both sequences; every reference is in one of them."""
    stored = modality.store(2)
    absent = (SECONDARY_CAPTURE, generate_uid())
    event = _asked(modality, [*stored, absent])
    _is(event, FAILURES_EXIST, committed=stored, failed={absent: 0x0112})


@COMMITMENT.required("result.none", "PS3.4 Table J.3-2", RAD_10, "Where all fails, only failures are told")
def none(modality: Modality) -> None:
    """Event Type 2 without Referenced SOP Sequence."""
    absent = [(SECONDARY_CAPTURE, generate_uid()), (CT, generate_uid())]
    _is(_asked(modality, absent), FAILURES_EXIST, failed=dict.fromkeys(absent, 0x0112))


@COMMITMENT.required("result.class", "PS3.3 C.14.1.1", RAD_10, "Another SOP class than the stored one fails with 0119H")
def other_class(modality: Modality) -> None:
    """The instance is there, as something else."""
    [(_, instance)] = modality.store()
    wrong = (CT, instance)
    _is(_asked(modality, [wrong]), FAILURES_EXIST, failed={wrong: 0x0119})


@COMMITMENT.optional("result.many", "PS3.4 J.3.2.1", RAD_10, "A thousand references are answered one by one")
def many(modality: Modality) -> None:
    """Two of them are there."""
    stored = modality.store(2)
    absent = [(SECONDARY_CAPTURE, generate_uid()) for _ in range(998)]
    event = _asked(modality, [*stored, *absent])
    _is(event, FAILURES_EXIST, committed=stored, failed=dict.fromkeys(absent, 0x0112))


@COMMITMENT.required("action.instance", "PS3.4 J.3.2.1.2", RAD_10, "Only the well-known instance is acted upon")
def instance(modality: Modality) -> None:
    """Another Requested SOP Instance UID fails."""
    with modality.association(PUSH_MODEL) as made:
        status = _action(made, generate_uid(), [(CT, generate_uid())], instance=generate_uid())
    _expect(status, 0x0110, 0x0112, 0x0117, 0x0119)


@COMMITMENT.required("action.type", "PS3.7 10.1.4.1.10", RAD_10, "Another Action Type gets 0123H")
def action_type(modality: Modality) -> None:
    """Action Type 9."""
    with modality.association(PUSH_MODEL) as made:
        _expect(_action(made, generate_uid(), [(CT, generate_uid())], kind=9), 0x0123)


@COMMITMENT.required("action.empty", "PS3.4 Table J.3-1", RAD_10, "A request without references is refused")
def empty(modality: Modality) -> None:
    """Referenced SOP Sequence is type 1."""
    with modality.association(PUSH_MODEL) as made:
        _expect(_action(made, generate_uid(), []), 0x0110, 0x0114, 0x0115)


@COMMITMENT.optional("transaction.reused", "PS3.4 J.3.3.1.2", RAD_10, "A Transaction UID that was used gets 0131H")
def reused(modality: Modality) -> None:
    """The same Transaction UID after its result was told, for other instances."""
    first, second = modality.store(2)
    transaction = generate_uid()
    _is(_asked(modality, [first], transaction), SUCCESSFUL, committed=[first])
    event = _asked(modality, [second], transaction)
    if event.event_type_id == SUCCESSFUL:
        raise NotSupported("a Transaction UID may be used again")
    _is(event, FAILURES_EXIST, failed={second: 0x0131})


def _asked(modality: Modality, wanted: Sequence[Reference], transaction: str = "") -> Event:
    """The result of a request, heard on the association of the request or on another."""
    transaction = transaction or generate_uid()
    with modality.association(PUSH_MODEL) as made:
        _expect(_action(made, transaction, wanted), 0)
        return modality.result_of(transaction)


def _action(
    made: Any, transaction: str, wanted: Sequence[Reference], *, kind: int = 1, instance: str = PUSH_MODEL_INSTANCE
) -> Dataset:
    information = Dataset()
    information.TransactionUID = transaction
    information.ReferencedSOPSequence = [reference(*one) for one in wanted]
    status: Dataset = made.send_n_action(information, kind, PUSH_MODEL, instance)[0]
    return status


def _is(
    event: Event, kind: int, *, committed: Sequence[Reference] = (), failed: dict[Reference, int] | None = None
) -> None:
    got = [_reference(one) for one in event.information.get("ReferencedSOPSequence", [])]
    reasons = {_reference(one): one.get("FailureReason") for one in event.information.get("FailedSOPSequence", [])}
    if event.event_type_id != kind:
        raise Failed(f"expected Event Type {kind}, got {event.event_type_id}")
    if sorted(got) != sorted(committed):
        raise Failed(f"expected {len(committed)} references to be committed to, got {len(got)} or others")
    if reasons != (failed or {}):
        raise Failed(f"expected the failures {_shown(failed or {})}, got {_shown(reasons)}")


def _reference(item: Dataset) -> Reference:
    return str(item.get("ReferencedSOPClassUID")), str(item.get("ReferencedSOPInstanceUID"))


def _shown(failures: dict[Reference, int]) -> str:
    return ", ".join(sorted({f"{reason:04X}" if reason is not None else "none" for reason in failures.values()})) or "-"


def _expect(status: Dataset, *codes: int) -> None:
    got = status_of(status)
    if got not in codes:
        expected = " or ".join(f"{one:04X}" for one in codes)
        raise Failed(f"expected status {expected}, got {got:04X} {status.get('ErrorComment', '')}".strip())
