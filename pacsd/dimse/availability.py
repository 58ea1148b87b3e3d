"""Instance Availability Notification as SCU (PS3.4 Annex R; IHE RAD-49): which instances of a study are there."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.archive.retrieve import InstanceRef, Selection
from pacsd.dimse.datasets import Dataset, encoded
from pacsd.dimse.requestor import Answer, Outgoing
from pacsd.dimse.services import Archive, Department
from pacsd.dimse.sop_classes import INSTANCE_AVAILABILITY_NOTIFICATION, MPPS
from pacsd.workflow.notifications import Notification
from pacsd.workflow.performed_step_references import performed
from pacsd.workflow.performed_step_refusals import StepRefusal

ONLINE = "ONLINE"                        # all that is kept is at hand


def tell(archive: Archive, department: Department, outgoing: Outgoing, one: Notification) -> Answer | None:
    """Notify of a study: of what its completed step names, else of all that is there. None where nothing is."""
    about = orjson.loads(one.body)
    scope = Scope((one.organisation,), one.organisation)
    refs: Iterable[InstanceRef] = archive.retrieve.select(scope, Selection((about["study"],)))
    if about["steps"]:
        named = set(_named(department, scope, about["steps"]))
        refs = [ref for ref in refs if ref.sop_instance_uid in named]
    attributes = notification(about["study"], about["steps"], list(refs), retrieve_ae_title=one.own_title)
    if attributes is None:
        return None
    context = outgoing.accepted(INSTANCE_AVAILABILITY_NOTIFICATION)
    data = encoded(attributes, context.transfer_syntax) if context is not None else None
    return outgoing.create(INSTANCE_AVAILABILITY_NOTIFICATION, one.sop_instance_uid, data)


def notification(
    study_instance_uid: str, steps: Sequence[str], refs: Sequence[InstanceRef], *, retrieve_ae_title: str
) -> Dataset | None:
    """The attributes of the N-CREATE (PS3.4 Table R.3.2-1) and no others; None without an instance."""
    by_series: dict[str, list[Dataset]] = {}
    for ref in refs:
        by_series.setdefault(ref.series_instance_uid, []).append({
            "00080054": _value("AE", retrieve_ae_title),
            "00080056": _value("CS", ONLINE),
            "00081150": _value("UI", ref.sop_class_uid),
            "00081155": _value("UI", ref.sop_instance_uid),
        })  # fmt: skip
    if not by_series:
        return None
    series = ({"00081199": _value("SQ", *items), "0020000E": _value("UI", uid)} for uid, items in by_series.items())
    return {
        "00081111": _value("SQ", *map(_step, steps)),
        "00081115": _value("SQ", *series),
        "0020000D": _value("UI", study_instance_uid),
    }


def _step(uid: str) -> Dataset:
    """Of a modality's step: it has no Performed Workitem Code, which is type 2."""
    return {"00081150": _value("UI", MPPS), "00081155": _value("UI", uid), "00404019": {"vr": "SQ"}}


def _named(department: Department, scope: Scope, steps: Sequence[str]) -> Iterator[str]:
    for uid in steps:
        try:
            attributes = department.performed_steps.retrieve(scope, uid)
        except StepRefusal:                      # deleted since
            continue
        yield from (instance for series in performed(attributes) for _, instance in series.instances)


def _value(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}
