"""pacsd echo, send, find and move against another vendor's stack."""

import gc
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from config.settings import Settings
from pacsd.commands.cli import run
from pacsd.commands.peers import Peer as Address
from pacsd.commands.peers import peer_of
from pacsd.commands.send import MAX_CONTEXTS, Sendable, batches
from pacsd.commands.wiring import FileSender, Wiring
from pacsd.faults import Fault, PacsdError
from pacsd.main import Wiring as Wired
from tests.commands.conftest import CT, MR, SYNTAXES, Peer, write_file


class NoWiring:
    """Peer commands need nothing of the archive."""

    def serve(self, settings: Settings) -> int:
        raise AssertionError

    def sender(
        self, settings: Settings, peer: Address, contexts: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> AbstractContextManager[FileSender]:
        return Wired().sender(settings, peer, contexts, timeout_s=timeout_s)

    def record(self, settings: Settings, message: object) -> None:
        """Nothing."""

    def archive(self, settings: Settings, *, alone: bool) -> object:
        raise AssertionError


def pacsd(*arguments: str) -> int:
    wiring: Wiring = NoWiring()  # type: ignore[assignment]
    return run(arguments, wiring)


def test_echo_says_who_answered(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    assert pacsd("echo", peer.name) == 0
    assert f"{peer.name}: 0x0000 Success" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_echo_to_nobody_fails_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert pacsd("echo", "PEER@127.0.0.1:1", "--timeout-s", "2") == 1
    gc.collect()  # pynetdicom 3.0 leaves the socket of a refused connection open: not in another test
    assert capsys.readouterr().err == "pacsd: PEER@127.0.0.1:1 does not answer\n"


def test_peer_is_found_in_the_settings(peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "pacsd.toml"
    remote = f"title = 'OLD'\nhost = '127.0.0.1'\nport = {peer.port}\norganisation = 'default'"
    config.write_text(f"[[remote_aes]]\n{remote}")
    assert pacsd("echo", "OLD", "--config", str(config)) == 0
    assert pacsd("echo", "NEW", "--config", str(config)) == 1
    assert "NEW is neither TITLE@HOST:PORT nor a remote AE of the settings (OLD)" in capsys.readouterr().err


def test_peer_by_ipv6_address() -> None:
    assert peer_of("A B@[::1]:104", Settings()) == Address("A B", "::1", 104)


@pytest.mark.parametrize("text", ["A", "@h:1", "A@h", "A@h:x", "SEVENTEEN LETTERS@h:1"])
def test_peer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PacsdError) as refusal:
        peer_of(text, Settings())
    assert refusal.value.fault is Fault.NOT_FOUND


def test_files_are_sent_bit_identical_in_their_own_syntax(
    peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = [
        write_file(tmp_path / "a", syntax=SYNTAXES[0], number=1),
        write_file(tmp_path / "b", syntax=SYNTAXES[1], number=2),
        write_file(tmp_path / "c", sop_class=MR, number=3),
    ]
    (tmp_path / "notes.txt").write_text("not DICOM")
    assert pacsd("send", peer.name, str(tmp_path)) == 3
    assert peer.received == wanted
    said = capsys.readouterr()
    assert "3 sent, 0 failed, 1 not DICOM" in said.out
    assert "not sent " in said.err
    assert "notes.txt: " in said.err


def test_what_the_peer_does_not_take_is_named(
    peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_file(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"))
    assert pacsd("send", peer.name, str(tmp_path / "a")) == 3
    assert f"a: the peer does not take {CT} in transfer syntax 1.2.840.10008.1.2.2" in capsys.readouterr().err
    assert peer.received == []


def test_a_lost_association_costs_one_file(
    peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        write_file(tmp_path / str(number), number=number)
    peer.aborts_at = 2
    assert pacsd("send", peer.name, str(tmp_path)) == 3
    said = capsys.readouterr()
    assert "3 sent, 1 failed, 0 not DICOM" in said.out
    assert said.err.count("the association was lost") == 1
    assert len(peer.received) == 3


def test_what_is_left_when_the_peer_is_gone_is_told(
    peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        write_file(tmp_path / str(number), number=number)
    peer.aborts_at, peer.then_is_gone = 2, True
    assert pacsd("send", peer.name, str(tmp_path)) == 3
    said = capsys.readouterr()
    assert "1 sent, 2 failed, 0 not DICOM" in said.out
    assert "2: PEER rejects the association" in said.err


def test_status_of_a_refused_object_is_shown(peer: Peer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peer.store_status = 0xA700
    write_file(tmp_path / "a")
    assert pacsd("send", peer.name, str(tmp_path)) == 3
    assert "0xA700 Failure" in capsys.readouterr().err


def test_no_association_needs_more_than_128_contexts() -> None:
    files = [Sendable(Path(str(n)), f"1.2.{n % 150}", f"1.3.{n % 2}") for n in range(600)]
    groups = list(batches(files))
    assert sorted(one.file for group in groups for one in group) == sorted(one.file for one in files)
    assert all(len({one.context for one in group}) <= MAX_CONTEXTS for group in groups)


def test_matches_are_shown_in_columns(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    for name, identity in (("Zhang^San=张^三", "1"), ("B", "000123")):
        match = Dataset()
        match.SpecificCharacterSet = "ISO_IR 192"
        match.PatientName, match.PatientID = name, identity
        match.ModalitiesInStudy = ["CT", "SR"]
        peer.matches.append(match)
    assert pacsd("find", peer.name, "-k", "PatientName=张*", "-k", "StudyDate=20240101-", "-k", "00081010") == 0
    (query,) = peer.queries
    assert (str(query.PatientName), query.StudyDate) == ("张*", "20240101-")
    assert (query.QueryRetrieveLevel, query.StationName) == ("STUDY", "")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("PatientID  PatientName")
    assert "Zhang^San=张^三" in lines[1]
    assert "CT\\SR" in lines[1]
    assert lines[-1] == "2 matches; 0x0000 Success"


def test_patient_level_is_asked_of_patient_root(peer: Peer) -> None:
    assert pacsd("find", peer.name, "--level", "PATIENT", "-k", "PatientID=1") == 0
    assert peer.queries[0].QueryRetrieveLevel == "PATIENT"


def test_key_that_is_none_is_refused(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    assert pacsd("find", peer.name, "-k", "Colour=red") == 1
    assert "Colour is neither a keyword" in capsys.readouterr().err


def test_unknown_destination_is_reported(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    assert pacsd("move", peer.name, "--to", "NOWHERE", "-k", "StudyInstanceUID=1.2.3") == 1
    assert "0xA801 Failure" in capsys.readouterr().out
    assert peer.queries[0].StudyInstanceUID == "1.2.3"
    assert "PatientID" not in peer.queries[0]
