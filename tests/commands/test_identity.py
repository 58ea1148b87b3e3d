"""`pacsd identity`, beside nothing else than the data directory: history, persons, review, unmerge."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hl7.ports import Caller
from pacsd.main import main
from tests.hl7.peer import adt
from tests.server import remove_folder, scratch_folder


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    folder = scratch_folder("pacsd-identity-")
    try:
        yield folder
    finally:
        remove_folder(folder)


@pytest.fixture(autouse=True)
def tests_keep_their_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command has its process to itself; here others come after it."""
    monkeypatch.setattr("pacsd.supervise.logs.configure", lambda *_, **__: None)


Said = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def said(data: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Exit status and lines of a command."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        status = main([*arguments, "--data", str(data / "data")])
        return status, capsys.readouterr().out.splitlines()

    return run


@pytest.mark.slow
def test_a_steward_reviews_links_parts_and_takes_back(data: Path, said: Said) -> None:
    from config.settings import Settings
    from pacsd.main import Wiring

    settings = Settings(data_dir=data / "data")
    with Wiring().messages(settings) as exchange:
        for number, message in enumerate((
            adt("A04", "1", "1^^^A", name="ZHANG^SAN", birth_date="19800102", sex="M"),
            adt("A04", "2", "2^^^B", name="ZHANG^SAN", birth_date="19800102", sex="M"),
            adt("A40", "3", "4^^^A", more="MRG|3^^^A"),
        )):  # fmt: skip
            (answer,) = exchange.reception().receive(message.encode(), Caller("127.0.0.1"))
            assert b"|AA|" in answer, number
    status, lines = said("identity", "review", "list")
    assert status == 0 and lines[0].endswith("name same, birth date same, sex same")
    assert [line.split("\t")[1] for line in lines[1:]] == ["A 1", "B 2"]
    assert said("identity", "review", "link", "A", "1", "B", "2") == (0, ["linked"])
    assert said("identity", "review", "list") == (0, [])
    assert [line.split("\t")[0] for line in said("identity", "person", "B", "2")[1]] == ["A 1", "B 2"]
    assert said("identity", "review", "separate", "B", "2", "A", "1") == (0, ["separated"])
    assert [line.split("\t")[0] for line in said("identity", "person", "B", "2")[1]] == ["B 2"]
    assert [line.split("\t")[1:] for line in said("identity", "history", "A", "1")[1]] == [
        ["linked", "A 1", "B 2", "person"], ["separated", "A 1", "B 2", "person"]
    ]  # fmt: skip
    assert said("identity", "unmerge", "A", "3") == (0, ["3 of A is no longer merged into 4"])
    assert said("identity", "unmerge", "A", "3")[0] == 1
    assert said("identity", "person", "A", "nobody")[0] == 1
    assert said("identity", "history", "A", "1", "--organisation", "nowhere")[0] == 1
