"""`pacsd export`, beside nothing else than the data directory."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest

from pacsd.commands.project_key import project
from pacsd.faults import Fault, PacsdError
from pacsd.main import main
from tests.deidentify.objects import ROOT, SECRETS, image, part10
from tests.deidentify.original import present
from tests.server import remove_folder, scratch_folder

STUDY = ROOT + "1"
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = scratch_folder("pacsd-export-")
    try:
        yield made
    finally:
        remove_folder(made)


@pytest.fixture(autouse=True)
def tests_keep_their_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command has its process to itself; here others come after it."""
    monkeypatch.setattr("pacsd.supervise.logs.configure", lambda *_, **__: None)


@pytest.fixture
def said(folder: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Exit status, output and complaints of a command."""

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([*map(str, arguments), "--data", str(folder / "data")])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.mark.slow
def test_studies_are_exported_as_they_are_and_deidentified(folder: Path, said: Said, tmp_path: Path) -> None:
    incoming = folder / "incoming"
    incoming.mkdir()
    (incoming / "ct").write_bytes(part10(image()))
    (incoming / "us").write_bytes(part10(image(
        Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", SeriesInstanceUID=ROOT + "1.2",
        SOPInstanceUID=ROOT + "1.2.1",
    )))  # fmt: skip
    assert said("import", incoming)[0] == 0

    plain = tmp_path / "plain"
    assert said("export", STUDY, plain)[:2] == (0, "2 exported, 0 refused\n")
    assert pydicom.dcmread(plain / STUDY / (ROOT + "1.1") / f"{ROOT}1.1.1.dcm").PatientID == "000777123"
    assert sorted(path.name for path in plain.rglob("*") if path.is_file()) == [f"{ROOT}1.1.1.dcm", f"{ROOT}1.2.1.dcm"]

    one, again, other = tmp_path / "one", tmp_path / "again", tmp_path / "other"
    status, out, err = said("export", "--deidentify", "research", "--project", "lung", STUDY, one)
    assert (status, out) == (3, "1 exported, 1 refused\n")
    assert f"{ROOT}1.2.1: " in err                           # the ultrasound does not say where its regions are
    said("export", "--deidentify", "research", "--project", "lung", "--series", ROOT + "1.1", STUDY, again)
    said("export", "--deidentify", "research", "--project", "heart", "--series", ROOT + "1.1", STUDY, other)
    (made,), (same,), (foreign,) = (list(place.rglob("*.dcm")) for place in (one, again, other))
    assert made.relative_to(one) == same.relative_to(again)
    assert made.read_bytes() == same.read_bytes()
    assert not set(made.relative_to(one).parts) & set(foreign.relative_to(other).parts)
    secrets = set(SECRETS) - {"Nobody Knows"}
    for path in (path for place in (one, other) for path in place.rglob("*") if path.is_file()):
        assert present(path.read_bytes() + str(path.name).encode(), secrets) == set(), path
    lines = [json.loads(line) for line in (one / "deidentification.jsonl").read_text("utf-8").splitlines()]
    assert {"refused" in line for line in lines} == {True, False}
    assert "look" not in (one / "deidentification.txt").read_text("utf-8").splitlines()[0]
    key = folder / "data" / "projects" / "lung.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    assert said("export", "--deidentify", "research", STUDY, one)[0] == 1
    assert said("export", "--deidentify", "nothing", "--project", "lung", STUDY, one)[0] == 2
    assert said("export", ROOT + "404", one)[0] == 1


def test_a_key_is_made_once_and_never_guessed(tmp_path: Path) -> None:
    first, second = project(tmp_path, "a"), project(tmp_path, "b")
    assert project(tmp_path, "a").key == first.key != second.key
    (tmp_path / "b.key").write_text("no key")
    with pytest.raises(PacsdError) as caught:
        project(tmp_path, "b")
    assert caught.value.fault is Fault.INVALID
    for name in ("../a", "", "a/b", "."):
        with pytest.raises(PacsdError):
            project(tmp_path, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.key", "b.key"]
