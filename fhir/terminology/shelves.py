"""What is known here beside HL7's definitions: code systems loaded from files, and what clients keep."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fhir.store import concepts
from fhir.store.canonicals import Canonicals, Kept
from fhir.store.concepts import Loaded, Row
from fhir.terminology.concepts import CodeSystem, Concept, Header
from fhir.terminology.library import Definitions, Library, Resource
from fhir.terminology.listed import ListedCodeSystem, header
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool

_MOST_CHILDREN = 1_000                   # of a concept, told by a lookup
_MOST_SYSTEMS = 32                       # of clients, kept ready by a process


class LoadedCodeSystem:
    """A code system in tables."""

    def __init__(self, pool: Pool, scope: Scope, loaded: Loaded) -> None:
        self._pool = pool
        self._scope = scope
        self._pk = loaded.pk
        self.header: Header = header(loaded.header)

    def get(self, code: str) -> Concept | None:
        """The concept of a code."""
        found = concepts.concept(self._pool, self._scope, self._pk, code)
        if found is None and not self.header.case_sensitive:
            found = concepts.concept(self._pool, self._scope, self._pk, code, folded=True)
        return None if found is None else _concept(found)

    def is_below(self, code: str, above: str) -> bool:
        """Whether a concept is under another one, at any distance."""
        return concepts.is_below(self._pool, self._scope, self._pk, code, above)

    def children(self, code: str) -> Sequence[str]:
        """Codes right under a concept."""
        return [one.code for one in concepts.children(self._pool, self._scope, self._pk, code, most=_MOST_CHILDREN)]

    def select(self, *, below: str | None = None, words: Sequence[str] = ()) -> Iterator[Concept]:
        """Concepts in order, under one of them, with all words."""
        found = concepts.select(self._pool, self._scope, self._pk, below=below, words=words)
        return (_concept(one) for one in found)


def _concept(row: Row) -> Concept:
    told = row.told
    return Concept(row.code, told.get("display", ""), told.get("definition", ""), told.get("designation", ()),
                   told.get("property", ()), row.parents)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoadedShelf:
    """Code systems in tables, as one reader sees them."""

    pool: Pool
    scope: Scope

    def code_systems(self, url: str) -> Iterable[CodeSystem]:
        """All versions of a code system."""
        found = concepts.systems(self.pool, self.scope, url=url)
        return [LoadedCodeSystem(self.pool, self.scope, one) for one in found]

    def value_sets(self, url: str) -> Iterable[Resource]:
        """None: only code systems are loaded."""
        return ()

    def concept_maps(self) -> Iterable[Resource]:
        """None."""
        return ()

    def whole(self, value_set: str) -> Iterable[CodeSystem]:
        """Code systems that name a value set as that of all their codes."""
        found = concepts.systems(self.pool, self.scope, value_set=value_set)
        return [LoadedCodeSystem(self.pool, self.scope, one) for one in found]


@dataclass
class Terminology:
    """What one process keeps ready of terminology; used by many threads at once."""

    _canonicals: Canonicals = field(default_factory=Canonicals)
    _systems: OrderedDict[tuple[int, int], ListedCodeSystem] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def library(self, pool: Pool, scope: Scope) -> Library:
        """Everything that a reader sees. What HL7 defines comes first: nobody tells its codes otherwise."""
        return Library((Definitions(), LoadedShelf(pool, scope), ClientShelf(self, pool, scope)))

    def of_type(self, pool: Pool, scope: Scope, type_name: str) -> Iterator[Kept]:
        """Resources of a type that clients keep here."""
        return self._canonicals.of_type(pool, scope, type_name)

    def ready(self, one: Kept) -> ListedCodeSystem:
        """A client's code system, made ready once for each version."""
        key = one.pk, one.version
        with self._lock:
            found = self._systems.get(key)
        if found is None:
            found = ListedCodeSystem(one.resource)
            with self._lock:
                self._systems[key] = found
                while len(self._systems) > _MOST_SYSTEMS:
                    self._systems.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class ClientShelf:
    """What clients keep here, as one reader sees it."""

    terminology: Terminology
    pool: Pool
    scope: Scope

    def code_systems(self, url: str) -> Iterator[CodeSystem]:
        """All versions of a code system."""
        return (self.terminology.ready(one) for one in self._of_type("CodeSystem") if one.resource.get("url") == url)

    def value_sets(self, url: str) -> Iterator[Resource]:
        """All versions of a value set; by `ValueSet/id`, the one that a client keeps there."""
        own = url.removeprefix("ValueSet/") if url.startswith("ValueSet/") else None
        return (one.resource for one in self._of_type("ValueSet") if own in (None, one.resource.get("id"))
                and (own or one.resource.get("url") == url))  # fmt: skip

    def concept_maps(self) -> Iterator[Resource]:
        """All concept maps."""
        return (one.resource for one in self._of_type("ConceptMap"))

    def whole(self, value_set: str) -> Iterator[CodeSystem]:
        """Code systems that name a value set as that of all their codes."""
        found = (one for one in self._of_type("CodeSystem") if one.resource.get("valueSet") == value_set)
        return (self.terminology.ready(one) for one in found)

    def _of_type(self, type_name: str) -> Iterator[Kept]:
        return self.terminology.of_type(self.pool, self.scope, type_name)
