"""Reports: what was said of studies, every version of it, whether or not the study is there."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A report is known by any of its `names`. What it is about is named by the messages, never by a row of the archive:
# the study may come later, or again. patient_ids and authorities belong together by their place.
REPORTS = """
create table diagnostic_report (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    versions integer not null default 0,
    counting integer not null default 0,
    status text collate "C" not null default '',
    critical boolean not null default false,
    changed_at timestamptz not null,
    names text[] collate "C" not null,
    patient_ids text[] collate "C" not null default '{}',
    authorities text[] collate "C" not null default '{}',
    studies text[] collate "C" not null default '{}',
    accessions text[] collate "C" not null default '{}',
    placers text[] collate "C" not null default '{}',
    fillers text[] collate "C" not null default '{}'
) with (fillfactor = 80);
create index diagnostic_report_names on diagnostic_report using gin (names);
create index diagnostic_report_studies on diagnostic_report using gin (studies);
create index diagnostic_report_accessions on diagnostic_report using gin (accessions);
create index diagnostic_report_fillers on diagnostic_report using gin (fillers);
create index diagnostic_report_changed on diagnostic_report (changed_at);

create table diagnostic_report_version (
    pk bigint generated always as identity primary key,
    report bigint not null references diagnostic_report on delete cascade,
    organisation integer not null references organisation,
    number integer not null,
    said_at timestamptz not null,
    issued_at timestamptz,
    addendum boolean not null,
    critical boolean not null,
    uid text collate "C" not null unique,
    status text collate "C" not null,
    sender text collate "C" not null,
    content_key text collate "C",
    objects text[] collate "C" not null default '{}',
    content text not null,
    unique (report, number)
);
create index diagnostic_report_version_content on diagnostic_report_version (content_key) where content_key is not null;

create table diagnostic_report_document (
    key text collate "C" not null,
    version bigint not null references diagnostic_report_version on delete cascade,
    size_bytes bigint not null,
    primary key (key, version)
);
create index diagnostic_report_document_version on diagnostic_report_document (version);
"""

# so that a message that was queued is not queued again by who comes after a crash
QUEUED = """
create index hl7_outgoing_control on hl7_outgoing (destination, control_id);
"""

GRANTS = """
grant select, insert, update, delete on diagnostic_report, diagnostic_report_version, diagnostic_report_document
    to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (REPORTS, QUEUED, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
