"""Search, QIDO-RS (PS3.18 10.6): resources, parameters, paging, media types."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote, urlencode

from conformance.dicomweb import data_sets, expect, models, native_xml
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import ANY_SYNTAX, UNKNOWN
from conformance.dicomweb.server import JSON, XML, Answer, Model, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import Instance
from conformance.judging import NotSupported

SEARCH = Transaction("search", "Search (QIDO-RS)", "10.6")
QP_SPECIAL = "!$'()*;:@/?"  # without +, which forms take for a space
STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"


def query(path: str, **parameters: object) -> str:
    """A search path; percent-encoded is what is neither unreserved nor a qp-special (PS3.18 8.3.1)."""
    return f"{path}?{urlencode(parameters, safe=QP_SPECIAL, quote_via=quote)}" if parameters else path


def results(answer: Answer) -> list[Model]:
    """What was found. No match is 200 with an empty list, or 204 (editions before 2025)."""
    return expect.status(answer, 200, 204).models()


def found(server: Server, path: str, tag: str = STUDY_UID, **parameters: object) -> list[str]:
    """UIDs of what was found, sorted."""
    return sorted(str(models.value(one, tag)) for one in results(server.get(query(path, **parameters))))


def studies(instances: Iterable[Instance]) -> list[str]:
    """Their Study Instance UIDs, sorted."""
    return sorted({one.study for one in instances})


def ours(data: Prepared) -> str:
    """A Patient ID that only what was prepared matches; what checks store beside it begins with N."""
    return f"{data.tag}-P*"


@SEARCH.required("studies", "10.6.1.1, Table 10.6.1-1", "All Studies")
def all_studies(server: Server, data: Prepared) -> None:
    expect.same(studies(data.others), found(server, "/studies", PatientID=ours(data)), "studies")


@SEARCH.required("study-series", "10.6.1.1, Table 10.6.1-1", "A study's series")
def study_series(server: Server, data: Prepared) -> None:
    wanted = sorted({one.series for one in data.study})
    expect.same(wanted, found(server, f"/studies/{data.ct.study}/series", SERIES_UID), "series")


@SEARCH.required("study-instances", "10.6.1.1, Table 10.6.1-1", "A study's instances")
def study_instances(server: Server, data: Prepared) -> None:
    wanted = sorted(one.uid for one in data.study)
    expect.same(wanted, found(server, f"/studies/{data.ct.study}/instances", SOP_UID), "instances")


@SEARCH.required("series-instances", "10.6.1.1, Table 10.6.1-1", "The instances of a study's series")
def series_instances(server: Server, data: Prepared) -> None:
    path = f"/studies/{data.ct.study}/series/{data.ct.series}/instances"
    expect.same(sorted(one.uid for one in data.slices), found(server, path, SOP_UID), "instances")


@SEARCH.required("series", "10.6.1.1, Table 10.6.1-1", "All Series, a relational search")
def all_series(server: Server, data: Prepared) -> None:
    wanted = sorted({one.series for one in data.study})
    expect.same(wanted, found(server, "/series", SERIES_UID, StudyInstanceUID=data.ct.study), "series")


@SEARCH.required("instances", "10.6.1.1, Table 10.6.1-1", "All Instances, a relational search")
def all_instances(server: Server, data: Prepared) -> None:
    wanted = sorted(one.uid for one in data.study)
    answer = server.get(query("/instances", StudyInstanceUID=data.ct.study))
    if answer.status == 413:
        raise NotSupported("413: too broad, even with a Study Instance UID")
    expect.same(wanted, sorted(str(models.value(one, SOP_UID)) for one in results(answer)), "instances")


@SEARCH.required("empty", "Table 10.6.3-1", "No match: 200 with an empty list, or 204")
def empty(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(query("/studies", PatientID=f"{data.tag}-none")), 200, 204)
    expect.same([], answer.models(), "results")
    expect.that(answer.status == 200 or not answer.body, "204 without a payload", answer.body[:80])


@SEARCH.required("unknown-study", "Table 10.6.3-1", "Series of a study that does not exist: none, or 404")
def unknown_study(server: Server, data: Prepared) -> None:
    """From memory: whether a search below a resource that does not exist is empty or 404 is not said."""
    answer = expect.status(server.get(f"/studies/{UNKNOWN}/series"), 200, 204, 404)
    expect.same([], [] if answer.status == 404 else answer.models(), "results")


@SEARCH.required("json", "F.2, 10.6.3.3", "Results keep the rules of the JSON Model, in application/dicom+json")
def json_rules(server: Server, data: Prepared) -> None:
    answer = expect.media_type(expect.status(server.get(query("/studies", PatientID=ours(data))), 200), JSON)
    expect.same(len(data.others), len(answer.models()), "number of results")
    for model in answer.models():
        expect.same([], list(models.rule_breaks(model)), "broken rules:")


@SEARCH.required("default", "8.7.7", "Accept: */* gets application/dicom+json")
def default(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(query("/studies", PatientID=ours(data)), "*/*"), 200)
    expect.same(len(data.others), len(expect.media_type(answer, JSON).models()), "results")


@SEARCH.required("xml", "10.6.1, PS3.19 A.1", "Results in XML: one NativeDicomModel for each")
def xml(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.get(query("/studies", PatientID=ours(data)), XML), without=(406,))
    came = [native_xml.parsed(part.body) for part in answer.parts()]
    expect.same(studies(data.others), sorted(str(models.value(one, STUDY_UID)) for one in came), "studies")


@SEARCH.required("not-acceptable", "8.7.8.1", "Results as an image: 406, or JSON")
def not_acceptable(server: Server, data: Prepared) -> None:
    expect.unacceptable(server.get("/studies?limit=1", "image/png"), JSON)


@SEARCH.required("accept-parameter", "8.3.3.1, Table 10.1.2-1", "The accept query parameter chooses the media type")
def accept_parameter(server: Server, data: Prepared) -> None:
    path = query("/studies", PatientID=ours(data), accept=JSON)
    answer = expect.status(server.get(path, "*/*"), 200)
    expect.same(len(data.others), len(expect.media_type(answer, JSON).models()), "results")


@SEARCH.required("unknown-parameter", "8.3", "Parameters that are not supported are ignored")
def unknown_parameter(server: Server, data: Prepared) -> None:
    got = found(server, "/studies", PatientID=ours(data), nosuchparameter="1")
    expect.same(studies(data.others), got, "studies")


@SEARCH.required("percent-encoding", "8.3.4.1, RFC 3986 2.4", "Percent-encoded characters are decoded, any of them")
def percent_encoding(server: Server, data: Prepared) -> None:
    everything = "".join(f"%{byte:02X}" for byte in f"{data.tag}-P1".encode())
    answer = server.get(f"/studies?PatientID={everything}")
    expect.same([data.others[0].study], [models.value(one, STUDY_UID) for one in results(answer)], "studies")


@SEARCH.required("uid-list", "8.3.4.1, PS3.4 C.2.2.2.2", "A list of UIDs matches each of them")
def uid_list(server: Server, data: Prepared) -> None:
    wanted = studies(data.others[:3])
    got = sorted(
        str(models.value(one, STUDY_UID))
        for one in results(server.get(f"/studies?StudyInstanceUID={','.join([*wanted, UNKNOWN])}"))
    )
    expect.same(wanted, got, "studies")


@SEARCH.required("retrieve-url", "Tables 10.6.3-3 to -5", "The Retrieve URL of a result leads to it")
def retrieve_url(server: Server, data: Prepared) -> None:
    path = query(f"/studies/{data.ct.study}/series", Modality="CT")
    (model,) = results(server.get(path))
    url = models.value(model, "00081190")
    expect.that(isinstance(url, str) and url, "Retrieve URL (0008,1190)", url)
    came = expect.status(server.get(server.resolved(str(url), path), ANY_SYNTAX), 200)
    data_sets.same_instances(data.slices, data_sets.of_parts(came))


@SEARCH.required("character-set", "8.3.4.1, F.2", "Chinese names are found, and come in UTF-8")
def character_set(server: Server, data: Prepared) -> None:
    for pattern in ("*小东*", "*王*", "Wang^*"):
        got = found(server, "/studies", PatientName=pattern, PatientID=f"{data.tag}-Z")
        expect.same([data.chinese.study], got, f"for PatientName={pattern}:")
    (model,) = results(server.get(query("/studies", PatientID=f"{data.tag}-Z")))
    name = models.value(model, "00100010")
    expect.same("王^小东", name.get("Ideographic") if isinstance(name, dict) else name, "Ideographic")


@SEARCH.required("limit", "8.3.4.4", "limit is the most that comes")
def limit(server: Server, data: Prepared) -> None:
    got = found(server, "/studies", PatientID=ours(data), limit=2)
    expect.same(2, len(got), "number of results")
    expect.that(set(got) <= set(studies(data.others)), "studies that match", got)


def _page(server: Server, data: Prepared, offset: int, count: int) -> Sequence[str]:
    answer = server.get(query("/studies", PatientID=ours(data), limit=count, offset=offset))
    return [str(models.value(one, STUDY_UID)) for one in results(answer)]


@SEARCH.required("offset", "8.3.4.4.1", "Pages are complete, without gap or overlap")
def offset(server: Server, data: Prepared) -> None:
    pages = [_page(server, data, at, 2) for at in (0, 2, 4)]
    expect.same([2, 2, 1], [len(page) for page in pages], "sizes of pages")
    expect.same(studies(data.others), sorted(uid for page in pages for uid in page), "studies of all pages")


@SEARCH.required("idempotent", "8.3.4.4.1", "The same search gives the same order")
def idempotent(server: Server, data: Prepared) -> None:
    first, again = _page(server, data, 0, 5), _page(server, data, 0, 5)
    expect.same(len(data.others), len(first), "number of results")
    expect.same(first, again, "order")
    expect.same(first[1:4], _page(server, data, 1, 3), "a page of that order")


@SEARCH.required("remaining", "8.3.4.4.1", "More results than were returned: Warning 299")
def remaining(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(query("/studies", PatientID=ours(data), limit=2)), 200)
    expect.that(expect.warned(answer), "Warning: 299 … 3 additional results", answer.headers.get("warning"))
    whole = expect.status(server.get(query("/studies", PatientID=ours(data))), 200)
    expect.that(not expect.warned(whole, "additional results"), "no such Warning on all of them",
                whole.headers.get("warning"))  # fmt: skip


@SEARCH.required("offset-beyond", "8.3.4.4.1", "An offset beyond the last match: no results")
def offset_beyond(server: Server, data: Prepared) -> None:
    expect.same([], list(_page(server, data, 1000, 2)), "results")


@SEARCH.required("paging-invalid", "8.3, 8.3.4.4", "limit and offset that are no unsigned integers: 400")
def paging_invalid(server: Server, data: Prepared) -> None:
    for text in ("limit=abc", "limit=-1", "offset=abc", "offset=-1", "limit=1.5"):
        expect.status(server.get(f"/studies?{text}"), 400)


@SEARCH.required("fuzzy", "8.3.4.2", "fuzzymatching=true finds at least what matches literally, or says Warning 299")
def fuzzy(server: Server, data: Prepared) -> None:
    name = str(data.others[0].dataset.PatientName)
    answer = server.get(query("/studies", PatientName=name, fuzzymatching="true"))
    uids = [models.value(one, STUDY_UID) for one in results(answer)]
    expect.that(data.others[0].study in uids, f"study {data.others[0].study}", uids)


@SEARCH.optional("fuzzy-invalid", "8.3, 8.3.4.2", "fuzzymatching of another value: 400 where supported")
def fuzzy_invalid(server: Server, data: Prepared) -> None:
    answer = server.get(query("/studies", PatientID=ours(data), fuzzymatching="perhaps"))
    if answer.status == 200:
        raise NotSupported("the parameter is ignored")
    expect.status(answer, 400)


def _mode(name: str, clause: str) -> None:
    def run(server: Server, data: Prepared) -> None:
        answer = server.get(query("/studies", PatientID=ours(data), **{name: "true"}))
        got = sorted(str(models.value(one, STUDY_UID)) for one in results(answer))
        expect.same(studies(data.others), got, "studies")
        if expect.warned(answer, name):
            raise NotSupported(f"Warning: {answer.headers['warning']}")

    SEARCH.optional(name, clause, f"{name}=true is supported, or answered with Warning 299")(run)


_mode("emptyvaluematching", "8.3.4.5")
_mode("multiplevaluematching", "8.3.4.6")
