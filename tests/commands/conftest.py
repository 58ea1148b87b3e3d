"""A peer in the same process, and files to send."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.transport import ThreadedAssociationServer

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
SYNTAXES = [str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)]


@dataclass
class Peer:
    """An SCP that keeps what it is sent and answers as it is told."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)
    queries: list[Dataset] = field(default_factory=list)
    matches: list[Dataset] = field(default_factory=list)
    store_status: int = 0x0000
    aborts_at: int = 0
    then_is_gone: bool = False

    @property
    def name(self) -> str:
        return f"PEER@127.0.0.1:{self.port}"


@pytest.fixture
def peer() -> Iterator[Peer]:
    told = Peer()

    def on_store(event: Event) -> int:
        told.aborts_at -= 1
        if told.aborts_at == 0:
            if told.then_is_gone:
                ae.require_calling_aet = ["SOMEBODY ELSE"]
            event.assoc.abort()
            return 0xC000
        told.received.append(event.encoded_dataset(include_meta=False))
        return told.store_status

    def on_find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        told.queries.append(event.identifier)
        for match in told.matches:
            yield 0xFF00, match

    def on_move(event: Event) -> Iterator[object]:
        told.queries.append(event.identifier)
        yield None, None  # destination unknown: 0xA801

    ae = AE(ae_title="PEER")
    ae.add_supported_context("1.2.840.10008.1.1")
    for sop_class in (CT, MR):
        ae.add_supported_context(sop_class, SYNTAXES)
    for model in ("1.1", "1.2", "2.1", "2.2"):
        ae.add_supported_context(f"1.2.840.10008.5.1.4.1.2.{model}")
    handlers = [(evt.EVT_C_STORE, on_store), (evt.EVT_C_FIND, on_find), (evt.EVT_C_MOVE, on_move)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    assert isinstance(server, ThreadedAssociationServer)
    told.port = server.socket.getsockname()[1]
    yield told
    server.shutdown()
    server.server_close()


def write_file(file: Path, *, sop_class: str = CT, syntax: str = SYNTAXES[0], number: int = 1) -> bytes:
    """A small Part 10 file; the bytes of its data set."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, f"1.2.3.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    made.PatientID = "000123"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(file, enforce_file_format=True)
    whole = file.read_bytes()
    group_length = int.from_bytes(whole[140:144], "little")
    return whole[144 + group_length :]
