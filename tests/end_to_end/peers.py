"""Clients that keep every byte: pynetdicom for C-STORE, C-GET and as a C-MOVE destination, httpx for DICOMweb."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import httpx
from pydicom.dataset import Dataset
from pynetdicom import AE, _config, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from tests.end_to_end.samples import Sample, dataset_bytes

PATIENCE_S = 30.0
STUDY_ROOT_GET, STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_FIND, PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.1.1"
# Implicit VR and big endian come only to those who name them (PS3.18 8.7.3).
STORED_SYNTAX = ", ".join(
    f'multipart/related; type="application/dicom"; transfer-syntax={one}'
    for one in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "*; q=0.9")
)

Objects = dict[str, bytes]               # SOP Instance UID -> data set


@contextmanager
def association(
    port: int,
    contexts: Sequence[PresentationContext],
    *,
    called: str,
    calling: str = "E2E",
    on_store: object = None,
) -> Iterator[Association]:
    """An established association; it is released at the end. With `on_store` the peer may send us objects."""
    _config.STORE_SEND_CHUNKED_DATASET = True        # paths go out byte by byte as they lie on disk
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = entity.connection_timeout = PATIENCE_S
    storage = sorted({str(one.abstract_syntax) for one in contexts if str(one.abstract_syntax).find(".5.1.4.1.1.") > 0})
    made = entity.associate(
        "127.0.0.1",
        port,
        contexts=list(contexts),
        ae_title=called,
        ext_neg=[build_role(uid, scp_role=True) for uid in storage] if on_store else [],
        evt_handlers=[(evt.EVT_C_STORE, on_store)] if on_store else [],  # type: ignore[list-item]
    )
    assert made.is_established, f"no association with {called}"
    try:
        yield made
    finally:
        if made.is_established:
            made.release()


def storage_contexts(samples: Iterable[Sample]) -> list[PresentationContext]:
    """One context for each pair of class and syntax."""
    return [build_context(*pair) for pair in sorted({sample.context for sample in samples})]


def store(port: int, samples: Sequence[Sample], *, called: str, calling: str = "E2E") -> dict[Path, int]:
    """C-STORE of the bytes as they are: the status of each."""
    statuses = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "object.dcm"
        with association(port, storage_contexts(samples), called=called, calling=calling) as made:
            for sample in samples:
                file.write_bytes(sample.part10)
                statuses[sample.path] = int(made.send_c_store(file).Status)
    return statuses


def study_identifier(study: str) -> Dataset:
    """All of a study."""
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", study
    return wanted


def get(port: int, samples: Sequence[Sample], studies: Iterable[str], *, called: str, calling: str = "E2E") -> Objects:
    """C-GET of studies, over contexts for what is expected; every sub-operation must succeed."""
    came: Objects = {}

    def on_store(event: Event) -> int:
        assert event.request is not None
        came[str(event.request.AffectedSOPInstanceUID)] = event.request.DataSet.getvalue()
        return 0x0000

    contexts = [build_context(STUDY_ROOT_GET), *storage_contexts(samples)]
    with association(port, contexts, called=called, calling=calling, on_store=on_store) as made:
        for study in studies:
            *_, (status, _) = made.send_c_get(study_identifier(study), STUDY_ROOT_GET)
            assert status.Status == 0x0000, (hex(status.Status), study)
    return came


def find(
    port: int, *, called: str, calling: str = "E2E", model: str = STUDY_ROOT_FIND, **keys: object
) -> list[Dataset]:
    """C-FIND: the matches."""
    query = Dataset()
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    with association(port, [build_context(model)], called=called, calling=calling) as made:
        answers = list(made.send_c_find(query, model))
    assert answers[-1][0].Status == 0x0000, hex(answers[-1][0].Status)
    return [match for status, match in answers if status.Status in (0xFF00, 0xFF01) and match is not None]


def move(port: int, studies: Iterable[str], *, called: str, to: str, calling: str = "E2E") -> list[Dataset]:
    """C-MOVE of studies: the final status of each."""
    with association(port, [build_context(STUDY_ROOT_MOVE)], called=called, calling=calling) as made:
        finals = []
        for study in studies:
            *_, (status, _) = made.send_c_move(study_identifier(study), to, STUDY_ROOT_MOVE)
            finals.append(status)
        return finals


@dataclass
class Destination:
    """A storage SCP of pynetdicom's that keeps what it is sent."""

    came: Objects = field(default_factory=dict)

    @contextmanager
    def listening(self, port: int, samples: Iterable[Sample]) -> Iterator[None]:
        """Accept these classes and syntaxes meanwhile."""
        _config.UNRESTRICTED_STORAGE_SERVICE = True      # else pynetdicom aborts at a retired storage class
        entity = AE("DESTINATION")
        entity.maximum_associations = 8
        for pair in {sample.context for sample in samples}:
            entity.add_supported_context(*pair)
        server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._keep)])
        try:
            yield
        finally:
            assert server is not None
            server.shutdown()
            server.server_close()
            _config.UNRESTRICTED_STORAGE_SERVICE = False

    def _keep(self, event: Event) -> int:
        assert event.request is not None
        self.came[str(event.request.AffectedSOPInstanceUID)] = event.request.DataSet.getvalue()
        return 0x0000


def stow(base_url: str, files: Iterable[bytes]) -> httpx.Response:
    """STOW-RS of Part 10 files in one request."""
    boundary = "never-in-an-image-7e1f"
    parts = [b"--%b\r\nContent-Type: application/dicom\r\n\r\n%b\r\n" % (boundary.encode(), one) for one in files]
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return httpx.post(
        f"{base_url}/studies",
        content=b"".join([*parts, f"--{boundary}--\r\n".encode()]),
        headers={"Content-Type": kind, "Accept": "application/dicom+json"},
        timeout=PATIENCE_S,
    )


def retrieved(base_url: str, study: str) -> dict[str, bytes]:
    """WADO-RS of a study in the stored syntaxes: Part 10 files by SOP Instance UID; empty when there is none."""
    answer = httpx.get(f"{base_url}/studies/{study}", headers={"Accept": STORED_SYNTAX}, timeout=PATIENCE_S)
    if answer.status_code == 404:
        return {}
    assert answer.status_code == 200, answer.text
    return {media_storage_sop_instance_uid(part): part for part in parts(answer)}


def wado(base_url: str, studies: Iterable[str]) -> Objects:
    """The data sets of WADO-RS of studies."""
    return {uid: dataset_bytes(part) for study in studies for uid, part in retrieved(base_url, study).items()}


def parts(answer: httpx.Response) -> Iterator[bytes]:
    """The bodies of a multipart/related answer (RFC 2046 5.1)."""
    head = Message()
    head["Content-Type"] = answer.headers["content-type"]
    boundary = str(head.get_param("boundary")).encode()
    pieces = (b"\r\n" + answer.content).split(b"\r\n--" + boundary)
    assert pieces[-1].startswith(b"--"), "a multipart answer without its end"
    for piece in pieces[1:-1]:
        yield piece[piece.index(b"\r\n\r\n") + 4 :]


def media_storage_sop_instance_uid(file: bytes) -> str:
    """(0002,0003) of a Part 10 file."""
    at = file.index(b"\x02\x00\x03\x00UI", 132)
    size = int.from_bytes(file[at + 6 : at + 8], "little")
    return file[at + 8 : at + 8 + size].rstrip(b"\0").decode()
