"""`python -m tests.bench.fhir_floor DSN PORT`: Starlette in two processes, one statement of PostgreSQL a request."""

from __future__ import annotations

import multiprocessing
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg_pool
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pacsd.supervise.cluster import running_dsn
from tests.bench.load import Job, measure
from tests.bench.peers import Server
from tests.bench.processes import free_port, listens, start, stop, wait_until

PROCESSES = 2
BODY = '{"resourceType":"Patient","text":"' + "x" * 700 + '"}'
TABLE = "bench_floor"


def floor(server: Server, kind: str, *, requests: int) -> float:
    """Requests a second: `read` one row by its key, or `write` one and commit it."""
    dsn, port = running_dsn(server.folder / "data" / "postgres"), free_port()
    process = start([sys.executable, "-m", "tests.bench.fhir_floor", dsn, str(port)], log=server.folder / "floor.log")
    try:
        wait_until("the floor", lambda: listens(port), process=process)
        bodies = [BODY] * requests if kind == "write" else []
        return measure(Job(port, ["/one"], requests=requests, bodies=bodies)).per_second
    finally:
        stop(process)


def application(dsn: str) -> Starlette:
    """One path: GET reads a row, POST writes one."""
    pool = psycopg_pool.AsyncConnectionPool(dsn, min_size=8, max_size=8, open=False, kwargs={"autocommit": True})

    @asynccontextmanager
    async def opened(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    async def one(request: Request) -> Response:
        async with pool.connection() as connection:
            if request.method == "POST":
                body = await request.body()
                await connection.execute(f"insert into {TABLE} (body) values (%s)", (body,), prepare=True)
                return Response(body, 201, media_type="application/json")
            found = await connection.execute(f"select body from {TABLE} where pk = %s", (1,), prepare=True)
            row = await found.fetchone()
            return Response(bytes(row[0]) if row else b"", media_type="application/json")

    return Starlette(routes=[Route("/one", one, methods=["GET", "POST"])], lifespan=opened)


def serve(dsn: str, port: int) -> None:
    """One of the processes that share the port."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", port))
    config: Any = uvicorn.Config(
        application(dsn), log_level="warning", access_log=False, loop="uvloop", http="httptools"
    )
    uvicorn.Server(config).run(sockets=[listening])


def main(dsn: str, port: int) -> None:
    """Make the table, and serve."""
    with psycopg_pool.ConnectionPool(dsn, min_size=1, max_size=1) as pool, pool.connection() as connection:
        columns = "pk bigint generated always as identity primary key, body bytea"
        connection.execute(f"create table if not exists {TABLE} ({columns})")
        connection.execute(f"insert into {TABLE} (body) values (%s)", (BODY.encode(),))
    others = [multiprocessing.Process(target=serve, args=(dsn, port), daemon=True) for _ in range(PROCESSES - 1)]
    for other in others:
        other.start()
    serve(dsn, port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
