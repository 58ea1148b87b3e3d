"""What an order is told to become: ORC-1 (HL7 table 0119) and ORC-5 (table 0038) in terms of scheduled steps."""

from enum import Enum

from hl7.conditions import Condition, Hl7Error
from ihe_profiles.swf.order_groups import Group
from pacsd.workflow.order_statuses import ARRIVED, CANCELED, COMPLETED, DISCONTINUED, READY, SCHEDULED, STARTED


class Control(Enum):
    """What is done with an order."""

    NEW = "new"
    CHANGE = "change"
    CANCEL = "cancel"
    DISCONTINUE = "discontinue"
    STATUS = "status"


CONTROLS = {
    "NW": Control.NEW,                           # new order
    "SN": Control.NEW,                           # the filler's own, for which it asks a placer's number (RAD-3)
    "XO": Control.CHANGE,                        # change
    "XX": Control.CHANGE,                        # changed, unasked
    "XR": Control.CHANGE,                        # changed as asked
    "CA": Control.CANCEL,                        # cancel
    "OC": Control.CANCEL,                        # canceled, unasked (RAD-3)
    "CR": Control.CANCEL,                        # canceled as asked
    "DC": Control.DISCONTINUE,                   # discontinue
    "OD": Control.DISCONTINUE,                   # discontinued, unasked
    "DR": Control.DISCONTINUE,                   # discontinued as asked
    "SC": Control.STATUS,                        # status changed
}

# table 0038, and the words of Scheduled Procedure Step Status (0040,0020), which a sender's mapping may lead to
ORDER_STATUSES = {
    "SC": SCHEDULED, "IP": STARTED, "A": STARTED, "CM": COMPLETED, "DC": DISCONTINUED, "CA": CANCELED,
    SCHEDULED: SCHEDULED, ARRIVED: ARRIVED, READY: READY, STARTED: STARTED, COMPLETED: COMPLETED,
    DISCONTINUED: DISCONTINUED, CANCELED: CANCELED,
}  # fmt: skip
# and back, with what OBR-25 (table 0123) says beside it
ORC_5 = {SCHEDULED: "SC", ARRIVED: "SC", READY: "SC", STARTED: "IP", "DEPARTED": "IP", COMPLETED: "CM",
         DISCONTINUED: "DC", CANCELED: "CA"}  # fmt: skip
OBR_25 = {SCHEDULED: "S", ARRIVED: "S", READY: "S", STARTED: "I", "DEPARTED": "I", COMPLETED: "R", DISCONTINUED: "X",
          CANCELED: "X"}  # fmt: skip


def control_of(group: Group) -> Control:
    """What ORC-1 says. Raises Hl7Error."""
    said, where = group.reading.said("order_control"), group.where("order_control")
    if not said:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "without an order control code")
    if said not in CONTROLS:
        raise Hl7Error(Condition.TABLE_VALUE, where, f"order controls that are followed: {', '.join(CONTROLS)}")
    return CONTROLS[said]


def status_said(group: Group, *, required: bool) -> str | None:
    """What ORC-5 says, None where it says nothing. Raises Hl7Error."""
    said, where = group.reading.said("order_status"), group.where("order_status")
    if not said and required:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "without an order status")
    if said and said not in ORDER_STATUSES:
        raise Hl7Error(Condition.TABLE_VALUE, where, f"order statuses that are followed: {', '.join(ORDER_STATUSES)}")
    return ORDER_STATUSES[said] if said else None
