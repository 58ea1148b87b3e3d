"""The access predicate on FHIR resources: those of the scope's organisations, and what is opened to it one by one.

A patient's resources are those of the patient's compartment (http://hl7.org/fhir/R4/compartmentdefinition-patient.html)
that the same organisation wrote which has the patient: what another says of it is not opened with it.
"""

from collections.abc import Mapping
from functools import cache

from fhir.definitions.compartments import ITSELF, compartments
from fhir.search.keys import number, token_key
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.predicate import Params, within

NEVER = ("AuditEvent",)                  # of no compartment here: who asked for a patient is nobody's but an auditor's
RELEASED = ("Patient", "ImagingStudy", "DiagnosticReport", "Observation", "Appointment", "Consent")
UNRELEASED: Mapping[str, tuple[str, ...]] = {    # by the parameter that tells: what a person does not see of themselves
    "DiagnosticReport.status": ("registered", "partial", "preliminary", "cancelled", "entered-in-error", "unknown"),
    "Observation.status": ("registered", "preliminary", "cancelled", "entered-in-error", "unknown"),
}


def open_resource(scope: Scope, params: Params, alias: str, resource: str) -> str:
    """Rows of resources that the asker sees; `resource` is the column with their key.

    For a scope of which nothing is said but its organisations this is `within`, word for word.
    """
    text, opened = within(scope, params, alias), scope.opened
    if opened is None:
        return text
    if opened.links is None:
        raise PacsdError(Fault.INTERNAL, "what is opened was not looked up for FHIR")
    if opened.opens:
        led_to = _released if opened.released_only else _compartment
        led = f"{resource} in ({led_to(params, opened.links.patients, opened.links.studies)})"
        text = f"({text} or {led})" if scope.organisations else led
    if opened.denies:
        barred = _compartment(params, opened.links.denied_patients, opened.links.denied_studies)
        text += f" and {resource} not in ({barred})"
    return text


def _compartment(params: Params, patients: tuple[int, ...], studies: tuple[int, ...]) -> str:
    """Keys of patients, of all in their compartments, and of studies."""
    whose = params.add(list(patients))
    return f"""select o.resource from fhir_reference o join fhir_resource w on w.key = o.target
            and w.organisation = o.organisation
        where o.target = any({whose}::bigint[]) and o.param = any({params.add(list(_numbers()))}::integer[])
        union all
        select w.pk from fhir_resource w where w.key = any({params.add([*patients, *studies])}::bigint[])"""


def _released(params: Params, patients: tuple[int, ...], studies: tuple[int, ...]) -> str:
    """The same of a person who asks for what is about themselves: final, and no study but those that are named."""
    told = [one for one in RELEASED if one not in ("Patient", "ImagingStudy")]
    parameters = params.add([number(one) for one in UNRELEASED])
    codes = params.add([token_key(name, one) for name, codes in UNRELEASED.items() for one in codes])
    return f"""select o.resource from fhir_reference o join fhir_resource w on w.key = o.target
            and w.organisation = o.organisation
        join fhir_resource x on x.pk = o.resource and x.type = any({params.add(told)}::text[])
        where o.target = any({params.add(list(patients))}::bigint[])
            and o.param = any({params.add(list(_numbers()))}::integer[])
            and not exists (select from fhir_token k where k.resource = x.pk and k.param = any({parameters}::integer[])
                and k.code = any({codes}::bigint[]))
        union all
        select w.pk from fhir_resource w where w.key = any({params.add([*patients, *studies])}::bigint[])"""


@cache
def _numbers() -> tuple[int, ...]:
    """The parameters that put a resource into a patient's compartment, as rows have them."""
    return tuple(number(f"{kind}.{code}") for kind, codes in compartments()["Patient"].items()
                 for code in codes if code != ITSELF and kind not in NEVER)  # fmt: skip
