"""The one access predicate. Every statement that reads for somebody, or changes on somebody's behalf, holds it."""

from typing import Any

from pacsd.access.scope import Scope


class Params:
    """Values of one statement; SQL text never holds a value."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: Any) -> str:
        """The placeholder that stands for a value."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"


def within(scope: Scope, params: Params, alias: str) -> str:
    """Rows of the scope's organisations; for rows that have an `organisation` and no copies to choose from."""
    if len(scope.organisations) == 1:
        return f"{alias}.organisation = {params.add(scope.organisations[0])}"
    return f"{alias}.organisation = any({params.add(list(scope.organisations))})"


def visible(scope: Scope, params: Params, alias: str = "s") -> str:
    """Studies the asker sees: of the scope's organisations, with something left to see, one copy per Study UID.

    Of several copies that of `scope.own` counts, else the earliest received.
    """
    text = f"{within(scope, params, alias)} and {alias}.instances > 0"
    if len(scope.organisations) <= 1:
        return text
    own = params.add(scope.own)
    return f"""{text} and not exists (
        select from study copy where copy.study_instance_uid = {alias}.study_instance_uid
        and copy.pk <> {alias}.pk and copy.instances > 0 and {within(scope, params, "copy")}
        and (copy.organisation <> {own}, copy.received_at, copy.pk)
            < ({alias}.organisation <> {own}, {alias}.received_at, {alias}.pk))"""


def visible_workitem(scope: Scope, params: Params, alias: str = "w") -> str:
    """Workitems the asker sees: of the scope's organisations, one copy per UID, as of studies."""
    return _one_per_uid("workitem", ("pk",), scope, params, alias)


def visible_performed_step(scope: Scope, params: Params, alias: str = "t") -> str:
    """Performed steps the asker sees: of the scope's organisations, one copy per UID, as of studies."""
    return _one_per_uid("performed_step", ("pk",), scope, params, alias)


def visible_non_patient(scope: Scope, params: Params, alias: str = "o") -> str:
    """Instances of no patient that the asker sees: of the scope's organisations, one copy per UID, as of studies."""
    return _one_per_uid("non_patient_instance", ("received_at", "pk"), scope, params, alias)


def _one_per_uid(table: str, oldest: tuple[str, ...], scope: Scope, params: Params, alias: str) -> str:
    text = within(scope, params, alias)
    if len(scope.organisations) <= 1:
        return text
    own = params.add(scope.own)
    copy, this = (", ".join(f"{one}.{name}" for name in oldest) for one in ("copy", alias))
    return f"""{text} and not exists (
        select from {table} copy where copy.sop_instance_uid = {alias}.sop_instance_uid
        and copy.pk <> {alias}.pk and {within(scope, params, "copy")}
        and (copy.organisation <> {own}, {copy}) < ({alias}.organisation <> {own}, {this}))"""
