"""Orders: requested procedures, and one row of the modality worklist for each scheduled procedure step."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# order_key: the number by which the order came first, "id^namespace"; it stays when the order gets another one.
# formerly: the id that was assigned to the procedure before it got its own.
# stated_at: when the journal says so; said_by, said: which application said it, and when by its own clock.
PROCEDURES = """
create table requested_procedure (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    patient bigint not null references patient,
    named_patient bigint references patient,
    stated_at timestamptz not null,
    order_key text collate "C" not null,
    requested_procedure_id text collate "C" not null,
    placer_number text collate "C" not null,
    filler_number text collate "C" not null,
    accession_number text collate "C" not null,
    study_instance_uid text collate "C" not null,
    said_by text collate "C" not null,
    said text collate "C" not null,
    formerly text collate "C" not null default '',
    unique (order_key, requested_procedure_id, organisation)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index requested_procedure_patient on requested_procedure (patient);
create index requested_procedure_named_patient on requested_procedure (named_patient) where named_patient is not null;
create index requested_procedure_placer on requested_procedure (placer_number, organisation)
    where placer_number <> '';
create index requested_procedure_filler on requested_procedure (filler_number, organisation)
    where filler_number <> '';
create index requested_procedure_accession on requested_procedure (accession_number, organisation);
create index requested_procedure_study on requested_procedure (study_instance_uid, organisation);
"""

# original: the worklist item as it was ordered, by tag; attributes: as it reads with what is stated of the patient.
# places: each station, and each "station yyyymmdd", which is what a modality asks for.
STEPS = """
create table scheduled_step (
    pk bigint generated always as identity primary key,
    procedure bigint not null references requested_procedure,
    patient bigint not null references patient,
    organisation integer not null references organisation,
    status_at timestamptz not null,
    start_date date,
    start_time time,
    birth_date date,
    open boolean not null generated always as
        (coalesce(status, '') not in ('COMPLETED', 'DISCONTINUED', 'CANCELED')) stored,
    status text collate "C",
    step_id text collate "C",
    modality text collate "C",
    performing_alphabetic text collate "C",
    performing_ideographic text collate "C",
    performing_phonetic text collate "C",
    performing_pinyin text collate "C",
    step_description text collate "C",
    location text collate "C",
    requested_procedure_id text collate "C",
    procedure_description text collate "C",
    study_instance_uid text collate "C",
    priority text collate "C",
    accession_number text collate "C",
    requesting_alphabetic text collate "C",
    requesting_ideographic text collate "C",
    requesting_phonetic text collate "C",
    requesting_pinyin text collate "C",
    referring_alphabetic text collate "C",
    referring_ideographic text collate "C",
    referring_phonetic text collate "C",
    referring_pinyin text collate "C",
    admission_id text collate "C",
    patient_location text collate "C",
    patient_id text collate "C",
    issuer_of_patient_id text collate "C",
    patient_sex text collate "C",
    patient_alphabetic text collate "C",
    patient_ideographic text collate "C",
    patient_phonetic text collate "C",
    patient_pinyin text collate "C",
    placer_number text collate "C",
    filler_number text collate "C",
    stations text[] collate "C" not null default '{}',
    station_names text[] collate "C" not null default '{}',
    protocol_codes text[] collate "C" not null default '{}',
    procedure_codes text[] collate "C" not null default '{}',
    places text[] collate "C" not null default '{}',
    attributes text not null,
    original jsonb not null,
    unique (procedure, step_id)
) with (fillfactor = 80, toast_tuple_target = 1024, autovacuum_vacuum_scale_factor = 0.05);
create index scheduled_step_patient on scheduled_step (patient);
create index scheduled_step_study on scheduled_step (study_instance_uid, organisation);
create index scheduled_step_accession on scheduled_step (accession_number, organisation);
create index scheduled_step_id on scheduled_step (step_id, organisation);
create index scheduled_step_procedure_id on scheduled_step (requested_procedure_id, organisation);
create index scheduled_step_start on scheduled_step (organisation, start_date, start_time, pk) where open;
create index scheduled_step_modality on scheduled_step (organisation, modality, start_date) where open;
create index scheduled_step_places on scheduled_step using gin (places) where open;
create index scheduled_step_patient_id on scheduled_step (patient_id, organisation);
create index scheduled_step_admission on scheduled_step (admission_id, organisation)
    where admission_id is not null;
create index scheduled_step_alphabetic on scheduled_step (patient_alphabetic, organisation)
    where patient_alphabetic is not null;
create index scheduled_step_ideographic on scheduled_step (patient_ideographic, organisation)
    where patient_ideographic is not null;
create index scheduled_step_phonetic on scheduled_step (patient_phonetic, organisation)
    where patient_phonetic is not null;
create index scheduled_step_pinyin on scheduled_step (patient_pinyin, organisation)
    where patient_pinyin is not null;
"""

# whether a message was queued before is asked by its control id
OUTGOING = """
create index hl7_outgoing_control_id on hl7_outgoing (control_id, destination);
"""

GRANTS = """
grant select, insert, update, delete on requested_procedure, scheduled_step to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (PROCEDURES, STEPS, OUTGOING, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
