"""The operations of this server."""

from fhir.operation import linking, meta, sharing
from fhir.operation.bulk_import import import_all
from fhir.operation.declared import Operation
from fhir.operation.document import document
from fhir.operation.evaluate_measure import as_table, evaluate_measure, library
from fhir.operation.everything import everything
from fhir.operation.expand import expand_value_set
from fhir.operation.export import export
from fhir.operation.ihe_pix import ihe_pix
from fhir.operation.lookup import look_up
from fhir.operation.match import match
from fhir.operation.subscription_events import subscription_events
from fhir.operation.subscription_status import subscription_status
from fhir.operation.subsumes import does_subsume
from fhir.operation.summary import summary
from fhir.operation.translate import translate_code
from fhir.operation.validate import validate
from fhir.operation.validate_code import validate_code
from fhir.operation.ws_binding_token import ws_binding_token
from pacsd.access.operations import Operation as Needs

_HL7 = "http://hl7.org/fhir/OperationDefinition/"
_OURS = "urn:pacsd:fhir:OperationDefinition:"
_CODES, _READ, _WHO = Needs.USE_TERMINOLOGY, Needs.READ_RESOURCES, Needs.QUERY_IDENTITY

TERMINOLOGY: tuple[Operation, ...] = (
    Operation("expand", expand_value_set, _HL7 + "ValueSet-expand", _CODES, type=True, instance=True,
              types=("ValueSet",)),
    Operation("lookup", look_up, _HL7 + "CodeSystem-lookup", _CODES, type=True, types=("CodeSystem",)),
    Operation("validate-code", validate_code, _HL7 + "ValueSet-validate-code", _CODES, type=True, instance=True,
              types=("ValueSet",)),
    Operation("validate-code", validate_code, _HL7 + "CodeSystem-validate-code", _CODES, type=True, instance=True,
              types=("CodeSystem",)),
    Operation("subsumes", does_subsume, _HL7 + "CodeSystem-subsumes", _CODES, type=True, instance=True,
              types=("CodeSystem",)),
    Operation("translate", translate_code, _HL7 + "ConceptMap-translate", _CODES, type=True, instance=True,
              types=("ConceptMap",)),
)  # fmt: skip

DOCUMENTS: tuple[Operation, ...] = (
    Operation("document", document, _HL7 + "Composition-document", _READ, instance=True, types=("Composition",)),
    Operation("summary", summary, "http://hl7.org/fhir/uv/ips/OperationDefinition/summary", _READ, instance=True,
              types=("Patient",)),
)  # fmt: skip

PERSONS: tuple[Operation, ...] = (
    Operation("everything", everything, _HL7 + "Patient-everything", _READ, instance=True, types=("Patient",)),
    Operation("everything", everything, _HL7 + "Encounter-everything", _READ, instance=True, types=("Encounter",)),
    Operation("match", match, _HL7 + "Patient-match", _WHO, type=True, types=("Patient",)),
    Operation("ihe-pix", ihe_pix, "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix", _WHO, type=True,
              types=("Patient",)),
)  # fmt: skip

_BULK = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"

BULK: tuple[Operation, ...] = (
    Operation("export", export, _BULK + "export", Needs.EXPORT, system=True, goes_on=True),
    Operation("export", export, _BULK + "patient-export", Needs.EXPORT, type=True, types=("Patient",),
              goes_on=True),
    Operation("export", export, _BULK + "group-export", Needs.EXPORT, instance=True, types=("Group",),
              goes_on=True),
    Operation("import", import_all, _OURS + "import", Needs.IMPORT, system=True, affects_state=True),
)

MEASURES: tuple[Operation, ...] = (
    Operation("evaluate-measure", evaluate_measure, _HL7 + "Measure-evaluate-measure", Needs.COUNT, type=True,
              instance=True, types=("Measure",)),
    Operation("library", library, _OURS + "measure-library", Needs.COUNT, type=True, types=("Measure",)),
    Operation("table", as_table, _OURS + "measure-report-table", Needs.COUNT, type=True,
              instance=True, types=("MeasureReport",)),
)  # fmt: skip

SHARING: tuple[Operation, ...] = (
    Operation("share", sharing.share, _OURS + "share", Needs.SHARE, system=True, affects_state=True),
    Operation("unshare", sharing.unshare, _OURS + "unshare", Needs.SHARE, system=True, affects_state=True),
    Operation("shares", sharing.shares, _OURS + "shares", Needs.SHARE, system=True),
    Operation("masked-studies", sharing.masked_studies, _OURS + "masked-studies", Needs.BREAK_GLASS, system=True),
    Operation("break-glass", sharing.break_glass, _OURS + "break-glass", Needs.BREAK_GLASS, system=True,
              affects_state=True),
)  # fmt: skip

LINKING: tuple[Operation, ...] = (
    Operation("make-link", linking.make_link, _OURS + "make-link", Needs.MAKE_LINKS, system=True, affects_state=True),
    Operation("links", linking.links, _OURS + "links", Needs.MANAGE_LINKS, system=True),
    Operation("revoke-link", linking.revoke_link, _OURS + "revoke-link", Needs.MANAGE_LINKS, system=True,
              affects_state=True),
    Operation("close-film", linking.close_film, _OURS + "close-film", Needs.CLOSE_FILMS, system=True,
              affects_state=True),
    Operation("reopen-film", linking.reopen_film, _OURS + "reopen-film", Needs.CLOSE_FILMS, system=True,
              affects_state=True),
)  # fmt: skip

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-"

SUBSCRIPTIONS: tuple[Operation, ...] = (
    Operation("status", subscription_status, _BACKPORT + "status", Needs.READ_RESOURCES, type=True, instance=True,
              types=("Subscription",)),
    Operation("events", subscription_events, _BACKPORT + "events", Needs.READ_RESOURCES, instance=True,
              types=("Subscription",)),
    Operation("get-ws-binding-token", ws_binding_token, _BACKPORT + "get-ws-binding-token", Needs.READ_RESOURCES,
              type=True, instance=True, types=("Subscription",), goes_on=True),
)  # fmt: skip

RESOURCES: tuple[Operation, ...] = (
    *meta.OPERATIONS,
    Operation("validate", validate, _HL7 + "Resource-validate", _READ, type=True, instance=True),
)

OPERATIONS: tuple[Operation, ...] = (
    *RESOURCES, *TERMINOLOGY, *PERSONS, *DOCUMENTS, *BULK, *MEASURES, *SHARING, *LINKING, *SUBSCRIPTIONS,
)  # fmt: skip
