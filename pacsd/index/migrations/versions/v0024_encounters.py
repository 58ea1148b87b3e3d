"""Encounters, as far as they say that an organisation cares for somebody; and grants of a patient's images alone."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# Of a patient as an authority knows them, never by a key, for that may come later. `name`: whatever stated it calls it.
# `stands`: neither planned, cancelled nor an error. `ends`: null while it goes on.
ENCOUNTERS = """
create table care_encounter (
    organisation integer not null references organisation,
    name text collate "C" not null,
    assigning_authority text collate "C" not null,
    patient_id text collate "C" not null,
    stands boolean not null,
    starts timestamptz not null,
    ends timestamptz,
    stated_at timestamptz not null,
    primary key (organisation, name)
);
create index care_encounter_patient on care_encounter (patient_id, assigning_authority, organisation) where stands;
grant select, insert, update, delete on care_encounter to pacsd_app;
"""

# `images_only`: of a patient the studies, and nothing else; `modalities`: those of these, empty for all.
GRANTS = """
alter table access_grant
    add column images_only boolean not null default false,
    add column modalities text[] collate "C" not null default '{}';
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (ENCOUNTERS, GRANTS):
        op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
