"""What an installation is made of: nothing that was not looked at, nothing too old."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

from pacsd.commands.sbom import bill, components

AUDITED = tomllib.loads((Path(__file__).parent / "dependencies.toml").read_text(encoding="utf-8"))
OTHERS = [one for one in components() if one.name != "pacsd"]


@pytest.mark.parametrize("one", OTHERS, ids=lambda one: one.name)
def test_what_is_installed_was_looked_at_is_not_older_and_binds_nobody_who_uses_us(one) -> None:
    assert one.name in AUDITED, "look at it, then list it in tests/dependencies.toml"
    assert Version(one.version) >= Version(AUDITED[one.name])
    assert one.licence and not re.search(r"(?<!L)(?<!Lesser )GPL|(?<!Lesser )General Public", one.licence)


def test_the_bill_names_every_distribution_once_and_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(json.dumps(bill()))
    assert told["bomFormat"] == "CycloneDX" and told == json.loads(json.dumps(bill()))
    references = [one["bom-ref"] for one in told["components"]]
    assert len(references) == len(set(references)) == len(OTHERS)
    known = {told["metadata"]["component"]["bom-ref"], *references}
    edges = {one["ref"]: one["dependsOn"] for one in told["dependencies"]}
    assert set(edges) == known and all(set(needs) <= known for needs in edges.values())
    direct = {reference.partition("@")[0] for reference in edges[told["metadata"]["component"]["bom-ref"]]}
    assert {"pkg:pypi/pydicom", "pkg:pypi/psycopg", "pkg:pypi/fhir-resources"} <= direct
    assert any(reference.startswith("pkg:pypi/psycopg-binary@") for reference in references)     # by an extra
