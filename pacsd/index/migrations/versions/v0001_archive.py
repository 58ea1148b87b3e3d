"""The archive: organisations, patients, studies, series, loose instances, packs, tombstones, outbox."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Every text column is COLLATE "C": keys are normalised before they come here, and a prefix is a range.
# `study` and `series` are updated once per received object. So what changes there stands in no index (HOT
# updates, with room kept in each page), and what is large goes out of line, where an update leaves it alone.

ROLE = """
do $$ begin
    if not exists (select from pg_roles where rolname = 'pacsd_app') then
        create role pacsd_app nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;
do $$ begin
    if not pg_has_role(current_user, 'pacsd_app', 'set') then
        execute format('grant pacsd_app to %I', current_user);
    end if;
end $$;
"""

WHOSE = """
create table organisation (
    pk integer generated always as identity primary key,
    code text collate "C" not null unique,
    name text not null,
    assigning_authority text collate "C" not null
);

-- unidentified: of a patient without an id, whose study it is ("<organisation> <Study Instance UID>")
create table patient (
    pk bigint generated always as identity primary key,
    assigning_authority text collate "C" not null,
    patient_id text collate "C" not null,
    unidentified text collate "C" not null default '',
    overlaid_at timestamptz,
    overlay jsonb not null default '{}',
    unique (patient_id, assigning_authority, unidentified)
);

create table name_gram (
    gram text collate "C" not null,
    patient bigint not null references patient on delete cascade,
    primary key (gram, patient)
);
alter table name_gram alter gram set statistics 2000;
create index name_gram_patient on name_gram (patient);
"""

STUDY = """
create table study (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    patient bigint not null references patient,
    instances integer not null default 0,
    series integer not null default 0,
    received_at timestamptz not null,
    last_received_at timestamptz not null,
    changed boolean not null default true,
    overlaid_at timestamptz,
    study_date date,
    study_time time,
    patient_birth_date date,
    patient_birth_time time,
    study_instance_uid text collate "C" not null,
    assigning_authority text collate "C" not null,
    patient_id text collate "C" not null,
    patient_sex text collate "C",
    accession_number text collate "C",
    study_id text collate "C",
    study_description text collate "C",
    patient_alphabetic text collate "C",
    patient_ideographic text collate "C",
    patient_phonetic text collate "C",
    patient_pinyin text collate "C",
    referring_alphabetic text collate "C",
    referring_ideographic text collate "C",
    referring_phonetic text collate "C",
    referring_pinyin text collate "C",
    modalities text[] collate "C" not null default '{}',
    sop_classes text[] collate "C" not null default '{}',
    attributes text not null,
    more text not null,
    original jsonb not null,
    overlay jsonb not null default '{}',
    unique (study_instance_uid, organisation)
) with (fillfactor = 70, toast_tuple_target = 1024, autovacuum_vacuum_scale_factor = 0.05);

create index study_newest on study (organisation, study_date desc nulls last, study_time desc nulls last, pk desc);
create index study_newest_of_all on study (study_date desc nulls last, study_time desc nulls last, pk desc);
create index study_patient on study (patient);
create index study_patient_id on study (patient_id, organisation);
create index study_accession_number on study (accession_number, organisation) where accession_number is not null;
create index study_study_id on study (study_id, organisation) where study_id is not null;
create index study_description on study (study_description, organisation) where study_description is not null;
create index study_birth_date on study (patient_birth_date, organisation) where patient_birth_date is not null;
create index study_patient_alphabetic on study (patient_alphabetic, organisation)
    where patient_alphabetic is not null;
create index study_patient_ideographic on study (patient_ideographic, organisation)
    where patient_ideographic is not null;
create index study_patient_phonetic on study (patient_phonetic, organisation) where patient_phonetic is not null;
create index study_patient_pinyin on study (patient_pinyin, organisation) where patient_pinyin is not null;
create index study_referring_alphabetic on study (referring_alphabetic, organisation)
    where referring_alphabetic is not null;
create index study_referring_ideographic on study (referring_ideographic, organisation)
    where referring_ideographic is not null;
create index study_referring_pinyin on study (referring_pinyin, organisation) where referring_pinyin is not null;
create index study_changed on study (pk) where changed;
"""

SERIES = """
create table series (
    pk bigint generated always as identity primary key,
    study bigint not null references study,
    organisation integer not null references organisation,
    instances integer not null default 0,
    loose_count integer not null default 0,
    packed_count integer not null default 0,
    generation integer not null default 0,
    revision integer not null default 0,
    has_loose boolean not null default false,
    fragmented boolean not null default false,
    merging boolean not null default false,
    last_received_at timestamptz not null,
    claimed_until timestamptz,
    claimed_by text collate "C",
    performed_date date,
    performed_time time,
    series_instance_uid text collate "C" not null,
    modality text collate "C",
    series_number text collate "C",
    series_description text collate "C",
    body_part text collate "C",
    scheduled_step_ids text[] collate "C" not null default '{}',
    requested_procedure_ids text[] collate "C" not null default '{}',
    sop_classes text[] collate "C" not null default '{}',
    attributes text not null,
    more text not null,
    original jsonb not null,
    unique (study, series_instance_uid)
) with (fillfactor = 70, toast_tuple_target = 1024, autovacuum_vacuum_scale_factor = 0.05);

create index series_uid on series (series_instance_uid, organisation);
create index series_loose on series (pk) where has_loose;
create index series_claimed on series (claimed_by) where claimed_by is not null;
create index series_fragmented on series (pk) where fragmented;
create index series_performed_date on series (performed_date, organisation) where performed_date is not null;
create index series_scheduled_step on series using gin (scheduled_step_ids) where scheduled_step_ids <> '{}';
create index series_requested_procedure on series using gin (requested_procedure_ids)
    where requested_procedure_ids <> '{}';
"""

# No foreign key from instance: the statement that inserts holds its series locked (ingest_sql.py), and a
# key check per object would cost as much as the insert.
INSTANCE = """
create table instance (
    organisation integer not null,
    series bigint not null,
    received_at timestamptz not null,
    offset_bytes bigint not null,
    length_bytes bigint not null,
    dataset_offset_bytes integer not null,
    digest bytea not null,
    sop_instance_uid text collate "C" not null,
    sop_class_uid text collate "C" not null,
    transfer_syntax_uid text collate "C" not null,
    key text collate "C" not null,
    source_ae text collate "C" not null,
    attributes text not null,
    primary key (sop_instance_uid, organisation)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1);
create index instance_series on instance (series);

create table pack (
    pk bigint generated always as identity primary key,
    series bigint not null references series on delete cascade,
    generation integer not null,
    instances integer not null,
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    key text collate "C" not null unique,
    sidecar_key text collate "C" not null unique
);
create index pack_series on pack (series);

-- hash: xxh3_64 of the SOP Instance UID; a hit is verified in the sidecar
create table locator (
    hash bigint not null,
    series bigint not null,
    located_at timestamptz not null default now()
) partition by range (located_at);
create index locator_hash on locator (hash);
create index locator_series on locator (series);

create table rejection (
    organisation integer not null references organisation,
    series bigint not null,
    hash bigint not null,
    rejected_at timestamptz not null default now(),
    sop_instance_uid text collate "C" not null,
    code text collate "C" not null,
    primary key (sop_instance_uid, organisation)
);
create index rejection_series on rejection (series);

-- packed copies that nobody may see any more: a loose instance replaces them, or they were purged
create table replaced (
    series bigint not null references series on delete cascade,
    sop_instance_uid text collate "C" not null,
    primary key (series, sop_instance_uid)
);

create table garbage (
    key text collate "C" primary key,
    delete_after timestamptz not null
);
create index garbage_due on garbage (delete_after);
"""

EVENTS = """
create table event (
    pk bigint generated always as identity primary key,
    transaction xid8 not null default pg_current_xact_id(),
    organisation integer not null references organisation,
    created_at timestamptz not null default now(),
    topic text collate "C" not null,
    subject text collate "C" not null,
    body jsonb not null
);
create index event_order on event (transaction, pk);

-- A consumer works through windows of finished transactions, [window_from, window_to), in each by event key:
-- that is the order in which changes of one subject were made, and a late commit falls into a later window.
create table consumer (
    name text collate "C" primary key,
    window_from xid8 not null default '0',
    window_to xid8 not null default '0',
    event bigint not null default 0,
    leased_until timestamptz,
    holder text collate "C"
);

-- what a consumer could not handle, and what waits behind it for the same subject
create table retry (
    consumer text collate "C" not null references consumer on delete cascade,
    event bigint not null references event on delete cascade,
    attempts integer not null default 0,
    due_at timestamptz not null default now(),
    subject text collate "C" not null,
    error text not null,
    primary key (consumer, event)
);
create index retry_subject on retry (consumer, subject, event);
create index retry_event on retry (event);
"""

# The running server owns nothing; this is how it makes room for the years to come all the same.
PARTITIONS = """
create function pacsd_make_partitions(years integer) returns void
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    this integer := extract(year from now() at time zone 'UTC');
begin
    for year in this .. this + least(years, 20) loop
        if to_regclass('locator_' || year) is null then
            perform pg_advisory_xact_lock(hashtext('pacsd_make_partitions'));
            execute format(
                'create table if not exists locator_%s partition of locator for values from (%L) to (%L)',
                year, year || '-01-01 00:00:00+00', (year + 1) || '-01-01 00:00:00+00');
        end if;
    end loop;
end $$;
revoke all on function pacsd_make_partitions(integer) from public;
select pacsd_make_partitions(2);
"""

GRANTS = """
grant usage on schema public to pacsd_app;
grant select, insert, update, delete on organisation, patient, name_gram, study, series, instance, pack, locator,
    rejection, replaced, garbage, event, consumer, retry to pacsd_app;
grant execute on function pacsd_make_partitions(integer) to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (ROLE, WHOSE, STUDY, SERIES, INSTANCE, EVENTS, PARTITIONS, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
