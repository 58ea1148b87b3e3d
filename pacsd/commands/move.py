"""`pacsd move`: C-MOVE (PS3.4 C.4.2)."""

import argparse

from pydicom.dataset import Dataset
from pynetdicom.presentation import build_context

from config.settings import Settings
from pacsd.commands.identifier import PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE, identifier
from pacsd.commands.peers import association, describe, is_success
from pacsd.commands.progress import progress_bar
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError

COUNTS = ("Completed", "Failed", "Warning")


def move(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """Have the peer send what the keys name; 3 when some sub-operations failed, 1 when all did."""
    sop_class = PATIENT_ROOT_MOVE if options.level == "PATIENT" else STUDY_ROOT_MOVE
    query = identifier(options.level, options.keys, returned=False)
    last, failed = Dataset(), ""
    with association(options, settings, [build_context(sop_class)]) as peer, progress_bar("moved") as bar:
        peer.dimse_timeout = None  # a destination may be slow; the peer's connection tells when it is gone
        try:
            for status, answer in peer.send_c_move(query, options.to, sop_class):
                last, failed = status, _failed(answer) or failed
                done = sum(_count(status, name) for name in COUNTS)
                bar.show(done, done + _count(status, "Remaining"))
        except ValueError as error:
            raise PacsdError(Fault.UNSUPPORTED, f"{options.peer} does not move objects of this kind") from error
    counts = ", ".join(f"{_count(last, name)} {name.lower()}" for name in COUNTS)
    print(f"{counts}; {describe(last)}")
    if failed:
        print(f"failed: {failed}")
    if is_success(last):
        return 3 if _count(last, "Failed") else 0
    return 1


def _count(status: Dataset, name: str) -> int:
    return int(status.get(f"NumberOf{name}Suboperations") or 0)


def _failed(answer: Dataset | None) -> str:
    """Failed SOP Instance UID List (0008,0058)."""
    value = answer.get("FailedSOPInstanceUIDList") if answer is not None else None
    if not value:
        return ""
    return value if isinstance(value, str) else " ".join(str(uid) for uid in value)
