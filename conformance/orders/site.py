"""The system under test: where it takes messages and where it answers the worklist."""

import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from pydicom import Dataset
from pynetdicom import AE

from conformance.judging import Failed, NotSupported
from conformance.requestor import attentive

MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"


@dataclass(frozen=True, slots=True)
class Site:
    """Addresses and titles. `application` and `facility` go into MSH-3 and MSH-4."""

    mllp: tuple[str, int]
    dicom: tuple[str, int]
    called: str = "ANY-SCP"
    calling: str = "CONFORMANCE"
    application: str = "CONFORMANCE"
    facility: str = "SUITE"
    timeout_s: float = 20.0
    run_id: str = field(default_factory=lambda: secrets.token_hex(3).upper())
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def number(self, letter: str) -> str:
        """A number nobody else has."""
        return f"{letter}{self.run_id}{next(self._numbers):04d}"

    def send(self, message: bytes) -> "Answer":
        """A message and its acknowledgement (HL7 v2.5.1 2.9). Raises Failed where none comes."""
        try:
            with socket.create_connection(self.mllp, timeout=self.timeout_s) as connection:
                connection.sendall(b"\x0b" + message + b"\x1c\x0d")
                read = b""
                while b"\x1c\x0d" not in read:
                    data = connection.recv(65536)
                    if not data:
                        raise Failed("expected an acknowledgement, the connection was closed")
                    read += data
        except OSError as error:
            raise Failed(f"expected an acknowledgement, got {type(error).__name__}") from error
        return Answer(read.lstrip(b"\x0b").split(b"\x1c\x0d", 1)[0])

    def taken(self, message: bytes) -> None:
        """A message that has to be accepted."""
        answer = self.send(message)
        if answer.code in ("AR", "CR") and answer.condition in ("200", "201"):
            raise NotSupported(f"the message type is refused with {answer.condition}")
        if answer.code not in ("AA", "CA"):
            raise Failed(f"expected AA, got {answer.code} {answer.field('ERR', 3)} at {answer.field('ERR', 2)}")

    def find(self, keys: Dataset) -> tuple[list[Dataset], int, set[int]]:
        """Items, the final status, and the statuses of the pending responses (PS3.4 K.4.1). Raises Failed."""
        scu = AE(self.calling)
        scu.add_requested_context(MODALITY_WORKLIST)
        association = attentive(scu.associate(*self.dicom, ae_title=self.called))
        if not association.is_established:
            raise Failed("expected an association, it was refused or aborted")
        try:
            if not association.accepted_contexts:
                raise NotSupported("the Modality Worklist SOP class is not accepted")
            items, pending, last = [], set(), -1
            for status, item in association.send_c_find(keys, MODALITY_WORKLIST):
                last = int(status.Status) if "Status" in status else -1
                if item is not None and last in (0xFF00, 0xFF01):
                    items.append(item)
                    pending.add(last)
            return items, last, pending
        finally:
            association.release()


@dataclass(frozen=True, slots=True)
class Answer:
    """An acknowledgement as it came."""

    raw: bytes

    def field(self, segment: str, number: int) -> str:
        """A field of the first segment of a name."""
        for line in re.split(rb"[\r\n]+", self.raw):
            if line.startswith(segment.encode() + b"|"):
                fields = line.split(b"|")
                return fields[number].decode("utf-8", "replace") if number < len(fields) else ""
        return ""

    @property
    def code(self) -> str:
        """MSA-1 (HL7 table 0008)."""
        return self.field("MSA", 1)

    @property
    def condition(self) -> str:
        """The error code of table 0357: ERR-3.1, before v2.5 in ERR-1."""
        return self.field("ERR", 3).split("^")[0]


def keys(returned: tuple[str, ...] = (), /, **given: str) -> Dataset:
    """A worklist query of the usual keys; names of the step's own attributes go into its sequence."""
    request, step = Dataset(), Dataset()
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "RequestedProcedureID"):
        setattr(request, keyword, given.pop(keyword, ""))
    for keyword in ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate",
                    "ScheduledProcedureStepStartTime", "ScheduledProcedureStepID"):
        setattr(step, keyword, given.pop(keyword, ""))
    for keyword in (*given, *returned):
        setattr(request, keyword, given.get(keyword, ""))
    request.ScheduledProcedureStepSequence = [step]
    return request
