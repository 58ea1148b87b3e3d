"""Conditional requests (RFC 9110 13, PS3.18 8.4): entity tags, and the answers 304 and 412.

A tag is made of what the answer is made of, so it changes with every correction, rejection, late arrival and
representation, and tells nobody more than the answer would.
"""

import re
from collections.abc import Iterable, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from xxhash import xxh3_128

from pacsd.web.media_types import Representation
from pacsd.web.problem import problem
from pacsd.web.services import InstanceRef

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_CODINGS = ("-gzip",)                    # the same content, coded on the way: a tag of its own (RFC 9110 8.8.3.3)


def entity_tag(form: Representation, facts: Iterable[bytes | str]) -> str:
    """A tag of what `facts` say, given in `form`.

    A weak one for multipart, whose boundary differs each time, and for what is transcoded: the next release of a
    codec may write the same pixels otherwise.
    """
    digest = xxh3_128(str(form).encode())
    for fact in facts:
        data = fact.encode() if isinstance(fact, str) else fact
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return f'{"W/" if form.multipart or form.transcoded else ""}"{digest.hexdigest()}"'


def text_tag(form: Representation, chunks: Iterable[bytes]) -> str:
    """Of a text, however it is cut into chunks: packing cuts metadata otherwise, and changes nothing in it."""
    digest = xxh3_128()
    for chunk in chunks:
        digest.update(chunk)
    return entity_tag(form, (digest.digest(),))


def instances_tag(form: Representation, given: Sequence[tuple[InstanceRef, str]], base_url: str) -> str:
    """Of instances in a form, each with its transfer syntax: which they are, their bytes, and what corrections make
    of these.

    In multipart their order is no part of it: packing a series puts its instances into another one.
    """
    facts: list[bytes | str] = [base_url if form.multipart else ""]
    for ref, syntax in sorted(given, key=lambda one: one[0].sop_instance_uid) if form.multipart else given:
        facts += (ref.sop_instance_uid, syntax, ref.digest)
        if ref.overlay:
            facts += (orjson.dumps(ref.overlay, option=orjson.OPT_SORT_KEYS), str(ref.overlaid_at))
    return entity_tag(form, facts)


def coded(tag: str, coding: str) -> str:
    """The tag of the same content in a content coding."""
    return f'{tag[:-1]}-{coding}"'


def headers(tag: str) -> dict[str, str]:
    """What an answer with this tag says to caches: nobody else's, and to be asked for again each time."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}


def answered(request: Request, tag: str) -> Response | None:
    """The whole answer, where the client's conditions decide it (RFC 9110 13.2.2); None where it has to be given."""
    expected = request.headers.getlist("if-match")
    if expected and not _matches(expected, tag, weak=False):
        detail = "the resource is not what If-Match expects"
        return problem(412, "Precondition Failed", detail, headers={"ETag": tag})
    known = request.headers.getlist("if-none-match")
    if known and _matches(known, tag, weak=True):
        return Response(status_code=304, headers=headers(tag))
    return None


def still(condition: str | None, tag: str) -> bool:
    """Whether an If-Range allows a part of what the client has begun to fetch (RFC 9110 13.1.5).

    A date never does: this server gives none out.
    """
    return condition is None or (condition.strip() == tag and not tag.startswith("W/"))


def _matches(conditions: Iterable[str], tag: str, *, weak: bool) -> bool:
    if any(condition.strip() == "*" for condition in conditions):
        return True
    if tag.startswith("W/") and not weak:
        return False
    given = {_plain(found) for condition in conditions for found in _tags(condition, weak=weak)}
    return _plain(tag.removeprefix("W/").strip('"')) in given


def _tags(condition: str, *, weak: bool) -> Iterable[str]:
    return (found[1] for found in _TAG.finditer(condition) if weak or not found[0].startswith("W/"))


def _plain(tag: str) -> str:
    for coding in _CODINGS:
        tag = tag.removesuffix(coding)
    return tag
