"""What is exported is told with who issued its Patient ID."""

from pathlib import Path

import pytest

from pacsd.archive import export
from pacsd.archive.export import Export
from tests.archive.house import opened
from tests.deidentify.objects import ROOT, image, part10


def test_who_issued_a_patient_id_is_found_wherever_the_first_look_ends(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(database, tmp_path / "blobs") as house:
        house.receive(part10(image()))
        (ref,) = house.retrieve.instances(house.peer("east").scope, ROOT + "1")
        exporting, found = Export(house.retrieve, house.blobs), set()
        for size in range(132, 700):
            monkeypatch.setattr(export, "_META_BYTES", size)
            found.add(exporting.assigning_authority(ref))
    assert len(found) == 1 and found != {""}
