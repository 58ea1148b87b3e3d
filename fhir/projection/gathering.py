"""From subjects of the archive to the resources that they are, for a whole batch at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from fhir.projection import document_reference
from fhir.projection.appointment import appointments
from fhir.projection.datatypes import text
from fhir.projection.device import devices
from fhir.projection.diagnostic_report import diagnostic_report
from fhir.projection.document_reference import documents, encapsulated
from fhir.projection.encounter import encounter
from fhir.projection.imaging_study import Instance, imaging_study, lists_instances
from fhir.projection.observation import observations
from fhir.projection.patient import patient, unidentified
from fhir.projection.practitioner import practitioners
from fhir.projection.projected import BY_FHIR, House, Known, Projected, about_order, about_patient, about_report
from fhir.projection.provenance import provenance
from fhir.projection.report_source import ReportSource
from fhir.projection.service_request import service_request
from fhir.projection.subjects import Subjects
from fhir.projection.task import patient_of, study_of, task
from fhir.store import shared
from fhir.store.stored import Name
from pacsd.access.scope import Scope
from pacsd.archive.sidecar import SidecarIndex
from pacsd.faults import Fault, PacsdError
from pacsd.index import reports as report_rows
from pacsd.index import sources
from pacsd.index.connect import Connection
from pacsd.index.records import PackRow, SeriesContent
from pacsd.index.sources import OrderSource, PatientSource, StudySource, Subject, WorkitemSource
from pacsd.reports.contents import Contents
from pacsd.reports.counting import counting
from pacsd.reports.report import Document
from pacsd.reports.reports import version_of


@dataclass(frozen=True, slots=True)
class Archives:
    """Where the archive is read. `contents`: series by their keys."""

    everybody: Callable[[], Scope]
    houses: Mapping[int, House]
    contents: Callable[[Sequence[int]], Sequence[SeriesContent]]
    sidecar: Callable[[PackRow], SidecarIndex]
    documents: Contents

    @property
    def scope(self) -> Scope:
        """All organisations that there are now."""
        return self.everybody()


@dataclass(slots=True)
class Gathered:
    """What subjects have become. `gone`: names of resources whose subjects are there no more."""

    projected: list[Projected] = field(default_factory=list)
    gone: list[tuple[int, Name]] = field(default_factory=list)
    shared: Mapping[tuple[int, str], Name] = field(default_factory=dict)


@dataclass(slots=True)
class _Read:
    studies: Sequence[StudySource]
    orders: Sequence[OrderSource]
    reports: Sequence[ReportSource]
    workitems: Sequence[WorkitemSource]
    patients: Sequence[PatientSource] = ()


def gather(connection: Connection, archives: Archives, asked: Subjects) -> Gathered:
    """The resources of all subjects, each once, as the archive is at this moment."""
    _widen(connection, archives.scope, asked)
    read = _read(connection, archives, asked)
    known, made = _known(connection, archives, read)
    instances = _instances(archives, [one for one in read.studies if lists_instances(one)])
    found: dict[tuple[str, str], Projected] = {}
    for one in _projected(archives.houses, read, known, instances):
        found.setdefault(one.name, one)
    return Gathered(list(found.values()), _gone(archives.houses, asked, read), made)


def alone(connection: Connection, archives: Archives, asked: Subjects) -> list[Projected]:
    """What workitems and orders are at this moment, without what else they change."""
    read = _read(connection, archives, asked)
    known, _ = _known(connection, archives, read)
    return list(_projected(archives.houses, read, known, {}))


def _widen(connection: Connection, scope: Scope, asked: Subjects) -> None:
    """Subjects that say something of others that have changed."""
    asked.studies.update(sources.studies_of(connection, scope, asked.moved))
    asked.orders.update(sources.orders_of(connection, scope, asked.moved))
    asked.studies.update(sources.studies_ordered(connection, scope, asked.orders))
    asked.reports.update(sources.reports_on(connection, scope, asked.studies))
    asked.reports.update(sources.reports_of(connection, scope, asked.moved))
    asked.workitems.update(sources.workitems_on(connection, scope, asked.studies))


def _read(connection: Connection, archives: Archives, asked: Subjects) -> _Read:
    scope = archives.scope
    read = _Read(
        sources.studies(connection, scope, asked.studies),
        sources.orders(connection, scope, asked.orders),
        list(_reports(connection, archives, asked.reports)),
        sources.workitems(connection, scope, asked.workitems),
    )
    read.patients = sources.patients(connection, scope, asked.patients, _also(archives.houses, read))
    return read


def _also(houses: Mapping[int, House], read: _Read) -> set[tuple[int, str, str]]:
    """The patients that what was read is about, each in the organisation that has it."""
    found = {(one.organisation, *one.patient) for one in read.studies if not one.unidentified}
    found |= {(one.organisation, *one.patient) for one in read.orders}
    found |= {(one.organisation, *each) for one in read.reports for each in one.patients}
    for one in read.workitems:
        if (one.organisation in houses) and (whose := patient_of(houses[one.organisation], one)):
            found.add((one.organisation, *whose))
    return found


def _reports(connection: Connection, archives: Archives, asked: Iterable[Subject]) -> Iterator[ReportSource]:
    keys = [pk for _, pk in sources.reports(connection, archives.scope, asked)]
    for row, versions in report_rows.of_keys(connection, archives.scope, keys):
        said = tuple(map(version_of, versions))
        counts = counting(said)
        if counts is not None:
            mine = Scope((row.organisation,), row.organisation)
            studies = report_rows.studies_named(connection, mine, row.pk)
            held = _documents(archives.documents, counts.content.documents)
            yield ReportSource(row, said, counts, tuple(studies), held)


def _documents(contents: Contents, listed: Sequence[Document]) -> dict[str, bytes]:
    """The documents that are small enough; one that cannot be read is named without its content."""
    found = {}
    for one in listed:
        if one.size_bytes <= document_reference.MOST_BYTES:
            try:
                found[one.key] = contents.read(one.key)
            except PacsdError as error:
                if error.fault is not Fault.NOT_FOUND:
                    raise
    return found


def _known(
    connection: Connection, archives: Archives, read: _Read
) -> tuple[Known, Mapping[tuple[int, str], Name]]:
    numbers = {(one.organisation, number) for one in read.reports for number in (
        *one.row.studies, *one.row.fillers, *one.row.placers, *one.row.accessions)}  # fmt: skip
    orders = sources.orders_numbered(connection, archives.scope, numbers)
    about = {(one.organisation, about_patient(each)) for one in read.patients
             for each in (one.patient, *([one.into] if one.into else ()), *one.same)}  # fmt: skip
    about |= {(one.organisation, about_order(one.order_key, one.name)) for one in read.orders}
    about |= {(one.organisation, about_order(*each)) for one in read.studies for each in one.ordered}
    about |= {(organisation, about_order(*found)) for (organisation, _), found in orders.items()}
    about |= {(one.organisation, about_report(one.name)) for one in read.reports}
    made = shared.names(connection, archives.scope, about)
    known = Known(
        {(one.organisation, *one.patient) for one in read.patients}, orders,
        sources.studies_shown(connection, archives.scope, {(one.organisation, uid) for one in read.workitems
                                                           if (uid := study_of(one))}),
        {about: name.id for about, name in made.items()},
        {(one.organisation, *one.patient): one.into for one in read.patients if one.into is not None},
    )  # fmt: skip
    return known, made


def _projected(
    houses: Mapping[int, House], read: _Read, known: Known, instances: Mapping[int, Sequence[Instance]]
) -> Iterator[Projected]:
    for person in read.patients:
        if (house := houses.get(person.organisation)) is not None:
            yield from _of_patient(house, person, known)
    for study in read.studies:
        if (house := houses.get(study.organisation)) is not None:
            yield from _of_study(house, study, known, instances)
    for order in read.orders:
        if (house := houses.get(order.organisation)) is not None:
            yield from _of_order(house, order, known)
    for report in read.reports:
        if (house := houses.get(report.organisation)) is not None:
            yield from _of_report(house, report, known)
    for workitem in read.workitems:
        if (house := houses.get(workitem.organisation)) is not None:
            yield task(house, workitem, known)


def _of_patient(house: House, source: PatientSource, known: Known) -> Iterator[Projected]:
    one = patient(house, source, known)
    yield one
    if source.stated_at is not None:
        yield provenance(house, one, at=source.stated_at, teller="", known_as=_shared_id(house, known, one))


def _of_study(
    house: House, source: StudySource, known: Known, instances: Mapping[int, Sequence[Instance]]
) -> Iterator[Projected]:
    if source.unidentified:
        yield unidentified(house, source)
    one = imaging_study(house, source, instances, known)
    yield one
    yield from devices(house, source)
    yield from encapsulated(house, source, instances, known)
    yield provenance(house, one, at=source.received_at, teller="")


def _of_order(house: House, source: OrderSource, known: Known) -> Iterator[Projected]:
    one = service_request(house, source, known)
    yield one
    yield from appointments(house, source, known)
    if source.said_by != BY_FHIR:
        visit = encounter(house, source, known)
        if visit is not None:
            yield visit
        yield provenance(house, one, at=source.stated_at, teller=source.said_by,
                         known_as=_shared_id(house, known, one))  # fmt: skip


def _of_report(house: House, source: ReportSource, known: Known) -> Iterator[Projected]:
    one = diagnostic_report(house, source, known)
    yield one
    newest = source.counting.newest
    if newest.sender != BY_FHIR:
        yield from observations(house, source, known)
        yield from documents(house, source, known)
        yield from practitioners(house, source)
        yield provenance(house, one, at=newest.said_at, teller=newest.sender, known_as=_shared_id(house, known, one))


def _shared_id(house: House, known: Known, one: Projected) -> str:
    return known.shared.get((house.organisation, one.subject), "")


def _gone(houses: Mapping[int, House], asked: Subjects, read: _Read) -> list[tuple[int, Name]]:
    """Studies of which nothing is shown any more, with who told of them, and a patient who is known by one alone."""
    there = {(one.organisation, one.study_instance_uid) for one in read.studies}
    found = []
    for organisation, uid in sorted(asked.studies - there):
        if (house := houses.get(organisation)) is not None:
            made = house.id_of("study", uid)
            found.append((organisation, Name("ImagingStudy", made)))
            found.append((organisation, Name("Patient", house.id_of("unidentified", uid))))
            found.append((organisation, Name("Provenance", house.id_of("provenance", "ImagingStudy", made))))
    return found


def _instances(archives: Archives, studies: Sequence[StudySource]) -> dict[int, list[Instance]]:
    """The visible instances of each series, by number and UID."""
    keys = [series.pk for study in studies for series in study.series]
    found: dict[int, list[Instance]] = {}
    for content in archives.contents(keys) if keys else ():
        texts = _texts(archives, content)
        listed = (_instance(sop, sop_class, members) for sop, sop_class, members in texts)
        found[content.series] = sorted(listed, key=_place)
    return found


def _place(one: Instance) -> tuple[bool, int, str]:
    return one.number is None, one.number or 0, one.sop_instance_uid


def _texts(archives: Archives, content: SeriesContent) -> Iterator[tuple[str, str, str]]:
    hidden = content.rejected | content.replaced
    for pack in content.packs:
        sidecar = archives.sidecar(pack)
        for entry, members in zip(sidecar.entries, sidecar.attributes(), strict=True):
            if entry.sop_instance_uid not in hidden:
                yield entry.sop_instance_uid, entry.sop_class_uid, members
    for loose in content.loose:
        if loose.sop_instance_uid not in content.rejected:
            yield loose.sop_instance_uid, loose.sop_class_uid, loose.attributes


def _instance(sop_instance_uid: str, sop_class_uid: str, members: str) -> Instance:
    attributes = orjson.loads("{" + members + "}")
    number = text(attributes, "00200013")
    title = text(attributes, "0040A043.00080104") or text(attributes, "00700080")
    return Instance(sop_instance_uid, sop_class_uid, int(number) if _is_number(number) else None, title)


def _is_number(written: str) -> bool:
    return written.isascii() and written.isdecimal() and int(written[:20]) < 1 << 31
