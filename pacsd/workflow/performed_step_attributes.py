"""The Modality Performed Procedure Step's attributes and what is required of each (PS3.4 Table F.7.2-1), as one table.

A line is the standard's row: tag (`>` for each sequence around it), keyword, requirement type of N-CREATE, of N-SET,
and in the final state (`-`: nothing more). `X` is not allowed. `@name` includes a macro. What the table does not name
is optional in either operation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pacsd.workflow.attributes import blocks

_MACROS = {
    # Tables F.7.2-1a to f differ in whether a code needs its meaning
    "code": """
00080100   CodeValue                                       1C  1C  -
00080104   CodeMeaning                                     1   1   -
""",
    "code without meaning": """
00080100   CodeValue                                       1C  1C  -
""",
    "reference": """
00081150   ReferencedSOPClassUID                           1   1   -
00081155   ReferencedSOPInstanceUID                        1   1   -
""",
}

_TABLE = """
00400270   ScheduledStepAttributesSequence                 1   X   -
>0020000D  StudyInstanceUID                                1   X   -
>00081110  ReferencedStudySequence                         2   X   -
>>@reference
>00080050  AccessionNumber                                 2   X   -
>00401001  RequestedProcedureID                            2   X   -
>00321064  RequestedProcedureCodeSequence                  3   X   -
>>@code
>00321060  RequestedProcedureDescription                   2   X   -
>00400009  ScheduledProcedureStepID                        2   X   -
>00400007  ScheduledProcedureStepDescription               2   X   -
>00400008  ScheduledProtocolCodeSequence                   2   X   -
>>@code
00100010   PatientName                                     2   X   -
00100020   PatientID                                       2   X   -
00100021   IssuerOfPatientID                               3   X   -
00100024   IssuerOfPatientIDQualifiersSequence             3   X   -
00101002   OtherPatientIDsSequence                         3   X   -
00100030   PatientBirthDate                                2   X   -
00100040   PatientSex                                      2   X   -
00081120   ReferencedPatientSequence                       2   X   -
>@reference
00380010   AdmissionID                                     3   X   -
00380014   IssuerOfAdmissionIDSequence                     3   X   -
00380060   ServiceEpisodeID                                3   X   -
00380064   IssuerOfServiceEpisodeIDSequence                3   X   -
00380062   ServiceEpisodeDescription                       3   X   -
00400253   PerformedProcedureStepID                        1   X   -
00400241   PerformedStationAETitle                         1   X   -
00400242   PerformedStationName                            2   X   -
00400243   PerformedLocation                               2   X   -
00400244   PerformedProcedureStepStartDate                 1   X   -
00400245   PerformedProcedureStepStartTime                 1   X   -
00400252   PerformedProcedureStepStatus                    1   3   -
00400254   PerformedProcedureStepDescription               2   3   -
00400255   PerformedProcedureTypeDescription               2   3   -
00081032   ProcedureCodeSequence                           2   3   -
>@code without meaning
00401012   ReasonForPerformedProcedureCodeSequence         3   3   -
>@code
00400250   PerformedProcedureStepEndDate                   2   3   1
00400251   PerformedProcedureStepEndTime                   2   3   1
00400280   CommentsOnThePerformedProcedureStep             3   3   -
00400281   PerformedProcedureStepDiscontinuationReasonCodeSequence  3  3  -
>@code
00080060   Modality                                        1   X   -
00200010   StudyID                                         2   X   -
00400260   PerformedProtocolCodeSequence                   2   3   -
>@code without meaning
00400340   PerformedSeriesSequence                         2   3   1
>00081050  PerformingPhysicianName                         2   2   2
>00181030  ProtocolName                                    1   1   1
>00081070  OperatorsName                                   2   2   2
>0020000E  SeriesInstanceUID                               1   1   1
>0008103E  SeriesDescription                               2   2   2
>00080054  RetrieveAETitle                                 2   2   2
>00081140  ReferencedImageSequence                         2   2   2
>>@reference
>00400220  ReferencedNonImageCompositeSOPInstanceSequence  2   2   2
>>@reference
"""


@dataclass(frozen=True, slots=True)
class StepRow:
    """One attribute of the table, with the rows of its items."""

    path: str                            # dotted tags of eight upper-case hex digits
    keyword: str
    create: str
    set: str
    final: str
    items: tuple["StepRow", ...] = ()

    @property
    def tag(self) -> str:
        """The last of the path."""
        return self.path.rpartition(".")[2]


def _rows(text: str, above: str) -> tuple[StepRow, ...]:
    rows: list[StepRow] = []
    for head, *inner in blocks(text):
        if head.startswith("@"):
            rows += _rows(_MACROS[head[1:]], above)
            continue
        tag, keyword, create, set_, final = head.split()
        items = _rows("\n".join(line[1:] for line in inner), f"{above}{tag}.")
        rows.append(StepRow(f"{above}{tag}", keyword, create, set_, final, items))
    return tuple(rows)


STEP_ROWS: tuple[StepRow, ...] = _rows(_TABLE, "")
STEP_ROW_BY_TAG: Mapping[str, StepRow] = {row.tag: row for row in STEP_ROWS}
