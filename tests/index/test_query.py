"""Matching as PS3.4 C.2.2.2 says, for one reader at a time."""

import contextlib
from base64 import b64decode

import orjson
import pytest

from pacsd.access.scope import Scope
from pacsd.codec.keys import Level
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool
from pacsd.index.ingest import Ingest
from pacsd.index.keys import COLUMNS
from pacsd.index.match import Match
from pacsd.index.matching import Criterion
from pacsd.index.query import MOST_UNNAMED, Query, compile_query, search, series_of_instances
from pacsd.index.record_key import uids_of
from tests.index.arrivals import arrival

A, B, C = Scope((1,), 1), Scope((2,), 2), Scope((3,), 3)
B_AND_A = Scope((2, 1), 2)


def found(index: Pool, scope: Scope, *criteria: tuple[str, str], level: str = "study", **options: object) -> list[str]:
    query = Query(level, tuple(Criterion(path, value) for path, value in criteria), **options)  # type: ignore[arg-type]
    return [match.study_instance_uid for match in search(index, query, scope)]


@pytest.mark.parametrize("asked", [
    "张三", "张^三", "Zhang^San", "zhang san", "ZHANG^SAN", "zhang*", "*三*", "张?", "=张三", "Zhang^San=张^三", "*san",
    "zhangsan", "Zhang^*",
])  # fmt: skip
@pytest.mark.parametrize("stored", ["Zhang^San=张^三", "张三", "=张^三", "张^三"])
def test_a_chinese_name_is_found_however_it_was_sent(index: Pool, ingest: Ingest, stored: str, asked: str) -> None:
    ingest.store(arrival("1.1", t00100010=stored))
    wanted = [] if asked == "Zhang^San=张^三" and not stored.startswith("Z") else ["1.2.3"]
    if asked == "zhangsan" and stored.startswith("Z"):
        wanted = ["1.2.3"]
    for level in ("patient", "study", "series"):
        assert len(found(index, A, ("00100010", asked), level=level, limit=5)) == len(wanted)


@pytest.mark.parametrize(("asked", "hit"), [
    ("Müller^José", True), ("muller^jose", True), ("MULLER*", True), ("*jose", True), ("mul_er^jose", False),
    ("mul%", False), ("M?ller^Jos?", True), ("Müller", False), ("*", True), ("José^Müller", False), ("*ller j*", True),
])  # fmt: skip
def test_accents_and_case_do_not_count_in_names(index: Pool, ingest: Ingest, asked: str, hit: bool) -> None:
    ingest.store(arrival("1.1", t00100010="Müller^José"))
    assert bool(found(index, A, ("00100010", asked))) is hit


@pytest.mark.parametrize(("asked", "hit"), [
    ("jos mül", True), ("mull", True), ("ller", False), ("jose^x", False), ("MUL=", True),
])  # fmt: skip
def test_fuzzy_matching_takes_words_in_any_order(index: Pool, ingest: Ingest, asked: str, hit: bool) -> None:
    ingest.store(arrival("1.1", t00100010="Müller^José"))
    assert bool(found(index, A, ("00100010", asked), fuzzy=True)) is hit


@pytest.mark.parametrize(("path", "value", "hit"), [
    ("00080020", "20240102", True), ("00080020", "20240101-20240103", True), ("00080020", "-20240102", True),
    ("00080020", "20240103-", False), ("00080020", "2024.01.02", True), ("00080030", "1015", True),
    ("00080030", "10", True), ("00080030", "1000-1015", True), ("00080030", "-1014", False),
    ("00080050", "A1", True), ("00080050", "a1", False), ("00080050", "A*", True), ("00080050", "?1", True),
    ("00080050", "A1\\B2", True), ("00080061", "CT", True), ("00080061", "MR\\CT", True), ("00080061", "C*", True),
    ("00080061", "MR", False), ("00080062", "1.2.840.10008.5.1.4.1.1.2", True), ("0020000D", "1.2.3,9.9", True),
    ("0020000D", "9.9\\1.2.3", True), ("0020000D", "1.2.*", False), ("00080060", "CT", True), ("00080060", "MR", False),
    ("00200011", "1", True), ("00200011", "01", True), ("00200010", "S1", True), ("00100020", "000123", True),
    ("00100020", "123", False), ("00101010", "045Y", True), ("00101010", "04*", True), ("00101010", "046Y", False),
    ("00101030", "70", True), ("00080090", "house*", True), ("00080090", "wilson", False), ("00080050", "", True),
])  # fmt: skip
def test_each_kind_of_key_matches(index: Pool, ingest: Ingest, path: str, value: str, hit: bool) -> None:
    ingest.store(arrival("1.1", t00101010="045Y", t00101030="70.0", t00080090="House^Gregory"))
    for level in ("study", "series"):
        assert bool(found(index, A, (path, value), level=level)) is hit
    assert bool(found(index, A, (path, value), limit=10)) is hit


@pytest.mark.parametrize(("dates", "times", "hit"), [
    ("20240101-20240102", "2000-1100", True), ("20240101-20240102", "2000-1000", False),
    ("20240102-20240103", "1015-0000", True), ("20240102-20240103", "1016-0000", False), ("20240101-", "2359-", True),
    ("-20240102", "-1015", True), ("-20240102", "-1014", False),
])  # fmt: skip
def test_date_and_time_ranges_combine(index: Pool, ingest: Ingest, dates: str, times: str, hit: bool) -> None:
    ingest.store(arrival("1.1"))
    assert bool(found(index, A, ("00080020", dates), ("00080030", times))) is hit


def test_keys_below_one_sequence_match_in_one_item(index: Pool, ingest: Ingest) -> None:
    with index.connection() as connection:
        ingest.store(arrival("1.1"))
        items = [
            {"00400009": {"vr": "SH", "Value": [step]}, "00401001": {"vr": "SH", "Value": [procedure]}}
            for step, procedure in ("aA", "bB")
        ]
        sequence = orjson.dumps({"vr": "SQ", "Value": items}).decode()
        connection.execute(
            """update series set scheduled_step_ids = '{a,b}', requested_procedure_ids = '{A,B}',
            attributes = replace(attributes, '"00400275":{"vr":"SQ"}', %s)""", ('"00400275":' + sequence,),
        )  # fmt: skip
    for pair, hit in ((("a", "A"), True), (("a", "B"), False), (("*", "B"), True)):
        criteria = (("00400275.00400009", pair[0]), ("00400275.00401001", pair[1]))
        assert bool(found(index, A, *criteria, level="series")) is hit
    assert found(index, A, ("00400275.00401001", "B")) == ["1.2.3"]


def test_empty_value_matching(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", study="1", t00080050=""))
    ingest.store(arrival("2.1", study="2"))
    assert found(index, A, ("00080050", '""'), empty_value_matching=True) == ["1"]
    assert found(index, A, ("00080050", '""')) == []


@pytest.mark.parametrize("path", ["00080020", "00080030", "00100030"])
@pytest.mark.parametrize("value", ["yesterday", "20241301", "2024-2025-2026", "1';--"])
def test_a_date_that_is_none_is_malformed(index: Pool, path: str, value: str) -> None:
    with pytest.raises(PacsdError) as refused:
        found(index, A, (path, value))
    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("value", [
    "'; drop table study; --", "%", "_", "\\", "\\\\", "%(p0)s", "%s", "$1", "{}", "\0", "\ud800", "*" * 300, "?*" * 50,
    "x" * 100_000, "') or true --", "\U0010ffff*", "=", "==", "=^=", "^", "-", "\\*",
])  # fmt: skip
def test_no_value_breaks_a_search(index: Pool, ingest: Ingest, value: str) -> None:
    ingest.store(arrival("1.1"))
    for path in [c.path for c in COLUMNS] + ["00101010", "0008002A", "00081048", "77770010"]:
        for fuzzy in (False, True):
            with contextlib.suppress(PacsdError):
                found(index, A, (path, value), level="series", fuzzy=fuzzy)
    assert found(index, A) == ["1.2.3"]


def test_a_reader_sees_one_copy_its_own_first(index: Pool, ingest: Ingest) -> None:
    for organisation in (1, 2, 3):
        ingest.store(arrival("1.1", organisation=organisation, content=bytes([organisation])))
        ingest.store(arrival(f"5.{organisation}", study=f"5.{organisation}", organisation=organisation))

    def copies(scope: Scope) -> list[tuple[int, str]]:
        matches = search(index, Query("study"), scope)
        return sorted((m.organisation, m.study_instance_uid) for m in matches)

    assert copies(A) == [(1, "1.2.3"), (1, "5.1")]
    assert copies(B_AND_A) == [(1, "5.1"), (2, "1.2.3"), (2, "5.2")]
    assert copies(Scope((3, 2, 1), 9)) == [(1, "1.2.3"), (1, "5.1"), (2, "5.2"), (3, "5.3")]
    assert copies(Scope((), 1)) == []


def test_a_patient_shows_only_what_the_reader_sees(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", study="1", organisation=1, t00100010="Secret^Name"))
    ingest.store(arrival("2.1", study="2", organisation=2, t00100010="Known^Name"))
    (match,) = search(index, Query("patient", limit=10), B)
    assert "Secret" not in match.members()
    assert match.counts.patient_studies == 1
    (match,) = search(index, Query("patient"), B_AND_A)
    assert match.counts.patient_studies == 2
    assert found(index, B, ("00100010", "secret*"), level="patient") == []


def test_members_are_complete_and_in_tag_order(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", t00081030="Head"))
    query = Query("series", include=frozenset(("00081030",)), limit=1)
    (match,) = search(index, query, A)
    text = "{" + match.members("http://host/dicom-web") + "}"
    answer = orjson.loads(text)
    assert list(answer) == sorted(answer)
    assert answer["00081190"]["Value"] == ["http://host/dicom-web/studies/1.2.3/series/1.2.3.1"]
    assert answer["00081030"]["Value"] == ["Head"]
    assert answer["00201209"]["Value"] == [1] and answer["00201208"]["Value"] == [1]
    assert answer["00080061"]["Value"] == ["CT"] and answer["00080056"]["Value"] == ["ONLINE"]
    own = orjson.loads("{" + match.members(upper=False) + "}")
    assert "00100010" not in own and own["0020000D"]["Value"] == ["1.2.3"]
    assert "00080005" not in match.dataset()


@pytest.mark.parametrize("level", ["patient", "study", "series"])
def test_a_data_set_holds_what_the_members_do(index: Pool, ingest: Ingest, level: Level) -> None:
    ingest.store(arrival("1.1", t00081030="Head", t00100010="Zhang^San=张^三"))
    for query in (Query(level), Query(level, include_all=True), Query(level, by_record_key=level != "patient")):
        (match,) = search(index, query, A)
        expected = orjson.loads("{" + match.members() + "}")
        assert expected.pop("00080005")["Value"] == ["ISO_IR 192"]
        assert match.dataset() == expected


def test_pages_are_stable_while_studies_arrive(index: Pool, ingest: Ingest) -> None:
    for n in range(20):
        ingest.store(arrival(f"{n}.1", study=f"{n}", t00080020=f"202401{n + 1:02d}" if n % 3 else ""))
    whole = found(index, A)
    assert whole[0] == "19" and set(whole[-7:]) == {str(n) for n in range(0, 20, 3)}
    paged = [uid for offset in range(0, 20, 7) for uid in found(index, A, limit=7, offset=offset)]
    assert paged == whole
    kept = found(index, A, ("00101010", "*Y"), limit=3, offset=1)
    assert kept == []


@pytest.mark.parametrize("level", ["study", "series"])
def test_record_keys_page_through_all_while_studies_come_and_go(index: Pool, ingest: Ingest, level: Level) -> None:
    for number in range(20):
        for series in range(2):
            ingest.store(arrival(f"9.{number}.{series}", study=f"1.{number}", series=f"2.{series}.{number}"))
    whole = [match.record_key for match in search(index, Query(level, by_record_key=True), A)]
    paged: list[bytes] = []
    while True:
        after = uids_of(level, paged[-1]) if paged else ()
        page = list(search(index, Query(level, limit=7, by_record_key=True, after=after or ()), A))
        if not page:
            break
        paged += [match.record_key for match in page]
        ingest.store(arrival(f"8.{len(paged)}", study=f"0.{len(paged)}"))        # before what was told
    assert paged == whole == sorted(whole)
    assert len(whole) == (20 if level == "study" else 40)
    assert found(index, B, level=level, by_record_key=True, after=uids_of(level, whole[0])) == []


def test_record_keys_are_told_and_continue_searches_of_any_kind(index: Pool, ingest: Ingest) -> None:
    for number in range(6):
        ingest.store(arrival(f"9.{number}", study=f"1.{number}", t00101010="045Y" if number % 2 else "046M"))
    [first] = search(index, Query("study", limit=1, by_record_key=True), A)
    told = orjson.loads("{" + first.members("http://base") + "}")
    assert list(told) == sorted(told)
    assert b64decode(told["0008041B"]["InlineBinary"]) == first.record_key
    kept = found(index, A, ("00101010", "*Y"), by_record_key=True, after=("1.1",), limit=5)      # tested row by row
    assert kept == ["1.3", "1.5"]


@pytest.mark.parametrize("limit", [None, 15])
def test_more_than_a_page_is_told_once_each_even_when_something_arrives(
    index: Pool, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    for n in range(20):
        ingest.store(arrival(f"{n}.1", study=f"9.{n}"))
    whole = found(index, A, limit=limit)
    monkeypatch.setattr("pacsd.index.query._PAGE_ROWS", 6)
    answers = search(index, Query("study", limit=limit), A)
    told = [next(answers).study_instance_uid for _ in range(6)]
    told += [match.study_instance_uid for match in answers]
    assert told == whole
    answers = search(index, Query("study", limit=limit), A)
    told = [next(answers).study_instance_uid for _ in range(2)]
    ingest.store(arrival("late.1", study="9.999"))
    told += [match.study_instance_uid for match in answers]
    assert len(told) == len(set(told))
    assert set(whole[:14]) <= set(told)


def test_keys_that_cannot_be_matched_are_reported() -> None:
    given = (("77770010", "x"), ("00201208", "5"), ("00200013", "1"), ("00081070", "x"))
    criteria = tuple(Criterion(*one) for one in given)
    assert set(compile_query(Query("study", criteria)).unsupported) == {"77770010", "00201208", "00200013", "00081070"}
    assert set(compile_query(Query("series", criteria)).unsupported) == {"77770010", "00201208", "00200013"}


def test_instances_need_a_uid(index: Pool, ingest: Ingest) -> None:
    with pytest.raises(PacsdError) as refused:
        compile_query(Query("instance", (Criterion("00100010", "zhang*"),)))
    assert refused.value.fault is Fault.TOO_BROAD
    ingest.store(arrival("1.1"))
    ingest.store(arrival("1.2", series="1.2.3.9"))

    def series(*criteria: Criterion) -> list[str]:
        compiled = compile_query(Query("instance", criteria))
        return [match.series_instance_uid for match in series_of_instances(index, compiled, A)]

    assert series(Criterion("00080018", "1.2")) == ["1.2.3.9"]
    assert series(Criterion("0020000D", "1.2.3")) == ["1.2.3.1", "1.2.3.9"]
    assert series(Criterion("0020000D", "1.2.3"), Criterion("00080018", "1.1\\7")) == ["1.2.3.1"]
    assert series(Criterion("00080018", "1.1"), Criterion("00080060", "MR")) == []


def test_the_first_of_all_instances_are_those_of_as_many_series(index: Pool, ingest: Ingest) -> None:
    for n in range(5):
        ingest.store(arrival(f"{n}.1", study=f"{n}", t00080020=f"2024010{n + 1}", t00080060="CT" if n % 2 else "MR"))
    ingest.store(arrival("9.1", study="9", organisation=3, authority="C"))

    def studies(*criteria: Criterion, limit: int, offset: int = 0) -> list[str]:
        compiled = compile_query(Query("instance", criteria, limit=limit, offset=offset))
        return [match.study_instance_uid for match in series_of_instances(index, compiled, A)]

    assert studies(limit=2) == ["4", "3"] and studies(limit=2, offset=1) == ["4", "3", "2"]
    assert studies(limit=9) == ["4", "3", "2", "1", "0"]
    assert studies(Criterion("00080060", "CT"), limit=9) == ["3", "1"]
    assert studies(Criterion("00101000", "x"), limit=9) == []                  # a key without a column
    for refused in (
        Query("instance", (Criterion("00200013", "1"),), limit=1), Query("instance", limit=1, offset=MOST_UNNAMED + 1),
    ):  # fmt: skip
        with pytest.raises(PacsdError) as raised:
            compile_query(refused)
        assert raised.value.fault is Fault.TOO_BROAD


def test_a_rejected_search_leaves_no_connection_behind(index: Pool, ingest: Ingest) -> None:
    for n in range(30):
        ingest.store(arrival(f"{n}.1", study=f"{n}"))
    for _ in range(30):                                      # more than the pool holds
        stream = search(index, Query("study"), A)
        assert isinstance(next(stream), Match)
        stream.close()                                       # type: ignore[attr-defined]


@pytest.mark.parametrize(("value", "multiple", "hit"), [
    ("CT\\PT", False, True), ("CT\\PT", True, True), ("CT\\MR", False, True), ("CT\\MR", True, False),
    ("PT\\CT\\NM", True, False), ("MR", True, False), ("PT", True, True),
])  # fmt: skip
def test_multiple_value_matching_wants_every_value(
    index: Pool, ingest: Ingest, value: str, multiple: bool, hit: bool
) -> None:
    ingest.store(arrival("1.1", series="1.2.3.1", t00080060="CT"))
    ingest.store(arrival("1.2", series="1.2.3.2", t00080060="PT"))
    for level in ("study", "series"):
        options = {"level": level, "multiple_value_matching": multiple}
        assert bool(found(index, A, ("00080061", value), **options)) is hit


@pytest.mark.parametrize(("value", "hit"), [("X1\\X2", True), ("X2\\X1", True), ("X1\\X3", False), ("X3", False)])
def test_multiple_value_matching_without_a_column(index: Pool, ingest: Ingest, value: str, hit: bool) -> None:
    ingest.store(arrival("1.1", t00101000="X1\\X2"))
    assert bool(found(index, A, ("00101000", value), multiple_value_matching=True)) is hit


def test_a_single_valued_attribute_matches_any_of_several_values(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1"))
    assert found(index, A, ("00100020", "000123\\000124"), multiple_value_matching=True)


def test_including_what_stands_in_an_attribute_tells_the_attribute(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", t00081030="Thorax"))
    [match] = search(index, Query("study", include=frozenset(("00081030.00080100",))), A)
    assert match.dataset()["00081030"]["Value"] == ["Thorax"]
    [match] = search(index, Query("study"), A)
    assert "00081030" not in match.dataset()
