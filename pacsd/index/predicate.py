"""The one access predicate. Every statement that reads for somebody, or changes on somebody's behalf, holds it."""

from typing import Any

from pacsd.access.scope import LEVELS, Owned, Rejected, Scope

# What statements read of a study or series for a reader who sees more of rejections than most.
_STUDY = """pk, organisation, patient, received_at, overlaid_at, overlay, study_instance_uid, assigning_authority,
    patient_id, study_date, study_time, patient_birth_date, patient_birth_time, patient_sex, accession_number, study_id,
    study_description, patient_alphabetic, patient_ideographic, patient_phonetic, patient_pinyin,
    referring_alphabetic, referring_ideographic, referring_phonetic, referring_pinyin, attributes, more"""
_SERIES = """pk, study, organisation, revision, loose_count, performed_date, performed_time, series_instance_uid,
    modality, series_number, series_description, body_part, scheduled_step_ids, requested_procedure_ids, sop_classes,
    attributes, more"""
_MORE_INSTANCES = {Rejected.NOTES: "notes", Rejected.KEEP: "notes + {0}.kept"}


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


def keyed(alias: str, function: str, values: "list[str]", params: Params) -> str:
    """Rows that an index of array elements leads to; under row-level security by a function alone (migration v0028)."""
    return f"{alias}.pk = any(array(select {function}({params.add(values)}::text[])))"


def hidden(scope: Scope, alias: str) -> str:
    """Rows of `rejection` whose instances the asker does not see."""
    return f"{alias}.shown_from > {LEVELS[scope.rejected]}"


def study_table(scope: Scope, alias: str) -> str:
    """What stands in `from` for studies: counts, modalities and SOP classes are those that the asker sees."""
    if scope.rejected is Rejected.HIDE:
        return f"study {alias}"
    more = _MORE_INSTANCES[scope.rejected]
    unlike, shown = f"b.{more.format('b')} > 0", f"q.study = b.pk and q.instances + q.{more.format('q')} > 0"
    return f"""(select {_listed("b", _STUDY)}, b.instances + b.{more.format("b")} as instances,
        case when {unlike} then (select count(*)::integer from series q where {shown}) else b.series end as series,
        case when {unlike} then array(select distinct q.modality from series q
            where {shown} and q.modality is not null order by 1) else b.modalities end as modalities,
        case when {unlike} then array(select distinct c from series q, unnest(q.sop_classes) c
            where {shown} order by 1) else b.sop_classes end as sop_classes
        from study b) {alias}"""


def series_table(scope: Scope, alias: str) -> str:
    """The same for series."""
    if scope.rejected is Rejected.HIDE:
        return f"series {alias}"
    more = _MORE_INSTANCES[scope.rejected].format("b")
    return f"(select {_listed('b', _SERIES)}, b.instances + b.{more} as instances from series b) {alias}"


def _listed(alias: str, columns: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns.replace("\n", " ").replace(" ", "").split(","))


def open_study(scope: Scope, params: Params, alias: str) -> str:
    """Studies of the scope's organisations, and those opened to it one by one; never those that are denied.

    For a scope of which nothing is said but its organisations this is `within`, word for word.
    """
    text, opened = within(scope, params, alias), scope.opened
    if opened is None:
        return text
    if opened.opens:
        ways = [text, *_patients(opened.patients, params, alias)]
        if opened.studies:
            ways.append(f"{alias}.pk = any({params.add(list(opened.studies))}::bigint[])")
        text = f"({' or '.join(ways)})"
    barred = _patients(opened.denied_patients, params, alias)
    if opened.denied_studies:
        barred.append(f"{alias}.pk = any({params.add(list(opened.denied_studies))}::bigint[])")
    return " and ".join([text, *(f"not {one}" for one in barred)])


def _patients(owned: Owned, params: Params, alias: str) -> list[str]:
    """Rows of patients, of each as one organisation has them."""
    return [
        f"({alias}.organisation = {params.add(organisation)}"
        f" and {alias}.patient = any({params.add(list(patients))}::bigint[]))"
        for organisation, patients in owned
    ]


def visible(scope: Scope, params: Params, alias: str = "s") -> str:
    """Studies the asker sees: open to the scope, with something left to see, one copy per Study UID.

    Of several copies that of `scope.own` counts, else the earliest received. `alias` is of a `study_table`.
    """
    text = f"{open_study(scope, params, alias)} and {alias}.instances > 0"
    if len(scope.organisations) <= 1 and not (scope.opened and scope.opened.opens):
        return text
    own = params.add(scope.own)
    return f"""{text} and not exists (
        select from {study_table(scope, "copy")} where copy.study_instance_uid = {alias}.study_instance_uid
        and copy.pk <> {alias}.pk and copy.instances > 0 and {open_study(scope, params, "copy")}
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
