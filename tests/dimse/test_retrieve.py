"""C-GET and C-MOVE end to end."""

import socket
import subprocess
import threading
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    MPEG2MPML,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from config.settings import RemoteAESettings
from pacsd.archive.retrieve import InstanceRef
from pacsd.codec.convert import CONVERTIBLE
from pacsd.codec.transcode import transcoded
from pacsd.dimse.move import grouped
from pacsd.dimse.negotiation import Context
from pacsd.dimse.requestor import Proposal
from pacsd.dimse.sending import HTJ2K, context_for, proposed_syntaxes
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent
from tests.clients import require
from tests.dimse.fakes import FakeArchive, FakeDirectory, Server, running
from tests.dimse.objects import ROOT_UID, ct
from tests.dimse.test_acceptor import until


def filled(count: int, *, syntax: str = ExplicitVRLittleEndian) -> FakeArchive:
    """An archive that holds some CT slices."""
    archive = FakeArchive()
    for n in range(count):
        image = ct(number=n, rows=64)
        buffer = BytesIO()
        image.save_as(buffer, implicit_vr=False, little_endian=True)
        uid = str(image.SOPInstanceUID)
        archive.instances.append(
            InstanceRef(f"{ROOT_UID}.1", f"{ROOT_UID}.2", uid, CTImageStorage, syntax, Extent("k", 0, 0), 0, {})
        )
        plain = ct(number=n, rows=64)
        del plain.file_meta
        data = BytesIO()
        plain.save_as(data, implicit_vr=False, little_endian=True)
        archive.datasets[uid] = data.getvalue()
    return archive


ALL_UNCOMPRESSED = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]


def wanted(level: str = "STUDY", **keys: Any) -> Dataset:
    request = Dataset()
    request.QueryRetrieveLevel = level
    request.StudyInstanceUID = f"{ROOT_UID}.1"
    for keyword, value in keys.items():
        setattr(request, keyword, value)
    return request


@contextmanager
def receiver(handler: Any = None, *, syntaxes: Any = ALL_UNCOMPRESSED) -> Iterator[tuple[RemoteAESettings, list[Any]]]:
    """A foreign storage SCP and what it received."""
    received: list[Any] = []

    def keep(event: Any) -> int:
        received.append((event.request, event.encoded_dataset(include_meta=False)))
        return handler(event) if handler else 0

    ae = AE("RECEIVER")
    ae.add_supported_context(CTImageStorage, syntaxes)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    assert server is not None
    try:
        yield RemoteAESettings("RECEIVER", "127.0.0.1", server.server_address[1], "default"), received
    finally:
        server.shutdown()


def move(server: Server, request: Dataset, *, destination: str = "RECEIVER", cancel_after: int = 0) -> list[Any]:
    ae = AE("FOREIGN")
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = ae.associate("127.0.0.1", server.port, ae_title="PACSD")
    assert association.is_established
    answers = []
    for answer in association.send_c_move(request, destination, StudyRootQueryRetrieveInformationModelMove, msg_id=9):
        answers.append(answer)
        if cancel_after and len(answers) == cancel_after:
            association.send_c_cancel(9, query_model=StudyRootQueryRetrieveInformationModelMove)
    association.release()
    return answers


@pytest.mark.parametrize("in_files", [False, True])
@pytest.mark.parametrize("associations", [1, 3])
def test_move_delivers_everything_bit_identical(associations: int, in_files: bool) -> None:
    archive = filled(20)
    archive.in_files = in_files
    with receiver() as (remote, received):
        directory = FakeDirectory(remotes={"RECEIVER": remote})
        with running(archive=archive, directory=directory, move_associations=associations) as server:
            final = move(server, wanted())[-1][0]
    assert final.Status == 0x0000 and final.NumberOfCompletedSuboperations == 20
    assert {str(one.AffectedSOPInstanceUID): data for one, data in received} == archive.datasets
    assert {one.MoveOriginatorApplicationEntityTitle for one, _ in received} == {"FOREIGN"}
    assert {one.MoveOriginatorMessageID for one, _ in received} == {9}


def test_move_to_nobody_we_know_is_a801() -> None:
    with running(archive=filled(1)) as server:
        [(final, _)] = move(server, wanted(), destination="NOBODY")
        assert final.Status == 0xA801


def test_move_of_nothing_succeeds() -> None:
    with receiver() as (remote, _), running(directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
        [(final, _)] = move(server, wanted())
        assert final.Status == 0x0000 and final.NumberOfCompletedSuboperations == 0


def test_failed_instances_are_listed() -> None:
    archive = filled(4)
    missing = archive.instances[1].sop_instance_uid
    del archive.datasets[missing]
    with receiver() as (remote, _):
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, failed = move(server, wanted())[-1]
    assert final.Status == 0xB000
    assert (final.NumberOfCompletedSuboperations, final.NumberOfFailedSuboperations) == (3, 1)
    assert failed.FailedSOPInstanceUIDList == missing and "gone" in final.ErrorComment


def test_a_syntax_the_receiver_refuses_fails_with_its_reason() -> None:
    with receiver() as (remote, _):
        archive = filled(2, syntax=MPEG2MPML)
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, failed = move(server, wanted())[-1]
    assert final.Status == 0xA702 and len(failed.FailedSOPInstanceUIDList) == 2
    assert final.ErrorComment == "not taken by the receiver: MPEG2 Main Profile / Main Level"


def pixels(data: bytes, syntax: str) -> bytes:
    """Of an encoded data set, in little endian."""
    if syntax == DeflatedExplicitVRLittleEndian:
        data = zlib.decompress(data, -15)
    read = read_dataset(BytesIO(data), syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    assert read.PatientName == "Nobody^Nowhere" and read.Rows == 64
    words = array("H", read.PixelData)
    if syntax == ExplicitVRBigEndian:
        words.byteswap()
    return words.tobytes()


@pytest.mark.parametrize("syntax", ALL_UNCOMPRESSED)
def test_a_receiver_of_another_uncompressed_syntax_gets_that(syntax: str) -> None:
    archive = filled(3)
    with receiver(syntaxes=[syntax]) as (remote, received):
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, _ = move(server, wanted())[-1]
    assert final.Status == 0x0000 and len(received) == 3
    for request, data in received:
        stored = archive.datasets[str(request.AffectedSOPInstanceUID)]
        assert pixels(data, syntax) == pixels(stored, ExplicitVRLittleEndian)
        assert (data == stored) == (syntax == ExplicitVRLittleEndian)


def compressed(archive: FakeArchive, syntax: str) -> dict[str, bytes]:
    """Its objects in a compressed transfer syntax from now on; what they were by SOP Instance UID."""
    plain = dict(archive.datasets)
    for uid, data in plain.items():
        coded = transcoded([data], source=ExplicitVRLittleEndian, target=syntax, length_bytes=len(data))
        archive.datasets[uid] = b"".join(coded)
    archive.instances = [replace(one, transfer_syntax_uid=syntax) for one in archive.instances]
    return plain


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, HTJ2KLossless, JPEGLSLossless, RLELossless])
def test_a_receiver_that_takes_no_compression_gets_decoded_pixels(syntax: str) -> None:
    archive = filled(2)
    plain = compressed(archive, syntax)
    with receiver(syntaxes=[ImplicitVRLittleEndian]) as (remote, received):
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, _ = move(server, wanted())[-1]
    assert final.Status == 0x0000 and len(received) == 2
    for request, data in received:
        stored = plain[str(request.AffectedSOPInstanceUID)]
        assert pixels(data, ImplicitVRLittleEndian) == pixels(stored, ExplicitVRLittleEndian)


def test_a_receiver_that_takes_the_stored_compression_gets_it_untouched() -> None:
    archive = filled(2)
    compressed(archive, JPEGLSLossless)
    with receiver(syntaxes=[ImplicitVRLittleEndian, JPEGLSLossless]) as (remote, received):
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, _ = move(server, wanted())[-1]
    assert final.Status == 0x0000
    assert {str(request.AffectedSOPInstanceUID): data for request, data in received} == archive.datasets


def test_what_cannot_be_converted_fails_alone() -> None:
    """Found before its first byte, so that the association lives on."""
    archive = filled(3)
    broken = archive.instances[1].sop_instance_uid
    archive.datasets[broken] = archive.datasets[broken][:-50]
    with receiver(syntaxes=[ImplicitVRLittleEndian]) as (remote, received):
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, failed = move(server, wanted())[-1]
    assert len(received) == 2 and final.NumberOfFailedSuboperations == 1
    assert failed.FailedSOPInstanceUIDList == broken and "longer than" in final.ErrorComment


def test_a_class_the_receiver_does_not_take_fails_with_its_name() -> None:
    archive = filled(1)
    archive.instances = [replace(archive.instances[0], sop_class_uid=MRImageStorage)]
    with receiver() as (remote, _):
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, _ = move(server, wanted())[-1]
    assert final.Status == 0xA702 and final.ErrorComment == "not taken by the receiver: MR Image Storage"


def test_a_group_needs_no_more_contexts_than_an_association_has() -> None:
    [one] = filled(1).instances
    many = [replace(one, sop_class_uid=f"1.2.{n}") for n in range(100)]
    groups = grouped([*many, *many])
    assert [len(group.proposals) for group in groups] == [128, 128, 128, 16]
    assert groups[0].proposals[:2] == [
        Proposal("1.2.0", (ExplicitVRLittleEndian,)), Proposal("1.2.0", CONVERTIBLE),
    ]  # fmt: skip


def test_contexts_for_copies_are_asked_for_where_there_are_any() -> None:
    stored, copies, plain = proposed_syntaxes(JPEG2000Lossless, copied=True)
    assert (stored, copies, plain) == ((JPEG2000Lossless,), HTJ2K, CONVERTIBLE)
    assert proposed_syntaxes(JPEG2000Lossless) == ((JPEG2000Lossless,), CONVERTIBLE)
    assert proposed_syntaxes(HTJ2K[0], copied=True) == ((HTJ2K[0],), CONVERTIBLE)


@pytest.mark.parametrize(("stored", "taken", "sent"), [
    (HTJ2K[0], HTJ2K[1], True), (HTJ2K[1], HTJ2K[0], False), (ExplicitVRLittleEndian, HTJ2K[0], False),
])  # fmt: skip
def test_a_context_of_a_wider_syntax_takes_what_is_in_a_narrower_one(stored: str, taken: str, sent: bool) -> None:
    contexts = [Context(1, CTImageStorage, taken)]
    if sent:
        assert context_for(contexts, CTImageStorage, stored) == contexts[0]
    else:
        with pytest.raises(PacsdError):
            context_for(contexts, CTImageStorage, stored)


def test_a_receiver_that_is_not_there_fails_every_instance() -> None:
    with receiver() as (remote, _):
        pass
    with running(archive=filled(3), directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
        final, _ = move(server, wanted())[-1]
    assert final.Status == 0xA702 and final.NumberOfFailedSuboperations == 3


def test_a_receiver_that_goes_away_fails_what_it_did_not_take() -> None:
    def leave(event: Any) -> int:
        if len(seen) > 2:
            event.assoc.abort()
        seen.append(event)
        return 0

    seen: list[Any] = []
    with receiver(leave) as (remote, _):
        with running(archive=filled(10), directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, failed = move(server, wanted())[-1]
    assert final.Status == 0xB000
    assert final.NumberOfCompletedSuboperations + final.NumberOfFailedSuboperations == 10
    assert failed.FailedSOPInstanceUIDList


def test_cancel_ends_a_move_and_says_how_many_remain() -> None:
    go = threading.Event()

    def slow(event: Any) -> int:
        go.wait(0.02)
        return 0

    with receiver(slow) as (remote, _):
        with running(archive=filled(200), directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, _ = move(server, wanted(), cancel_after=1)[-1]
    assert final.Status == 0xFE00
    assert final.NumberOfRemainingSuboperations > 0
    assert final.NumberOfRemainingSuboperations + final.NumberOfCompletedSuboperations == 200


def test_a_warning_of_the_receiver_is_counted_as_one() -> None:
    with receiver(lambda event: 0xB000) as (remote, _):
        with running(archive=filled(2), directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, _ = move(server, wanted())[-1]
    assert final.Status == 0xB000 and final.NumberOfWarningSuboperations == 2


def get(
    server: Server,
    request: Dataset,
    *,
    role: bool = True,
    model: Any = StudyRootQueryRetrieveInformationModelGet,
    cancel_after: int = 0,
    syntax: str = ExplicitVRLittleEndian,
) -> Any:
    received: dict[str, bytes] = {}
    ae = AE("FOREIGN")
    ae.add_requested_context(model)
    ae.add_requested_context(CTImageStorage, syntax)

    def keep(event: Any) -> int:
        received[str(event.request.AffectedSOPInstanceUID)] = event.encoded_dataset(include_meta=False)
        if cancel_after and len(received) == cancel_after:
            event.assoc.send_c_cancel(4, query_model=model)
        return 0

    roles = [build_role(CTImageStorage, scp_role=True)] if role else []
    association = ae.associate(
        "127.0.0.1", server.port, ae_title="PACSD", ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    assert association.is_established
    answers = list(association.send_c_get(request, model, msg_id=4))
    association.release()
    return answers, received


@pytest.mark.parametrize("in_files", [False, True])
def test_get_returns_everything_bit_identical(in_files: bool) -> None:
    archive = filled(12)
    archive.in_files = in_files
    with running(archive=archive) as server:
        answers, received = get(server, wanted())
    assert answers[-1][0].Status == 0x0000 and received == archive.datasets


@pytest.mark.parametrize("syntax", ALL_UNCOMPRESSED[1:])
def test_get_converts_where_its_context_has_another_uncompressed_syntax(syntax: str) -> None:
    archive = filled(2)
    with running(archive=archive) as server:
        answers, received = get(server, wanted(), syntax=syntax)
    assert answers[-1][0].Status == 0x0000
    assert {uid: pixels(data, syntax) for uid, data in received.items()} == {
        uid: pixels(data, ExplicitVRLittleEndian) for uid, data in archive.datasets.items()
    }


def test_get_without_the_role_fails_every_instance() -> None:
    with running(archive=filled(2)) as server:
        answers, received = get(server, wanted(), role=False)
    final, failed = answers[-1]
    assert final.Status == 0xA702 and received == {} and len(failed.FailedSOPInstanceUIDList) == 2
    assert "role SCP" in final.ErrorComment


def test_get_of_one_image_asks_for_it_alone() -> None:
    archive = filled(5)
    uid = archive.instances[3].sop_instance_uid
    with running(archive=archive) as server:
        answers, received = get(server, wanted("IMAGE", SOPInstanceUID=uid, SeriesInstanceUID=f"{ROOT_UID}.2"))
    assert list(received) == [uid] and answers[-1][0].NumberOfCompletedSuboperations == 1


def test_get_by_patient_asks_for_the_patients_studies() -> None:
    class Match:
        def dataset(self) -> dict[str, Any]:
            return {"0020000D": {"vr": "UI", "Value": [f"{ROOT_UID}.1"]}}

    archive = filled(1)
    archive.matches = [Match()]
    request = Dataset()
    request.QueryRetrieveLevel, request.PatientID = "PATIENT", "P0"
    with running(archive=archive) as server:
        answers, received = get(server, request, model=PatientRootQueryRetrieveInformationModelGet)
    assert answers[-1][0].Status == 0 and len(received) == 1
    assert archive.queries[1][1].study_instance_uids == (f"{ROOT_UID}.1",)


def test_a_study_is_not_given_out_under_another_patients_id() -> None:
    archive = filled(2)
    with running(archive=archive) as server:
        request = wanted("SERIES", PatientID="SOMEBODY ELSE", SeriesInstanceUID=f"{ROOT_UID}.2")
        answers, received = get(server, request, model=PatientRootQueryRetrieveInformationModelGet)
        assert answers[-1][0].Status == 0x0000 and not received
        [(level, criteria)] = archive.queries
        assert level == "study" and criteria.keys[0x0020000D].values == (f"{ROOT_UID}.1",)
        request.PatientID = ""
        _, received = get(server, request, model=PatientRootQueryRetrieveInformationModelGet)
        assert len(received) == 2 and archive.queries[-1][0] == "select"


def test_a_failing_archive_is_a_status() -> None:
    archive = FakeArchive()

    def fail(*_: Any) -> Any:
        raise PacsdError(Fault.UNAVAILABLE, "the index is away")

    archive.select = fail  # type: ignore[method-assign]
    with running(archive=archive) as server:
        answers, _ = get(server, wanted())
    assert answers[-1][0].Status == 0xA702 and "away" in answers[-1][0].ErrorComment


def test_get_without_the_key_of_its_level_is_refused() -> None:
    with running(archive=filled(1)) as server:
        answers, _ = get(server, wanted("SERIES"))
    assert answers[-1][0].Status == 0xA900 and answers[-1][0].OffendingElement == 0x0020000E


def test_cancel_ends_a_get() -> None:
    with running(archive=filled(100)) as server:
        answers, received = get(server, wanted(), cancel_after=3)
    assert answers[-1][0].Status == 0xFE00 and 3 <= len(received) < 100


def test_getscu_and_movescu_do_their_work(tmp_path: Path) -> None:
    require("getscu", "movescu")
    archive = filled(6)
    directory = FakeDirectory()
    with running(archive=archive, directory=directory) as server:
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={ROOT_UID}.1"]
        done = subprocess.run(
            ["getscu", "-v", "-S", "-aec", "PACSD", "-od", str(tmp_path), "127.0.0.1", str(server.port), *keys],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(list(tmp_path.iterdir())) == 6
        with receiver() as (remote, received):
            directory.remotes["RECEIVER"] = remote
            done = subprocess.run(
                ["movescu", "-v", "-S", "-aec", "PACSD", "-aem", "RECEIVER", "127.0.0.1", str(server.port), *keys],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert len(received) == 6


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def storescp(folder: Path, *options: str) -> Iterator[RemoteAESettings]:
    """DCMTK's storage SCP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["storescp", "-od", str(folder), *options, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: listens(port))
            yield RemoteAESettings("RECEIVER", "127.0.0.1", port, "default")
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("option", "syntax"),
    [("+xi", ImplicitVRLittleEndian), ("+xb", ExplicitVRBigEndian), ("+xd", DeflatedExplicitVRLittleEndian)],
)
def test_dcmtk_reads_what_it_is_sent_in_another_syntax(tmp_path: Path, option: str, syntax: str) -> None:
    require("storescp")
    archive = filled(2)
    with storescp(tmp_path, option) as remote:
        with running(archive=archive, directory=FakeDirectory(remotes={"RECEIVER": remote})) as server:
            final, _ = move(server, wanted())[-1]
    assert final.Status == 0x0000
    files = [dcmread(path) for path in tmp_path.iterdir()]
    assert len(files) == 2
    for file in files:
        # DCMTK prefers little endian where its option leaves a choice
        assert file.file_meta.TransferSyntaxUID in (syntax, ExplicitVRLittleEndian)
        stored = archive.datasets[str(file.SOPInstanceUID)]
        words = array("H", file.PixelData)
        if file.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
            words.byteswap()
        assert words.tobytes() == pixels(stored, ExplicitVRLittleEndian)
