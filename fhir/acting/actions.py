"""From a version that a client writes to the rule of its type; what no rule is for is kept and nothing is done."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from config.settings import Settings
from fhir.acting.application_entity import EntityRule
from fhir.acting.appointment import AppointmentRule
from fhir.acting.consent import ConsentRule
from fhir.acting.deed import Deed
from fhir.acting.device import DEVICE
from fhir.acting.diagnostic_report import DiagnosticReportRule
from fhir.acting.encounter import EncounterRule
from fhir.acting.endpoint import ENDPOINT
from fhir.acting.organization import OrganizationRule
from fhir.acting.patient import PatientRule, may_state
from fhir.acting.projecting import Projecting
from fhir.acting.service_request import ServiceRequestRule
from fhir.acting.task import TaskRule
from fhir.interaction.services import Extract
from fhir.projection.application_entity import AE_TITLES
from fhir.projection.gathering import Archives
from fhir.projection.organization import CODES
from fhir.projection.projected import House, feed
from fhir.store import resources
from fhir.store.stored import Change, Stored
from fhir.store.unit import Unit
from pacsd.access.directory import Directory
from pacsd.archive.register import Registration
from pacsd.archive.sidecar import SidecarIndex
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import Patients
from pacsd.index.records import PackRow
from pacsd.reports.contents import Contents
from pacsd.reports.reports import Reports
from pacsd.workflow.orders import Orders
from pacsd.workflow.workitems import Workitems

_FEEDS: Mapping[str, str] = {"Task": "ups", "Appointment": "orders"}     # of what clients write, as far as it goes
_OF_FEEDS = (b"\0",)                     # what no resource has: of what no feed made nothing comes


class Rule(Protocol):
    """What is done where resources of one type are written."""

    def act(self, deed: Deed) -> Change:
        """The version, with whose it is from now on. Raises PacsdError: then nothing of its unit is written."""


class Actions:
    """Does what versions ask of the archive, within the transaction that writes them (fhir.store.unit.Effects)."""

    def __init__(
        self, directory: Directory, houses: Mapping[int, House], spoken: Mapping[int, frozenset[str]],
        contents: Contents, reports: Reports, registration: Registration, workitems: Callable[[Unit], Workitems],
        extract: Extract,
    ) -> None:  # fmt: skip
        self._houses = houses
        self._spoken = spoken
        orders = Orders(directory.codes)
        projecting = Projecting(_archives(directory, houses, contents), extract)
        self._marks = directory.followed(self._systems)
        # in this order: an AE may be of an organisation that comes with it, an order for a patient who does, and a
        # report answer an order
        self._rules: Mapping[str, tuple[Rule, tuple[bytes, ...]]] = {
            "Organization": (OrganizationRule(registration), (CODES.encode(),)),
            "Device": (EntityRule(registration, DEVICE), (AE_TITLES.encode(),)),
            "Endpoint": (EntityRule(registration, ENDPOINT), (AE_TITLES.encode(),)),
            "Patient": (PatientRule(Patients()), ()),
            "ServiceRequest": (ServiceRequestRule(orders), (b'"363679005"', b'"RAD"')),
            "Encounter": (EncounterRule(), (b'"status"',)),
            "Task": (TaskRule(workitems, projecting), _OF_FEEDS),
            "Appointment": (AppointmentRule(orders, projecting), _OF_FEEDS),
            "Consent": (ConsentRule(houses), (b'"patient-privacy"',)),
            "DiagnosticReport": (DiagnosticReportRule(reports, contents), (b'"imagingStudy"', b'"basedOn"')),
        }

    def takes(self, unit: Unit, current: Stored) -> bool:
        """Whether a client may write what follows a version of a feed's."""
        house = self._houses.get(unit.organisation)
        if current.type in _FEEDS and house is not None and not current.deleted:
            return current.owner.startswith(feed(_FEEDS[current.type], house.code))
        return house is not None and may_state(house, self._spoken.get(unit.organisation, frozenset()), current)

    def act(self, unit: Unit, changes: Sequence[Change]) -> list[Change]:
        """The versions, each with whose it is, once what they ask of the archive is done."""
        done = list(changes)
        for type_name, (rule, marks) in self._rules.items():
            for place, change in enumerate(changes):
                deed = self._deed(unit, change, changes, marks) if change.type == type_name else None
                if deed is not None:
                    done[place] = rule.act(deed)
        return done

    def _systems(self) -> Mapping[int, tuple[bytes, ...]]:
        """By organisation the systems of identifiers of patients for whom it speaks."""
        return {key: tuple(house.systems.of(one).encode() for one in self._spoken.get(key, ()))
                for key, house in self._houses.items()}  # fmt: skip

    def _deed(
        self, unit: Unit, change: Change, beside: Sequence[Change], marks: tuple[bytes, ...]
    ) -> Deed | None:
        """None where a glance tells that nothing is to be done: most of what is written is none of the archive's."""
        house, previous = self._houses.get(change.organisation), None
        if house is None:
            return None
        if change.version > 1:
            previous = resources.held(unit.connection, [change.name]).get(change.name)
        spoken = self._spoken.get(change.organisation, frozenset())
        marks = marks or self._marks[change.organisation]
        if (previous is None or not previous.owner) and not any(mark in change.body for mark in marks):
            return None
        return Deed(unit, house, spoken, change, previous, beside)


def _archives(directory: Directory, houses: Mapping[int, House], contents: Contents) -> Archives:
    """Where workitems and orders are read; of series there is nothing to be made here."""
    def no_sidecar(pack: PackRow) -> SidecarIndex:
        raise PacsdError(Fault.INTERNAL, "no study is projected where clients write")

    return Archives(directory.everybody, houses, lambda _: (), no_sidecar, contents)


def authorities(settings: Settings, directory: Directory) -> Mapping[int, frozenset[str]]:
    """The assigning authorities for which each organisation speaks, by what is known of it and its peers."""
    return directory.followed(partial(_authorities, settings, directory))


def _authorities(settings: Settings, directory: Directory) -> Mapping[int, frozenset[str]]:
    known, keys = directory.known(), directory.known().keys
    found: dict[int, set[str]] = {keys[one.code]: {one.assigning_authority} for one in known.organisations.values()}
    for caller in (one for each in known.callers.values() for one in each):
        if caller.assigning_authority:
            found[keys[caller.organisation]].add(caller.assigning_authority)
    for sender in settings.hl7_senders:
        if sender.assigning_authority:
            found[keys[sender.organisation]].add(sender.assigning_authority)
    return {key: frozenset(named) for key, named in found.items()}
