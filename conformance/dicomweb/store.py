"""Store, STOW-RS (PS3.18 10.5), of whole instances."""

from collections.abc import Iterable, Iterator

from conformance.dicomweb import data_sets, expect, models, multipart
from conformance.dicomweb import store_response as response
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import DICOM, JSON, XML, Answer, Server
from conformance.dicomweb.store_response import FAILED, OTHER_FAILURES, REFERENCED
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import Instance, rewritten

STORE = Transaction("store", "Store (STOW-RS)", "10.5")
EVERYTHING = DICOM + "; transfer-syntax=*"


def send(server: Server, files: Iterable[bytes], *, to: str = "/studies", accept: str = JSON) -> Answer:
    """Store files in one multipart request."""
    return server.post(to, *multipart.encoded(map(Part, files)), accept=accept)


@STORE.required("multipart", "10.5.1.4, Table 10.5.3-1", "Several instances in one request are stored: 200")
def several(server: Server, data: Prepared) -> None:
    first = data.fresh()
    instances = [first, rewritten(first, InstanceNumber="2"), data.fresh()]
    response.stored(send(server, [one.part10 for one in instances]), instances)


@STORE.required("retrievable", "10.5.2", "What was acknowledged can be retrieved, unchanged")
def retrievable(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    response.stored(send(server, [instance.part10]), [instance])
    came = expect.status(server.get(f"/studies/{instance.study}", EVERYTHING), 200)
    data_sets.same_instances([instance], data_sets.of_parts(came))


@STORE.optional("single-part", "8.6.1.1", "One instance as a single part of type application/dicom")
def single_part(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    answer = server.post("/studies", "application/dicom", instance.part10)
    response.stored(expect.offered(answer, without=(400, 415)), [instance])


@STORE.required("study", "10.5.1.1.1", "POST to a study stores instances of that study")
def to_its_study(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    response.stored(send(server, [instance.part10], to=f"/studies/{instance.study}"), [instance])


@STORE.required("study-mismatch", "10.5.1.1.1, Table 10.5.3-1", "POST to another study is refused: 409")
def to_another_study(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    answer = expect.status(send(server, [instance.part10], to=f"/studies/{data.fresh().study}"), 409)
    if answer.media_type in ("application/dicom+json", "application/json"):
        expect.same([instance.uid], response.of(answer).uids(FAILED), "in Failed SOP Sequence")
    expect.status(server.get(f"/studies/{instance.study}", EVERYTHING), 404)


@STORE.required("some-mismatch", "Table 10.5.3-1", "One of two belongs to another study: 202, and each is told")
def one_of_another_study(server: Server, data: Prepared) -> None:
    good, bad = data.fresh(), data.fresh()
    answer = send(server, [good.part10, bad.part10], to=f"/studies/{good.study}")
    module = response.stored(answer, [good], 202)
    expect.same([bad.uid], module.uids(FAILED), "in Failed SOP Sequence")
    reasons = [models.value(item, response.FAILURE_REASON) for item in module.items(FAILED)]
    expect.that(all(int(reason or 0) for reason in reasons), "a Failure Reason in each item (Table I.1-1)", reasons)


@STORE.required("some-broken", "Table 10.5.3-1, Table I.1-1", "One of two cannot be read: 202, and the failure is told")
def one_is_broken(server: Server, data: Prepared) -> None:
    good, bad = data.fresh(), b"\0" * 128 + b"DICM" + b"no data set at all, just text" * 20
    module = response.stored(send(server, [good.part10, bad]), [good], 202)
    failures = [*module.items(FAILED), *module.items(OTHER_FAILURES)]
    expect.same(1, len(failures), "items in Failed SOP Sequence and Other Failures Sequence:")


@STORE.required("broken", "Table 10.5.3-1", "Nothing that can be read: 400 or 409")
def all_broken(server: Server, data: Prepared) -> None:
    expect.status(send(server, [b"this is no DICOM file"]), 400, 409)


@STORE.required("truncated", "10.5.2, PS3.5 7.1.2", "A file cut off within its pixels is not acknowledged as stored")
def truncated(server: Server, data: Prepared) -> None:
    answer = send(server, [data.fresh().part10[:-2000]])
    if answer.status in (200, 202):
        expect.same([], response.of(answer).uids(REFERENCED), "in Referenced SOP Sequence")
    else:
        expect.status(answer, 400, 409)


@STORE.required("empty", "10.5.1.4, Table 10.5.3-1", "A request without a payload: 400")
def empty(server: Server, data: Prepared) -> None:
    content_type, _ = multipart.encoded([Part(b"")])
    expect.status(server.post("/studies", content_type, b""), 400)


@STORE.required("media-type", "Table 10.5.3-1", "A payload that is no DICOM media type: 415")
def wrong_media_type(server: Server, data: Prepared) -> None:
    expect.status(server.post("/studies", "text/plain", b"hello"), 415)


@STORE.required("part-media-type", "Table 10.5.3-1", "Multipart of another type than DICOM's is refused")
def wrong_part_type(server: Server, data: Prepared) -> None:
    """From memory: 415 is what the table says of the Content-Type; that 400 or 409 would be wrong it does not say."""
    expect.status(server.post("/studies", *multipart.encoded([Part(b"hello", "text/plain")])), 400, 409, 415)


@STORE.required("response.json", "10.5.4, Annex I", "Accept: application/dicom+json is followed")
def answers_json(server: Server, data: Prepared) -> None:
    answer = expect.media_type(expect.status(send(server, [data.fresh().part10]), 200), "application/dicom+json")
    found = response.of(answer).model
    expect.same([], list(models.rule_breaks(found)), "rules broken in the JSON:")


@STORE.required("response.xml", "10.5.4, Annex I", "Accept: application/dicom+xml is followed")
def answers_xml(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    answer = send(server, [instance.part10], accept=f"application/dicom+xml, {XML}")
    expect.media_type(expect.offered(answer, without=(406,)), "application/dicom+xml", "multipart/related")
    response.stored(answer, [instance])


@STORE.required("response.retrieve-url", "Table I.1-1", "Retrieve URL (type 2) of the study and of each instance")
def retrieve_urls(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    module = response.stored(send(server, [instance.part10]), [instance])
    for model in (module.model, *module.items(REFERENCED)):
        expect.that(response.RETRIEVE_URL in model, "Retrieve URL (0008,1190)", sorted(model))
    url = models.value(module.items(REFERENCED)[0], response.RETRIEVE_URL)
    if url:
        came = expect.status(server.get(server.resolved(url, "/studies"), EVERYTHING), 200)
        expect.same([instance.uid], list(data_sets.of_parts(came)), "at the Retrieve URL")


@STORE.required("response.no-url", "Table I.1-1", "Retrieve URL (type 2) is there where two studies were stored in")
def no_retrieve_url(server: Server, data: Prepared) -> None:
    instances = [data.fresh(), data.fresh()]
    module = response.stored(send(server, [one.part10 for one in instances]), instances)
    expect.that(response.RETRIEVE_URL in module.model, "Retrieve URL (0008,1190)", sorted(module.model))


@STORE.required("chunked", "Table 10.5.1-2", "A payload with Transfer-Encoding: chunked is stored")
def chunked(server: Server, data: Prepared) -> None:
    instance = data.fresh()
    content_type, body = multipart.encoded([Part(instance.part10)])

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    answer = server.post("/studies", content_type, pieces())
    response.stored(expect.offered(answer, without=(411,)) if answer.status == 411 else answer, [instance])


@STORE.optional("again", "10.5.2", "The same instance again is no second one, and no failure of the server")
def again(server: Server, data: Prepared) -> None:
    """From memory: the standard does not say whether a repetition is 200, 202 or 409."""
    instance = data.fresh()
    response.stored(send(server, [instance.part10]), [instance])
    expect.status(send(server, [instance.part10]), 200, 202, 409)
    came = expect.status(server.get(f"/studies/{instance.study}", EVERYTHING), 200)
    data_sets.same_instances([instance], data_sets.of_parts(came))


@STORE.optional("compressed", "10.5.2", "A compressed instance is kept without loss")
def compressed(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(data.compressed.path, EVERYTHING), 200)
    data_sets.same_instances([data.compressed], data_sets.of_parts(answer))


@STORE.optional("stored-once", "8.3.4", "What was stored is found by a search")
def found_after_store(server: Server, data: Prepared) -> None:
    instance: Instance = data.fresh()
    response.stored(send(server, [instance.part10]), [instance])
    answer = expect.status(server.get(f"/studies/{instance.study}/instances"), 200)
    expect.same([instance.uid], list(models.by_uid(answer.models())), "instances found")
