"""Scopes of tokens narrow what roles allow."""

from dataclasses import replace

import pytest

from fhir.interaction.permission import REGISTER, admitted, not_written
from fhir.interaction.request import Request, asker_of
from pacsd.access.asking import Access
from pacsd.access.directory import Peer
from pacsd.access.operations import Operation
from pacsd.access.permissions import NEEDED, OF_ONE_PATIENT
from pacsd.access.principal import PatientKey, Role
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.web.admission import web_reader
from tests.access.region import somebody

READ, WRITE = Operation.READ_RESOURCES, Operation.WRITE_RESOURCES


def access(*permissions: str, role: Role = Role.RADIOLOGIST, context: PatientKey | None = None) -> Access:
    principal = replace(somebody(role, "west"), permissions=permissions, context=context)
    return Access(principal, Peer("", 1, "west", "WEST", Scope((1,), 1)))


@pytest.mark.parametrize(
    ("scopes", "method", "type_name", "more", "allowed"),
    [
        (("user/ImagingStudy.rs",), "GET", "ImagingStudy", {}, True),
        (("user/ImagingStudy.r",), "GET", "ImagingStudy", {}, False),
        (("user/ImagingStudy.r",), "GET", "ImagingStudy", {"id": "1"}, True),
        (("user/Patient.rs",), "GET", "ImagingStudy", {}, False),
        (("user/*.read",), "GET", "ImagingStudy", {}, True),
        (("system/*.rs",), "GET", "ImagingStudy", {}, True),
        (("user/ImagingStudy.rs?status=available",), "GET", "ImagingStudy", {}, False),
        (("patient/ImagingStudy.rs",), "GET", "ImagingStudy", {}, False),
        (("openid", "fhirUser"), "GET", "ImagingStudy", {}, False),
        ((), "GET", "ImagingStudy", {}, False),
        (("user/ImagingStudy.rs",), "GET", "", {}, False),
        (("user/*.rs",), "GET", "", {}, True),
        (("user/ImagingStudy.rs",), "GET", "ImagingStudy", {"parameters": (("_include", "*"),)}, False),
        (("user/ImagingStudy.rs",), "GET", "ImagingStudy", {"parameters": (("_revinclude:iterate", "x"),)}, False),
        (("user/ImagingStudy.rs",), "GET", "ImagingStudy", {"parameters": (("patient.name", "x"),)}, False),
        (("user/ImagingStudy.rs",), "GET", "ImagingStudy", {"parameters": (("_has:Task:focus:code", "x"),)}, False),
        (("user/Patient.rs",), "GET", "Patient", {"id": "1", "operation": "everything"}, False),
    ],
)  # fmt: skip
def test_reading(scopes: tuple[str, ...], method: str, type_name: str, more: dict[str, object], allowed: bool) -> None:
    request = Request(asker_of(access(*scopes)), "", method, type=type_name, **more)  # type: ignore[arg-type]
    assert is_admitted(request, READ, type_name) is allowed


@pytest.mark.parametrize(
    ("method", "letters"), [("POST", "c"), ("PUT", "cu"), ("PATCH", "u"), ("DELETE", "d")]
)
def test_writing(method: str, letters: str) -> None:
    request = Request(asker_of(access(f"user/Basic.{letters}")), "", method, type="Basic")
    assert is_admitted(request, WRITE, "Basic")
    for other in ("user/Basic.rs", f"user/Patient.{letters}", f"user/Basic.{letters[:-1]}s"):
        assert not is_admitted(replace(request, asker=asker_of(access(other))), WRITE, "Basic")


def is_admitted(request: Request, operation: Operation, type_name: str) -> bool:
    try:
        admitted(request, operation, type_name)
    except PacsdError as error:
        return error.fault is not Fault.FORBIDDEN
    return True


def test_scopes_of_a_patient_count_where_there_is_one() -> None:
    one = access("patient/ImagingStudy.rs", context=PatientKey("WEST", "W1"))
    assert one.permitted(Operation.SEARCH_STUDIES)
    assert access("patient/ImagingStudy.rs", role=Role.PATIENT).permitted(Operation.RETRIEVE_STUDIES)


@pytest.mark.parametrize("operation", NEEDED)
def test_scopes_widen_no_role_and_without_them_nothing_is_allowed(operation: Operation) -> None:
    for role in Role:
        with pytest.raises(PacsdError) as refused:
            access(role=role).permitted(operation)
        assert refused.value.fault is Fault.FORBIDDEN
    if operation not in (Operation.FEED_AUDIT, Operation.READ_AUDIT, Operation.SHARE):
        with pytest.raises(PacsdError):
            access("user/*.cruds", role=Role.AUDITOR).permitted(operation)


@pytest.mark.parametrize("operation", [Operation.SHARE, Operation.BREAK_GLASS])
def test_nobody_shares_or_breaks_the_glass_unnamed(operation: Operation) -> None:
    anyone = Access(web_reader("west"), Peer("", 1, "west", "WEST", Scope((1,), 1)))
    assert anyone.permitted(Operation.SEARCH_STUDIES) is anyone
    with pytest.raises(PacsdError) as refused:
        anyone.permitted(operation)
    assert refused.value.fault is Fault.UNAUTHENTICATED


def test_what_names_no_resources_is_not_narrowed() -> None:
    assert access().permitted(Operation.USE_TERMINOLOGY) and access().permitted(Operation.DESCRIBE)


@pytest.mark.parametrize("operation", [one for one in NEEDED if one not in OF_ONE_PATIENT])
def test_scopes_of_a_patient_are_for_reading_about_them_alone(operation: Operation) -> None:
    patient = PatientKey("WEST", "W1")
    for role in Role:
        with pytest.raises(PacsdError) as refused:
            access("patient/*.cruds", role=role, context=patient).permitted(operation)
        assert refused.value.fault is Fault.FORBIDDEN
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        request = Request(asker_of(access("patient/*.cruds", context=patient)), "", method, type="Observation")
        assert not is_admitted(request, WRITE, "Observation")
        request = replace(request, asker=asker_of(access("patient/*.cruds", "user/*.cud", context=patient)))
        assert is_admitted(request, WRITE, "Observation")


def test_who_may_read_less_than_the_organisation_makes_and_hears_no_subscriptions() -> None:
    for scopes, context in ((("user/Subscription.cruds",), None),
                            (("user/*.cud", "patient/*.rs"), PatientKey("WEST", "W1")),
                            (("user/*.cruds",), PatientKey("WEST", "W1"))):  # fmt: skip
        asker = asker_of(access(*scopes, context=context))
        for request in (Request(asker, "", "POST", type="Subscription"), Request(asker, "", "PUT", type="Subscription"),
                        Request(asker, "", "PATCH", type="Subscription", id="1")):  # fmt: skip
            assert not is_admitted(request, WRITE, "Subscription")
        asked = Request(asker, "", "GET", type="Subscription", id="1", operation="get-ws-binding-token")
        assert not is_admitted(asked, READ, "Subscription")
    whole = Request(asker_of(access("user/*.cruds")), "", "POST", type="Subscription")
    assert is_admitted(whole, WRITE, "Subscription")


@pytest.mark.parametrize("type_name", REGISTER)
@pytest.mark.parametrize("role", Role)
def test_the_register_is_written_by_administrators_alone_whatever_the_way(role: Role, type_name: str) -> None:
    ways = [("POST", {}), ("PUT", {}), ("PUT", {"id": "1"}), ("PATCH", {"id": "1"}), ("DELETE", {}),
            ("DELETE", {"id": "1"}), ("POST", {"id": "1", "operation": "meta-add"})]  # fmt: skip
    for method, more in ways:
        request = Request(asker_of(access("user/*.cruds", role=role)), "", method, type=type_name, **more)  # type: ignore[arg-type]
        assert is_admitted(request, WRITE, type_name) is (role is Role.ADMINISTRATOR)
        assert not is_admitted(replace(request, asker=asker_of(access("user/*.rs", role=role))), WRITE, type_name)
    importing = Request(asker_of(access("system/*.cruds", role=role)), "", "POST", operation="import")
    assert (type_name in not_written(importing)) is (role is not Role.ADMINISTRATOR)
