"""Search: every required matching key and return key (PS3.18 Tables 10.6.1-5, 10.6.3-3 to -5), and matching types."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.datadict import tag_for_keyword

from conformance.dicomweb import expect, models
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.search import SEARCH, SERIES_UID, SOP_UID, STUDY_UID, found, ours, query, results, studies
from conformance.dicomweb.server import Model, Server
from conformance.dicomweb.synthetic import Instance
from conformance.judging import Failed, NotSupported

Value = Callable[[Instance], object]


@dataclass(frozen=True, slots=True)
class Key:
    """A required matching key: how to get a value of it from an instance."""

    keyword: str
    value: Value | None = None

    def of(self, instance: Instance) -> object:
        """The value to search for."""
        return self.value(instance) if self.value else instance.dataset[self.keyword.rpartition(".")[2]].value

    @property
    def tags(self) -> str:
        """The same attribute by tags."""
        return ".".join(f"{tag_for_keyword(one):08X}" for one in self.keyword.split("."))


def _request(keyword: str) -> Value:
    return lambda instance: instance.dataset.RequestAttributesSequence[0][keyword].value


# PS3.18 Table 10.6.1-5
STUDY_KEYS = (
    Key("StudyDate"), Key("StudyTime"), Key("AccessionNumber"),
    Key("ModalitiesInStudy", lambda instance: instance.dataset.Modality),
    Key("ReferringPhysicianName"), Key("PatientName"), Key("PatientID"), Key("StudyInstanceUID"), Key("StudyID"),
)  # fmt: skip
SERIES_KEYS = (
    Key("Modality"), Key("SeriesInstanceUID"), Key("SeriesNumber"),
    Key("PerformedProcedureStepStartDate"), Key("PerformedProcedureStepStartTime"),
    Key("RequestAttributesSequence.ScheduledProcedureStepID", _request("ScheduledProcedureStepID")),
    Key("RequestAttributesSequence.RequestedProcedureID", _request("RequestedProcedureID")),
)  # fmt: skip
INSTANCE_KEYS = (Key("SOPClassUID"), Key("SOPInstanceUID"), Key("InstanceNumber"))


def _matched(path: Callable[[Prepared], str], tag: str, key: Key, pool: Callable[[Prepared], Sequence[Instance]],
             level: Callable[[Instance], str], narrowed: bool, title: str) -> None:  # fmt: skip
    """Declare one check: the key finds exactly those of the pool with that value, by keyword and by tags."""

    def run(server: Server, data: Prepared) -> None:
        one = pool(data)[1]
        value = key.of(one)
        wanted = sorted({level(other) for other in pool(data) if key.of(other) == value})
        for name in (key.keyword, key.tags):
            parameters = {name: value, **({"PatientID": ours(data)} if narrowed and key.keyword != "PatientID" else {})}
            got = found(server, path(data), tag, **parameters)
            expect.same(wanted, got, f"for {name}={value}:")

    SEARCH.required(f"key.{title}.{key.keyword}", "Table 10.6.1-5", f"{key.keyword} is matched at {title} level")(run)


for _key in STUDY_KEYS:
    _matched(lambda _: "/studies", STUDY_UID, _key, lambda data: data.others, lambda one: one.study, True, "study")
for _key in SERIES_KEYS:
    _matched(lambda _: "/series", SERIES_UID, _key, lambda data: data.others, lambda one: one.series, True, "series")
for _key in INSTANCE_KEYS:
    _matched(lambda data: f"/studies/{data.ct.study}/series/{data.ct.series}/instances", SOP_UID, _key,
             lambda data: data.slices, lambda one: one.uid, False, "instance")  # fmt: skip


@SEARCH.required("key.study-in-instances", "Table 10.6.1-4", "Study and series keys are matched in All Instances")
def relational(server: Server, data: Prepared) -> None:
    answer = server.get(query("/instances", PatientID=f"{data.tag}-A", Modality="SR", StudyInstanceUID=data.ct.study))
    if answer.status == 413:
        raise NotSupported("413: too broad")
    expect.same([data.report.uid], [models.value(one, SOP_UID) for one in results(answer)], "instances")


@SEARCH.required("modalities-in-study", "PS3.4 C.3.4, C.6.2.1.2", "A study with CT and SR is found by either")
def modalities(server: Server, data: Prepared) -> None:
    for modality in ("CT", "SR"):
        got = found(server, "/studies", PatientID=f"{data.tag}-A", ModalitiesInStudy=modality)
        expect.same([data.ct.study], got, f"for ModalitiesInStudy={modality}:")
    expect.same([], found(server, "/studies", PatientID=f"{data.tag}-A", ModalitiesInStudy="MR"), "for MR:")


@SEARCH.required("wildcard", "PS3.4 C.2.2.2.4", "* matches any characters, ? any one")
def wildcard(server: Server, data: Prepared) -> None:
    first, tag = data.others[0], data.tag
    patterns = {
        f"{tag}^Other?": data.others, f"{tag}^O*": data.others, f"{tag}^*1": [first], f"{tag}^Oth??1": [first],
        f"{tag}^?": [],
    }  # fmt: skip
    for pattern, wanted in patterns.items():
        got = found(server, "/studies", PatientName=pattern, PatientID=ours(data))
        expect.same(studies(wanted), got, f"for PatientName={pattern}:")


@SEARCH.required("universal", "PS3.4 C.2.2.2.3, C.2.2.2.4", "A value of * alone matches everything")
def universal(server: Server, data: Prepared) -> None:
    expect.same(studies(data.others), found(server, "/studies", PatientID=ours(data), PatientName="*"), "studies")


@SEARCH.required("range.date", "PS3.4 C.2.2.2.5.1", "Ranges of dates, closed and open")
def dates(server: Server, data: Prepared) -> None:
    ranges = {"20210602-20210604": data.others[1:4], "-20210602": data.others[:2], "20210604-": data.others[3:]}
    for text, wanted in ranges.items():
        expect.same(studies(wanted), found(server, "/studies", PatientID=ours(data), StudyDate=text), f"for {text}:")


@SEARCH.required("range.time", "PS3.4 C.2.2.2.5.2", "Ranges of times, closed and open")
def times(server: Server, data: Prepared) -> None:
    ranges = {"090000-110000": data.others[1:4], "-090000": data.others[:2], "110000-": data.others[3:]}
    for text, wanted in ranges.items():
        expect.same(studies(wanted), found(server, "/studies", PatientID=ours(data), StudyTime=text), f"for {text}:")


@SEARCH.required("range.date-time", "8.3.4.1.1, PS3.4 C.2.2.2.5.4", "Ranges of date and time are combined")
def date_times(server: Server, data: Prepared) -> None:
    """From 2021-06-02 10:00 to 2021-06-04 09:00: matched apart, the times from 10:00 to 09:00 would match nothing."""
    got = found(server, "/studies", PatientID=ours(data), StudyDate="20210602-20210604", StudyTime="100000-090000")
    expect.same(studies(data.others[2:3]), got, "studies")


@SEARCH.required("range.invalid", "Table 10.6.3-1", "A date that is none: 400, or no match")
def bad_date(server: Server, data: Prepared) -> None:
    """From memory: whether a value that breaks its VR is a problem with the request or matches nothing."""
    answer = expect.status(server.get(query("/studies", StudyDate="notadate")), 200, 204, 400)
    expect.same([], [] if answer.status == 400 else answer.models(), "results")


# PS3.18 Tables 10.6.3-3 to -5: what every result has; from a prepared instance, or counted
STUDY_RETURN: Mapping[str, Value | None] = {
    "StudyDate": None, "StudyTime": None, "AccessionNumber": None, "ReferringPhysicianName": None,
    "PatientName": None, "PatientID": None, "PatientBirthDate": None, "PatientSex": None, "StudyInstanceUID": None,
    "StudyID": None,
    "NumberOfStudyRelatedSeries": lambda _: 2, "NumberOfStudyRelatedInstances": lambda _: 5,
}  # fmt: skip
SERIES_RETURN: Mapping[str, Value | None] = {
    "Modality": None, "SeriesInstanceUID": None, "SeriesNumber": None, "SeriesDescription": None,
    "PerformedProcedureStepStartDate": None, "PerformedProcedureStepStartTime": None,
    "NumberOfSeriesRelatedInstances": lambda _: 4,
}  # fmt: skip
INSTANCE_RETURN: Mapping[str, Value | None] = {
    "SOPClassUID": None, "SOPInstanceUID": None, "InstanceNumber": None, "Rows": None, "Columns": None,
    "BitsAllocated": None,
}  # fmt: skip


def _returned(level: str, keyword: str, value: Value | None, path: Callable[[Prepared], str], table: str) -> None:
    tag = f"{tag_for_keyword(keyword):08X}"

    def run(server: Server, data: Prepared) -> None:
        (model,) = results(server.get(path(data)))
        stored = models.expected(data.ct.dataset)
        wanted = {tag: {"vr": "IS", "Value": [value(data.ct)]} if value else stored[tag]}
        if wrong := list(models.differences(wanted, model)):
            raise Failed(f"expected {keyword} {wanted[tag].get('Value')}, got {'; '.join(wrong)}")

    SEARCH.required(f"return.{level}.{keyword}", table, f"{keyword} is returned for each {level}")(run)


def _study_path(data: Prepared) -> str:
    return query("/studies", StudyInstanceUID=data.ct.study)


def _series_path(data: Prepared) -> str:
    return query(f"/studies/{data.ct.study}/series", SeriesInstanceUID=data.ct.series)


def _instance_path(data: Prepared) -> str:
    path = f"/studies/{data.ct.study}/series/{data.ct.series}/instances"
    return query(path, SOPInstanceUID=data.ct.uid)


for _keyword, _value in STUDY_RETURN.items():
    _returned("study", _keyword, _value, _study_path, "Table 10.6.3-3")
for _keyword, _value in SERIES_RETURN.items():
    _returned("series", _keyword, _value, _series_path, "Table 10.6.3-4")
for _keyword, _value in INSTANCE_RETURN.items():
    _returned("instance", _keyword, _value, _instance_path, "Table 10.6.3-5")


def _one(server: Server, path: str) -> Model:
    (model,) = results(server.get(path))
    return model


@SEARCH.required("return.study.ModalitiesInStudy", "Table 10.6.3-3", "ModalitiesInStudy has each modality once")
def modalities_returned(server: Server, data: Prepared) -> None:
    got = _one(server, _study_path(data)).get("00080061", {}).get("Value", [])
    expect.same(["CT", "SR"], sorted(got), "Modalities in Study")


@SEARCH.required("return.series.RequestAttributesSequence", "Table 10.6.3-4", "Request attributes of a series")
def request_attributes(server: Server, data: Prepared) -> None:
    wanted = {"00400275": models.expected(data.ct.dataset)["00400275"]}
    wrong = list(models.differences(wanted, _one(server, _series_path(data))))
    expect.that(not wrong, "the Request Attributes Sequence as stored", "; ".join(wrong))


@SEARCH.required("return.instance.NumberOfFrames", "Table 10.6.3-5", "NumberOfFrames of a multi-frame instance")
def number_of_frames(server: Server, data: Prepared) -> None:
    model = _one(server, f"/studies/{data.multiframe.study}/instances")
    wanted = {"00280008": {"vr": "IS", "Value": [len(data.multiframe.frames)]}}
    wrong = list(models.differences(wanted, model))
    expect.that(not wrong, f"{len(data.multiframe.frames)} frames", "; ".join(wrong))


@SEARCH.required("return.series-with-study", "10.6.3.3.2", "All Series returns study attributes too")
def series_with_study(server: Server, data: Prepared) -> None:
    model = _one(server, query("/series", SeriesInstanceUID=data.ct.series))
    stored = models.expected(data.ct.dataset)
    wanted = {tag: stored[tag] for tag in ("00080020", "00100010", "00100020", "0020000D")}
    wrong = list(models.differences(wanted, model))
    expect.that(not wrong, "study attributes (Table 10.6.3-3)", "; ".join(wrong))


@SEARCH.required("includefield", "8.3.4.3, 10.6.3.3.1", "includefield adds attributes, in each of its forms")
def includefield(server: Server, data: Prepared) -> None:
    """Study Description is an attribute of the study level that Table 10.6.3-3 does not have."""
    base = query("/studies", StudyInstanceUID=data.ct.study)
    for more in ("includefield=StudyDescription", "includefield=00081030", "includefield=PatientName,00081030",
                 "includefield=00100010&includefield=StudyDescription"):  # fmt: skip
        got = models.value(_one(server, f"{base}&{more}"), "00081030")
        expect.same(data.ct.dataset.StudyDescription, got, f"with {more}, Study Description")


@SEARCH.required("includefield.all", "8.3.4.3, 10.6.3.3.1", "includefield=all adds all attributes of the level")
def include_all(server: Server, data: Prepared) -> None:
    model = _one(server, query("/studies", StudyInstanceUID=data.ct.study, includefield="all"))
    expect.same(data.ct.dataset.StudyDescription, models.value(model, "00081030"), "Study Description")


@SEARCH.required("includefield.lower", "10.6.3.3.1", "Attributes of lower levels are not returned for a study")
def include_lower(server: Server, data: Prepared) -> None:
    model = _one(server, query("/studies", StudyInstanceUID=data.ct.study, includefield="00080018"))
    expect.that(SOP_UID not in model, "no SOP Instance UID", model.get(SOP_UID))


@SEARCH.required("includefield.upper", "10.6.3.3.3", "Attributes of upper levels are returned for an instance")
def include_upper(server: Server, data: Prepared) -> None:
    path = f"/studies/{data.ct.study}/series/{data.ct.series}/instances"
    model = _one(server, query(path, SOPInstanceUID=data.ct.uid, includefield="PatientID"))
    expect.same(data.ct.dataset.PatientID, models.value(model, "00100020"), "Patient ID")
