"""A large index made by COPY: Chinese and Latin names, many organisations, ten years of studies, nothing loose."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, LiteralString

import psycopg

from pacsd.index.names import name_columns, name_grams
from pacsd.index.rows import SEPARATOR

FAMILIES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许邓韩冯曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂华建国文志玉红春梅海燕晓东雪云龙宇欣怡浩然梓涵三四"
LATIN_FAMILIES = ("Smith", "Müller", "García", "Novák", "Rossi", "Dubois", "Jensen", "Kowalski", "O'Brien", "Silva")
LATIN_GIVEN = ("Anna", "John", "José", "Zoë", "Peter", "Maria", "Lars", "Chloé", "David", "Eva", "Ivan", "Ruth")
MODALITIES = ("CT", "DX", "MR", "US", "MG", "NM", "XA", "PT")
WEIGHTS = (35, 30, 15, 12, 4, 2, 1, 1)
LAST_DAY = date(2026, 10, 31)
YEARS = 10
DIFFERENT_NAMES = 20_000

_STUDY_COLUMNS = """pk, organisation, patient, instances, series, received_at, last_received_at, changed, study_date,
    study_time, patient_birth_date, study_instance_uid, assigning_authority, patient_id, patient_sex,
    accession_number, study_id, study_description, patient_alphabetic, patient_ideographic, patient_phonetic,
    patient_pinyin, referring_alphabetic, referring_ideographic, referring_pinyin, modalities, sop_classes,
    attributes, more, original"""
_SERIES_COLUMNS = """pk, study, organisation, instances, packed_count, generation, last_received_at, performed_date,
    series_instance_uid, modality, series_number, series_description, sop_classes, attributes, more, original"""
_CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True)
class Name:
    """A name as sent, and as keys."""

    json: str
    columns: tuple[str | None, str | None, str | None, str | None]


def fill(
    dsn: str, *, studies: int, series: int | None = None, organisations: int = 21, seed: int = 1
) -> None:
    """Fill an empty, migrated database as its owner; every study has `series / studies` series (4).

    Organisations are org01, org02, …, each with an authority of its own in which patient ids count from 1, so
    that ids repeat everywhere. Study n (from 1) has the UID 1.2.826.0.1.n and the accession number `An`.
    """
    per_study = 4 if series is None else max(series // studies, 1)
    random_ = random.Random(seed)
    names = [_name(random_) for _ in range(min(DIFFERENT_NAMES, max(studies // 10, 50)))]
    with psycopg.connect(dsn) as connection:
        _organisations(connection, organisations)
        patients = max(studies * 2 // 5, 1)
        owners = [(random_.randrange(organisations), random_.choice(names)) for _ in range(patients)]
        restored = _without_indexes(connection)
        _copy(connection, "patient (pk, assigning_authority, patient_id)", _patients(owners))
        _copy(connection, "name_gram (gram, patient)", _grams(owners))
        _copy(connection, f"study ({_STUDY_COLUMNS})", _studies(random_, studies, owners, names, per_study))
        _copy(connection, f"series ({_SERIES_COLUMNS})", _series(studies, owners, per_study, seed))
        for statement in restored:
            connection.execute(statement)
        for table in ("patient", "study", "series"):
            connection.execute(f"select setval(pg_get_serial_sequence('{table}', 'pk'), max(pk)) from {table}")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _name(random_: random.Random) -> Name:
    family, given = random_.choice(FAMILIES), "".join(random_.choices(GIVEN, k=random_.choice((1, 2, 2))))
    kind = random_.random()
    if kind < 0.15:
        text = f"{random_.choice(LATIN_FAMILIES)}^{random_.choice(LATIN_GIVEN)}"
        return Name(f'{{"Alphabetic":"{text}"}}', name_columns(text))
    columns = name_columns(f"={family}^{given}")
    if kind < 0.55:                                          # as most devices here send it: in one group
        return Name(f'{{"Alphabetic":"{family}{given}"}}', name_columns(family + given))
    pinyin = (columns[3] or "").capitalize()
    text = f"{pinyin}={family}^{given}"
    return Name(f'{{"Alphabetic":"{pinyin}","Ideographic":"{family}^{given}"}}', name_columns(text))


def _organisations(connection: psycopg.Connection[Any], count: int) -> None:
    rows = [(number, f"org{number:02d}", f"Hospital {number}", f"org{number:02d}") for number in range(1, count + 1)]
    _copy(connection, "organisation (pk, code, name, assigning_authority)", iter(rows))
    connection.execute("select setval(pg_get_serial_sequence('organisation', 'pk'), max(pk)) from organisation")


def _without_indexes(connection: psycopg.Connection[Any]) -> list[LiteralString]:
    """Drop what COPY would have to keep up to date; the statements that make it again."""
    connection.execute("set maintenance_work_mem = '256MB'")
    found = connection.execute(
        """select i.indexname, i.indexdef from pg_indexes i
        where i.tablename in ('study', 'series') and not exists
            (select from pg_constraint c where c.conname = i.indexname)"""
    ).fetchall()
    for name, _ in found:
        connection.execute(f"drop index {name}")
    return [definition for _, definition in found]


def _copy(connection: psycopg.Connection[Any], target: LiteralString, rows: Iterator[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(f"copy {target} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _patients(owners: Sequence[tuple[int, Name]]) -> Iterator[Sequence[Any]]:
    numbers: dict[int, int] = {}
    for pk, (organisation, _) in enumerate(owners, 1):
        numbers[organisation] = number = numbers.get(organisation, 0) + 1
        yield pk, f"org{organisation + 1:02d}", f"{number:06d}"


def _grams(owners: Sequence[tuple[int, Name]]) -> Iterator[Sequence[Any]]:
    known: dict[int, list[str]] = {}
    for pk, (_, name) in enumerate(owners, 1):
        grams = known.get(id(name))
        if grams is None:
            grams = known[id(name)] = sorted(name_grams(name.columns))
        for gram in grams:
            yield gram, pk


def _studies(
    random_: random.Random, studies: int, owners: Sequence[tuple[int, Name]], names: Sequence[Name], per_study: int
) -> Iterator[Sequence[Any]]:
    ids = [row[2] for row in _patients(owners)]
    doctors = names[:200]
    for pk in range(1, studies + 1):
        at = pk % len(owners)
        organisation, name = owners[at]
        day = LAST_DAY - timedelta(days=random_.randrange(365 * YEARS))
        seconds = random_.randrange(7 * 3600, 20 * 3600)
        clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60)
        received = datetime.combine(day, clock, UTC)
        modality, doctor = _modality(pk), random_.choice(doctors)
        uid, birth = f"1.2.826.0.1.{pk}", date(1930 + at % 95, 1 + at % 12, 1 + at % 28)
        attributes = SEPARATOR.join((
            f'"00080020":{{"vr":"DA","Value":["{day:%Y%m%d}"]}}',
            f'"00080030":{{"vr":"TM","Value":["{clock:%H%M%S}"]}}',
            f'"00080050":{{"vr":"SH","Value":["A{pk}"]}}', f'"00080090":{{"vr":"PN","Value":[{doctor.json}]}}',
            f'"00100010":{{"vr":"PN","Value":[{name.json}]}}', f'"00100020":{{"vr":"LO","Value":["{ids[at]}"]}}',
            f'"00100030":{{"vr":"DA","Value":["{birth:%Y%m%d}"]}}', '"00100040":{"vr":"CS","Value":["F"]}',
            f'"0020000D":{{"vr":"UI","Value":["{uid}"]}}', f'"00200010":{{"vr":"SH","Value":["{pk % 100_000}"]}}',
        ))  # fmt: skip
        more = f'"00081030":{{"vr":"LO","Value":["{modality} examination {pk % 40}"]}}'
        yield (
            pk, organisation + 1, at + 1, per_study * 100, per_study, received, received, False, day,
            clock, birth, uid, f"org{organisation + 1:02d}", ids[at], "F",
            f"A{pk}", str(pk % 100_000), f"{modality} examination {pk % 40}", *name.columns,
            doctor.columns[0], doctor.columns[1], doctor.columns[3], [modality], [_CT],
            attributes, more, "{" + attributes.replace("\t", "") + "," + more + "}",
        )  # fmt: skip


def _modality(study: int) -> str:
    return random.Random(study).choices(MODALITIES, WEIGHTS)[0]


def _series(
    studies: int, owners: Sequence[tuple[int, Name]], per_study: int, seed: int
) -> Iterator[Sequence[Any]]:
    received = datetime.combine(LAST_DAY, time(), UTC)
    pk = 0
    for study in range(1, studies + 1):
        organisation, modality = owners[study % len(owners)][0] + 1, _modality(study)
        for number in range(1, per_study + 1):
            pk += 1
            uid = f"1.2.826.0.1.{study}.{number}"
            attributes = SEPARATOR.join((
                f'"00080060":{{"vr":"CS","Value":["{modality}"]}}',
                f'"0008103E":{{"vr":"LO","Value":["series {number}"]}}',
                f'"0020000E":{{"vr":"UI","Value":["{uid}"]}}', f'"00200011":{{"vr":"IS","Value":[{number}]}}',
                '"00400244":{"vr":"DA"}', '"00400245":{"vr":"TM"}', '"00400275":{"vr":"SQ"}',
            ))  # fmt: skip
            yield (
                pk, study, organisation, 100, 100, 1, received, None, uid, modality, str(number),
                f"series {number}", [_CT], attributes, "", "{" + attributes.replace("\t", "") + "}",
            )  # fmt: skip
