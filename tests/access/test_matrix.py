"""The access matrix: three hospitals, every role, every route, interaction and operation.

Each cell is asked of the running application and answered as the rule says (tests.access.matrix). A route, interaction
or operation without a row fails.
"""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import orjson
import pytest

from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from pacsd.access.operations import REACH, Operation
from pacsd.access.principal import Role
from pacsd.web.app import OPERATIONS as ALSO
from pacsd.web.app import PAGES, TRANSACTIONS, Transaction
from tests.access import matrix
from tests.access.region import CODES, PROJECT, STUDIES, Region

WEST = STUDIES["west"]
SERIES, INSTANCE = WEST.series_instance_uid(1), WEST.sop_instance_uid(1, 1)
WADO = f"requestType=WADO&studyUID={WEST.study_instance_uid}&seriesUID={SERIES}&objectUID={INSTANCE}"
PLACES: Mapping[str, str] = {
    "study": WEST.study_instance_uid, "series": SERIES, "instance": INSTANCE, "frames": "1", "path:path": "7FE00010",
    "workitem": "1.2.3", "aetitle": "WATCHER", "transaction": "1.2.3.4", "path": "none.js",
    "digest": "0", "name": "none", "token": "none",
}  # fmt: skip
DENIED = (401, 403)
ROLES = pytest.mark.parametrize("role", Role, ids=lambda one: one.value)


def token(role: Role, code: str) -> str:
    return f"{role.value}@{code}"


def path_of(route: Transaction, base: str) -> str:
    path = base + route.path
    for name, value in PLACES.items():
        path = path.replace("{" + name + "}", value)
    study = f"StudyInstanceUID={WEST.study_instance_uid}"
    query = {"/studies": study, "/series": f"SeriesInstanceUID={SERIES}", "/instances": study, "/wado": WADO}.get(
        route.path, "")
    return f"{path}?{query}" if query and route.method == "GET" else path


def in_project(path: str) -> str:
    """The same, by the UIDs that the project knows."""
    for uid in (INSTANCE, SERIES, WEST.study_instance_uid):
        path = path.replace(uid, PROJECT.uid(uid))
    return path


def routes() -> list[tuple[Transaction, str]]:
    return [(one, "/dicom-web") for one in TRANSACTIONS] + [(one, "") for one in (*ALSO, *PAGES)]


def headers_of(route: Transaction) -> dict[str, str]:
    return {"accept": "*/*", **({"content-type": "application/dicom+json"} if route.method != "GET" else {})}


def shows(answer: httpx.Response) -> str:
    """What an answer says of data: `seen`, `absent`, `refused`."""
    if answer.status_code in DENIED:
        return "refused"
    if answer.status_code in (204, 404) or answer.content in (b"", b"[]"):
        return "absent"
    assert answer.status_code == 200, (answer.status_code, answer.content[:300])
    return "seen"


def test_every_route_has_a_row() -> None:
    assert {one.name for one, _ in routes()} <= set(matrix.ROUTES)
    assert {interaction_name(one) for one in INTERACTIONS} <= set(matrix.INTERACTIONS)
    assert {one.name for one in OPERATIONS} <= set(matrix.OPERATIONS)
    assert set(REACH) == set(Operation)
    assert tuple(matrix.ROLES) == tuple(Role)


def interaction_name(one: Any) -> str:
    return f"{one.code} /{one.path.partition('/')[0]}" if one.code.startswith("bulk-") else one.code


@ROLES
@pytest.mark.parametrize("code", CODES)
def test_dicomweb(region: Region, role: Role, code: str) -> None:
    wrong = []
    for route, base in routes():
        letter = matrix.rule(matrix.ROUTES[route.name], role)
        path = path_of(route, base)
        answer = region.request(route.method, path, token(role, code), headers=headers_of(route))
        refused = answer.status_code in DENIED
        if letter == "-" or letter == "+":
            expected, found = letter == "-", refused
        elif letter == "D":
            assert refused or shows(answer) == "absent", f"{path} tells of the original"
            made = region.request(route.method, in_project(path), token(role, code), headers=headers_of(route))
            expected, found = code == "west", shows(made) == "seen" and not refused
            refused = made.status_code in DENIED
            assert refused == (code != "west"), path
        elif route.name.startswith(("Search for Work", "Retrieve Work")) or "rotocol" in route.name \
                or matrix.ROUTES[route.name] == "read other instances":  # fmt: skip
            expected, found = False, refused                       # there are none here: tests of their rooms ask
        else:
            expected, found = code in matrix.seen_from(letter), shows(answer) == "seen"
        if expected != found:
            wrong.append(f"{route.method} {path}: {answer.status_code} {answer.content[:80]!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "credentials", ["", "Bearer nobody@west", "Bearer radiologist@nowhere", "Basic eA==", "Bearer"]
)
def test_without_credentials_nothing_but_descriptions(region: Region, credentials: str) -> None:
    given = {"authorization": credentials} if credentials else {}
    for route, base in routes():
        answer = region.request(route.method, path_of(route, base), headers={**headers_of(route), **given})
        if matrix.ROUTES[route.name] == "open":
            assert answer.status_code not in DENIED
        else:
            assert answer.status_code == 401, route
            assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("ImagingStudy", "Patient/x", "$export", "_history"):
        answer = region.request("GET", f"/fhir/{path}", headers=given)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (401, "login")
    assert region.request("POST", "/fhir/Patient", headers=given, content=b"not read").status_code == 401


def bundle(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.content[:300]
    return dict(orjson.loads(answer.content))


def names(answer: httpx.Response) -> set[str]:
    """Type and id of every resource of a bundle; of what is not there none."""
    if answer.status_code == 404:
        return set()
    return {f"{one['resource']['resourceType']}/{one['resource']['id']}"
            for one in bundle(answer).get("entry", ()) if "resource" in one}  # fmt: skip


def fhir_probes(region: Region) -> dict[str, Callable[[str], bool]]:
    """Ways to get at what `west` has: each says whether the asker did, and raises where the asker is refused."""
    study, patient = region.id_of("ImagingStudy", "west"), region.id_of("Patient", "west")
    report = region.rows("""select id from fhir_resource where type = 'DiagnosticReport' and organisation = %s
        and position('"final"'::bytea in body) > 0""", region.key("west"))[0][0]  # fmt: skip
    wanted, about = f"ImagingStudy/{study}", f"Patient/{patient}"

    def get(path: str, token: str) -> httpx.Response:
        answer = region.fhir("GET", path, token)
        if answer.status_code in DENIED:
            raise PermissionError(path)
        return answer

    def reads(path: str) -> Callable[[str], bool]:
        return lambda token: get(path, token).status_code == 200

    def finds(path: str, name: str = wanted) -> Callable[[str], bool]:
        return lambda token: name in names(get(path, token))

    def counts(path: str) -> Callable[[str], bool]:
        return lambda token: bundle(get(path, token))["total"] > 0

    def batches(url: str) -> Callable[[str], bool]:
        def ask(token: str) -> bool:
            entry = {"request": {"method": "GET", "url": url}}
            body = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
            answer = region.fhir("POST", "", token, body)
            if answer.status_code in DENIED:
                raise PermissionError(url)
            status = bundle(answer)["entry"][0]["response"]["status"][:3]
            if status in ("401", "403"):
                raise PermissionError(url)
            return status == "200"

        return ask

    def posts(token: str) -> bool:
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = region.request("POST", "/fhir/ImagingStudy/_search", token, content=f"_id={study}", headers=form)
        if answer.status_code in DENIED:
            raise PermissionError
        return wanted in names(answer)

    uid = f"urn:dicom:uid|urn:oid:{WEST.study_instance_uid}"
    return {
        "read": reads(wanted), "read the patient": reads(about), "read a report": reads(f"DiagnosticReport/{report}"),
        "vread": reads(f"{wanted}/_history/1"), "history": reads(f"{wanted}/_history"),
        "type history": finds("ImagingStudy/_history"), "system history": finds("_history?_count=1000"),
        "search": finds(f"ImagingStudy?identifier={uid}"), "search by id": finds(f"ImagingStudy?_id={study}"),
        "count": counts(f"ImagingStudy?identifier={uid}&_summary=count"),
        "total": counts(f"ImagingStudy?identifier={uid}&_total=accurate&_count=0"),
        "chain": finds("ImagingStudy?patient.identifier=W1"),
        "chain, counted": counts("ImagingStudy?patient.identifier=W1&_summary=count"),
        "reverse chain": finds(f"Patient?_has:ImagingStudy:patient:identifier={uid}", about),
        "include": finds(f"ImagingStudy?_id={study}&_include=ImagingStudy:patient", about),
        "reverse include": finds(f"Patient?_id={patient}&_revinclude=ImagingStudy:patient"),
        "negation": finds(f"ImagingStudy?modality:not=MR&_id={study}"),
        "system search": finds(f"?_type=ImagingStudy&_id={study}"),
        "compartment": finds(f"{about}/ImagingStudy"), "all of a compartment": finds(f"{about}/*"),
        "search by POST": posts,
        "everything": finds(f"{about}/$everything"),
        "meta": reads(f"{wanted}/$meta"), "batch": batches(wanted), "batched search": batches(wanted + "/_history"),
        "xml": reads(f"{wanted}?_format=xml"), "elements": reads(f"{wanted}?_elements=status"),
        "search the patient": finds(f"Patient?_id={patient}", about),
    }  # fmt: skip


@ROLES
@pytest.mark.parametrize("code", CODES)
def test_fhir_reads(region: Region, role: Role, code: str) -> None:
    letter, wrong = matrix.rule("read resources", role), []
    for name, probe in fhir_probes(region).items():
        try:
            found = "seen" if probe(token(role, code)) else "absent"
        except PermissionError:
            found = "refused"
        expected = "refused" if letter == "-" else "seen" if code in matrix.seen_from(letter) else "absent"
        if found != expected:
            wrong.append(f"{name}: {found}, not {expected}")
    assert not wrong, "\n".join(wrong)


def asked(one: Any) -> str:
    """A path of an interaction, of a type that nobody has anything of."""
    return str(one.path).format(type="Basic", id="none", version="1", compartment="*")


@ROLES
def test_fhir_interactions_and_operations(region: Region, role: Role) -> None:
    wrong = []
    rows = [(one.method, asked(one), matrix.INTERACTIONS[interaction_name(one)]) for one in INTERACTIONS]
    for one in OPERATIONS:
        place = (one.types or ("Basic",))[0]
        path = f"{place}/none/${one.name}" if one.instance else f"{place}/${one.name}" if one.type else f"${one.name}"
        rows.append(("POST" if one.affects_state else "GET", path, matrix.OPERATIONS[one.name]))
    rows += [("GET", "AuditEvent", "read audit"), ("GET", "AuditEvent/none", "read audit"),
             ("POST", "AuditEvent", "feed audit")]  # fmt: skip
    for one in ("Organization", "Device", "Endpoint"):
        rows += [("GET", one, "read register"), ("GET", f"{one}/none", "read register"),
                 ("GET", f"{one}/none/_history", "read register"), ("POST", one, "write register"),
                 ("PUT", f"{one}/none", "write register"), ("PUT", f"{one}?_id=none", "write register"),
                 ("PATCH", f"{one}/none", "write register"), ("PATCH", f"{one}?_id=none", "write register"),
                 ("DELETE", f"{one}/none", "write register"), ("DELETE", f"{one}?_id=none", "write register"),
                 ("POST", f"{one}/none/$meta-add", "write register"),
                 ("POST", f"{one}/none/$meta-delete", "write register")]  # fmt: skip
    for method, path, rule in rows:
        body = None if method in ("GET", "DELETE") else {"resourceType": "Basic"}
        answer = region.fhir(method, path, token(role, "east"), body)
        refused = answer.status_code in DENIED
        if refused != (matrix.rule(rule, role) == "-"):
            wrong.append(f"{method} {path}: {answer.status_code} {answer.content[:120]!r}")
    assert not wrong, "\n".join(wrong)


@ROLES
@pytest.mark.parametrize(
    ("type_name", "rule"), [("Basic", "write resources"), ("Device", "write register"), ("Endpoint", "write register"),
                            ("Organization", "write register")],
)  # fmt: skip
def test_entries_of_batches_and_transactions_are_operations_of_their_own(
    region: Region, role: Role, type_name: str, rule: str
) -> None:
    for kind in ("batch", "transaction"):
        entry = {"request": {"method": "POST", "url": type_name}, "resource": {"resourceType": type_name}}
        sent = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        answer = region.fhir("POST", "", token(role, "south"), sent)
        told = answer.json()
        whole = kind == "transaction" or answer.status_code in DENIED      # who may not even send one
        status = str(answer.status_code) if whole else told["entry"][0]["response"]["status"][:3]
        assert (status == "403") == (matrix.rule(rule, role) == "-"), (kind, told)
