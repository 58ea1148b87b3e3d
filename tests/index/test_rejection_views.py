"""What readers see of rejections when they search: counts, modalities and matching agree with what they may have."""

import pytest

from pacsd.access.scope import Rejected, Scope
from pacsd.index import locate
from pacsd.index.connect import Pool
from pacsd.index.ingest import Ingest
from pacsd.index.match import Match
from pacsd.index.matching import Criterion
from pacsd.index.query import Query, search
from pacsd.index.rejection_notes import mark_note
from pacsd.index.rejections import Saying, reject, restore
from tests.index.arrivals import arrival

STUDY = "1.2.3"
CT, MR, KO = f"{STUDY}.1", f"{STUDY}.2", f"{STUDY}.9"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture
def filled(index: Pool, ingest: Ingest) -> Pool:
    """A CT series of two, an MR series of one that is rejected for its quality, and the note that says so."""
    ingest.store(arrival("1.1", series=CT))
    ingest.store(arrival("1.2", series=CT))
    ingest.store(arrival("2.1", series=MR, t00080060="MR"))
    ingest.store(arrival("9.1", series=KO, t00080060="KO", sop_class=KEY_OBJECT))
    with index.connection() as connection:
        row = connection.execute("select pk from series where series_instance_uid = %s", (KO,)).fetchone()
    assert row is not None
    mark_note(index, 1, row[0], "9.1", code="113001")
    assert reject(index, 1, STUDY, {MR: ["2.1"]}, Saying("113001", "9.1", awaited=True)) == 1
    return index


def found(index: Pool, rejected: Rejected, level: str = "study", **keys: str) -> list[Match]:
    criteria = tuple(Criterion(name.removeprefix("t"), value) for name, value in keys.items())
    return list(search(index, Query(level, criteria), Scope((1,), 1, rejected)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rejected", "instances", "modalities"),
    [
        (Rejected.HIDE, 2, ("CT",)),
        (Rejected.NOTES, 3, ("CT", "KO")),
        (Rejected.KEEP, 4, ("CT", "KO", "MR")),
    ],
)
def test_counts_and_modalities_are_those_that_the_reader_sees(
    filled: Pool, rejected: Rejected, instances: int, modalities: tuple[str, ...]
) -> None:
    (one,) = found(filled, rejected)
    assert (one.counts.study_instances, one.counts.study_series) == (instances, len(modalities))
    assert one.modalities == modalities
    series = found(filled, rejected, "series")
    assert sum(match.counts.series_instances or 0 for match in series) == instances
    (patient,) = found(filled, rejected, "patient")
    assert (patient.counts.patient_series, patient.counts.patient_instances) == (len(modalities), instances)
    for modality in ("CT", "KO", "MR"):
        expected = 1 if modality in modalities else 0
        assert len(found(filled, rejected, t00080061=modality)) == expected
        assert len(found(filled, rejected, "series", t00080060=modality)) == expected
        assert len(found(filled, rejected, "study", t00080060=modality)) == expected


def test_several_organisations_show_one_copy_that_has_something_left_for_the_reader(
    filled: Pool, ingest: Ingest
) -> None:
    ingest.store(arrival("2.1", series=MR, organisation=2, authority="A", t00080060="MR"))
    reject(filled, 2, STUDY, {MR: ["2.1"]}, Saying("113001"))
    both = Scope((1, 2), 2), Scope((1, 2), 2, Rejected.KEEP)
    assert [one.organisation for one in search(filled, Query("study"), both[0])] == [1]
    assert [one.organisation for one in search(filled, Query("study"), both[1])] == [2]


def test_retrieval_names_what_this_reader_does_not_see(filled: Pool) -> None:
    def unseen(rejected: Rejected) -> dict[str, set[str]]:
        contents = locate.contents(filled, Scope((1,), 1, rejected), STUDY)
        return {one.series_instance_uid: set(one.rejected) for one in contents}

    assert unseen(Rejected.HIDE) == {CT: set()}
    assert unseen(Rejected.NOTES) == {CT: set(), KO: set()}
    assert unseen(Rejected.KEEP) == {CT: set(), KO: set(), MR: set()}
    reject(filled, 1, STUDY, {CT: ["1.1"]}, Saying("113037"))
    assert unseen(Rejected.KEEP) == {CT: {"1.1"}, KO: set(), MR: set()}


def test_what_is_restored_is_seen_by_everybody_again(filled: Pool) -> None:
    assert restore(filled, 1, STUDY, {MR: ["2.1"], KO: ["9.1"]}) == 1
    (one,) = found(filled, Rejected.HIDE)
    assert one.modalities == ("CT", "MR")
    with filled.connection() as connection:
        assert connection.execute("select instances, notes, kept from study").fetchall() == [(3, 1, 0)]
