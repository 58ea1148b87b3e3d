"""What is opened to an asker, as references between resources name it: which resource a patient or study is here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fhir.interaction.request import Asker
from fhir.projection.projected import House, about_patient
from fhir.search.keys import key
from fhir.store import shared
from pacsd.access.scope import Links, Names, Opened, Scope
from pacsd.index.connect import Pool, lent

_EVERYBODY = -1


@dataclass(frozen=True, slots=True)
class Opening:
    """Looks up links; an asker to whom nothing is opened costs nothing."""

    pool: Pool
    houses: Mapping[int, House]

    def __call__(self, asker: Asker) -> Asker:
        """The asker, with what is opened to it as FHIR has it."""
        opened = asker.scope.opened
        if opened is None or opened.links is not None or asker.access is None:
            return asker
        scope = replace(asker.scope, opened=self.linked(opened))
        access = replace(asker.access, peer=replace(asker.access.peer, scope=scope))
        return replace(asker, scope=scope, access=access)

    def linked(self, opened: Opened) -> Opened:
        """The same, as references between resources name it."""
        return replace(opened, links=self._links(opened.names))

    def _links(self, names: Names) -> Links:
        made = self._made({*names.patients, *names.denied_patients})
        return Links(
            self._patients(names.patients, made), self._studies(names.studies),
            self._patients(names.denied_patients, made), self._studies(names.denied_studies),
        )  # fmt: skip

    def _made(self, patients: Iterable[tuple[int, str, str]]) -> Mapping[tuple[int, str], str]:
        """Ids of resources that clients made of patients, by organisation and subject."""
        subjects = [(one[0], about_patient(one[1:])) for one in patients if one[0] in self.houses]
        if not subjects:
            return {}
        everybody = Scope(tuple(self.houses), _EVERYBODY)
        with lent(self.pool) as connection:
            return {about: name.id for about, name in shared.names(connection, everybody, subjects).items()}

    def _patients(
        self, patients: Iterable[tuple[int, str, str]], made: Mapping[tuple[int, str], str]
    ) -> tuple[int, ...]:
        """Both what clients made of a patient and what the archive did, for either may be there."""
        found = set()
        for whose, *patient in patients:
            if (house := self.houses.get(whose)) is not None:
                found.add(key(f"Patient/{house.id_of('patient', *patient)}"))
                if client := made.get((whose, about_patient((patient[0], patient[1])))):
                    found.add(key(f"Patient/{client}"))
        return tuple(sorted(found))

    def _studies(self, studies: Iterable[tuple[int, str]]) -> tuple[int, ...]:
        return tuple(sorted(key(f"ImagingStudy/{house.id_of('study', uid)}")
                            for whose, uid in studies if (house := self.houses.get(whose)) is not None))  # fmt: skip
