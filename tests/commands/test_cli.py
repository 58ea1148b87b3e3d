"""The command line: names other programs rely on, and exit statuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.settings import Settings
from pacsd.access.directory import Peer
from pacsd.access.scope import Scope
from pacsd.audit.message import AuditMessage
from pacsd.commands.arguments import build_parser
from pacsd.commands.cli import run
from pacsd.commands.recording import COMMANDS
from pacsd.commands.wiring import Archive, Progress
from pacsd.faults import Fault, PacsdError


class Finding:
    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem


class PlayedReception:
    def __init__(self, played: "Played") -> None:
        self._played, self._data = played, bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._data += data

    def commit(self) -> object:
        played, data = self._played, bytes(self._data)
        if data.startswith(b"full"):
            raise PacsdError(Fault.FULL, "no room left")
        if not data.startswith(b"dicom"):
            raise PacsdError(Fault.MALFORMED, "no Part 10 file")
        outcome = "duplicate" if data in played.stored else "stored"
        played.stored.append(data)
        return type("Accepted", (), {"outcome": type("Outcome", (), {"value": outcome})})

    def abort(self) -> None:
        self._data.clear()


class Played:
    """Wiring, archive, ingest and directory in one, that remember what they were asked."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.alone: bool | None = None
        self.stored: list[bytes] = []
        self.findings = [Finding("pack/1.zip", "checksum differs")]
        self.ingest = self.directory = self
        self.recorded: list[str] = []

    def record(self, settings: Settings, message: AuditMessage) -> None:
        self.recorded.append(message.types[0].display)

    def serve(self, settings: Settings) -> int:
        self.settings = settings
        return 0

    @contextmanager
    def archive(self, settings: Settings, *, alone: bool) -> Iterator[Archive]:
        self.settings, self.alone = settings, alone
        yield self

    def member(self, code: str) -> Peer:
        return Peer("", 1, code, code, Scope((1,), 1))

    def receive_part10(self, peer: Peer) -> PlayedReception:
        return PlayedReception(self)

    def check(self, progress: Progress) -> Iterator[Finding]:
        progress(2, 2)
        yield from self.findings

    def rebuild(self, progress: Progress) -> Iterator[Finding]:
        return self.check(progress)

    def backup(self, folder: Path, progress: Progress) -> Iterator[Finding]:
        return self.check(progress)

    def restore(self, folder: Path, progress: Progress) -> Iterator[Finding]:
        return self.check(progress)


@pytest.fixture
def played() -> Played:
    return Played()


def test_serve_takes_the_options_that_other_programs_rely_on(played: Played, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("http_port = 1\n[dimse]\nreceivers = 7")
    command = f"serve --config {tmp_path}/c.toml --data {tmp_path}/d --database dbname=x --host 0.0.0.0"
    options = "--http-port 81 --dicom-port 105 --ae-title MAIN --roles dimse,web"
    assert run([*command.split(), *options.split()], played) == 0
    settings = played.settings
    assert settings is not None
    assert (settings.data_dir, settings.database, settings.host) == (tmp_path / "d", "dbname=x", "0.0.0.0")
    assert (settings.http_port, settings.dicom_port, settings.ae_title) == (81, 105, "MAIN")
    assert (settings.roles, settings.dimse.receivers) == (("dimse", "web"), 7)


def test_every_command_of_the_contract_is_there() -> None:
    text = build_parser().format_help()
    for command in ["serve", "import", "check", "rebuild", "backup", "restore", "echo", "send", "find", "move"]:
        assert f"\n    {command} " in text


def test_wrong_settings_are_named(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--ae-title", "SEVENTEEN LETTERS"], played) == 2
    assert capsys.readouterr().err == "pacsd: ae_title: an AE title has 1 to 16 characters, this has 17\n"
    assert run(["serve", "--roles", "web,film"], played) == 2
    assert "roles[1]: 'film'" in capsys.readouterr().err


def test_unknown_command_is_a_usage_error(played: Played) -> None:
    with pytest.raises(SystemExit) as end:
        run(["fly"], played)
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("command", "alone"), [("check", False), ("backup DIR", False), ("rebuild", True), ("restore DIR", True)]
)
def test_findings_are_listed_and_change_the_status(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, alone: bool
) -> None:
    (tmp_path / "blobs").mkdir()
    command = command.replace("DIR", str(tmp_path))
    assert run([*command.split(), "--data", str(tmp_path)], played) == 3
    assert played.alone is alone
    said = capsys.readouterr()
    assert "pack/1.zip: checksum differs" in said.err
    assert said.out.endswith(": 2 objects, 1 problems\n")
    played.findings.clear()
    assert run([*command.split(), "--data", str(tmp_path)], played) == 0


@pytest.mark.parametrize("command", ["check", "rebuild", "backup DIR", "hold 1.2 --reason R", "audit verify"])
def test_an_archive_that_is_not_there_is_not_made_and_found_in_order(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run([*command.split(), "--data", str(tmp_path / "slip")], played) == 1
    assert capsys.readouterr().err == f"pacsd: there is no data directory {tmp_path}/slip: see --data and --config\n"
    assert not (tmp_path / "slip").exists()
    assert run([*command.split(), "--data", str(tmp_path)], played) == 1
    assert capsys.readouterr().err == f"pacsd: {tmp_path} is no data directory: see --data and --config\n"
    assert (played.settings, played.recorded, list(tmp_path.iterdir())) == (None, [], [])


@pytest.mark.parametrize("command", ["import", "restore"])
def test_a_folder_that_is_not_there_leaves_no_data_directory_and_no_record(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run([command, str(tmp_path / "slip"), "--data", str(tmp_path / "data")], played) == 1
    assert capsys.readouterr().err == f"pacsd: there is no folder {tmp_path}/slip\n"
    assert (played.settings, played.recorded, list(tmp_path.iterdir())) == (None, [], [])


def fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def test_import_reports_every_refused_file_and_why(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "in", a="dicom 1", b="dicom 2", c="text", DICOMDIR="x")
    fill(tmp_path / "in" / "deep", d="dicom 3", e="dicom 1")
    assert run(["import", str(tmp_path / "in"), "--data", str(tmp_path / "data")], played) == 3
    said = capsys.readouterr()
    assert said.out == "3 stored, 1 duplicate, 1 refused, 0 skipped\n"
    assert f"refused {tmp_path}/in/c: malformed: no Part 10 file" in said.err


def test_import_goes_on_where_it_ended(played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "in", a="dicom 1", b="full")
    arguments = ["import", str(tmp_path / "in"), "--data", str(tmp_path / "data")]
    assert run(arguments, played) == 1
    assert "no room left" in capsys.readouterr().err
    fill(tmp_path / "in", b="dicom 2")
    assert run(arguments, played) == 0
    assert "1 stored, 0 duplicate, 0 refused, 1 skipped" in capsys.readouterr().out
    assert run([*arguments, "--again"], played) == 0
    assert "0 stored, 2 duplicate, 0 refused, 0 skipped" in capsys.readouterr().out


def test_import_looks_again_at_a_changed_file(played: Played, tmp_path: Path) -> None:
    arguments = ["import", str(tmp_path / "in"), "--data", str(tmp_path / "data")]
    fill(tmp_path / "in", a="dicom 1")
    run(arguments, played)
    fill(tmp_path / "in", a="dicom 1, longer")
    run(arguments, played)
    assert played.stored == [b"dicom 1", b"dicom 1, longer"]


def test_import_for_an_organisation_that_is_not_there(
    played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(tmp_path), "--organisation", "west", "--data", str(tmp_path)], played) == 1
    assert "there is no organisation west" in capsys.readouterr().err


def test_every_command_says_what_is_recorded_of_it() -> None:
    groups = [one for one in build_parser()._actions if one.dest == "command"]
    assert set(COMMANDS) == set(groups[0].choices or ())
