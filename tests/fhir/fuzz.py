"""Requests made at random from what the CapabilityStatement offers and from the definitions of FHIR R4.

Each request is made from a seed, its number and the ids that came before, so what broke can be sent again. None may be
answered with 5xx, late, with a trace of where it broke, or refused without an OperationOutcome.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from conformance.fhir.server import FORM, JSON, JSON_PATCH, XML, Answer, Server
from conformance.judging import Failed
from fhir.definitions.structures import Structure, structures

Model = dict[str, Any]
PATIENCE_S = 10.0
MARKS = (b"Traceback", b"psycopg", b"SELECT ", b'.py"', b"site-packages")

HOSTILE: tuple[Any, ...] = (
    "", " ", "\x00", "\u202e", "' OR 1=1 --", "'); DROP TABLE fhir_resource; --", "%", "_", "\\", "$", "|",
    "||", "|||", ",", "a" * 5000, "𠮷" * 50, "\ud800", "../../etc/passwd", "${jndi:ldap://x}", "{{7*7}}",
    "<script>", "&amp;", "&#0;", "(a+)+$", "9" * 400, "1e400", "-1e-400", "NaN", "Infinity", "0x1F", "-0",
    "1.", ".5", "9999-99-99", "0000-00-00", "2026-02-30", "2026-02-28T25:61:61Z", "10000-01-01", "-0001-01-01",
    "2026-01-01T00:00:00+99:99", "true", "TRUE", "null", "urn:uuid:", "urn:uuid:" + "0" * 36, "#", "#x",
    "Patient/", "/Patient/1", "Patient/1/_history/", "http://", "http://[::1", "mailto:x", None, True, 0, -1,
    10**30, 1.5, [], {}, [[]], [None], {"value": None}, {"resourceType": "Patient"},
)  # fmt: skip

WORDS = ("Chalmers", "张三", "A1", "male", "final", "2013", "5.4", "http://loinc.org", "15074-8", "mg", "Péter", "x")
MODIFIERS = (
    "exact", "contains", "missing", "not", "text", "in", "not-in", "below", "above", "identifier", "of-type",
    "Patient", "Observation", "iterate", "nonsense", "",
)  # fmt: skip
PREFIXES = ("", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "zz")
RESULTS = (
    "_sort", "_count", "_include", "_include:iterate", "_revinclude", "_revinclude:iterate", "_summary",
    "_total", "_elements", "_contained", "_containedType", "_format", "_pretty", "_type", "_since", "_at",
    "_cursor",
)  # fmt: skip
POINTERS = (
    "", "/", "/name", "/name/0", "/name/-", "/name/0/given/0", "/identifier/0/value", "/id", "/meta", "/resourceType",
    "/~0~1", "/x/y/z", "name", "/name/99999999999", "/status", "/code/text",
)  # fmt: skip
FHIRPATHS = ("Patient.name", "Patient.name[0].given", "x(", "%resource", "", "Patient.descendants()", "1 + 1")
PIECES = (
    "Patient", "Observation", "_history", "_search", "$validate", "*", "%2e%2e", "%00", "%2f", "metadata", "x" * 300,
    "", "Patient%20", "张", ";a=b", "%E5%BC", "_HISTORY",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is sent."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """What is needed to send it again, its body cut."""
        return f"{self.method} {self.path[:500]} {dict(self.headers)} {self.content_type} {(self.body or b'')[:2000]!r}"


class Broken(AssertionError):
    """An answer that nobody may give."""


class Fuzzer:
    """Requests to one server."""

    def __init__(self, server: Server, seed: int) -> None:
        statement = server.get("/metadata").resource("CapabilityStatement")
        rest = statement["rest"][0]
        self._server, self._seed = server, seed
        of_types = {one["type"]: one.get("searchParam", []) for one in rest["resource"]}
        self._parameters = {kind: [one["name"] for one in each] or ["_id"] for kind, each in of_types.items()}
        operations = [each["name"] for each in rest.get("operation", [])]
        operations += [each["name"] for one in rest["resource"] for each in one.get("operation", [])]
        self._operations = sorted({*operations, "no-such-operation"})
        self._types = sorted(self._parameters)
        self._ids = ["there-is-none"]

    def run(self, count: int, *, first: int = 0) -> Iterator[tuple[Asked, Answer]]:
        """So many requests. Raises Broken for the first answer that is none."""
        for number in range(first, first + count):
            asked = self.request(number)
            started = time.monotonic()
            try:
                answer = self._server.send(
                    asked.method, asked.path, asked.body, content_type=asked.content_type, headers=asked.headers)
            except Failed as failed:
                raise Broken(f"request {number} of seed {self._seed}: {failed}: {asked}") from failed
            why = wrong(asked, answer, time.monotonic() - started)
            if why:
                raise Broken(f"request {number} of seed {self._seed}: {why}: {asked} answered {answer.body[:600]!r}")
            self._learn(answer)
            yield asked, answer

    def request(self, number: int) -> Asked:
        """The request of this number; its ids are of what came before."""
        dice = random.Random(f"{self._seed}/{number}")
        made: Asked = dice.choice(self._makers())(dice)
        return made

    def _makers(self) -> Sequence[Callable[[random.Random], Asked]]:
        return (self._create, self._create, self._update, self._search, self._search, self._search, self._post_search,
                self._read, self._delete, self._patch, self._bundle, self._operation, self._xml, self._raw)  # fmt: skip

    def _learn(self, answer: Answer) -> None:
        location = answer.headers.get("location", "")
        parts = location.partition("/_history/")[0].rsplit("/", 2)
        if answer.status == 201 and len(parts) == 3:
            self._ids = [*self._ids[-50:], f"{parts[1]}/{parts[2]}"]

    # what is asked

    def _create(self, dice: random.Random) -> Asked:
        kind = dice.choice(self._types)
        body = resource(dice, kind)
        if dice.random() < 0.4:
            body = plain(dice)
            kind = body["resourceType"]
        headers = {"Prefer": dice.choice(("return=minimal", "return=representation", "handling=strict", "x"))}
        if dice.random() < 0.2:
            headers["If-None-Exist"] = _ascii(self._query(dice, kind))
        return Asked("POST", f"/{kind}", _json(body), JSON, headers)

    def _update(self, dice: random.Random) -> Asked:
        kind, of = dice.choice(self._types), self._one(dice).rpartition("/")[2]
        body = {**resource(dice, kind), "id": of}
        path = f"/{kind}/{of}" if dice.random() < 0.7 else f"/{kind}?{self._query(dice, kind)}"
        match = {"If-Match": dice.choice(('W/"1"', '"1"', "1", "*", 'W/"', ""))} if dice.random() < 0.3 else {}
        return Asked("PUT", path, _json(body), JSON, match)

    def _search(self, dice: random.Random) -> Asked:
        kind = dice.choice(self._types)
        query = self._query(dice, kind)
        one = self._one(dice)
        place = dice.choice((f"/{kind}", f"/{kind}", f"/{kind}", "", f"/{one}/{kind}", f"/{one}/*"))
        prefer = {"Prefer": "handling=strict"} if dice.random() < 0.2 else {}
        return Asked(dice.choice(("GET", "GET", "GET", "HEAD")), f"{place}?{query}", headers=prefer)

    def _post_search(self, dice: random.Random) -> Asked:
        kind = dice.choice(self._types)
        return Asked("POST", f"/{kind}/_search", self._query(dice, kind).encode(), FORM)

    def _read(self, dice: random.Random) -> Asked:
        tail = dice.choice(("", "", "/_history", "/_history/1", "/_history/x", "/_history/99999999999999999999",
                            f"?_summary={dice.choice(('true', 'text', 'data', 'count', 'x'))}", "?_elements=id,name",
                            f"?{self._results(dice)}", f"/_history?{self._results(dice)}"))  # fmt: skip
        name = dice.choice(("If-None-Match", "If-Modified-Since", "Accept", "Accept-Encoding"))
        headers = {name: _ascii(str(_odd(dice)))}
        return Asked("GET", f"/{self._one(dice)}{tail}", headers=headers if dice.random() < 0.3 else {})

    def _delete(self, dice: random.Random) -> Asked:
        kind = dice.choice(self._types)
        return Asked("DELETE", dice.choice((f"/{self._one(dice)}", f"/{kind}?{self._query(dice, kind)}", f"/{kind}")))

    def _patch(self, dice: random.Random) -> Asked:
        if dice.random() < 0.3:
            part = [
                {"name": "type", "valueCode": dice.choice(("add", "insert", "delete", "replace", "move", "x"))},
                {"name": "path", "valueString": dice.choice(FHIRPATHS)},
                {"name": "name", "valueString": dice.choice(("given", "nonsense", ""))},
                {"name": "value", "valueString": "x"}, {"name": "index", "valueInteger": dice.choice((-1, 0, 9999))},
            ]  # fmt: skip
            body = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
            return Asked("PATCH", f"/{self._one(dice)}", _json(body), JSON)
        operations = [
            {"op": dice.choice(("add", "replace", "remove", "move", "copy", "test", "x")), "value": _odd(dice),
             "path": dice.choice(POINTERS), "from": dice.choice(POINTERS)} for _ in range(dice.randint(0, 4))
        ]  # fmt: skip
        return Asked("PATCH", f"/{self._one(dice)}", _json(operations), JSON_PATCH)

    def _bundle(self, dice: random.Random) -> Asked:
        entries = [self._entry(dice) for _ in range(dice.randint(0, 4))]
        kind = dice.choice(("batch", "transaction", "transaction", "x"))
        body = {"resourceType": "Bundle", "type": kind, "entry": entries}
        return Asked("POST", dice.choice(("", "/")), _json(body), JSON)

    def _entry(self, dice: random.Random) -> Model:
        kind = dice.choice(self._types)
        urls = (kind, self._one(dice), f"{kind}?{self._query(dice, kind)}", f"{kind}/x/_history", "$nonsense", "", "/",
                "//x", "http://elsewhere.example/Patient/1", "metadata")  # fmt: skip
        method = dice.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "x"))
        request = {"method": method, "url": dice.choice(urls)}
        if dice.random() < 0.2:
            request[dice.choice(("ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince"))] = str(_odd(dice))
        entry: Model = {"request": request, "fullUrl": dice.choice(("urn:uuid:1", "urn:uuid:2", "x", ""))}
        if dice.random() < 0.7:
            entry["resource"] = resource(dice, kind)
        return entry if dice.random() < 0.95 else {"request": _odd(dice)}

    def _operation(self, dice: random.Random) -> Asked:
        name, kind = dice.choice(self._operations), dice.choice(self._types)
        place = dice.choice(("", f"/{kind}", f"/{self._one(dice)}"))
        if dice.random() < 0.5:
            more = urlencode([("url", _text(dice)), ("code", _text(dice))], errors="replace")
            return Asked("GET", f"{place}/${name}?{self._query(dice, kind)}&{more}")
        names = ("resource", "url", "code", "system", "valueSet", "count", "codeA", "_type", "measure", "mode", "meta")
        values = ("valueString", "valueUri", "valueInteger", "resource")
        given = [{"name": dice.choice(names), dice.choice(values): _odd(dice)} for _ in range(dice.randint(0, 4))]
        body = {"resourceType": "Parameters", "parameter": given} if dice.random() < 0.8 else resource(dice, kind)
        return Asked("POST", f"{place}/${name}", _json(body), JSON)

    def _xml(self, dice: random.Random) -> Asked:
        kind = dice.choice(self._types)
        names = list(structures()[kind].elements)
        inside = "".join(f'<{name} value="{_xml_text(dice)}"/>' for name in dice.sample(names, min(4, len(names))))
        text = f'<{kind} xmlns="http://hl7.org/fhir">{inside}</{kind}>'
        if dice.random() < 0.3:
            at = dice.randrange(len(text))
            text = text[:at] + dice.choice(("", "<", "&", "]]>", "<!--", "<?x", "\x00", "<!DOCTYPE x>")) + text[at:]
        return Asked("POST", f"/{kind}", text.encode("utf-8", "replace"), XML, {"Accept": dice.choice((XML, JSON))})

    def _raw(self, dice: random.Random) -> Asked:
        path = "/" + "/".join(quote(dice.choice(PIECES), safe="%$*;=.") for _ in range(dice.randint(0, 5)))
        body = bytes(dice.randrange(256) for _ in range(dice.randint(0, 40))) if dice.random() < 0.5 else None
        kind = dice.choice((JSON, XML, FORM, "text/plain", "application/json; charset=latin-1", "x", "multipart/mixed"))
        method = dice.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND"))
        return Asked(method, path, body, kind if body is not None else None)

    # its parts

    def _one(self, dice: random.Random) -> str:
        known = dice.choice(self._ids)
        return known if "/" in known else f"{dice.choice(self._types)}/{known}"

    def _query(self, dice: random.Random, kind: str) -> str:
        pairs = [self._criterion(dice, kind) for _ in range(dice.randint(0, 3))]
        text = urlencode(pairs, errors="replace")
        more = self._results(dice) if dice.random() < 0.4 else ""
        return "&".join(filter(None, (text, more)))

    def _criterion(self, dice: random.Random, kind: str) -> tuple[str, str]:
        name = dice.choice(self._parameters[kind])
        roll = dice.random()
        if roll < 0.15:
            name += f".{dice.choice(self._parameters[dice.choice(self._types)])}"
        elif roll < 0.25:
            other = dice.choice(self._types)
            name = f"_has:{other}:{dice.choice(self._parameters[other])}:{name}"
        elif roll < 0.3:
            name = dice.choice(("_filter", "_query", "_content", "_text", "_list", "nonsense", "", "_lastUpdated"))
        if dice.random() < 0.3:
            name += f":{dice.choice(MODIFIERS)}"
        more = (dice.choice(("|", ",", "$", "\\,", "||")) + _text(dice)) * dice.randint(0, 2)
        return name, dice.choice(PREFIXES) + _text(dice) + more

    def _results(self, dice: random.Random) -> str:
        values = (*WORDS, "1000000000", "-1", "0", "1", "*", "Patient:organization", "Observation:subject", "-date",
                  "_id", "true", "count", "accurate", "json", "xml", "2026-01-01T00:00:00Z", _text(dice))  # fmt: skip
        pairs = [(dice.choice(RESULTS), dice.choice(values)) for _ in range(dice.randint(1, 3))]
        return urlencode(pairs, errors="replace")


def wrong(asked: Asked, answer: Answer, seconds: float) -> str:
    """What no answer may be; empty where it is right."""
    if answer.status >= 500:
        return f"status {answer.status}"
    if seconds > PATIENCE_S:
        return f"answered after {seconds:.1f} s"
    if any(mark in answer.body for mark in MARKS):
        return "a trace of where it broke"
    if asked.method == "HEAD":
        return ""
    if "xml" in answer.media_type:
        refused = answer.status >= 400 and b"<OperationOutcome" not in answer.body
        return f"{answer.status} without an OperationOutcome" if refused else ""
    if "json" not in answer.media_type:
        return "refused in no format of FHIR" if answer.status >= 400 else ""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return "JSON that is none"
    if answer.status >= 400 and found.get("resourceType") != "OperationOutcome":
        return f"{answer.status} without an OperationOutcome"
    return ""


def plain(dice: random.Random) -> Model:
    """A resource that nobody can object to, for searches to find something."""
    identifier = [{"system": "http://a.example", "value": dice.choice(WORDS)}]
    code = {"coding": [{"system": "http://loinc.org", "code": dice.choice(("15074-8", "883-9"))}]}
    return dice.choice((
        {"resourceType": "Patient", "identifier": identifier, "gender": "male", "birthDate": "1970-01-02",
         "name": [{"family": dice.choice(WORDS), "given": [dice.choice(WORDS)]}]},
        {"resourceType": "Observation", "status": "final", "code": code, "identifier": identifier,
         "subject": {"reference": "Patient/there-is-none"}, "valueQuantity": {"value": dice.choice((1.5, 0, 10**9))}},
        {"resourceType": "Organization", "name": dice.choice(WORDS), "identifier": identifier},
        {"resourceType": "Basic", "code": code, "identifier": identifier},
    ))  # fmt: skip


def resource(dice: random.Random, kind: str) -> Model:
    """A resource of this type: as its definition has it, but here and there not."""
    return {"resourceType": kind, **_object(dice, structures()[kind], 0)}


def _object(dice: random.Random, structure: Structure, depth: int) -> Model:
    found: Model = {}
    names = sorted(structure.keys)
    needed = [name for name in names if structure.keys[name].element.min]
    for name in {*needed, *dice.sample(names, min(len(names), dice.randint(0, 4)))}:
        element, kind = structure.keys[name]
        value = _value(dice, kind, depth + 1)
        found[name] = [value] * dice.choice((1, 1, 2)) if element.repeats else value
        if dice.random() < 0.03:
            found[name] = _odd(dice)
    if dice.random() < 0.02:
        found[dice.choice(("nonsense", "_id", "resourceType", "fhir_comments", "__proto__", ""))] = _odd(dice)
    return found


def _value(dice: random.Random, kind: str, depth: int) -> Any:
    structure = structures().get(kind)
    if structure is None or structure.primitive:
        return dice.choice(PRIMITIVES.get(kind, WORDS)) if dice.random() < 0.95 else _odd(dice)
    if structure.kind == "resource" or structure.abstract or depth > 4:
        return {"resourceType": "Basic", "code": {"text": "x"}} if structure.kind == "resource" else {}
    return _object(dice, structure, depth)


PRIMITIVES: Mapping[str, Sequence[Any]] = {
    "boolean": (True, False), "integer": (0, 1, -7, 2**31 - 1, 2**31), "unsignedInt": (0, 1, -1),
    "positiveInt": (1, 0, 2**31), "decimal": (0, 1.5, -0.001, 10**20, 1e-20),
    "date": ("2026", "2026-02", "2026-02-28", "1900-01-01"),
    "dateTime": ("2026", "2026-02-28T10:00:00Z", "2026-02-28T10:00:00.123456789+08:00", "0001-01-01"),
    "instant": ("2026-02-28T10:00:00Z",), "time": ("10:00:00", "24:00:00"), "id": ("a", "A-1.b", "x" * 64),
    "uri": ("http://a.example/x", "urn:oid:1.2.3", "x y"), "url": ("http://a.example",),
    "canonical": ("http://a.example|1",), "oid": ("urn:oid:1.2.3",),
    "uuid": ("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",), "base64Binary": ("AAAA", "A", "=="),
    "code": ("final", "active", "male", "x y", ""), "markdown": ("# a",),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml">x</div>', "<div>", "<script/>", "x"),
}  # fmt: skip


def _odd(dice: random.Random) -> Any:
    return dice.choice(HOSTILE)


def _text(dice: random.Random) -> str:
    return dice.choice(WORDS) if dice.random() < 0.6 else str(_odd(dice))


def _xml_text(dice: random.Random) -> str:
    return _text(dice).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("\x00", "")


def _ascii(text: str) -> str:
    """What a header field may hold."""
    return "".join(one for one in text if " " <= one <= "~")[:4000].strip()


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=True).encode()
