"""A long worklist made by COPY: steps of a month on forty stations, Chinese and Latin names, one organisation."""

import random
from datetime import UTC, date, datetime, timedelta

import psycopg

from pacsd.index.names import name_grams
from pacsd.index.scheduled_steps import _WRITTEN, Step, _values
from tests.index.fill import FAMILIES, GIVEN, LATIN_FAMILIES, LATIN_GIVEN

FIRST_DAY = date(2026, 11, 1)
DAYS, STATIONS = 30, 40
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PER_PATIENT = 2


def name_of(random_: random.Random) -> dict[str, str]:
    """One in seven Latin, the others Chinese in one group."""
    if random_.random() < 0.15:
        return {"Alphabetic": f"{random_.choice(LATIN_FAMILIES)}^{random_.choice(LATIN_GIVEN)}"}
    return {"Alphabetic": random_.choice(FAMILIES) + "".join(random_.choices(GIVEN, k=random_.choice((1, 2))))}


def item_of(number: int, random_: random.Random, patient: int, name: dict[str, str]) -> dict[str, object]:
    """The worklist item of step `number`: accession An, patient id of seven digits, station STnn."""
    station = random_.randrange(STATIONS)
    minute = random_.randrange(7 * 60, 20 * 60)
    step = {
        "00080060": {"vr": "CS", "Value": [("CT", "DX", "MR", "US")[station % 4]]},
        "00400001": {"vr": "AE", "Value": [f"ST{station:02d}"]},
        "00400002": {"vr": "DA", "Value": [f"{FIRST_DAY + timedelta(days=random_.randrange(DAYS)):%Y%m%d}"]},
        "00400003": {"vr": "TM", "Value": [f"{minute // 60:02d}{minute % 60:02d}00"]},
        "00400007": {"vr": "LO", "Value": ["Plain and with contrast"]},
        "00400009": {"vr": "SH", "Value": [f"S{number}"]},
    }
    return {
        "00080050": {"vr": "SH", "Value": [f"A{number}"]}, "00100010": {"vr": "PN", "Value": [name]},
        "00100020": {"vr": "LO", "Value": [f"{patient:07d}"]}, "00100021": {"vr": "LO", "Value": ["default"]},
        "00100030": {"vr": "DA", "Value": ["19700101"]}, "00100040": {"vr": "CS", "Value": ["F"]},
        "0020000D": {"vr": "UI", "Value": [f"1.2.826.0.2.{number}"]}, "00321060": {"vr": "LO", "Value": ["CT chest"]},
        "00401001": {"vr": "SH", "Value": [f"R{number}"]}, "00400100": {"vr": "SQ", "Value": [step]},
    }  # fmt: skip


def fill_steps(dsn: str, *, steps: int, organisation: int, seed: int = 3) -> None:
    """Add steps to a migrated database, two for each of their patients, as the owner of its tables."""
    random_ = random.Random(seed)
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select coalesce(max(pk), 0) from patient").fetchone()
        first = (row[0] if row else 0) + 1
        patients = [(first + n, name_of(random_)) for n in range(steps // PER_PATIENT + 1)]
        grams: list[tuple[str, int]] = []
        with connection.cursor().copy("copy patient (pk, assigning_authority, patient_id) from stdin") as copy:
            for pk, _ in patients:
                copy.write_row((pk, "default", f"{pk:07d}"))
        with connection.cursor().copy(
            "copy requested_procedure (pk, organisation, patient, stated_at, order_key, requested_procedure_id,"
            " placer_number, filler_number, accession_number, study_instance_uid, said_by, said) from stdin"
        ) as copy:
            for n in range(1, steps + 1):
                pk = patients[n // PER_PATIENT][0]
                copy.write_row((n, organisation, pk, NOW, f"O{n}", f"R{n}", f"O{n}", "", f"A{n}", f"1.2.826.0.2.{n}",
                                "HIS", "20261101"))  # fmt: skip
        columns = ", ".join(("procedure", "patient", "organisation", *_WRITTEN))
        with connection.cursor().copy(f"copy scheduled_step ({columns}) from stdin") as copy:
            for n in range(1, steps + 1):
                pk, name = patients[n // PER_PATIENT]
                step = Step(n, pk, organisation, f"S{n}", "SCHEDULED", NOW, item_of(n, random_, pk, name))
                values, names = _values(step, {})
                copy.write_row((n, pk, organisation, *values))
                grams += [(gram, pk) for gram in name_grams(names)]
        with connection.cursor().copy("copy name_gram (gram, patient) from stdin") as copy:
            for pair in sorted(set(grams)):
                copy.write_row(pair)
        for table in ("patient", "requested_procedure"):
            connection.execute(f"select setval(pg_get_serial_sequence('{table}', 'pk'), max(pk)) from {table}")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")
