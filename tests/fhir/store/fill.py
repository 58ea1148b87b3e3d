"""A large store made in SQL: the rows that the extractor finds in one resource of each type, many times over.

Resource n (from 0) is of patient n // 10 and of organisation 1 + n // 10 % organisations. Of each ten one is a Patient
(id p0, p1 …, identifier http://hospital|P0 …), then an Encounter, an ImagingStudy and a DiagnosticReport of that
patient, and six Observations. Dates go back an hour for each n, over some ten years.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import reduce
from typing import Any, LiteralString, cast

import orjson
import psycopg

from fhir.search.extract import extract
from fhir.search.keys import KEY_SQL, key
from fhir.store.rows import TABLES, rows
from tests.fhir.search.naive import Resource

TYPES = ("Patient", "Encounter", "ImagingStudy", "DiagnosticReport", *("Observation",) * 6)
SYSTEM = "http://hospital"
FAMILIES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许邓韩冯曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
_CODES = {"Observation": ("http://loinc.org", "8867-4"), "DiagnosticReport": ("http://loinc.org", "18748-4")}
_HOURS = 10 * 365 * 24


def resource(kind: str) -> dict[str, Any]:
    """A resource as hospitals send it; 0000 stands for what differs."""
    told: dict[str, Any] = {"resourceType": kind, "id": "0000", "meta": {
        "versionId": "1", "lastUpdated": "2026-01-01T00:00:00.000Z", "source": "http://his.hospital/feed"},
        "identifier": [{"system": SYSTEM, "value": "0000", "type": {"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}}]}  # fmt: skip
    subject = {"reference": "Patient/0000", "display": "张三"}
    code: dict[str, Any] = {"text": "检查"}
    system = _CODES.get(kind)
    if system:
        code |= {"coding": [{"system": system[0], "code": system[1], "display": "Heart rate"}]}
    return told | {
        "Patient": {"active": True, "name": [{"family": "张", "given": ["三"], "text": "张三"}], "gender": "male",
                    "birthDate": "1970-01-01", "telecom": [{"system": "phone", "value": "13800000000"}],
                    "address": [{"city": "商丘", "state": "河南", "country": "CN", "line": ["人民路1号"]}]},
        "Encounter": {"status": "finished", "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                      "code": "AMB"}, "subject": subject, "period": {"start": "2020-01-01T08:00:00Z",
                      "end": "2020-01-01T09:00:00Z"}, "serviceProvider": {"reference": "Organization/org"}},
        "ImagingStudy": {"status": "available", "subject": subject, "encounter": {"reference": "Encounter/0000"},
                         "started": "2020-01-01T08:30:00Z", "modality": [{
                             "system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
                         "basedOn": [{"reference": "ServiceRequest/0000"}], "series": [{
                             "uid": "1.2.3", "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM",
                                                          "code": "CT"}, "numberOfInstances": 200}]},
        "DiagnosticReport": {"status": "final", "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}]}], "code": code,
            "subject": subject, "encounter": {"reference": "Encounter/0000"},
            "effectiveDateTime": "2020-01-01T08:30:00Z", "issued": "2020-01-01T10:00:00Z",
            "result": [{"reference": "Observation/0000"}], "conclusion": "未见异常"},
        "Observation": {"status": "final", "category": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
            "code": code, "subject": subject, "encounter": {"reference": "Encounter/0000"},
            "effectiveDateTime": "2020-01-01T08:30:00Z", "valueQuantity": {
                "value": Decimal("70.5"), "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"}},
    }[kind]  # fmt: skip


_RESOURCES = """
insert into fhir_resource (pk, organisation, version, updated, deleted, method, type, id, owner, body)
select n + 1, 1 + (n / 10) % %(organisations)s, 1, timestamptz '2026-01-01' + n * interval '1 second', false, 'PUT',
    t.type, i.id, '', convert_to({body}, 'UTF8')
from generate_series(0, %(resources)s - 1) n
join unnest(%(types)s::text[], %(letters)s::text[], %(bodies)s::text[]) with ordinality t (type, letter, body, at)
    on t.at = n % 10 + 1,
lateral (select t.letter || case when t.letter = 'o' then n else n / 10 end as id) i
"""
_TOLD = {                                # in a body: as its rows have it
    "Patient/0000": "'Patient/p' || n / 10", "Encounter/0000": "'Encounter/e' || n / 10",
    "Observation/0000": "'Observation/o' || n + 1", "ServiceRequest/0000": "'ServiceRequest/s' || n / 10",
    '"value":"0000"': """'"value":"' || upper(i.id) || '"'""", "0000": "i.id",
}  # fmt: skip
_PATIENT = "((r.pk - 1) / 10)"
_FAMILY = f"substr('{FAMILIES}', (1 + {_PATIENT} % {len(FAMILIES)})::integer, 1)"
_VARYING = {                             # kind, column, the value in the pattern -> the value in SQL
    ("token", "code", "0000"): KEY_SQL.format(text=f"upper(left(r.id, 1)) || case when r.type = 'Observation'"
                                                   f" then (r.pk - 1) else {_PATIENT} end"),
    ("link", "target", "Patient/0000"): KEY_SQL.format(text=f"'Patient/p' || {_PATIENT}"),
    ("link", "target", "Encounter/0000"): KEY_SQL.format(text=f"'Encounter/e' || {_PATIENT}"),
    ("link", "target", "Observation/0000"): KEY_SQL.format(text="'Observation/o' || r.pk"),
    ("link", "target", "ServiceRequest/0000"): KEY_SQL.format(text=f"'ServiceRequest/s' || {_PATIENT}"),
    ("text", "value", "张"): _FAMILY,
    ("text", "value", "张三"): f"{_FAMILY} || 's' || {_PATIENT}",
}  # fmt: skip


def fill(dsn: str, *, resources: int = 50_000, organisations: int = 21) -> None:
    """Fill an empty, migrated database as its owner, then analyse it."""
    patterns = [resource(kind) for kind in TYPES]
    with psycopg.connect(dsn) as connection:
        connection.execute("""insert into organisation (code, name, assigning_authority)
            select 'org' || n, 'org' || n, 'A' || n from generate_series(1, %s) n""", (organisations,))
        connection.execute("set local work_mem = '64MB'")
        connection.execute("set local maintenance_work_mem = '256MB'")
        restored = list(_without_indexes(connection))
        connection.execute(cast(LiteralString, _resources()), {
            "resources": resources, "organisations": organisations, "types": list(TYPES),
            "letters": [one[0].lower() for one in TYPES],
            "bodies": [orjson.dumps(one, default=float).decode() for one in patterns]})
        for kind in TABLES:
            for type_ in dict.fromkeys(TYPES):
                _fill_rows(connection, kind, type_)
        for statement in restored:
            connection.execute(statement)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _resources() -> str:
    """The statement that writes them."""
    body = reduce(lambda told, one: f"replace({told}, '{one[0]}', {one[1]})", _TOLD.items(), "t.body")
    return _RESOURCES.replace("n % 10", "n %% 10").replace(") % %(", ") %% %(").replace("{body}", body)


def _fill_rows(connection: psycopg.Connection[Any], kind: str, type_: str) -> None:
    """Rows of one kind of all resources of a type: for each row of the pattern one of each resource."""
    pattern = resource(type_)
    found = rows(Resource(0, type_, "0000", 0, tuple(extract(pattern)))).get(kind, {})
    table = TABLES[kind]
    names = ("resource", "organisation", "param", "position", *table.columns)
    for row in found:
        values = [_value(kind, name, value) for name, value in zip(table.columns, row[4:], strict=True)]
        connection.execute(cast(LiteralString, f"""insert into {table.name} ({", ".join(names)})
            select r.pk, r.organisation, {row[2]}, {row[3]}, {", ".join(values)}
            from fhir_resource r where r.type = '{type_}'"""))


def _value(kind: str, column: str, value: Any) -> str:
    for (of, name, text), sql in _VARYING.items():
        if (of, name) == (kind, column) and value in (text, key(text)):
            return sql
    if kind == "time":
        return f"{value} - (r.pk % {_HOURS}) * 3600000000"
    return f"'{value}'"


def _without_indexes(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Drop the indexes that rows are found by, and tell how they are made again."""
    tables = [one.name for one in TABLES.values()]
    for name, definition in connection.execute(
            "select indexname, indexdef from pg_indexes where tablename = any(%s)", (tables,)).fetchall():
        connection.execute(cast(LiteralString, f"drop index {name}"))
        yield definition
