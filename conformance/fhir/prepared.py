"""What the suite stores before it asks: a few resources of everyday types, under names and identifiers of its own."""

import uuid
from collections.abc import Callable
from decimal import Decimal

from conformance.fhir import expect
from conformance.fhir.server import Model, Server
from conformance.fhir.suite import Site
from conformance.judging import Failed, NotSupported, NotTested

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DAR = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
PROFILE = "http://hl7.org/fhir/StructureDefinition/Patient"
MAIDEN_NAME = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

PATIENTS = ("peter", "petra", "zhang", "late")
OBSERVATIONS = ("low", "high", "coded", "pressure", "absent")
RISKS = ("r80", "r90", "r100")
VALUE_SETS = ("codes", "codes_below")


def site(server: Server) -> Site:
    """The server with its CapabilityStatement (FHIR R4 http#capabilities). Raises Failed where there is none."""
    answer = expect.status(server.get("/metadata"), 200)
    return Site(server, answer.resource("CapabilityStatement"), uuid.uuid4().hex[:12])


def store(site: Site) -> None:
    """Store everything; what is refused is missing, and checks that need it are not tested."""
    for key, make in MAKERS.items():
        try:
            body = make(site)
            site.needs(str(body["resourceType"]), "create")
            site.stored[key] = created(site, body)
        except (Failed, NotSupported, NotTested):
            if key == "peter":
                raise


def created(site: Site, body: Model) -> Model:
    """A resource created, as it is read back."""
    kind = str(body["resourceType"])
    answer = expect.status(site.server.post(f"/{kind}", body), 201)
    path = answer.headers.get("location", "").split("/_history/")[0]
    return expect.status(site.server.get(path if "://" in path else f"/{path}"), 200).resource(kind)


def _coded(system: str, code: str, display: str = "") -> Model:
    return {"coding": [{"system": system, "code": code, **({"display": display} if display else {})}]}


def _refer(site: Site, key: str) -> Model:
    return {"reference": site.reference(key)}


def patient(site: Site, number: str, **more: object) -> Model:
    """A patient with an identifier of this run's system."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": site.system(), "value": site.own(number)}],
        **more,
    }


def _peter(site: Site) -> Model:
    return {
        "resourceType": "Patient",
        "meta": {
            "tag": [{"system": site.system("tags"), "code": "gold"}],
            "profile": [PROFILE],
            "security": [{"system": CONFIDENTIALITY, "code": "N"}],
        },
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Peter <b>Chalmers</b></div>'},
        "identifier": [
            {"use": "usual", "type": _coded(V2_0203, "MR"), "system": site.system(), "value": "A1"},
            {"system": site.system("other"), "value": "Z9"},
        ],
        "extension": [{"url": MAIDEN_NAME, "valueString": "Vanderzee"}],
        "active": True,
        "name": [{"use": "official", "family": "Chalmers", "given": ["Péter", "James"]}, {"text": "Jim Smith"}],
        "telecom": [{"system": "phone", "value": "+1 555 0100"}, {"system": "email", "value": "p.heuvel@example.org"}],
        "gender": "male",
        "birthDate": "1974-12-25",
        "deceasedBoolean": False,
        "address": [{"use": "home", "line": ["534 Erewhon St"], "city": "PleasantVille", "postalCode": "3999"}],
        "generalPractitioner": [_refer(site, "doctor")],
        "managingOrganization": _refer(site, "clinic"),
    }


def _petra(site: Site) -> Model:
    return patient(
        site, "A2", active=True, gender="female", birthDate="1974-02", managingOrganization=_refer(site, "hospital"),
        name=[{"family": "Chalmersson", "given": ["Petra"]}], address=[{"city": "Rivertown", "postalCode": "1000"}],
    )  # fmt: skip


def _zhang(site: Site) -> Model:
    return patient(
        site, "B,1|$x", active=False, gender="male", birthDate="2001",
        name=[{"family": "张", "given": ["三"], "text": "张三"}],
    )  # fmt: skip


def _late(site: Site) -> Model:
    name = [{"family": "McChalmers", "given": ["Amy"]}]
    return patient(site, "A3", name=name, deceasedDateTime="2015-02-14T13:42:00+10:00")


def _observation(site: Site, key: str, code: str, number: str, **more: object) -> Model:
    return {
        "resourceType": "Observation", "identifier": [{"system": site.system(), "value": number}], "status": "final",
        "category": [_coded(CATEGORY, "laboratory")], "code": _coded(LOINC, code), "subject": _refer(site, key), **more,
    }  # fmt: skip


def _quantity(value: str, unit: str = "mg") -> Model:
    return {"value": Decimal(value), "unit": unit, "system": UCUM, "code": unit}


def _low(site: Site) -> Model:
    return _observation(
        site, "peter", "15074-8", "O1", valueQuantity=_quantity("5.40"), encounter=_refer(site, "visit"),
        effectiveDateTime="2013-03-14",
    )  # fmt: skip


def _high(site: Site) -> Model:
    return _observation(
        site, "peter", "15074-8", "O2", valueQuantity=_quantity("6.28"), effectiveDateTime="2013-03-15T10:30:00+02:00"
    )


def _coded_value(site: Site) -> Model:
    group = _coded("http://snomed.info/sct", "112144000", "Blood group A")
    return _observation(
        site, "petra", "883-9", "O3", valueCodeableConcept=group,
        effectivePeriod={"start": "2013-01-01", "end": "2013-06-30"},
    )  # fmt: skip


def _pressure(site: Site) -> Model:
    component = [
        {"code": _coded(LOINC, "8480-6"), "valueQuantity": _quantity("107", "mm[Hg]")},
        {"code": _coded(LOINC, "8462-4"), "valueQuantity": _quantity("60", "mm[Hg]")},
    ]
    body = _observation(
        site, "petra", "85354-9", "O4", component=component, effectivePeriod={"start": "2013-03-20"},
        derivedFrom=[_refer(site, "low")],
    )  # fmt: skip
    return {**body, "status": "preliminary", "category": [_coded(CATEGORY, "vital-signs")]}


def _absent(site: Site) -> Model:
    code = {"text": f"Serum kryptonite {site.tag}", "coding": [{"code": "no-system"}]}
    body = _observation(site, "zhang", "", "O5", dataAbsentReason=_coded(DAR, "unknown"))
    return {**body, "status": "cancelled", "code": code}


def _organization(site: Site, number: str, name: str, **more: object) -> Model:
    identifier = [{"system": site.system(), "value": number}]
    return {"resourceType": "Organization", "identifier": identifier, "active": True, "name": name, **more}


def _risk(percent: str) -> Callable[[Site], Model]:
    return lambda site: {
        "resourceType": "RiskAssessment", "status": "final", "subject": _refer(site, "peter"),
        "identifier": [{"system": site.system(), "value": f"R{percent}"}],
        "prediction": [{"probabilityDecimal": Decimal(percent)}],
    }  # fmt: skip


def _value_set(path: str, codes: tuple[str, ...]) -> Callable[[Site], Model]:
    return lambda site: {
        "resourceType": "ValueSet", "url": site.system(path), "status": "active", "name": "Codes",
        "compose": {"include": [{"system": LOINC, "concept": [{"code": one} for one in codes]}]},
    }  # fmt: skip


def _visit(site: Site) -> Model:
    return {
        "resourceType": "Encounter", "status": "finished", "class": {"system": ACT_CODE, "code": "AMB"},
        "identifier": [{"system": site.system(), "value": "E1"}], "subject": _refer(site, "peter"),
        "period": {"start": "2013-03-11", "end": "2013-03-20"}, "serviceProvider": _refer(site, "clinic"),
    }  # fmt: skip


def _report(site: Site) -> Model:
    return {
        "resourceType": "DiagnosticReport", "status": "final", "code": _coded(LOINC, "58410-2"),
        "identifier": [{"system": site.system(), "value": "D1"}], "subject": _refer(site, "peter"),
        "result": [_refer(site, "low"), _refer(site, "high")], "conclusion": "quokkas everywhere 肺结节",
    }  # fmt: skip


def _list(site: Site) -> Model:
    entry = [{"item": _refer(site, "peter")}, {"item": _refer(site, "zhang")}]
    return {"resourceType": "List", "status": "current", "mode": "working", "entry": entry}


def _logical(site: Site) -> Model:
    body = _observation(site, "peter", "15074-8", "O6", effectiveDateTime="1999")
    body["subject"] = {"type": "Patient", "identifier": {"system": site.system("elsewhere"), "value": "L7"}}
    return body


MAKERS: dict[str, Callable[[Site], Model]] = {
    "hospital": lambda site: _organization(site, "H1", f"{site.tag} Hospital"),
    "clinic": lambda site: _organization(site, "C1", f"{site.tag} Clinic", partOf=_refer(site, "hospital")),
    "doctor": lambda site: {
        "resourceType": "Practitioner", "identifier": [{"system": site.system(), "value": "D"}],
        "name": [{"family": "Careful", "given": ["Adam"]}],
    },
    "peter": _peter, "petra": _petra, "zhang": _zhang, "late": _late,
    "visit": _visit, "low": _low, "high": _high, "coded": _coded_value, "pressure": _pressure, "absent": _absent,
    "logical": _logical, "report": _report,
    "r80": _risk("0.80"), "r90": _risk("0.90"), "r100": _risk("1.00"),
    "codes": _value_set("vs/a", ("15074-8",)), "codes_below": _value_set("vs/a/b", ("883-9",)),
    "list": _list,
}  # fmt: skip
