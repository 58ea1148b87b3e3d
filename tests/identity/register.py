"""A house whose patients are stated as feeds do it, and what became of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.settings import IdentitySettings, OrganisationSettings, Settings
from pacsd.access.directory import Directory
from pacsd.archive.journal import FactKind
from pacsd.archive.overlay import Overlays
from pacsd.archive.truth import Truth
from pacsd.identity.patients import PatientKey, Patients
from pacsd.identity.person import Persons
from pacsd.identity.services import Identity, appliers
from pacsd.identity.work import working
from pacsd.index.work import Work
from tests.archive.house import House, opened

TWO = (OrganisationSettings("east", assigning_authority="E", reads=("west",)),
       OrganisationSettings("west", assigning_authority="W"))  # fmt: skip


class Register:
    """Patients of the authorities E and W; `state("E", "1", "张^三", ...)`."""

    def __init__(self, house: House, **settings: Any) -> None:
        self.house = house
        made = Settings(organisations=TWO, identity=IdentitySettings(**settings))
        self.directory = Directory(made, house.keys)
        self.identity = Identity(made.identity, house.pool, house.journal, self.directory)
        self.patients = Patients()

    @contextmanager
    def working(self, code: str = "east") -> Iterator[Work]:
        with working(self.house.pool, self.house.journal.append_all, self.house.keys[code]) as work:
            yield work

    def state(
        self, authority: str, patient_id: str, name: str = "", birth_date: str = "", sex: str = "", **details: str
    ) -> PatientKey:
        key = PatientKey(authority, patient_id)
        given = (("00100010", "PN", {"Alphabetic": name} if name else ""), ("00100030", "DA", birth_date),
                 ("00100040", "CS", sex))  # fmt: skip
        attributes: dict[str, Mapping[str, Any] | None] = {
            tag: {"vr": vr, "Value": [value]} for tag, vr, value in given if value
        }
        with self.working({"E": "east", "W": "west"}[authority]) as work:
            self.patients.state(work, key, attributes, details)
        return key

    def merge(self, prior: PatientKey, survivor: PatientKey) -> bool:
        with self.working() as work:
            return self.patients.merge(work, prior=prior, survivor=survivor)

    def decide(self, one: PatientKey, other: PatientKey, *, linked: bool) -> None:
        with self.working() as work:
            Persons().decide(work, one, other, linked=linked)

    def persons(self) -> set[frozenset[tuple[str, str]]]:
        """Everybody who is linked to somebody."""
        self.identity.linker.run_all()
        with self.house.pool.connection() as connection:
            found = connection.execute(
                """select array_agg(p.assigning_authority order by p.pk), array_agg(p.patient_id order by p.pk)
                from person_member m join patient p on p.pk = m.patient group by m.person"""
            ).fetchall()
        return {frozenset(zip(*row, strict=True)) for row in found}

    def doubtful(self) -> set[frozenset[tuple[str, str]]]:
        """Pairs to be reviewed."""
        self.identity.linker.run_all()
        return {frozenset((one.one.key, one.other.key)) for one in self.identity.review("east", limit=1000)}

    def forget(self) -> None:
        """All that the index knows of patients, but for which studies there are."""
        with self.house.pool.connection() as connection:
            connection.execute("update study set patient = named_patient where named_patient is not null")
            connection.execute("update study set named_patient = null")
            for table in ("patient_record", "match_key", "identity_pair", "identity_decision", "person_member",
                          "identity_step"):  # fmt: skip
                connection.execute(f"delete from {table}")
            connection.execute("update patient set overlay = '{}', overlaid_at = null, stated_at = null,"
                               " merged_at = null, survivor = null, merged_into = null")  # fmt: skip

    def replay(self, *, times: int = 1) -> None:
        """Everything that the journal says, each fact so many times."""
        house = self.house
        truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
        apply = {FactKind.PATIENT_OVERLAY: Overlays(house.journal, truth).apply, **appliers(house.pool)}
        for fact in house.journal.replay():
            for _ in range(times):
                apply[fact.kind](fact)

    def shown(self) -> list[tuple[Any, ...]]:
        """All that anybody sees of studies and patients, times included."""
        with self.house.pool.connection() as connection:
            studies = connection.execute(
                """select s.study_instance_uid, s.patient_id, s.attributes, s.more, p.patient_id, p.overlay,
                    p.overlaid_at, n.patient_id
                from study s join patient p on p.pk = s.patient left join patient n on n.pk = s.named_patient
                order by s.study_instance_uid"""
            ).fetchall()
            records = connection.execute(
                """select r.assigning_authority, r.patient_id, r.name, r.birth_date, r.sex, r.phone, r.health_card,
                    r.organisation, p.merged_into is null
                from patient_record r join patient p on p.pk = r.patient order by 1, 2"""
            ).fetchall()
            steps = connection.execute(
                """select at, step, assigning_authority, patient_id, other_authority, other_id, said_by, organisation
                from identity_step where said_by <> 'matching' order by at, step, 3, 4, 5, 6"""
            ).fetchall()
        return [*studies, *records, *steps]


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def opened_register(dsn: str, root: Path, **settings: Any) -> Iterator[Register]:
    with opened(dsn, root) as house:
        yield Register(house, **settings)
