"""Share links, studies whose viewing by link is closed, and what is sent to tell somebody of a link."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# organisation: whose data, and who answers for the link. Studies and patients by name, never by a key.
# `tries` wrong PINs in a row, the next one not before `next_try_at`. `session_key` proves the cookies of who opened it:
# it stands in no journal, so that sessions end with the index they were begun on.
LINK = """
create table link (
    pk bigint generated always as identity primary key,
    organisation integer not null references organisation,
    views integer not null default 0,
    max_views integer,
    tries integer not null default 0,
    download boolean not null,
    released boolean not null,
    made_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    next_try_at timestamptz,
    digest bytea not null unique,
    session_key bytea not null default sha256(gen_random_uuid()::text::bytea || gen_random_uuid()::text::bytea),
    name text collate "C" not null unique,
    made_by text collate "C" not null,
    pin text collate "C" not null,
    studies text[] collate "C" not null,
    assigning_authority text collate "C" not null,
    patient_id text collate "C" not null,
    check (studies <> '{}' or patient_id <> ''),
    check (patient_id <> '' or not released)
);
create index link_of_organisation on link (organisation, pk);
"""

# Nothing is deleted here, so that an earlier fact that is applied once more changes nothing.
FILM = """
create table film_closure (
    organisation integer not null references organisation,
    study_instance_uid text collate "C" not null,
    closed boolean not null,
    said_at timestamptz not null,
    primary key (organisation, study_instance_uid)
);
"""

# `text` holds the link itself, and is deleted with its row once it was sent, or cannot be sent any more.
NOTICE = """
create table link_notice (
    pk bigint generated always as identity primary key,
    attempts integer not null default 0,
    due_at timestamptz not null,
    give_up_at timestamptz not null,
    link text collate "C" not null references link (name) on delete cascade,
    channel text collate "C" not null,
    recipient text collate "C" not null,
    subject text collate "C" not null,
    text text collate "C" not null
);
create index link_notice_due on link_notice (due_at);
"""

GRANTS = """
grant select, insert, update, delete on link, film_closure, link_notice to pacsd_app;
"""


def upgrade() -> None:
    """Build everything in the caller's transaction."""
    for statements in (LINK, FILM, NOTICE, GRANTS):
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """There is no way back but the backup made before the upgrade."""
    raise NotImplementedError("restore the backup made before the upgrade")
