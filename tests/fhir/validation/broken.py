"""Resources that break one rule, beside the same without the breach, for each rule that can be broken."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from fhir.definitions.structures import structures

UCUM = "http://unitsofmeasure.org"
VER = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
class Case(NamedTuple):
    """A rule, a resource type, and the elements that break it and keep it."""

    key: str
    type: str
    broken: dict[str, Any]
    sound: dict[str, Any]


def typed(key: str, kind: str, broken: Any, sound: Any) -> Case:
    """Of a data type: as the value of an extension."""
    return Case(key, "Basic", *({"extension": [{"url": "http://x.org/e", f"value{kind}": one}]} for one in (broken,
         sound)))


def of_element(key: str, broken: Any, sound: Any, **more: Any) -> Case:
    """Of an ElementDefinition."""
    return Case(key, "StructureDefinition", *(
        {"type": "Patient", "kind": "resource", "differential": {"element": [{"id": "P", "path": "Patient"}, {
            "id": "Patient.x", "path": "Patient.x", **more, **one}]}} for one in (broken, sound)))


def nested(key: str, kind: str, path: str, broken: Any, sound: Any, **more: Any) -> Case:
    """Of a backbone element at a path; steps that end with * are lists."""
    def made(inner: Any) -> Any:
        for step in reversed(path.split(".")):
            inner = {step.rstrip("*"): [inner] if step.endswith("*") else inner}
        return {**more, **inner}
    return Case(key, kind, made(broken), made(sound))


def text(div: str) -> dict[str, Any]:
    """A narrative."""
    return {"text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}}


def coded(code: str, system: str = "http://x.org") -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def entries(*told: Any) -> list[Any]:
    """Entries of a Bundle."""
    return list(told)


PATIENT, ORGANIZATION = {"resourceType": "Patient"}, {"resourceType": "Organization", "id": "o", "name": "o"}
REQUEST = {"method": "GET", "url": "Patient"}
DAY, LATER = "2020-01-01", "2020-01-02"
NOON, AFTER = "2020-01-01T12:00:00Z", "2020-01-01T13:00:00+00:00"
A_DAY = {"value": 1, "unit": "d", "system": UCUM, "code": "d"}
DATA, TIMING = [{"type": "Patient"}], "2020-01-01"
SNAP = {"id": "Patient", "path": "Patient", "definition": "d", "min": 0, "max": "*", "base": {"path": "P", "min": 0,
     "max": "*"}}
SD = {"type": "Patient", "kind": "resource", "derivation": "constraint", "url": "http://x.org/p"}

CASES: tuple[Case, ...] = (
    typed("age-1", "Age", {"value": -1, "code": "a", "system": UCUM}, {"value": 1, "code": "a", "system": UCUM}),
    typed("qty-3", "Quantity", {"value": 1, "code": "mg"}, {"value": 1, "code": "mg", "system": UCUM}),
    typed("att-1", "Attachment", {"data": "AAAA"}, {"data": "AAAA", "contentType": "image/png"}),
    typed("cpt-2", "ContactPoint", {"value": "1"}, {"value": "1", "system": "phone"}),
    typed("cnt-3", "Count", {"value": 1, "code": "2", "system": UCUM}, {"value": 1, "code": "1", "system": UCUM}),
    typed("drq-1", "DataRequirement", {"type": "Patient", "codeFilter": [{"path": "a", "searchParam": "b"}]},
          {"type": "Patient", "codeFilter": [{"path": "a"}]}),
    typed("drq-2", "DataRequirement", {"type": "Patient", "dateFilter": [{"valueDateTime": DAY}]},
          {"type": "Patient", "dateFilter": [{"path": "a"}]}),
    typed("dis-1", "Distance", {"value": 1}, {"value": 1, "code": "m", "system": UCUM}),
    typed("drt-1", "Duration", {"value": 1, "code": "d", "system": "http://x.org"}, A_DAY),
    typed("exp-1", "Expression", {"language": "text/fhirpath"}, {"language": "text/fhirpath", "expression": "id"}),
    Case("ext-1", "Basic", {"extension": [{"url": "http://x.org/e"}]}, {"extension": [{"url": "http://x.org/e",
         "valueCode": "a"}]}),
    Case("ext-1", "Basic", {"extension": [{"url": "http://x.org/e", "valueCode": "a", "extension": [
        {"url": "b", "valueCode": "b"}]}]}, {"extension": [{"url": "http://x.org/e", "extension": [
            {"url": "b", "valueCode": "b"}]}]}),
    Case("txt-1", "Basic", text("<script>alert(1)</script>"), text("<b>a</b>")),
    Case("txt-1", "Basic", text('<p onclick="a()">a</p>'), text('<p class="a">a</p>')),
    Case("txt-1", "Basic", text('<a href="java&#10;script:a()">a</a>'), text('<a href="https://x.org/">a</a>')),
    Case("txt-1", "Basic", text('<p style="background:url(http://x.org)">a</p>'), text('<p style="color:red">a</p>')),
    Case("txt-1", "Basic", text('<form action="x">a</form>'), text('<img src="#a" alt="a"/>')),
    Case("txt-2", "Basic", text("<p> \n </p>"), text("<p> a </p>")),
    typed("per-1", "Period", {"start": LATER, "end": DAY}, {"start": DAY, "end": LATER}),
    typed("per-1", "Period", {"start": AFTER, "end": NOON}, {"start": NOON, "end": AFTER}),
    typed("rng-2", "Range", {"low": {"value": 2}, "high": {"value": 1}}, {"low": {"value": 1}, "high": {"value": 2}}),
    typed("rat-1", "Ratio", {"numerator": {"value": 1}}, {"numerator": {"value": 1}, "denominator": {"value": 2}}),
    Case("ref-1", "Patient", {"managingOrganization": {"reference": "#o"}},
         {"contained": [ORGANIZATION], "managingOrganization": {"reference": "#o"}}),
    *(typed(key, "Timing", {"repeat": broken}, {"repeat": sound}) for key, broken, sound in (
        ("tim-1", {"duration": 1}, {"duration": 1, "durationUnit": "d"}),
        ("tim-2", {"period": 1}, {"period": 1, "periodUnit": "d"}),
        ("tim-4", {"duration": -1, "durationUnit": "d"}, {"duration": 0, "durationUnit": "d"}),
        ("tim-5", {"period": -1, "periodUnit": "d"}, {"period": 0, "periodUnit": "d"}),
        ("tim-6", {"periodMax": 1}, {"periodMax": 1, "period": 1, "periodUnit": "d"}),
        ("tim-7", {"durationMax": 1}, {"durationMax": 1, "duration": 1, "durationUnit": "d"}),
        ("tim-8", {"countMax": 1}, {"countMax": 1, "count": 1}),
        ("tim-9", {"offset": 1, "when": ["C"]}, {"offset": 1, "when": ["ACM"]}),
        ("tim-10", {"timeOfDay": ["10:00:00"], "when": ["C"]}, {"timeOfDay": ["10:00:00"]}))),
    typed("trd-1", "TriggerDefinition", {"type": "data-added", "data": DATA, "timingDate": TIMING},
          {"type": "data-added", "data": DATA}),
    typed("trd-2", "TriggerDefinition", {"type": "named-event", "name": "a", "condition": {"language": "text/cql",
          "expression": "a"}}, {"type": "data-added", "data": DATA, "condition": {"language": "text/cql",
               "expression": "a"}}),
    typed("trd-3", "TriggerDefinition", {"type": "named-event"}, {"type": "named-event", "name": "a"}),
    of_element("eld-2", {"min": 2, "max": "1"}, {"min": 1, "max": "2"}),
    of_element("eld-3", {"max": "x"}, {"max": "3"}),
    of_element("eld-5", {"contentReference": "#a", "type": [{"code": "code"}]}, {"contentReference": "#a"}),
    of_element("eld-6", {"fixedCode": "a", "type": [{"code": "code"}, {"code": "uri"}]}, {"fixedCode": "a"}),
    of_element("eld-7", {"patternCode": "a", "type": [{"code": "code"}, {"code": "uri"}]}, {"patternCode": "a"}),
    of_element("eld-8", {"patternCode": "a", "fixedCode": "a"}, {"patternCode": "a"}),
    of_element("eld-13", {"type": [{"code": "code"}, {"code": "code"}]}, {"type": [{"code": "code"}]}),
    of_element("eld-14", {"constraint": [{"key": "a", "severity": "error", "human": "h", "expression": "true"}] * 2},
               {"constraint": [{"key": "a", "severity": "error", "human": "h", "expression": "true"}]}),
    of_element("eld-15", {"defaultValueCode": "a", "meaningWhenMissing": "m"}, {"meaningWhenMissing": "m"}),
    of_element("eld-16", {"sliceName": "a b"}, {"sliceName": "a/b"}),
    of_element("eld-18", {"isModifier": True}, {"isModifier": True, "isModifierReason": "r"}),
    of_element("eld-22", {"sliceIsConstraining": True}, {"sliceIsConstraining": True, "sliceName": "a"}),
    of_element("eld-1", {"slicing": {"rules": "open"}}, {"slicing": {"rules": "open", "description": "d"}}),
    of_element("eld-4", {"type": [{"code": "code", "aggregation": ["bundled"]}]},
               {"type": [{"code": "Reference", "aggregation": ["bundled"]}]}),
    of_element("eld-17", {"type": [{"code": "code", "targetProfile": ["http://x.org"]}]},
               {"type": [{"code": "Reference", "targetProfile": ["http://x.org"]}]}),
    of_element("eld-21", {"constraint": [{"key": "a", "severity": "error", "human": "h"}]},
               {"constraint": [{"key": "a", "severity": "error", "human": "h", "expression": "true"}]}),
    of_element("eld-12", {"binding": {"strength": "example", "valueSet": "x"}},
               {"binding": {"strength": "example", "valueSet": "http://x.org"}}),
    Case("dom-2", "Patient", {"contained": [{**ORGANIZATION, "contained": [ORGANIZATION]}],
         "managingOrganization": {"reference": "#o"}},
         {"contained": [ORGANIZATION], "managingOrganization": {"reference": "#o"}}),
    Case("dom-3", "Patient", {"contained": [ORGANIZATION]}, {"contained": [{**ORGANIZATION,
         "partOf": {"reference": "#"}}]}),
    Case("dom-4", "Patient", {"contained": [{**ORGANIZATION, "meta": {"versionId": "1"}}],
         "managingOrganization": {"reference": "#o"}},
         {"contained": [{**ORGANIZATION, "meta": {"source": "http://x.org"}}],
              "managingOrganization": {"reference": "#o"}}),
    Case("dom-5", "Patient", {"contained": [{**ORGANIZATION, "meta": {"security": [{"code": "R"}]}}],
                              "managingOrganization": {"reference": "#o"}},
         {"contained": [ORGANIZATION], "managingOrganization": {"reference": "#o"}}),
    Case("dom-6", "Patient", {}, text("a")),
    Case("ait-1", "AllergyIntolerance", {}, {"clinicalStatus": coded("active")}),
    Case("ait-2", "AllergyIntolerance", {"clinicalStatus": coded("active"), "verificationStatus": coded(
        "entered-in-error", "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification")},
        {"clinicalStatus": coded("active")}),
    Case("app-2", "Appointment", {"start": NOON}, {"start": NOON, "end": AFTER}),
    Case("app-3", "Appointment", {"status": "booked"}, {"status": "proposed"}),
    Case("app-4", "Appointment", {"status": "proposed", "cancelationReason": coded("a")},
         {"status": "cancelled", "cancelationReason": coded("a")}),
    nested("app-1", "Appointment", "participant*", {"status": "accepted"}, {"status": "accepted",
         "type": [coded("a")]}),
    Case("apr-1", "AppointmentResponse", {}, {"participantType": [coded("a")]}),
    nested("sev-1", "AuditEvent", "entity*", {"name": "a", "query": "AAAA"}, {"name": "a"}),
    Case("bdl-1", "Bundle", {"type": "batch", "total": 1}, {"type": "searchset", "total": 1}),
    Case("bdl-2", "Bundle", {"type": "collection", "entry": entries({"resource": PATIENT,
         "search": {"mode": "match"}})},
         {"type": "searchset", "entry": entries({"resource": PATIENT, "search": {"mode": "match"}})}),
    Case("bdl-3", "Bundle", {"type": "batch", "entry": entries({"resource": PATIENT})},
         {"type": "batch", "entry": entries({"request": REQUEST})}),
    Case("bdl-4", "Bundle", {"type": "batch", "entry": entries({"request": REQUEST, "response": {"status": "200"}})},
         {"type": "batch", "entry": entries({"request": REQUEST})}),
    Case("bdl-5", "Bundle", {"type": "collection", "entry": entries({"fullUrl": "http://x.org/Patient/1"})},
         {"type": "collection", "entry": entries({"fullUrl": "http://x.org/Patient/1", "resource": PATIENT})}),
    Case("bdl-7", "Bundle", {"type": "collection", "entry": entries(*[{"fullUrl": "http://x.org/Patient/1",
         "resource": PATIENT}] * 2)},
         {"type": "collection", "entry": entries({"fullUrl": "http://x.org/Patient/1", "resource": PATIENT})}),
    Case("bdl-8", "Bundle", {"type": "collection", "entry": entries({"fullUrl": "http://x.org/Patient/1/_history/2",
         "resource": PATIENT})},
         {"type": "collection", "entry": entries({"fullUrl": "http://x.org/Patient/1", "resource": PATIENT})}),
    Case("bdl-9", "Bundle", {"type": "document"}, {"type": "document", "identifier": {"system": "urn:a",
         "value": "b"}}),
    Case("bdl-10", "Bundle", {"type": "document"}, {"type": "document", "timestamp": NOON}),
    Case("bdl-11", "Bundle", {"type": "document", "entry": entries({"resource": PATIENT})},
         {"type": "document", "entry": entries({"resource": {"resourceType": "Composition"}})}),
    Case("bdl-12", "Bundle", {"type": "message", "entry": entries({"resource": PATIENT})},
         {"type": "message", "entry": entries({"resource": {"resourceType": "MessageHeader"}})}),
    Case("cpb-1", "CapabilityStatement", {}, {"rest": [{"mode": "server"}]}),
    Case("cpb-2", "CapabilityStatement", {}, {"description": "d"}),
    Case("cpb-14", "CapabilityStatement", {"kind": "instance"}, {"kind": "instance",
         "implementation": {"description": "d"}}),
    Case("cpb-15", "CapabilityStatement", {"kind": "capability"}, {"kind": "capability", "software": {"name": "n"}}),
    Case("cpb-16", "CapabilityStatement", {"kind": "requirements", "software": {"name": "n"}},
         {"kind": "requirements"}),
    nested("cpb-9", "CapabilityStatement", "rest*", {"resource": [{"type": "Patient"}] * 2},
         {"resource": [{"type": "Patient"}]}),
    nested("cpl-3", "CarePlan", "activity*", {"reference": {"display": "a"}, "detail": {"status": "unknown"}},
           {"detail": {"status": "unknown"}}),
    Case("csd-1", "CodeSystem", {"concept": [{"code": "a", "concept": [{"code": "a"}]}]},
         {"concept": [{"code": "a", "concept": [{"code": "b"}]}]}),
    nested("cmp-1", "Composition", "section*", {"title": "a"}, {"title": "a", "entry": [{"display": "a"}]}),
    nested("cmp-2", "Composition", "section*", {"emptyReason": coded("a"), "entry": [{"display": "a"}]},
           {"entry": [{"display": "a"}]}),
    Case("con-4", "Condition", {"abatementString": "a", "clinicalStatus": coded("active")}, {"abatementString": "a",
         "clinicalStatus": coded("resolved", "http://terminology.hl7.org/CodeSystem/condition-clinical")}),
    Case("con-5", "Condition", {"verificationStatus": coded("entered-in-error", VER),
         "clinicalStatus": coded("active")},
         {"verificationStatus": coded("confirmed", VER), "clinicalStatus": coded("active")}),
    nested("con-1", "Condition", "stage*", {"type": coded("a")}, {"summary": coded("a")}),
    nested("con-2", "Condition", "evidence*", {"extension": [{"url": "http://x.org", "valueCode": "a"}]},
         {"code": [coded("a")]}),
    Case("ppc-1", "Consent", {}, {"policyRule": coded("a")}),
    Case("fhs-1", "FamilyMemberHistory", {"ageString": "1", "bornDate": DAY}, {"ageString": "1"}),
    Case("fhs-2", "FamilyMemberHistory", {"estimatedAge": True}, {"estimatedAge": True, "ageString": "1"}),
    nested("gol-1", "Goal", "target*", {"detailString": "a"}, {"detailString": "a", "measure": coded("a")}),
    Case("grp-1", "Group", {"actual": False, "member": [{"entity": {"display": "a"}}]},
         {"actual": True, "member": [{"entity": {"display": "a"}}]}),
    Case("ipn-1", "InsurancePlan", {}, {"name": "a"}),
    Case("lnk-1", "Linkage", {"item": [{"type": "source"}]}, {"item": [{"type": "source"}, {"type": "alternate"}]}),
    Case("lst-1", "List", {"emptyReason": coded("a"), "entry": [{"item": {"display": "a"}}]},
         {"emptyReason": coded("a")}),
    Case("lst-2", "List", {"mode": "working", "entry": [{"item": {"display": "a"}, "deleted": True}]},
         {"mode": "changes", "entry": [{"item": {"display": "a"}, "deleted": True}]}),
    Case("lst-3", "List", {"mode": "changes", "entry": [{"item": {"display": "a"}, "date": DAY}]},
         {"mode": "working", "entry": [{"item": {"display": "a"}, "date": DAY}]}),
    Case("mrp-1", "MeasureReport", {"type": "data-collection", "group": [{"code": coded("a")}]},
         {"type": "summary", "group": [{"code": coded("a")}]}),
    nested("mad-1", "MedicationAdministration", "dosage", {"text": "a"}, {"dose": {"value": 1}}),
    Case("mdd-1", "MedicationDispense", {"whenPrepared": LATER, "whenHandedOver": DAY},
         {"whenPrepared": DAY, "whenHandedOver": LATER}),
    Case("msq-3", "MolecularSequence", {"coordinateSystem": 2}, {"coordinateSystem": 1}),
    Case("nsd-1", "NamingSystem", {"kind": "root", "uniqueId": [{"type": "uuid", "value": "a"}]},
         {"kind": "root", "uniqueId": [{"type": "uri", "value": "a"}]}),
    Case("nsd-2", "NamingSystem", {"uniqueId": [{"type": "uri", "value": "a", "preferred": True}] * 2},
         {"uniqueId": [{"type": "uri", "value": "a", "preferred": True}, {"type": "uri", "value": "b"}]}),
    Case("nor-1", "NutritionOrder", {}, {"supplement": [{"productName": "a"}]}),
    Case("obs-6", "Observation", {"valueString": "a", "dataAbsentReason": coded("a")}, {"valueString": "a"}),
    Case("obs-7", "Observation", {"code": coded("a"), "valueString": "a", "component": [{"code": coded("a")}]},
         {"code": coded("a"), "valueString": "a", "component": [{"code": coded("b")}]}),
    nested("obs-3", "Observation", "referenceRange*", {"type": coded("a")}, {"text": "a"}),
    nested("opd-1", "OperationDefinition", "parameter*", {"name": "a"}, {"name": "a", "type": "code"}),
    nested("opd-2", "OperationDefinition", "parameter*", {"searchType": "date", "type": "code"},
           {"searchType": "date", "type": "string"}),
    nested("opd-3", "OperationDefinition", "parameter*", {"targetProfile": ["http://x.org"], "type": "code"},
           {"targetProfile": ["http://x.org"], "type": "Reference"}),
    Case("org-1", "Organization", {}, {"name": "a"}),
    Case("org-2", "Organization", {"address": [{"use": "home"}]}, {"address": [{"use": "work"}]}),
    Case("org-3", "Organization", {"telecom": [{"use": "home"}]}, {"telecom": [{"use": "work"}]}),
    Case("inv-1", "Parameters", {"parameter": [{"name": "a"}]}, {"parameter": [{"name": "a", "valueCode": "a"}]}),
    Case("inv-1", "Task", {"authoredOn": LATER, "lastModified": DAY}, {"authoredOn": DAY, "lastModified": LATER}),
    nested("pat-1", "Patient", "contact*", {"gender": "male"}, {"organization": {"display": "a"}}),
    Case("que-2", "Questionnaire", {"item": [{"linkId": "a", "type": "string"}] * 2}, {"item": [{"linkId": "a",
         "type": "string"}]}),
    *(nested(key, "Questionnaire", "item*", {"linkId": "a", **broken}, {"linkId": "a", **sound}) for key, broken,
         sound in (
        ("que-1", {"type": "group"}, {"type": "string"}),
        ("que-3", {"type": "display", "code": [{"code": "a"}]}, {"type": "string", "code": [{"code": "a"}]}),
        ("que-4", {"type": "choice", "answerOption": [{"valueString": "a"}], "answerValueSet": "http://x.org"},
         {"type": "choice", "answerValueSet": "http://x.org"}),
        ("que-5", {"type": "boolean", "answerValueSet": "http://x.org"}, {"type": "choice",
             "answerValueSet": "http://x.org"}),
        ("que-6", {"type": "display", "required": True}, {"type": "string", "required": True}),
        ("que-8", {"type": "group", "initial": [{"valueString": "a"}]}, {"type": "string",
             "initial": [{"valueString": "a"}]}),
        ("que-9", {"type": "display", "readOnly": True}, {"type": "string", "readOnly": True}),
        ("que-10", {"type": "date", "maxLength": 3}, {"type": "string", "maxLength": 3}),
        ("que-11", {"type": "choice", "answerOption": [{"valueString": "a"}], "initial": [{"valueString": "a"}]},
         {"type": "choice", "answerOption": [{"valueString": "a"}]}),
        ("que-12", {"type": "string", "enableWhen": [{"question": "b", "operator": "=", "answerString": "a"}] * 3},
         {"type": "string", "enableWhen": [{"question": "b", "operator": "=", "answerString": "a"}] * 2}),
        ("que-13", {"type": "string", "initial": [{"valueString": "a"}] * 2}, {"type": "string", "repeats": True,
         "initial": [{"valueString": "a"}] * 2}))),
    nested("qrs-1", "QuestionnaireResponse", "item*", {"linkId": "a", "answer": [{"valueString": "a"}],
         "item": [{"linkId": "b"}]},
           {"linkId": "a", "answer": [{"valueString": "a"}]}),
    nested("rqg-1", "RequestGroup", "action*", {"title": "a"}, {"resource": {"display": "a"}}),
    nested("ras-2", "RiskAssessment", "prediction*", {"probabilityDecimal": 101}, {"probabilityDecimal": 99}),
    Case("spd-1", "SearchParameter", {"xpath": "a"}, {"xpath": "a", "xpathUsage": "normal"}),
    Case("spd-2", "SearchParameter", {"chain": ["a"], "type": "token"}, {"chain": ["a"], "type": "reference"}),
    Case("prr-1", "ServiceRequest", {"orderDetail": [coded("a")]}, {"orderDetail": [coded("a")], "code": coded("b")}),
    Case("sdf-4", "StructureDefinition", {**SD, "abstract": False}, {**SD, "abstract": True}),
    Case("sdf-5", "StructureDefinition", {**SD, "type": "Extension"}, SD),
    Case("sdf-6", "StructureDefinition", SD, {**SD, "differential": {"element": [{"id": "Patient",
         "path": "Patient"}]}}),
    Case("sdf-3", "StructureDefinition", {**SD, "snapshot": {"element": [{"id": "Patient", "path": "Patient"}]}},
         {**SD, "snapshot": {"element": [SNAP]}}),
    Case("sdf-18", "StructureDefinition", {**SD, "contextInvariant": ["true"]}, {**SD, "type": "Extension",
         "contextInvariant": ["true"]}),
    nested("sdf-2", "StructureDefinition", "mapping*", {"identity": "a"}, {"identity": "a", "name": "b"}),
    nested("vsd-1", "ValueSet", "compose.include*", {"version": "1"}, {"system": "http://x.org"}),
    nested("vsd-2", "ValueSet", "compose.include*", {"valueSet": ["http://x.org"], "concept": [{"code": "a"}]},
           {"system": "http://x.org", "concept": [{"code": "a"}]}),
    nested("vsd-3", "ValueSet", "compose.include*", {"system": "http://x.org", "concept": [{"code": "a"}], "filter": [
        {"property": "a", "op": "=", "value": "b"}]}, {"system": "http://x.org", "concept": [{"code": "a"}]}),
    nested("vsd-6", "ValueSet", "expansion.contains*", {"abstract": True}, {"abstract": True, "display": "a"}),
    nested("vsd-9", "ValueSet", "expansion.contains*", {"display": "a"}, {"display": "a", "abstract": True}),
    nested("ces-1", "CoverageEligibilityResponse", "insurance*.item*", {"name": "a"}, {"category": coded("a")}),
    nested("cmd-1", "ConceptMap", "group*.element*.target*", {"code": "a", "equivalence": "narrower"},
           {"code": "a", "equivalence": "narrower", "comment": "c"}),
    nested("cmd-2", "ConceptMap", "group*.unmapped", {"mode": "fixed"}, {"mode": "fixed", "code": "a"}),
    nested("cmd-3", "ConceptMap", "group*.unmapped", {"mode": "other-map"}, {"mode": "other-map",
         "url": "http://x.org"}),
    Case("cpb-3", "CapabilityStatement", {"kind": "capability",
         "messaging": [{"endpoint": [{"address": "http://x.org"}]}]},
         {"kind": "instance", "messaging": [{"endpoint": [{"address": "http://x.org"}]}]}),
    Case("cpb-7", "CapabilityStatement", {"document": [{"mode": "producer", "profile": "http://x.org"}] * 2},
         {"document": [{"mode": "producer", "profile": "http://x.org"}]}),
    nested("cpb-12", "CapabilityStatement", "rest*.resource*", {"searchParam": [{"name": "a", "type": "token"}] * 2},
           {"searchParam": [{"name": "a", "type": "token"}]}),
    nested("imm-1", "Immunization", "education*", {"presentationDate": DAY}, {"documentType": "a"}),
    nested("imr-1", "ImmunizationRecommendation", "recommendation*", {"series": "a"}, {"targetDisease": coded("a")}),
    Case("mea-1", "Measure", {"group": [{"stratifier": [{"id": "a"}]}]},
         {"group": [{"stratifier": [{"code": coded("a")}]}]}),
    nested("msq-5", "MolecularSequence", "referenceSeq", {"genomeBuild": "a"}, {"genomeBuild": "a",
         "chromosome": coded("a")}),
    nested("msq-6", "MolecularSequence", "referenceSeq", {"windowStart": 1}, {"referenceSeqString": "a"}),
    Case("mrp-2", "MeasureReport", {"group": [{"stratifier": [{"stratum": [{"measureScore": {"value": 1}}]}]}]},
         {"group": [{"stratifier": [{"stratum": [{"value": coded("a")}]}]}]}),
    nested("md-1", "MessageDefinition", "focus*", {"code": "Patient", "max": "0"}, {"code": "Patient", "max": "1"}),
    Case("tcp-2", "TerminologyCapabilities", {}, {"description": "d"}),
    Case("tcp-3", "TerminologyCapabilities", {"kind": "instance"}, {"kind": "instance",
         "implementation": {"description": "d"}}),
    Case("tcp-4", "TerminologyCapabilities", {"kind": "capability"}, {"kind": "capability", "software": {"name": "n"}}),
    Case("tcp-5", "TerminologyCapabilities", {"kind": "requirements", "software": {"name": "n"}},
         {"kind": "requirements"}),
    nested("tcp-1", "TerminologyCapabilities", "codeSystem*", {"version": [{"isDefault": True}, {"code": "a"}]},
           {"version": [{"code": "b"}, {"code": "a"}]}),
    nested("smp-1", "StructureMap", "group*.rule*.target*", {"element": "a"}, {"element": "a", "context": "b",
         "contextType": "type"}),
    nested("smp-2", "StructureMap", "group*.rule*.target*", {"context": "a"}, {"context": "a", "contextType": "type"}),
    nested("tst-1", "TestScript", "setup.action*", {"id": "a"}, {"operation": {"url": "a"}}),
    nested("tst-2", "TestScript", "test*.action*", {"id": "a"}, {"operation": {"url": "a"}}),
    nested("tst-3", "TestScript", "variable*", {"name": "a", "expression": "a", "headerField": "b", "path": "c"},
           {"name": "a", "expression": "a"}),
    nested("tst-4", "TestScript", "metadata", {"capability": [{"description": "d"}]},
         {"capability": [{"required": True}]}),
    nested("tst-7", "TestScript", "setup.action*.operation", {"method": "get"}, {"url": "a"}),
    nested("tst-8", "TestScript", "test*.action*.operation", {"method": "get"}, {"url": "a"}),
    nested("tst-9", "TestScript", "teardown.action*.operation", {"method": "get"}, {"url": "a"}),
    nested("tst-5", "TestScript", "setup.action*.assert", {"path": "a", "expression": "b"}, {"path": "a"}),
    nested("tst-6", "TestScript", "test*.action*.assert", {"path": "a", "expression": "b"}, {"path": "a"}),
    nested("tst-12", "TestScript", "setup.action*.assert", {"direction": "request", "response": "okay"},
           {"direction": "response", "response": "okay"}),
    nested("tst-13", "TestScript", "test*.action*.assert", {"direction": "request", "response": "okay"},
           {"direction": "response", "response": "okay"}),
    nested("inv-1", "TestReport", "setup.action*", {"id": "a"}, {"operation": {"result": "pass"}}),
    nested("inv-2", "TestReport", "test*.action*", {"id": "a"}, {"operation": {"result": "pass"}}),
    Case("sdf-1", "StructureDefinition", {**SD, "derivation": "specialization", "snapshot": {"element": [SNAP, SNAP]}},
         {**SD, "derivation": "specialization", "snapshot": {"element": [SNAP]}}),
    Case("sdf-11", "StructureDefinition", {**SD, "type": "Group", "snapshot": {"element": [SNAP]}},
         {**SD, "snapshot": {"element": [SNAP]}}),
    Case("sdf-14", "StructureDefinition", {**SD, "differential": {"element": [{"path": "Patient"}]}},
         {**SD, "differential": {"element": [{"id": "Patient", "path": "Patient"}]}}),
    Case("sdf-17", "StructureDefinition", {**SD, "differential": {"element": [{"id": "a", "path": "Patient"}] * 2}},
         {**SD, "differential": {"element": [{"id": "a", "path": "Patient"}]}}),
    Case("sdf-16", "StructureDefinition", {**SD, "snapshot": {"element": [SNAP, SNAP]}}, {**SD,
         "snapshot": {"element": [SNAP]}}),
    Case("sdf-23", "StructureDefinition", {**SD, "differential": {"element": [{"id": "a", "path": "Patient",
         "sliceName": "s"}]}},
         {**SD, "differential": {"element": [{"id": "a", "path": "Patient"}]}}),
    nested("vsd-10", "ValueSet", "expansion.contains*", {"code": "a"}, {"code": "a", "system": "http://x.org"}),
)  # fmt: skip


def named() -> Iterator[Case]:
    """Names of what has a definition: the same rule under a key of each type."""
    for name in structures().resource_types:
        for one in structures()[name].constraints:
            if one.expression.startswith("name.matches"):
                yield Case(one.key, name, {"name": "no name!"}, {"name": "AName"})
