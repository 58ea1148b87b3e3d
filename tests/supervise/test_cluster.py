"""The embedded PostgreSQL: private, never alone, and back after every kind of kill."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.supervise import postgres_files
from pacsd.supervise.cluster import Cluster
from pacsd.supervise.launch import CAP_DAC_READ_SEARCH

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import signal, sys
from pathlib import Path
from pacsd.supervise.cluster import Cluster
cluster = Cluster(Path(sys.argv[1]), durable=False)
cluster.start()
print(cluster.pid, cluster.dsn, sep="\\t", flush=True)
signal.pause()
"""


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        return row[0]


def hold(directory: Path, *, prefix: tuple[str, ...] = ()) -> tuple[subprocess.Popen[str], int, str]:
    """A process of its own that runs a cluster until it is killed: process, postmaster, DSN."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", HOLDER, str(directory)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    with process.stdout:
        pid, dsn = process.stdout.readline().rstrip("\n").split("\t")
    return process, int(pid), dsn


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path, unlike tmp_path, below a folder others may not enter."""
    folder = tempfile.mkdtemp(prefix="pc-")
    yield Path(folder) / "postgres"
    shutil.rmtree(folder)


def test_cluster_serves_checksummed_utf8_in_c_locale(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        assert cluster.alive()
        assert value(cluster.dsn, "SELECT current_setting('server_encoding')") == "UTF8"
        assert value(cluster.dsn, "SELECT datcollate FROM pg_database WHERE datname = 'pacsd'") == "C"
        assert value(cluster.dsn, "SELECT current_setting('data_checksums')") == "on"
        assert value(cluster.dsn, "SELECT current_setting('listen_addresses')") == ""
    assert not cluster.alive()


def test_data_folder_is_private_and_postgres_is_not_root(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        assert (directory / "data").stat().st_mode & 0o777 == 0o700
        assert psutil.Process(cluster.pid).uids().effective != 0


def test_another_operating_system_user_is_refused(directory: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    with Cluster(directory, durable=False) as cluster:
        directory.parent.chmod(0o755)
        query = [str(cluster.program("psql")), cluster.dsn, "-c", "SELECT 1"]
        done = subprocess.run(
            ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups", *query],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Peer authentication failed" in done.stderr


def test_cluster_starts_below_a_folder_only_we_may_enter(directory: Path) -> None:
    assert directory.parent.stat().st_mode & 0o777 == 0o700
    with Cluster(directory, durable=False) as cluster:
        assert value(cluster.dsn, "SELECT 1") == 1
        status = Path(f"/proc/{cluster.pid}/status").read_text()
    assert directory.parent.stat().st_mode & 0o777 == 0o700
    if os.geteuid() == 0:
        assert "CapEff:\t0000000000000004" in status  # CAP_DAC_READ_SEARCH and nothing else


def test_no_capability_is_kept_where_none_is_needed(directory: Path) -> None:
    directory.parent.chmod(0o711)
    needed = 0 if postgres_is_reachable() or os.geteuid() != 0 else 1 << CAP_DAC_READ_SEARCH
    with Cluster(directory, durable=False) as cluster:
        assert f"CapEff:\t{needed:016x}" in Path(f"/proc/{cluster.pid}/status").read_text()


def postgres_is_reachable() -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in postgres_files.binaries().parents)


def test_data_survives_a_restart(directory: Path) -> None:
    cluster = Cluster(directory)
    with cluster:
        write_row(cluster.dsn)
    with cluster:
        assert value(cluster.dsn, "SELECT n FROM kept") == 7


def write_row(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")


def test_killed_postmaster_is_started_again_under_the_same_dsn(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        write_row(cluster.dsn)
        dsn, pid = cluster.dsn, cluster.pid
        assert pid is not None
        with psycopg.connect(dsn, autocommit=True) as busy:
            # A stopped backend does not notice, and keeps the shared memory of the old server.
            os.kill(busy.info.backend_pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGKILL)
            wait_until(cluster.exited)
            assert not cluster.alive()
            cluster.start()
        assert cluster.dsn == dsn
        assert value(dsn, "SELECT n FROM kept") == 7


def test_killed_backend_does_not_end_the_cluster(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        backend = value(cluster.dsn, "SELECT pg_backend_pid()")
        with psycopg.connect(cluster.dsn) as connection:
            backend = connection.info.backend_pid
            os.kill(backend, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        wait_until(lambda: answers(cluster.dsn))
        assert not cluster.exited()


def answers(dsn: str) -> bool:
    try:
        return value(dsn, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def test_postgres_ends_when_its_supervisor_is_killed(directory: Path) -> None:
    process, postmaster, _ = hold(directory)
    process.kill()
    process.wait()
    wait_until(lambda: not psutil.pid_exists(postmaster))


def test_everything_killed_at_once_comes_back(directory: Path) -> None:
    process, postmaster, dsn = hold(directory)
    write_row(dsn)
    family = [psutil.Process(postmaster), *psutil.Process(postmaster).children(recursive=True)]
    process.kill()
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # already gone after those before it
            member.kill()
    process.wait()
    assert (directory / "data" / "postmaster.pid").exists()
    with Cluster(directory, durable=False) as cluster:
        assert value(cluster.dsn, "SELECT n FROM kept") == 7


def test_stale_number_of_a_living_process_does_not_stop_the_start(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        pass
    stale = directory / "data" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{directory}/data\n0\n5432\n{directory}/run\n\n0 0\nready\n")
    with cluster:
        assert cluster.alive()


def test_orphan_that_lost_its_supervisor_is_stopped_first(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        write_row(cluster.dsn)
    orphan = run_detached(cluster, directory)
    wait_until(lambda: answers(cluster.dsn))
    with cluster:
        assert cluster.pid != orphan
        assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
        assert value(cluster.dsn, "SELECT n FROM kept") == 7


def run_detached(cluster: Cluster, directory: Path) -> int:
    """A postmaster on the same data that nobody supervises."""
    owner = (directory / "data").stat()
    become = ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups",
              "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
              "--securebits=+no_setuid_fixup"]  # fmt: skip
    configuration = f"config_file={directory}/postgresql.conf"
    command = [str(cluster.program("postgres")), "-D", str(directory / "data"), "-c", configuration]
    prefix = become if os.geteuid() == 0 else []
    process = subprocess.Popen([*prefix, *command], stderr=subprocess.DEVNULL, start_new_session=True)
    process.returncode = 0  # it is not ours to wait for: no ResourceWarning
    return process.pid


def test_second_cluster_on_the_same_directory_is_refused(directory: Path) -> None:
    with Cluster(directory, durable=False):
        with pytest.raises(PacsdError) as refusal:
            Cluster(directory, durable=False).start()
    assert refusal.value.fault is Fault.CONFLICT
    assert str(os.getpid()) in refusal.value.message


def test_other_major_version_is_refused_and_left_alone(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        pass
    version = directory / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(PacsdError) as refusal:
        cluster.start()
    assert refusal.value.fault is Fault.UNSUPPORTED
    assert "PostgreSQL 17" in refusal.value.message and "pacsd rebuild" in refusal.value.message
    version.write_text("18\n")
    with cluster:
        assert cluster.alive()


def test_interrupted_initdb_is_begun_again(directory: Path) -> None:
    (directory / "data.new" / "base").mkdir(parents=True)
    (directory / "data.new" / "PG_VERSION").write_text("18\n")
    with Cluster(directory, durable=False) as cluster:
        assert cluster.alive()


def test_socket_goes_to_a_short_folder_when_the_path_is_long(tmp_path: Path) -> None:
    directory = tmp_path / ("long-" * 20)
    with Cluster(directory, durable=False) as cluster:
        folder = Path(psycopg.conninfo.conninfo_to_dict(cluster.dsn)["host"])  # type: ignore[arg-type]
        assert len(str(folder)) < 40
        assert value(cluster.dsn, "SELECT 1") == 1
    assert not folder.exists()


def test_dsn_quotes_a_path_with_spaces(directory: Path) -> None:
    with Cluster(directory / "it's a folder", durable=False) as cluster:
        assert value(cluster.dsn, "SELECT 1") == 1


def test_configuration_that_postgres_refuses_is_reported(directory: Path) -> None:
    with pytest.raises(PacsdError) as refusal:
        Cluster(directory, durable=False, options={"no_such_parameter": "1"}).start()
    assert refusal.value.fault is Fault.UNAVAILABLE
    assert "no_such_parameter" in refusal.value.message


def test_failed_statement_leaves_no_trace_of_its_values(directory: Path) -> None:
    with Cluster(directory, durable=False) as cluster:
        with psycopg.connect(cluster.dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE patient (id text UNIQUE)")
            for _ in range(2):
                with contextlib.suppress(psycopg.errors.UniqueViolation):
                    connection.execute("INSERT INTO patient VALUES ('SECRET-000123')")
            with pytest.raises(psycopg.DataError):
                connection.execute("SELECT 'SECRET-000123'::int")
    assert "SECRET" not in (directory / "postgres.log").read_text()


def test_idle_cluster_stays_below_100_mb(directory: Path) -> None:
    with Cluster(directory) as cluster:
        assert value(cluster.dsn, "SELECT 1") == 1
        postmaster = psutil.Process(cluster.pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        assert sum(map(proportional_set_bytes, family)) < 100e6


def proportional_set_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:  # a worker of autovacuum that is done
        return 0


def test_unprivileged_user_runs_the_cluster_as_themselves(directory: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests show it when they do not run as root")
    user = pwd.getpwnam("nobody")
    directory.parent.chmod(0o755)
    home = directory.parent / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    # The interpreter may be below /root: the capability only opens that, ownership stays nobody's.
    prefix = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
              "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
              "--securebits=+no_setuid_fixup")  # fmt: skip
    process, postmaster, _ = hold(home / "postgres", prefix=prefix)
    try:
        assert psutil.Process(postmaster).username() == "nobody"
        assert (home / "postgres" / "data").owner() == "nobody"
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
    finally:
        process.kill()
        process.wait()
        wait_until(lambda: not psutil.pid_exists(postmaster))
