"""What the claims of an access token say of who asks, by the settings of its issuer.

The words are those of IHE IUA ITI-71 3.71.4.2.2.1 (`extensions.ihe_iua`), unless the settings name others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from config.oauth import IssuerSettings, pairs
from pacsd.access.principal import HELD, PatientKey, Principal, Proof, Role
from pacsd.access.signed import refuse

IUA = "ihe_iua"
TREATMENT, PATIENT_REQUEST, RESEARCH = "TREAT", "PATRQT", "HRESCH"   # HL7 v3 PurposeOfUse
PURPOSE_CLAIM = "extensions.ihe_iua.purpose_of_use"
NAME_CLAIM = "extensions.ihe_iua.subject_name"
MAX_WORD = 256

Claims = Mapping[str, Any]
FindPatient = Callable[[str, str], PatientKey | None]     # code of an organisation, id of its FHIR Patient


class ClaimReader:
    """Makes principals of the proven claims of one issuer.

    `organisations`: code and assigning authority of each of ours. `find_patient` knows FHIR Patients by id.
    """

    def __init__(
        self, settings: IssuerSettings, organisations: Mapping[str, str], find_patient: FindPatient
    ) -> None:
        self._settings = settings
        self._authorities = organisations
        self._organisations = pairs(settings.organisations)
        self._roles = pairs(settings.roles)
        self._find_patient = find_patient

    def principal(self, claims: Claims) -> Principal:
        """Who asks. Raises PacsdError UNAUTHENTICATED where the claims name no organisation or role of ours."""
        organisation = self._organisation(claims)
        subject = _word(claims.get("sub")) or refuse("the token names no subject")
        client = _word(claims.get("client_id")) or _word(claims.get("azp"))
        permissions = scopes_of(claims)
        roles = self._found_roles(claims, subject, client)
        project = _word(at(claims, self._settings.project_claim)) if Role.RESEARCHER in roles else ""
        if project:
            roles = frozenset((Role.RESEARCHER,))        # for a project somebody reads for it, and nothing else
        patient = self._patient(claims, organisation) if Role.PATIENT in roles else None
        return Principal(
            subject=subject, organisation=organisation, roles=roles, proof=Proof.TOKEN,
            name=_word(at(claims, NAME_CLAIM)) or _word(claims.get("name")), client=client, permissions=permissions,
            patient=patient, context=self._context(claims, organisation, permissions, patient),
            purpose=purpose_of(claims, default_purpose(roles)), claims=dict(claims), project=project,
        )  # fmt: skip

    def _organisation(self, claims: Claims) -> str:
        if self._settings.organisation:
            return self._settings.organisation
        told = _word(at(claims, self._settings.organisation_claim))
        code = self._organisations.get(told) or self._organisations.get(told.removeprefix("urn:oid:")) or told
        return code if code in self._authorities else refuse("the token names no organisation of this server")

    def _found_roles(self, claims: Claims, subject: str, client: str) -> frozenset[Role]:
        """Those the claims name; a client that acts for itself is a system (RFC 9068 2.2)."""
        names = {role.value for role in HELD}
        words = {self._roles.get(word, word) for word in codes_of(at(claims, self._settings.roles_claim))}
        found = frozenset(Role(word) for word in words & names)
        if not found and client and subject == client:
            return frozenset((Role.SYSTEM,))
        return found or refuse("the token names no role of this server")

    def _patient(self, claims: Claims, organisation: str) -> PatientKey:
        told = _word(at(claims, self._settings.patient_claim)) or refuse("the token of a patient does not say who")
        return PatientKey(self._settings.patient_authority or self._authorities[organisation], told)

    def _context(
        self, claims: Claims, organisation: str, permissions: tuple[str, ...], patient: PatientKey | None
    ) -> PatientKey | None:
        """The patient of `patient/` scopes: the claim `patient` (SMART), or the patient who asks."""
        if patient is not None or not is_about_one(permissions):
            return patient
        named = _word(claims.get("patient")).removeprefix("Patient/")
        found = self._find_patient(organisation, named) if named else None
        return found or refuse("the patient of the token is not known here")


def at(claims: Claims, path: str) -> Any:
    """A claim by its path; a whole name with dots in it goes before. None where there is none."""
    if not path:
        return None
    value: Any = claims
    if path in claims:
        return claims[path]
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def scopes_of(claims: Claims) -> tuple[str, ...]:
    """The scopes of a token: words of a text (RFC 9068 2.2.3), or a list as some servers write."""
    told = claims.get("scope", claims.get("scp", ""))
    words = told.split() if isinstance(told, str) else [one for one in told if isinstance(one, str)] if isinstance(
        told, list) else []  # fmt: skip
    return tuple(dict.fromkeys(words))


def is_about_one(scopes: Iterable[str]) -> bool:
    """Whether any scope is about one patient, of the launch or of the token (SMART App Launch 2.2, `patient/`)."""
    return any(one.startswith("patient/") for one in scopes)


def codes_of(told: Any) -> Iterator[str]:
    """Words of a claim that holds a text, a coding, or a list of either; a coding counts with and without system."""
    for one in told if isinstance(told, list) else [told]:
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping) and isinstance(one.get("code"), str):
            yield one["code"]
            yield f"{one.get('system', '')}|{one['code']}"


def purpose_of(claims: Claims, default: str) -> str:
    """Why the subject asks: a code of HL7 v3 PurposeOfUse."""
    return next((code for code in codes_of(at(claims, PURPOSE_CLAIM)) if code and len(code) <= MAX_WORD), default)


def default_purpose(roles: frozenset[Role]) -> str:
    """Why somebody of these roles asks, where nothing says why."""
    if Role.PATIENT in roles:
        return PATIENT_REQUEST
    return RESEARCH if roles == {Role.RESEARCHER} else TREATMENT


def _word(told: Any) -> str:
    """A claim that is a text, without control characters; empty for what is none."""
    return told if isinstance(told, str) and len(told) <= MAX_WORD and told.isprintable() else ""
