"""Row-level security of the worklist, work items, performed steps, reports and identities; keys found by arrays."""

from alembic import op

from pacsd.index.migrations.versions.v0026_row_security import _ORGANISATION, _ORGANISATIONS

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

ROLES = """
grant select on scheduled_step, requested_procedure, workitem, workitem_gone, subscriber, report,
    performed_step, patient_record, person_member, identity_step, identity_pair, identity_decision
    to pacsd_reader, pacsd_region, pacsd_guest;
"""

# What is opened one by one opens none of these: a guest's belt is that of its organisations.
TABLES = (
    "scheduled_step", "requested_procedure", "workitem", "workitem_gone", "subscriber", "report", "performed_step",
    "diagnostic_report", "diagnostic_report_version", "patient_record", "identity_step",
)  # fmt: skip

# Below two records that are seen; scalar, as of v0026. person_member, which holds numbers alone and is read with every
# identifier, has none: it leads to records, which are judged.
_SEEN = "coalesce((select true from patient_record t where t.patient = {0}), false)"
BELOW = {
    "identity_pair": f"{_SEEN.format('identity_pair.one')} and {_SEEN.format('identity_pair.other')}",
    "identity_decision": f"{_SEEN.format('identity_decision.one')} and {_SEEN.format('identity_decision.other')}",
}

# Operators of arrays are not leakproof: below a policy no index of array elements is looked into. These look for their
# owner, who has no policies, and tell keys of rows alone; what a reader gets of those rows is for their policies.
# Bodies of this kind are bound to what they name when they are made, whatever `search_path` says later.
FOUND = """
create function scheduled_steps_at(places text[]) returns setof bigint
    language sql stable parallel safe security definer rows 20
    begin atomic
        select t.pk from scheduled_step t where t.open and t.places && scheduled_steps_at.places;
    end;
create function workitems_of_stations(codes text[]) returns setof bigint
    language sql stable parallel safe security definer rows 20
    begin atomic
        select w.pk from workitem w where w.station_names && codes and w.station_names <> '{}';
    end;
create function workitems_of_accessions(numbers text[]) returns setof bigint
    language sql stable parallel safe security definer rows 2
    begin atomic
        select w.pk from workitem w where w.accession_numbers && numbers and w.accession_numbers <> '{}';
    end;
create function workitems_instead_of(uids text[]) returns setof bigint
    language sql stable parallel safe security definer rows 2
    begin atomic
        select w.pk from workitem w where w.replaced && uids and w.replaced <> '{}';
    end;
create function reports_naming(study text, accession text) returns setof bigint
    language sql stable parallel safe security definer rows 2
    begin atomic
        select r.pk from diagnostic_report r where r.studies @> array[study]
        union select r.pk from diagnostic_report r where r.accessions @> array[accession]
        union select r.pk from diagnostic_report r where r.accessions = '{}' and r.fillers @> array[accession];
    end;
"""
# A name is looked for in all of its groups: without an index of one of them in all records.
NAMES = """
create index patient_record_phonetic on patient_record (name_phonetic) where name_phonetic is not null;
"""
_FUNCTIONS = """scheduled_steps_at(text[]), workitems_of_stations(text[]), workitems_of_accessions(text[]),
    workitems_instead_of(text[]), reports_naming(text, text)"""
GRANTS = f"""
revoke all on function {_FUNCTIONS} from public;
grant execute on function {_FUNCTIONS} to pacsd_app, pacsd_reader, pacsd_region, pacsd_guest;
"""


def policies() -> list[str]:
    """As of v0026."""
    whose = dict.fromkeys(TABLES, (_ORGANISATION, _ORGANISATIONS))
    whose |= {table: (below, below) for table, below in BELOW.items()}
    return [
        statement for table, (one, several) in whose.items() for statement in (
            f"create policy ours on {table} to pacsd_app using (true) with check (true)",
            f"create policy reader on {table} for select to pacsd_reader using ({one})",
            f"create policy region on {table} for select to pacsd_region using ({several})",
            f"create policy guest on {table} for select to pacsd_guest using ({several})",
            f"alter table {table} enable row level security",
        )
    ]  # fmt: skip


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statement in (ROLES, FOUND, GRANTS, NAMES, *policies()):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
