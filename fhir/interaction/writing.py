"""What is written for somebody, one resource or a transaction's many: decided and done in one transaction.

All locks are taken at once, in one order (fhir.store.locks). Who is found by criteria, or by a reference that is a
search, is decided while they are held, so two who look for the same and find nothing do not both make it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir.format import json
from fhir.interaction import criteria as conditions
from fhir.interaction import rewriting, search
from fhir.interaction.criteria import Criteria
from fhir.interaction.patches import Patched, patch_of
from fhir.interaction.request import Answer, Asker, Request, checked_id, etag
from fhir.interaction.services import Server
from fhir.interaction.versions import acceptable, first, following, held_to, named, removal
from fhir.outcome import FhirError, Issue, located
from fhir.store import locks
from fhir.store.locks import Locks
from fhir.store.search import matches
from fhir.store.stored import Change, Name, Stored
from fhir.store.unit import Unit
from pacsd.faults import Fault

CREATE, UPDATE, PATCH, DELETE = "create", "update", "patch", "delete"
NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing to be written. `name` is the resource that is meant, unless `criteria` find it.

    A create has the name that it will be given; `full_url` is what other entries of a transaction call it.
    """

    kind: str
    request: Request
    name: Name
    resource: dict[str, Any] | None = None
    criteria: Criteria | None = None
    patch: Patched | None = None
    full_url: str = ""
    where: str = ""                      # of a transaction: `Bundle.entry[3]`
    new: bool = False                    # the name is one that nobody has
    issues: tuple[Issue, ...] = ()
    most: int = 1                        # resources that criteria may find

    def locks(self) -> Locks:
        """What must be held before anything is looked for."""
        if self.criteria is None:
            return {} if self.new else locks.of_resources([self.name])
        own = conditions.identifiers(self.resource) if self.resource is not None else []
        return locks.joined(self.criteria.locks(), locks.of_identifiers(self.name.type, own))


@dataclass(slots=True)
class _Decided:
    """An intent with what is known once everything is held."""

    intent: Intent
    name: Name
    there: bool = False                  # criteria found it
    current: Stored | None = None
    change: Change | None = None
    issues: tuple[Issue, ...] = ()       # what is to be said of what a patch makes
    same: "_Decided | None" = None       # an entry before it makes what its criteria would find
    others: list["_Decided"] = field(default_factory=list)


def write_all(
    server: Server, asker: Asker, intents: Sequence[Intent], then: Callable[[Unit], None] | None = None
) -> list[Answer]:
    """Do all of it, or nothing; the answers in the order of intents. `then` sees what was written before it counts.

    A transaction gives one: in its resources references may be searches (http.html#trules), elsewhere they stay.

    Raises FhirError, whose `expression` is that of nobody: see fhir.interaction.transaction.
    """
    references = {link: conditions.of_reference(link) for one in intents if then is not None
                  for link in (rewriting.conditional(one.resource) if one.resource else ())}  # fmt: skip
    held = locks.joined(*(one.locks() for one in intents), *(one.locks() for one in references.values()))

    def act(unit: Unit) -> list[Answer]:
        unit.base, unit.permit = intents[0].request.base if intents else "", asker.permitted
        decided = _decide(server, unit, intents)
        names = {one.intent.full_url: str((one.same or one).name) for one in decided if one.intent.full_url}
        _load(unit, decided)
        if references:
            names.update(_resolved(server, unit, decided, names, references))
        unit.write(_changes(server, unit, decided, names))
        _kept(unit, decided)
        if then is not None:
            then(unit)
        return [_answer(one) for one in decided]

    return server.units.run(act, scope=asker.scope, organisation=asker.organisation, held=held)


def write(server: Server, asker: Asker, intent: Intent) -> Answer:
    """Do one thing."""
    return write_all(server, asker, [intent])[0]


def _changes(server: Server, unit: Unit, decided: Sequence[_Decided], names: Mapping[str, str]) -> list[Change]:
    """The versions that come of it. `names`: what links read from now on."""
    for one in decided:
        with located(one.intent.where):
            one.change = _change(server, unit, one, names)
    return [one.change for one in _all(decided) if one.change is not None]


def _resolved(
    server: Server, unit: Unit, decided: Sequence[_Decided], names: Mapping[str, str],
    references: Mapping[str, Criteria],
) -> dict[str, str]:
    """What references that are searches stand for: they come last (http.html#trules), and find what the transaction
    writes. Where it may be found, it is written for as long as they are looked for."""
    request = decided[0].intent.request
    types = {one.name.type for one in _all(decided)}
    if any(one.may_find_what_changes(types) for one in references.values()):
        with unit.tried(_changes(server, unit, decided, names)):
            return {link: _one_of(server, unit, request, one) for link, one in references.items()}
    return {link: _one_of(server, unit, request, one) for link, one in references.items()}


def _decide(server: Server, unit: Unit, intents: Sequence[Intent]) -> list[_Decided]:
    """Who is meant by each, in the order of intents: deletions first, of which no later one finds anything."""
    decided: dict[int, _Decided] = {}
    gone: set[Name] = set()
    made: dict[Criteria, _Decided] = {}
    for number in sorted(range(len(intents)), key=lambda one: intents[one].kind != DELETE):
        intent = intents[number]
        with located(intent.where):
            one = decided[number] = _decided(server, unit, intent, gone)
        if intent.kind == DELETE:
            gone.update(each.name for each in _all([one]))
        elif intent.kind == CREATE and intent.criteria is not None and not one.there:
            one.same = made.setdefault(intent.criteria, one)
    return [decided[number] for number in range(len(intents))]


def _decided(server: Server, unit: Unit, intent: Intent, gone: Collection[Name]) -> _Decided:
    """Who is meant (http.html#ccreate, #cond-update, #delete)."""
    if intent.criteria is None:
        return _Decided(intent, intent.name)
    found = _matching(server, unit, intent.request, intent.criteria, intent.most + 1 + len(gone))
    found = [one for one in found if one not in gone]
    if len(found) > intent.most:
        raise FhirError(Fault.STALE, f"the criteria find more than {intent.most} of {intent.name.type}",
                        code="multiple-matches")  # fmt: skip
    if not found:
        if intent.kind == PATCH:
            raise FhirError(Fault.NOT_FOUND, "the criteria find no resource")
        return _Decided(intent, intent.name)
    given = (intent.resource or {}).get("id")
    if intent.kind == UPDATE and given is not None and given != found[0].id:
        raise FhirError(Fault.MISMATCH, "the body has another id than the resource that the criteria find",
                        expression=("id",))  # fmt: skip
    made = [_Decided(intent, one, there=True) for one in found]
    made[0].others = made[1:]
    return made[0]


def _matching(server: Server, unit: Unit, request: Request, criteria: Criteria, most: int) -> list[Name]:
    """At most so many that criteria find, as the unit sees them. Raises FhirError for what is unknown in them."""
    query = search.criteria(server, request.base, criteria.type, criteria.parameters)
    return [Name(one.type, one.id) for one in matches(unit.connection, unit.scope, query, limit=most)]


def _one_of(server: Server, unit: Unit, request: Request, criteria: Criteria) -> str:
    """What a reference that is a search stands for (http.html#trules)."""
    found = _matching(server, unit, request, criteria, 2)
    if len(found) != 1:
        raise FhirError(Fault.STALE, f"a conditional reference to a {criteria.type} finds "
                        + ("more than one" if found else "nothing"), code="multiple-matches" if found else "not-found",
                        )  # fmt: skip
    return str(found[0])


def _all(decided: Iterable[_Decided]) -> Iterable[_Decided]:
    for one in decided:
        yield one
        yield from one.others


def _load(unit: Unit, decided: Sequence[_Decided]) -> None:
    """Read what is to be written as it is now. Raises FhirError where two speak of one resource."""
    written = [one for one in _all(decided) if one.intent.kind != CREATE and not (one.intent.new and not one.there)]
    names: set[Name] = set()
    for one in written:
        if one.name in names:
            with located(one.intent.where):
                raise FhirError(Fault.MISMATCH, f"{one.name} is written twice", code="duplicate")
        names.add(one.name)
    shown = [one for one in decided if one.intent.kind == CREATE and one.there]
    found = {**unit.newest(list(names)), **unit.shown([one.name for one in shown if one.name not in names])}
    for one in (*written, *shown):
        one.current = found.get(one.name)


def _change(server: Server, unit: Unit, decided: _Decided, names: Mapping[str, str]) -> Change | None:
    intent, current = decided.intent, decided.current
    if intent.kind == CREATE and (decided.there or decided.same not in (None, decided)):
        return None
    if intent.kind == DELETE:
        for one in decided.others:
            one.change = _removed(unit, one)
        return _removed(unit, decided)
    if intent.kind != CREATE:
        held_to(intent.request, _seen(unit, current))
    resource = intent.resource or {}
    if intent.patch is not None:
        resource = _patched(server, unit, decided, intent.patch)
    if names:
        resource = rewriting.rewritten(resource, names, full_url=intent.full_url)
    resource = rewriting.relative(resource, intent.request.base)
    if current is None:
        method = "POST" if intent.kind == CREATE else "PUT"
        return first(server, unit, decided.name, resource, method=method, pk=unit.keys(1)[0])
    method = "PATCH" if intent.kind == PATCH else "PUT"
    return following(server, unit, current, decided.name, resource, method=method)


def _kept(unit: Unit, decided: Sequence[_Decided]) -> None:
    """What is answered is what was kept, which may tell what came of it."""
    written = {one.name: one for one in unit.changes}
    for one in decided:
        if one.change is not None:
            one.change = written[one.change.name]


def _removed(unit: Unit, decided: _Decided) -> Change | None:
    """The version that says it was deleted; none of what is not there, or not for the asker (http.html#delete)."""
    seen = _seen(unit, decided.current)
    held_to(decided.intent.request, seen)
    return removal(unit, seen) if seen is not None else None


def _seen(unit: Unit, current: Stored | None) -> Stored | None:
    """What the writer may know of: conditions tell nothing, by their answer or its ETag, of what is another's."""
    return current if current is not None and current.organisation in unit.scope.organisations else None


def _patched(server: Server, unit: Unit, decided: _Decided, patch: Patched) -> dict[str, Any]:
    current = _seen(unit, decided.current)
    if current is None:
        raise FhirError(Fault.NOT_FOUND, "there is no such resource")
    if current.deleted:
        raise FhirError(Fault.GONE, f"the resource was deleted in version {current.version}",
                        headers={"ETag": etag(current)})  # fmt: skip
    told = patch(json.read(current.body))
    if told.get("id") != current.id:
        raise FhirError(Fault.INVALID, "a patch cannot change the id", expression=("id",))
    decided.issues = acceptable(server, told, current.type)
    return told


def _answer(decided: _Decided) -> Answer:
    intent, current, change = decided.intent, decided.current, decided.change
    if intent.kind == CREATE and decided.same is not None and decided.same is not decided:
        current = decided.same.change.stored if decided.same.change is not None else None
    if intent.kind == DELETE:
        last = change.stored if change is not None else current
        return Answer(NO_CONTENT, headers={"ETag": etag(last)} if last is not None and last.deleted else {})
    stored = change.stored if change is not None else current
    new = change is not None and (current is None or current.deleted)
    return Answer(201 if new else 200, stored=stored, about=stored, located=True, written=True,
                  issues=decided.issues or intent.issues)  # fmt: skip


def create_intent(server: Server, request: Request, *, full_url: str = "") -> Intent:
    """What a create asks for (http.html#create, #ccreate). Raises FhirError where the body is refused."""
    resource = request.body()
    issues = acceptable(server, resource, request.type)
    condition = request.conditions.if_none_exist
    criteria = conditions.of_text(request.type, condition) if condition else None
    return Intent(CREATE, request, Name(request.type, server.new_id()), resource, criteria, full_url=full_url,
                  issues=issues, new=True)  # fmt: skip


def update_intent(server: Server, request: Request, *, full_url: str = "") -> Intent:
    """What an update asks for (http.html#update, #cond-update). Raises FhirError where the body is refused."""
    resource = request.body()
    issues = acceptable(server, resource, request.type)
    if request.id:
        named(resource, request.id)
        return Intent(UPDATE, request, request.name, resource, full_url=full_url, issues=issues)
    given = resource.get("id")
    logical_id = server.new_id() if given is None else checked_id(str(given))
    criteria = conditions.of_parameters(request.type, request.parameters)
    if request.type == "Patient":
        resource = conditions.identified(resource, criteria)
    return Intent(UPDATE, request, Name(request.type, logical_id), resource, criteria, full_url=full_url, issues=issues,
                  new=given is None)  # fmt: skip


def delete_intent(server: Server, request: Request, *, full_url: str = "") -> Intent:
    """What a delete asks for (http.html#delete)."""
    if request.id:
        return Intent(DELETE, request, request.name, full_url=full_url)
    criteria = conditions.of_parameters(request.type, request.parameters)
    return Intent(DELETE, request, Name(request.type, ""), criteria=criteria, most=server.limits.conditional_deletes)


def patch_intent(server: Server, request: Request, *, full_url: str = "") -> Intent:
    """What a patch asks for (http.html#patch). Raises FhirError where the patch cannot be read."""
    patch = patch_of(request)
    if request.id:
        return Intent(PATCH, request, request.name, patch=patch, full_url=full_url)
    criteria = conditions.of_parameters(request.type, request.parameters)
    return Intent(PATCH, request, Name(request.type, ""), criteria=criteria, patch=patch, full_url=full_url)


INTENTS: Mapping[str, Callable[..., Intent]] = {
    "POST": create_intent, "PUT": update_intent, "PATCH": patch_intent, "DELETE": delete_intent,
}  # fmt: skip
