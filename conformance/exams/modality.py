"""The modality that holds a server to the standard: pynetdicom, nothing of ours."""

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF

from conformance.judging import Failed, NotSupported
from conformance.requestor import attentive

MPPS, MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.4"
PUSH_MODEL, PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
SECONDARY_CAPTURE, CT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.2"
_SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


@dataclass(frozen=True, slots=True)
class Event:
    """An N-EVENT-REPORT that came. `same`: on an association of the modality's own."""

    event_type_id: int
    information: Dataset
    same: bool


@dataclass
class Modality:
    """Where the server is, who the modality says it is, and what it was told.

    `timeout_s`: how long it waits for an answer; `result_s`: for a result.
    """

    title: str
    host: str
    port: int
    calling: str = "MODALITY"
    listen_port: int = 0
    timeout_s: float = 30.0
    result_s: float = 30.0
    events: "queue.Queue[Event]" = field(default_factory=queue.Queue)

    @contextmanager
    def association(self, *classes: str) -> Iterator[Any]:
        """An association with contexts for these classes. Raises NotSupported where one is not accepted."""
        ae = AE(self.calling)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = self.timeout_s
        for one in classes:
            ae.add_requested_context(one, _SYNTAXES)
        handlers = self._handlers(same=True)
        made = attentive(ae.associate(self.host, self.port, ae_title=self.title, evt_handlers=handlers))
        if not made.is_established:
            raise NotSupported("no association with these presentation contexts")
        try:
            accepted = {str(one.abstract_syntax) for one in made.accepted_contexts}
            for one in classes:
                if one not in accepted:
                    raise NotSupported(f"the presentation context of {one} is not accepted")
            yield made
        finally:
            if made.is_established:
                made.release()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Events are heard on associations that the server opens, where there is a port for them."""
        if not self.listen_port:
            yield
            return
        ae = AE(self.calling)
        ae.add_supported_context(PUSH_MODEL, _SYNTAXES, scu_role=False, scp_role=True)
        server = ae.start_server(
            ("", self.listen_port), block=False, evt_handlers=self._handlers(same=False)
        )
        try:
            yield
        finally:
            if server is not None:
                server.shutdown()

    def result_of(self, transaction_uid: str) -> Event:
        """The event of a transaction; those of others are passed over. Raises Failed when it does not come in time."""
        deadline = time.monotonic() + self.result_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                break
            if event.information.get("TransactionUID") == transaction_uid:
                return event
        raise Failed(f"no N-EVENT-REPORT of the transaction within {self.result_s:.0f} s")

    def store(self, count: int = 1) -> list[tuple[str, str]]:
        """Store so many small images; their classes and instances. Raises Failed."""
        study, series = generate_uid(), generate_uid()
        with self.association(SECONDARY_CAPTURE) as made:
            images = [_image(study, series, number) for number in range(1, count + 1)]
            for image in images:
                if (status := status_of(made.send_c_store(image))) != 0:
                    raise Failed(f"C-STORE: expected 0000, got {status:04X}")
        return [(SECONDARY_CAPTURE, str(image.SOPInstanceUID)) for image in images]

    def _handlers(self, *, same: bool) -> Any:
        """An event counts as heard when its answer is on the wire: to release before that is to break off."""
        heard: list[Event] = []

        def on_event(event: Any) -> tuple[int, None]:
            heard.append(Event(event.event_type, event.event_information, same))
            return 0, None

        def on_sent(event: Any) -> None:
            if isinstance(event.pdu, P_DATA_TF):
                while heard:
                    self.events.put(heard.pop(0))

        return [(evt.EVT_N_EVENT_REPORT, on_event), (evt.EVT_PDU_SENT, on_sent)]


def status_of(status: Dataset) -> int:
    """The status of a response. Raises Failed where there was none."""
    found = status.get("Status")
    if found is None:
        raise Failed("no response: the association was aborted, or it took too long")
    return int(found)


def sequence(*items: Dataset) -> Sequence[Dataset]:
    """A sequence's value."""
    return list(items)


def reference(sop_class: str, instance: str) -> Dataset:
    """An item of a sequence of references."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def _image(study: str, series: str, number: int) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = SECONDARY_CAPTURE, generate_uid()
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.PatientName, image.PatientID, image.Modality = "Conformance^Suite", "CONFORMANCE", "OT"
    image.StudyDate, image.StudyTime, image.AccessionNumber, image.StudyID = "20260101", "120000", "", ""
    image.PatientBirthDate, image.PatientSex, image.ReferringPhysicianName = "", "", ""
    image.ConversionType, image.SeriesNumber, image.InstanceNumber = "SYN", 1, number
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = 2
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    image.PixelData = bytes((number % 256, 1, 2, 3))
    return image
