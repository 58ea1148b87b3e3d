"""Row-level security: roles that read for somebody see what their connection declared, whatever a statement says."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# `pacsd_reader` reads for one organisation, `pacsd_region` for several, `pacsd_guest` also what is opened one by one
# (index/declaration.py). None of them writes or inherits anything, or reads a table that is not named below.
ROLES = """
do $$ declare reader text; begin
    foreach reader in array array['pacsd_reader', 'pacsd_region', 'pacsd_guest'] loop
        begin
            if not exists (select from pg_roles where rolname = reader) then
                execute format('create role %I nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls',
                    reader);
            end if;
        exception when duplicate_object or unique_violation then null;
        end;
        if not pg_has_role(current_user, reader, 'set') then
            execute format('grant %I to %I', reader, current_user);
        end if;
    end loop;
end $$;
grant usage on schema public to pacsd_reader, pacsd_region, pacsd_guest;
grant select on organisation, patient, name_gram, study, series, instance, pack, alternate, locator, rejection,
    replaced, non_patient_instance, diagnostic_report, diagnostic_report_version,
    fhir_resource, fhir_version, fhir_token, fhir_reference, fhir_string, fhir_uri, fhir_date, fhir_number, fhir_text
    to pacsd_reader, pacsd_region, pacsd_guest;
"""

# Undeclared is null, which equals nothing. One organisation is compared as a number: with the predicate beside it that
# becomes a test of two constants, once a statement, and costs next to nothing to plan. An array stands in a sub-select:
# it is read once a statement, and only where a row asks for it.
_ORGANISATION = "organisation = current_setting('pacsd.organisation', true)::integer"
_ORGANISATIONS = "organisation = any((select current_setting('pacsd.organisations', true)::integer[])::integer[])"
_OPENERS = "organisation = any((select current_setting('pacsd.openers', true)::integer[])::integer[])"
_STUDIES = "pk in (select unnest(current_setting('pacsd.studies', true)::bigint[]))"
_OWNED = """(organisation, patient) in (select o, p from unnest(current_setting('pacsd.owners', true)::integer[],
    current_setting('pacsd.patients', true)::bigint[]) u(o, p))"""
# A row below a study or series that is seen; scalar, so that it is one look by key and never a list of all studies.
_OF_STUDY = "coalesce((select true from study t where t.pk = series.study), false)"
_OF_SERIES = "coalesce((select true from series t where t.pk = instance.series), false)"

GUESTS = {
    "study": f"{_ORGANISATIONS} or {_STUDIES} or {_OWNED}",
    "series": f"{_ORGANISATIONS} or {_OF_STUDY}",
    "instance": f"{_ORGANISATIONS} or {_OF_SERIES}",
    "non_patient_instance": _ORGANISATIONS,
    "fhir_resource": f"{_ORGANISATIONS} or {_OPENERS}",
    "fhir_version": f"{_ORGANISATIONS} or {_OPENERS}",
}


def policies() -> list[str]:
    """The server's own work is as free as it was: a policy that is always true adds nothing to its plans."""
    return [
        statement for table, guests in GUESTS.items() for statement in (
            f"create policy ours on {table} to pacsd_app using (true) with check (true)",
            f"create policy reader on {table} for select to pacsd_reader using ({_ORGANISATION})",
            f"create policy region on {table} for select to pacsd_region using ({_ORGANISATIONS})",
            f"create policy guest on {table} for select to pacsd_guest using ({guests})",
            f"alter table {table} enable row level security",
        )
    ]  # fmt: skip


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statement in (ROLES, *policies()):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
