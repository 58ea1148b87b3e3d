"""Who asks, on every interface: a person, a program or a device."""

from dataclasses import dataclass, field
from enum import Enum


class Role(Enum):
    """What somebody is in an organisation (FHIR `PractitionerRole.code`), in the words of tokens and settings."""

    ADMINISTRATOR = "administrator"      # runs the archive: purges, retention, users, settings; no reading of patients
    RADIOLOGIST = "radiologist"          # reads, reports, rejects, and writes orders of the own organisation
    TECHNOLOGIST = "technologist"        # acquires, corrects and rejects; works the worklist
    CLINICIAN = "clinician"              # orders, and reads images and reports
    RESEARCHER = "researcher"            # reads studies of a project, de-identified, and nothing else
    AUDITOR = "auditor"                  # reads what was recorded of accesses, and nothing else
    PATIENT = "patient"                  # reads what is about this one person
    SYSTEM = "system"                    # a device or program of the organisation: a modality, a PACS, a HIS
    LINK = "link"                        # whoever opened a share link: looks at what that opens, and nothing else
    LINK_COPY = "link-copy"              # the same, where the link lets its studies be taken away too


HELD = frozenset(Role) - {Role.LINK, Role.LINK_COPY}
"""Roles that somebody may be given; the others come of opening a link."""


class Proof(Enum):
    """How it is known who asks; of two, the greater is the stronger."""

    NOTHING = 0                          # nobody said: what is open to everybody on a listener for trusted networks
    ADDRESS = 1                          # an AE title or sender together with its source address
    PASSCODE = 2                         # a client's secret
    TOKEN = 3                            # an access token
    CERTIFICATE = 4                      # a TLS client certificate


@dataclass(frozen=True, slots=True)
class PatientKey:
    """A patient as one assigning authority knows it."""

    assigning_authority: str
    patient_id: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, as far as is known, for one request, association or message.

    `subject` is stable and names one user, client or AE within `organisation` (a code of the settings); it is
    what audit records hold. `permissions` are the SMART scopes that narrow what the roles allow; None where there are
    none to narrow it. A PATIENT, and nobody else, has a `patient`.
    """

    subject: str
    organisation: str
    roles: frozenset[Role]
    proof: Proof
    name: str = ""                       # as a person reads it
    client: str = ""                     # the OAuth client that acts for the subject
    permissions: tuple[str, ...] | None = None
    patient: PatientKey | None = None
    context: PatientKey | None = None    # the one patient whom `patient/` permissions are about (SMART launch context)
    purpose: str = "TREAT"               # HL7 v3 PurposeOfUse
    project: str = ""                    # for which a RESEARCHER reads, where a token names it
    reason: str = ""                     # why the glass was broken, in the words of who broke it
    address: str = ""                    # where the request came from
    link: str = ""                       # the name of the share link that was opened; of a LINK, and of nobody else
    claims: dict[str, object] = field(default_factory=dict, compare=False, hash=False)      # further ones of a token

    def is_a(self, *roles: Role) -> bool:
        """Whether it has one of the roles."""
        return not self.roles.isdisjoint(roles)
