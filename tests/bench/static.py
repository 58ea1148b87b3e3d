"""`python -m tests.bench.static FOLDER PORT`: files over HTTP by Starlette, the fastest plain way."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route


def application(folder: Path) -> Starlette:
    """An application whose only route answers files of the folder."""

    async def file(request: Request) -> FileResponse:
        return FileResponse(
            folder / Path(request.path_params["name"]).name, media_type="application/octet-stream"
        )

    return Starlette(routes=[Route("/{name}", file)])


if __name__ == "__main__":
    uvicorn.run(
        application(Path(sys.argv[1])),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
    )
