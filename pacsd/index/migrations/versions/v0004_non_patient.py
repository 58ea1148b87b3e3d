"""Instances that belong to no patient: color palettes, hanging protocols, implant templates, …"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# A hospital has hundreds, not millions: they are found by class, and what else is asked for is matched in the rows.
NON_PATIENT = """
create table non_patient_instance (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    received_at timestamptz not null,
    length_bytes bigint not null,
    dataset_offset_bytes integer not null,
    digest bytea not null,
    sop_instance_uid text collate "C" not null,
    sop_class_uid text collate "C" not null,
    transfer_syntax_uid text collate "C" not null,
    key text collate "C" not null unique,
    attributes text not null,
    unique (sop_instance_uid, organisation)
);
create index non_patient_instance_class on non_patient_instance (sop_class_uid, organisation, received_at, pk);
grant select, insert, update, delete on non_patient_instance to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    op.get_bind().exec_driver_sql(NON_PATIENT.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
