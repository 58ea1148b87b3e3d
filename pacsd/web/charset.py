"""The character set of text answers (PS3.18 8.8): UTF-8, and a client that takes only another one is told so."""

from starlette.requests import Request

from pacsd.web.media_types import quality_of_token
from pacsd.web.problem import HttpError

UTF8 = "utf-8"


def require_utf8(request: Request) -> None:
    """The `charset` query parameter decides before Accept-Charset (PS3.18 8.8.1). Raises HttpError 406."""
    by_query = request.query_params.getlist("charset") if b"charset=" in request.scope["query_string"] else []
    for values in (by_query, request.headers.getlist("accept-charset")):
        accepted = ",".join(values).lower().replace("iso_ir 192", UTF8).replace("utf8", UTF8)
        if accepted.strip():
            if quality_of_token(accepted, UTF8) > 0.0:
                return
            detail = "the text of this resource is given in UTF-8 only"
            raise HttpError(406, "Not Acceptable", detail, members={"acceptable": [UTF8]})
