"""DICOM over TLS (PS3.15 B.12), from both sides: who gets in, who does not, and what is left of the plain protocol."""

import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet

from config.settings import RemoteAESettings, Settings
from pacsd.access.callers import Callers
from pacsd.access.handshakes import Handshakes
from pacsd.access.tls import TlsContexts
from pacsd.dimse.associate import AssociateAccept
from pacsd.dimse.dialling import Dialling
from pacsd.dimse.handover import Door
from pacsd.dimse.listener import start
from pacsd.dimse.requestor import Proposal, Requestor
from pacsd.faults import Fault, PacsdError
from tests.certificates import Authority, Files, write
from tests.clients import require
from tests.dimse.fakes import FakeDirectory, callers, running
from tests.dimse.objects import ct_file
from tests.dimse.test_acceptor import until
from tests.dimse.test_find import study
from tests.dimse.test_retrieve import filled, move, wanted
from tests.dimse.wire import VERIFICATION, Raw, request

TITLE = "MODALITY"


@dataclass
class Place:
    """An authority, our server's certificate and a modality's."""

    authority: Authority
    server: Files
    modality: Files

    def handshakes(self, clients: str = "required", **settings: Any) -> Handshakes:
        return Handshakes(TlsContexts(self.authority.settings(self.server, **settings)), clients)

    def options(self, files: Files | None = None) -> list[str]:
        """DCMTK's."""
        used = files or self.modality
        return ["+tls", str(used.key), str(used.certificate), "+cf", str(self.authority.certificate)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    authority = Authority(tmp_path / "ca")
    return Place(authority, authority.make("pacs"), authority.make("modality", "ct1.example"))


def dcmtk(program: str, port: int, *options: object) -> "subprocess.CompletedProcess[str]":
    require(program)
    command = [program, "-aet", TITLE, "-aec", "PACSD", *map(str, options[0]), "127.0.0.1", str(port)]  # type: ignore[call-overload]
    return subprocess.run([*command, *map(str, options[1:])], capture_output=True, text=True, timeout=60, check=False)


def client(place: Place, port: int, files: Files | None, **context: Any) -> ssl.SSLSocket:
    """A connection of the standard library's, its handshake over as far as the client can tell."""
    made = ssl.create_default_context(cafile=str(place.authority.certificate))
    for name, value in context.items():
        setattr(made, name, value)
    if files is not None:
        made.load_cert_chain(files.certificate, files.key)
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    return made.wrap_socket(raw, server_hostname="127.0.0.1")


def is_let_in(place: Place, port: int, files: Files | None, **context: Any) -> bool:
    """Whether an A-ASSOCIATE-RQ is answered, and not the connection ended (in TLS 1.3 after the handshake)."""
    try:
        with client(place, port, files, **context) as connection:
            connection.sendall(request(called="PACSD", calling=TITLE))
            return connection.recv(1) == b"\x02"
    except OSError:
        return False


def test_a_modality_stores_and_echoes_inside_tls(place: Place, tmp_path: Path) -> None:
    files = [ct_file(tmp_path, number=n, rows=256) for n in range(5)]
    with running(handshakes=place.handshakes()) as server:
        assert dcmtk("echoscu", server.port, place.options()).returncode == 0
        done = dcmtk("storescu", server.port, place.options(), *files)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.archive.stored) == 5
        sent = {str(one.SOPInstanceUID): bytes(one.PixelData) for one in map(pydicom.dcmread, files)}
        for about, data, _ in server.archive.stored:
            assert data.endswith(sent[about["sop_instance_uid"]])


def test_plain_text_is_not_understood_and_nobody_is_harmed(place: Place) -> None:
    with running(handshakes=place.handshakes()) as server:
        assert dcmtk("echoscu", server.port, []).returncode != 0
        assert dcmtk("echoscu", server.port, place.options()).returncode == 0


@pytest.mark.parametrize(
    "context",
    [{"maximum_version": ssl.TLSVersion.TLSv1_1, "minimum_version": ssl.TLSVersion.TLSv1}, {"suites": "AES128-SHA"}],
)
def test_old_versions_and_weak_suites_are_refused(place: Place, context: dict[str, Any]) -> None:
    with running(handshakes=place.handshakes()) as server:
        made = ssl.create_default_context(cafile=str(place.authority.certificate))
        made.set_ciphers(context.pop("suites", "DEFAULT") + ":@SECLEVEL=0")
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            for name, value in reversed(context.items()):
                setattr(made, name, value)
        made.load_cert_chain(place.modality.certificate, place.modality.key)
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            made.wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificates_that_prove_nothing_are_refused(place: Place, tmp_path: Path, version: ssl.TLSVersion) -> None:
    stranger = Authority(tmp_path / "other", "Other CA").make("modality")
    expired = place.authority.make("expired", days=1, began=timedelta(days=3))
    only_server = place.authority.make("server", use="server")
    revoked = place.authority.make("revoked")
    place.authority.revoke(revoked)
    with running(handshakes=place.handshakes()) as server:
        for files in (None, stranger, expired, only_server, revoked):
            assert not is_let_in(place, server.port, files, maximum_version=version)
        assert is_let_in(place, server.port, place.modality, maximum_version=version)


def test_certificates_and_lists_are_read_again_and_running_associations_stay(place: Place, tmp_path: Path) -> None:
    now = [0.0]
    contexts = TlsContexts(place.authority.settings(place.server), clock=lambda: now[0])
    handshakes = Handshakes(contexts, "required")
    with running(handshakes=handshakes) as server, client(place, server.port, place.modality) as one:
        before = one.getpeercert(True)
        place.authority.make("pacs")                     # the same files, another certificate
        place.authority.revoke(place.modality)
        now[0] += 2
        other = place.authority.make("other")
        with client(place, server.port, other) as two:
            assert two.getpeercert(True) != before
        assert not is_let_in(place, server.port, place.modality)
        one.sendall(request(called="PACSD", calling=TITLE))
        assert one.recv(1) == b"\x02"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_outlives_the_revocation_of_its_certificate(place: Place, version: ssl.TLSVersion) -> None:
    now = [0.0]
    contexts = TlsContexts(place.authority.settings(place.server), clock=lambda: now[0])
    context = ssl.create_default_context(cafile=str(place.authority.certificate))
    context.maximum_version = version
    context.load_cert_chain(place.modality.certificate, place.modality.key)

    def asked(session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        with context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as connection:
            connection.sendall(request(called="PACSD", calling=TITLE))
            return connection.recv(1), connection.session

    with running(handshakes=Handshakes(contexts, "required")) as server:
        port = server.port
        answer, session = asked(None)
        assert answer == b"\x02" and asked(session)[0] == b"\x02"
        place.authority.revoke(place.modality)
        now[0] += 2
        with pytest.raises(OSError):
            if asked(session)[0] == b"":
                raise ConnectionResetError


def test_files_that_cannot_be_used_leave_the_former_ones_in_place(place: Place) -> None:
    now = [0.0]
    contexts = TlsContexts(place.authority.settings(place.server), clock=lambda: now[0])
    with running(handshakes=Handshakes(contexts, "required")) as server:
        assert is_let_in(place, server.port, place.modality)
        write(place.server.certificate, b"-----BEGIN CERTIFICATE-----\nnothing")
        now[0] += 2
        assert is_let_in(place, server.port, place.modality)


def test_half_open_handshakes_keep_nobody_out(place: Place) -> None:
    """A thousand connections that say nothing, or stop in the middle of a ClientHello; the oldest are given up."""
    with ExitStack() as stack, running(handshakes=place.handshakes(max_handshakes=50)) as server:
        for number in range(1000):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            if number % 2:
                raw.sendall(b"\x16\x03\x01\x02\x00\x01")
            if number % 250 == 249:
                assert is_let_in(place, server.port, place.modality)
        assert server.acceptor.running <= 1              # none of them counts as an association
    # and a slow one is cut off in time
    with running(handshakes=place.handshakes(handshake_timeout_s=0.2)) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            assert raw.recv(1) == b""


def test_an_ae_title_bound_to_a_certificate_is_nobody_elses(place: Place) -> None:
    other = place.authority.make("another", "mr1.example")
    for binding in (place.modality.thumbprint, "ct1.example", place.modality.thumbprint.upper()):
        known = RemoteAESettings(TITLE, "127.0.0.1", 104, "default", certificate=binding)
        with running(handshakes=place.handshakes("optional"), directory=directory(known)) as server:
            assert dcmtk("echoscu", server.port, place.options()).returncode == 0
            assert dcmtk("echoscu", server.port, place.options(other)).returncode != 0
            assert is_rejected(place, server.port, None)


def test_a_plain_listener_for_old_devices_takes_known_ones_from_their_addresses() -> None:
    bound = RemoteAESettings("BOUND", "127.0.0.1", 104, "default", addresses=("127.0.0.1",))
    loose = RemoteAESettings("LOOSE", "127.0.0.1", 104, "default")
    elsewhere = RemoteAESettings("ELSEWHERE", "127.0.0.1", 104, "default", addresses=("10.0.0.0/8",))
    with running(networks=("127.0.0.0/8",), directory=directory(bound, loose, elsewhere)) as server:
        for title, is_taken in (("BOUND", True), ("LOOSE", False), ("ELSEWHERE", False), ("UNKNOWN", False)):
            with Raw(server.port) as one:
                answer = one.associate(request(called="PACSD", calling=title))
                assert isinstance(answer, AssociateAccept) == is_taken, title
    with running(networks=("10.0.0.0/8",), directory=directory(bound)) as server, Raw(server.port) as one:
        assert one.pdu() == (0, b"")


def test_queries_inside_tls_are_served_by_the_process_behind_the_door(place: Place, tmp_path: Path) -> None:
    require("findscu")
    with running() as behind:
        behind.archive.matches = [study(1), study(2)]
        door = Door(tmp_path, lambda connection, origin, body: start(behind.acceptor, connection, origin, body))
        thread = threading.Thread(target=door.serve, daemon=True)
        thread.start()
        with running(handover=tmp_path, handshakes=place.handshakes()) as front:
            keys = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID"]
            done = dcmtk("findscu", front.port, [*keys, *place.options()])
            assert done.returncode == 0, done.stderr
            assert len(behind.archive.queries) == 1 and not front.archive.queries
            until(lambda: front.acceptor.running == behind.acceptor.running == 0)
        door.close()
        thread.join(5)


@pytest.mark.parametrize("is_relayed", [False, True])
def test_a_foreign_scu_retrieves_inside_tls(place: Place, tmp_path: Path, is_relayed: bool) -> None:
    archive = filled(8)
    archive.in_files = True                              # which the kernel would send as plain text
    with running(archive=archive) as behind, ExitStack() as stack:
        options: dict[str, Any] = {"archive": archive}
        if is_relayed:
            door = Door(tmp_path, lambda connection, origin, body: start(behind.acceptor, connection, origin, body))
            threading.Thread(target=door.serve, daemon=True).start()
            stack.callback(door.close)
            options = {"handover": tmp_path}
        front = stack.enter_context(running(handshakes=place.handshakes(), **options))
        assert got_by_pynetdicom(place, front.port) == archive.datasets
        until(lambda: front.acceptor.running == behind.acceptor.running == 0)


def got_by_pynetdicom(place: Place, port: int) -> dict[str, bytes]:
    received: dict[str, bytes] = {}

    def keep(event: Any) -> int:
        received[str(event.request.AffectedSOPInstanceUID)] = event.encoded_dataset(include_meta=False)
        return 0

    context = ssl.create_default_context(cafile=str(place.authority.certificate))
    context.load_cert_chain(place.modality.certificate, place.modality.key)
    ae = AE(TITLE)
    ae.maximum_pdu_size = 16384
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = ae.associate(
        "127.0.0.1", port, ae_title="PACSD", tls_args=(context, "127.0.0.1"),
        ext_neg=[build_role(CTImageStorage, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, keep)],
    )  # fmt: skip
    assert association.is_established
    *_, (final, _) = association.send_c_get(wanted(), StudyRootQueryRetrieveInformationModelGet)
    association.release()
    assert final.Status == 0x0000
    return received


@contextmanager
def storescp(place: Place, folder: Path, files: Files) -> Iterator[int]:
    """A foreign receiver that takes TLS alone."""
    require("storescp")
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["storescp", "-od", str(folder), *place.options(files), str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_c_move_delivers_inside_tls_and_only_to_whom_is_meant(place: Place, tmp_path: Path) -> None:
    receiver = place.authority.make("receiver")
    ours = Dialling(place.authority.settings(place.server))
    with storescp(place, tmp_path / "got", receiver) as port:
        remote = RemoteAESettings("RECEIVER", "127.0.0.1", port, "default", tls=True)
        bound = replace(remote, title="BOUND", certificate=receiver.thumbprint)
        other = replace(remote, title="OTHER", certificate=place.modality.thumbprint)
        named = {"RECEIVER": remote, "BOUND": bound, "OTHER": other}
        archive = filled(6)
        archive.in_files = True
        with running(archive=archive, directory=FakeDirectory(remotes=named), dial=ours) as server:
            assert move(server, wanted(), destination="RECEIVER")[-1][0].Status == 0x0000
            assert move(server, wanted(), destination="BOUND")[-1][0].Status == 0x0000
            assert move(server, wanted(), destination="OTHER")[-1][0].Status != 0x0000
        with running(archive=archive, directory=FakeDirectory(remotes=named)) as server:      # TLS is not set up
            assert move(server, wanted(), destination="RECEIVER")[-1][0].Status != 0x0000
        assert len(list((tmp_path / "got").iterdir())) == 6


@pytest.mark.parametrize("wrong", ["foreign", "expired", "host", "revoked"])
def test_a_receiver_that_proves_nothing_gets_nothing(place: Place, wrong: str, tmp_path: Path) -> None:
    make = {
        "foreign": lambda: Authority(tmp_path / "other", "Other CA").make("receiver"),
        "expired": lambda: place.authority.make("receiver", days=1, began=timedelta(days=3)),
        "host": lambda: place.authority.make("receiver", "another.example"),
        "revoked": lambda: place.authority.make("receiver"),
    }
    files = make[wrong]()
    if wrong == "revoked":
        place.authority.revoke(files)
    heard = []

    def serve(listening: socket.socket, context: ssl.SSLContext) -> None:
        raw, _ = listening.accept()
        with raw, suppress(OSError), context.wrap_socket(raw, server_side=True) as inside:
            heard.append(inside.recv(1))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening, context), daemon=True)
        thread.start()
        remote = RemoteAESettings("RECEIVER", "127.0.0.1", listening.getsockname()[1], "default", tls=True)
        requestor = Requestor("PACSD", dial=Dialling(place.authority.settings(place.server)))
        with pytest.raises(PacsdError) as refusal:
            requestor.connect(remote, [Proposal(VERIFICATION)])
        thread.join(10)
    assert refusal.value.fault is Fault.UNAVAILABLE and "not trusted" in refusal.value.message
    assert heard in ([], [b""])


def is_rejected(place: Place, port: int, files: Files | None) -> bool:
    with client(place, port, files) as connection:
        connection.sendall(request(called="PACSD", calling=TITLE))
        return connection.recv(1) == b"\x03"


def directory(*remotes: RemoteAESettings) -> Callers:
    return callers(Settings(remote_aes=remotes))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
