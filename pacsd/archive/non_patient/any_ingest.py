"""Files of any kind (`pacsd import`): what belongs to a study goes to the spool, the rest where it is kept."""

from typing import Any

from pacsd.access.directory import Peer
from pacsd.archive.ingest import Ingest
from pacsd.archive.non_patient.models import MODEL_OF_CLASS
from pacsd.archive.non_patient.service import NonPatientIngest
from pacsd.archive.part10_reception import Expecting, Part10Reception
from pacsd.codec.header import Header
from pacsd.faults import PacsdError


class AnyIngest:
    """Opens receptions of Part 10 files."""

    def __init__(self, studies: Ingest, non_patient: NonPatientIngest) -> None:
        self._studies = studies
        self._non_patient = non_patient

    def receive_part10(self, peer: Peer) -> Part10Reception:
        """Begin to receive a file."""
        return Part10Reception(_Either(self._studies.reception(peer), self._non_patient.reception(peer)), None)


class _Either:
    """Two receptions; which of them it becomes follows from the SOP class."""

    def __init__(self, studies: Expecting, non_patient: Expecting) -> None:
        self._chosen = studies
        self._other = non_patient

    @property
    def sop_class_uid(self) -> str:
        """What is known of it."""
        return self._chosen.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """What is known of it."""
        return self._chosen.sop_instance_uid

    def expect(
        self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, *, source_ae: str | None = None,
        study_instance_uid: str | None = None, header: Header | None = None,
    ) -> None:  # fmt: skip
        """What comes."""
        if sop_class_uid in MODEL_OF_CLASS:
            self._chosen = self._other
        self._chosen.expect(
            sop_class_uid, sop_instance_uid, transfer_syntax_uid, source_ae=source_ae,
            study_instance_uid=study_instance_uid, header=header,
        )  # fmt: skip

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The next bytes."""
        self._chosen.write(data)

    def commit(self) -> Any:
        """As the reception that it became."""
        return self._chosen.commit()

    def abort(self) -> None:
        """Forget it."""
        self._chosen.abort()

    def fail(self, error: PacsdError) -> None:
        """Refuse what is coming."""
        self._chosen.fail(error)
