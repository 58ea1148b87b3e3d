"""Code systems from files, and how they are asked afterwards."""

import gzip
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fhir.terminology import files
from fhir.terminology.files import Named
from fhir.terminology.loading import load
from pacsd.faults import Fault, PacsdError
from tests.fhir.house import House
from tests.fhir.operation.test_terminology import issue, value

ICD = "http://hl7.org/fhir/sid/icd-10-cn"
TABLE = """疾病编码,疾病名称,版本备注
I10,高血压病,
I10.x00,特发性（原发性）高血压,GB
I10.x00x002,高血压病3级（极高危）,GB
J18,肺炎,
J18.900,"肺炎, 未特指",GB
"""


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def loaded(house: House, path: Path, organisation: int | None = None, **named: Any) -> int:
    return load(house.pool, files.read(path, Named(**named)), organisation=organisation)


def codes(house: House, query: str) -> list[str]:
    answer = house.get(f"ValueSet/$expand?{query}")
    assert answer.status_code == 200, answer.text
    return [one["code"] for one in answer.json()["expansion"].get("contains", ())]


def all_codes(house: House, filters: Sequence[dict[str, str]] = (), **include: Any) -> list[str]:
    rows: dict[str, Any] = {"system": ICD, **include, **({"filter": list(filters)} if filters else {})}
    body = {"resourceType": "ValueSet", "status": "active", "compose": {"include": [rows]}}
    answer = house.post("ValueSet/$expand", body)
    assert answer.status_code == 200, answer.text
    return [one["code"] for one in answer.json()["expansion"].get("contains", ())]


def test_a_table_of_icd_10_is_loaded_with_its_hierarchy(house: House, tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "gb18030"):
        path = written(tmp_path, "icd.csv", TABLE.encode(encoding))
        read = files.read(path, Named(ICD, "GB/T 14396-2016", prefixes=True))
        assert [one.display for one in read.concepts][1] == "特发性（原发性）高血压"
    assert loaded(house, path, url=ICD, version="GB/T 14396-2016", prefixes=True) == 5
    told = house.get(f"CodeSystem/$lookup?system={ICD}&code=I10.x00").json()
    assert value(told, "display") == "特发性（原发性）高血压" and value(told, "version") == "GB/T 14396-2016"
    below = {"property": "concept", "op": "is-a", "value": "I10"}
    assert all_codes(house, [below]) == ["I10", "I10.x00", "I10.x00x002"]
    below["op"] = "descendent-of"
    assert all_codes(house, [below]) == ["I10.x00", "I10.x00x002"]
    assert all_codes(house, [{"property": "版本备注", "op": "=", "value": "GB"}]) == [
        "I10.x00", "I10.x00x002", "J18.900"]
    told = house.get(f"CodeSystem/$subsumes?system={ICD}&codeA=I10&codeB=I10.x00x002").json()
    assert value(told, "outcome") == "subsumes"


def test_versions_stand_beside_each_other_and_one_is_replaced_as_a_whole(house: House, tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "code,display\nA,one\n")
    loaded(house, path, url=ICD, version="1.9")
    loaded(house, written(tmp_path, "b.csv", "code,display\nB,two\n"), url=ICD, version="1.10")
    assert all_codes(house) == ["B"] and all_codes(house, version="1.9") == ["A"]
    loaded(house, written(tmp_path, "c.csv", "code,display\nC,three\n"), url=ICD, version="1.10")
    assert all_codes(house) == ["C"]


def test_a_code_system_of_one_organisation_is_not_there_for_another(house: House, tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "code,display\nA,one\n")
    loaded(house, path, house.keys["east"], url=ICD)
    assert all_codes(house) == ["A"]
    house.act_as(house.member("west"))
    assert issue(house.get(f"CodeSystem/$lookup?system={ICD}&code=A")) == (404, "not-found")
    loaded(house, path, url=ICD)
    assert all_codes(house) == ["A"]


def test_pages_of_a_large_code_system_are_in_order(house: House, tmp_path: Path) -> None:
    rows = "".join(f"C{number:05d},第{number}号\n" for number in range(5_000))
    loaded(house, written(tmp_path, "many.csv", "code,display\n" + rows), url=ICD, prefixes=False)
    body = {"resourceType": "ValueSet", "status": "active", "id": "many", "url": "urn:many",
            "compose": {"include": [{"system": ICD}]}}  # fmt: skip
    house.put("ValueSet/many", body)
    assert codes(house, "url=urn:many&offset=2100&count=3") == ["C02100", "C02101", "C02102"]
    assert codes(house, "url=urn:many&filter=%E7%AC%AC4999") == ["C04999"]
    assert codes(house, "url=urn:many&filter=%25") == []


def test_loinc_is_known_by_its_columns(house: House, tmp_path: Path) -> None:
    rows = (("LOINC_NUM", "COMPONENT", "CLASS", "STATUS", "LONG_COMMON_NAME"),
            ("24604-1", "Views", "RAD", "ACTIVE", "MG Breast Diagnostic"),
            ("1-8", "Acyclovir", "ABXBACT", "DEPRECATED", "Acyclovir"))  # fmt: skip
    text = "".join(",".join(f'"{one}"' for one in row) + "\n" for row in rows)
    assert loaded(house, written(tmp_path, "Loinc.csv", text), version="2.78") == 2
    rad = {"resourceType": "ValueSet", "status": "active", "compose": {"include": [
        {"system": "http://loinc.org", "filter": [{"property": "CLASS", "op": "=", "value": "RAD"}]}]}}  # fmt: skip
    told = house.post("ValueSet/$expand", rad).json()["expansion"]["contains"]
    assert [one["code"] for one in told] == ["24604-1"]
    assert codes(house, "url=http://loinc.org/vs&activeOnly=true") == ["24604-1"]


def release() -> bytes:
    names = "sct2_{}_Snapshot{}_INT_20260101.txt"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("Snapshot/" + names.format("Concept", ""), "\r\n".join((
            "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId", "138875005\t20260101\t1\tm\td",
            "71388002\t20260101\t1\tm\td", "77477000\t20250101\t1\tm\td", "1\t20250101\t0\tm\td", "")))
        archive.writestr("Snapshot/" + names.format("Description", "-en"), "\r\n".join((
            "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId",
            "1\t2\t1\tm\t138875005\ten\t900000000000003001\tSNOMED CT Concept\tc",
            "2\t2\t1\tm\t71388002\ten\t900000000000013009\tProcedure\tc",
            '3\t2\t1\tm\t77477000\ten\t900000000000013009\tCT "scan\tc', "")))
        archive.writestr("Snapshot/" + names.format("Relationship", ""), "\r\n".join((
            "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tx\ty",
            "1\t2\t1\tm\t77477000\t71388002\t0\t116680003\tx\ty",
            "2\t2\t1\tm\t71388002\t138875005\t0\t116680003\tx\ty", "")))
    return made.getvalue()


def test_a_release_of_snomed_ct_is_loaded(house: House, tmp_path: Path) -> None:
    assert loaded(house, written(tmp_path, "SnomedCT.zip", release())) == 3
    assert codes(house, "url=http://snomed.info/sct?fhir_vs=isa/71388002") == ["71388002", "77477000"]
    assert value(house.get("CodeSystem/$lookup?system=http://snomed.info/sct&code=77477000").json(),
                 "display") == 'CT "scan'


def resource(*codes: dict[str, Any], **more: Any) -> str:
    return json.dumps({"resourceType": "CodeSystem", "url": ICD, "content": "complete", "concept": codes, **more})


def test_a_resource_in_a_file_is_loaded(house: House, tmp_path: Path) -> None:
    text = resource({"code": "a", "concept": [{"code": "b"}]}, version="1")
    assert loaded(house, written(tmp_path, "a.json.gz", gzip.compress(text.encode()))) == 2
    assert all_codes(house) == ["a", "b"]


BAD: tuple[tuple[str, str | bytes, Fault], ...] = (
    ("a.csv", "", Fault.MALFORMED), ("a.csv", "x,y\n1,2\n", Fault.MALFORMED),
    ("a.csv", b"\xff\xfe\x00\x80", Fault.MALFORMED),
    ("a.csv", "code,display\nA,1\nA,2\n", Fault.MISMATCH), ("a.csv", "code,display\n,1\n", Fault.MALFORMED),
    ("a.csv", "code,display,parent\nA,1,B\nB,2,A\n", Fault.MISMATCH),
    ("a.csv", "code,display,parent\nA,1,nowhere\n", Fault.MISMATCH),
    ("a.json", "{", Fault.MALFORMED), ("a.json", '{"resourceType":"Patient"}', Fault.MALFORMED),
    ("a.json", '{"resourceType":"CodeSystem","content":"not-present"}', Fault.MALFORMED),
    ("a.json.gz", b"\x1f\x8b\x08", Fault.MALFORMED), ("a.zip", b"PK", Fault.MALFORMED),
    ("a.xlsx", b"", Fault.UNSUPPORTED),
)  # fmt: skip


def test_a_bad_file_is_refused_and_nothing_of_it_stays(house: House, tmp_path: Path) -> None:
    for name, content, fault in BAD:
        with pytest.raises(PacsdError) as raised:
            loaded(house, written(tmp_path, name, content), url=ICD)
        assert raised.value.fault is fault, content
    assert issue(house.get(f"CodeSystem/$lookup?system={ICD}&code=A")) == (404, "not-found")
