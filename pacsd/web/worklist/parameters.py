"""Query parameters of the Worklist Service: UIDs with and without a name, deletion locks, filters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from config import checks
from pacsd.web.problem import bad_request
from pacsd.web.search_parameters import attribute_path, pairs

_UID = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)
_COMMON = frozenset(("accept", "charset"))           # PS3.18 11.1.2


def is_uid(text: str) -> bool:
    """Whether it is a UID (PS3.5 9.1)."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def named_or_bare(request: Request, name: str) -> str | None:
    """The UID of `?name=1.2.3`, or of `?1.2.3`, as the standard's `?{workitem}` is read both ways.

    Raises HttpError 400 for anything else.
    """
    found = None
    for key, value in pairs(request.scope["query_string"]):
        if key in _COMMON:
            continue
        uid = value if key == name else key
        if found is not None or not is_uid(uid) or (key != name and value):
            raise bad_request(f"the query may hold one {name}, a UID")
        found = uid
    return found


def ae_title(request: Request) -> str:
    """The AE title of the path (PS3.5 6.2). Raises HttpError 400."""
    title: str = request.path_params["aetitle"].strip()
    if not title or checks.ae_title(title) is not None:
        raise bad_request("the subscriber in the path is no AE title")
    return title


@dataclass(frozen=True, slots=True)
class SubscribeParameters:
    """What a subscription is asked to be (PS3.18 Table 11.10.1-2)."""

    lock: bool
    keys: Mapping[str, str]


def subscribe_parameters(request: Request) -> SubscribeParameters:
    """`deletionlock`, and matching keys: in `filter` as a comma-separated list, or as parameters of their own.

    Raises HttpError 400.
    """
    lock = False
    keys: dict[str, str] = {}
    for name, value in pairs(request.scope["query_string"]):
        if name == "deletionlock":
            if value not in ("true", "false"):
                raise bad_request("deletionlock is true or false")
            lock = value == "true"
        elif name == "filter":
            for one in value.split(","):
                key, _, text = one.partition("=")
                _add(keys, key.strip(), text)
        elif name not in _COMMON:
            _add(keys, name, value)
    return SubscribeParameters(lock, keys)


def _add(keys: dict[str, str], name: str, value: str) -> None:
    path = attribute_path(name)
    if path in keys or not value or "\0" in value:
        raise bad_request("a key of the filter has no value, or is given more than once")
    keys[path] = value
