"""Who patients are across assigning authorities: what feeds say of them, matching, links, decisions, and every step."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# stated_at, merged_at: of what overlaid_at is the latest, so that taking a merge back leaves it as it was before.
MERGES = """
alter table patient add stated_at timestamptz, add merged_at timestamptz;
update patient set stated_at = overlaid_at where overlay - '00100020' <> '{}';
update patient p set merged_at = s.overlaid_at from patient s where s.pk = p.merged_into;
"""

# One row for each patient of whom something was stated. due: to be matched (again); announced: matched at least once.
RECORDS = """
create table patient_record (
    patient bigint primary key references patient on delete cascade,
    organisation integer not null references organisation,
    birth_date date,
    due boolean not null default true,
    announced boolean not null default false,
    details_at timestamptz,
    assigning_authority text collate "C" not null,
    patient_id text collate "C" not null,
    sex text collate "C",
    name text collate "C",
    name_alphabetic text collate "C",
    name_ideographic text collate "C",
    name_phonetic text collate "C",
    name_pinyin text collate "C",
    phone text collate "C",
    address text collate "C",
    id_card text collate "C",
    health_card text collate "C",
    social_security_card text collate "C",
    account_number text collate "C",
    mother_name text collate "C",
    multiple_birth text collate "C"
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index patient_record_due on patient_record (patient) where due;
create index patient_record_id on patient_record (assigning_authority, patient_id);
create index patient_record_alphabetic on patient_record (name_alphabetic) where name_alphabetic is not null;
create index patient_record_ideographic on patient_record (name_ideographic) where name_ideographic is not null;
create index patient_record_pinyin on patient_record (name_pinyin) where name_pinyin is not null;
create index patient_record_birth_date on patient_record (birth_date) where birth_date is not null;
create index patient_record_id_card on patient_record (id_card) where id_card is not null;
create index patient_record_health_card on patient_record (health_card) where health_card is not null;
create index patient_record_social_security_card on patient_record (social_security_card)
    where social_security_card is not null;

insert into patient_record (patient, organisation, assigning_authority, patient_id)
select p.pk, coalesce(
    (select o.pk from organisation o where o.assigning_authority = p.assigning_authority order by o.pk limit 1),
    (select min(pk) from organisation)), p.assigning_authority, p.patient_id
from patient p where p.overlay - '00100020' <> '{}' and p.unidentified = '' and exists (select from organisation);
"""

# match_key: hashes of what patients may have in common. identity_pair: what the machine found, one < other.
# identity_decision: what people and feeds said. person_member: whoever is in no row is a person alone.
MATCHING = """
create table match_key (
    key bigint not null,
    patient bigint not null references patient on delete cascade,
    primary key (key, patient)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index match_key_patient on match_key (patient);

create table identity_pair (
    one bigint not null references patient on delete cascade,
    other bigint not null references patient on delete cascade,
    automatic boolean not null,
    score real not null,
    reasons text collate "C" not null,
    primary key (one, other),
    check (one < other)
);
create index identity_pair_other on identity_pair (other);

create table identity_decision (
    one bigint not null references patient on delete cascade,
    other bigint not null references patient on delete cascade,
    linked boolean not null,
    decided_at timestamptz not null,
    primary key (one, other),
    check (one < other)
);
create index identity_decision_other on identity_decision (other);

create sequence person_number;
create table person_member (
    patient bigint primary key references patient on delete cascade,
    person bigint not null
);
create index person_member_person on person_member (person);
"""

STEPS = """
create table identity_step (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    at timestamptz not null,
    step text collate "C" not null,
    assigning_authority text collate "C" not null,
    patient_id text collate "C" not null,
    other_authority text collate "C" not null,
    other_id text collate "C" not null,
    said_by text collate "C" not null,
    unique (patient_id, assigning_authority, at, step, other_id, other_authority)
);
create index identity_step_other on identity_step (other_id, other_authority);
"""

GRANTS = """
grant select, insert, update, delete on patient_record, match_key, identity_pair, identity_decision, person_member,
    identity_step to pacsd_app;
grant usage on sequence person_number to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (MERGES, RECORDS, MATCHING, STEPS, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
