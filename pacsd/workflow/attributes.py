"""The Unified Procedure Step's attributes and what is required of each (PS3.4 Table CC.2.5-3), as one table.

A line is the standard's row: tag (`>` for each sequence around it), keyword, requirement type of N-CREATE and of N-SET
(SCU/SCP), final state code, matching key type and return key type. `-` is not allowed, or no key; a trailing `e` is to
be created empty. `@name` includes a macro (Tables CC.2.5-2a to g); its `*` stands for the key type of the sequence.
What the table does not name is optional everywhere, and no matching key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

_MACROS = {
    "code": """
00080100   CodeValue                                       1C/1C  1C/1C  O   *  1C
00080102   CodingSchemeDesignator                          1C/1C  1C/1C  O   *  1C
00080103   CodingSchemeVersion                             1C/1C  1C/1C  O   -  1C
00080104   CodeMeaning                                     1/1    1/1    O   -  1
00080119   LongCodeValue                                   1C/1C  1C/1C  O   *  1C
00080120   URNCodeValue                                    1C/1C  1C/1C  O   *  1C
00080105   MappingResource                                 3/3    3/3    O   -  3
00080118   MappingResourceUID                              3/3    3/3    O   -  3
00080106   ContextGroupVersion                             3/3    3/3    O   -  3
0008010B   ContextGroupExtensionFlag                       3/3    3/3    O   -  3
00080107   ContextGroupLocalVersion                        3/3    3/3    O   -  3
0008010D   ContextGroupExtensionCreatorUID                 3/3    3/3    O   -  3
""",
    "content": """
0040A040   ValueType                                       1/1    1/1    O   *  1
0040A043   ConceptNameCodeSequence                         1/1    1/1    O   *  1
>@code
0040A120   DateTime                                        1C/1C  1/1    O   *  1C
0040A121   Date                                            1C/1C  1/1    O   *  1C
0040A122   Time                                            1C/1C  1/1    O   *  1C
0040A123   PersonName                                      1C/1C  1/1    O   *  1C
0040A124   UID                                             1C/1C  1/1    O   *  1C
0040A160   TextValue                                       1C/1C  1/1    O   *  1C
0040A168   ConceptCodeSequence                             1C/1C  1/1    O   *  1C
>@code
0040A30A   NumericValue                                    1C/1C  1/1    O   *  1C
004008EA   MeasurementUnitsCodeSequence                    1C/1C  1/1    O   *  1C
>@code
""",
    "instances": """
0040E020   TypeOfInstances                                 1/1    1/1    O   O  1
0020000D   StudyInstanceUID                                1C/1   1C/1   O   O  1C
0020000E   SeriesInstanceUID                               1C/1   1C/1   O   O  1C
00081199   ReferencedSOPSequence                           1/1    1/1    O   O  1
>00081150  ReferencedSOPClassUID                           1/1    1/1    O   O  1
>00081155  ReferencedSOPInstanceUID                        1/1    1/1    O   O  1
>0040E001  HL7InstanceIdentifier                           1C/1   1C/1   O   O  1C
>00081160  ReferencedFrameNumber                           1C/1   1C/1   O   O  1C
>0062000B  ReferencedSegmentNumber                         1C/1   1C/1   O   O  1C
0040E021   DICOMRetrievalSequence                          1C/1   1C/1   O   O  1C
>00080054  RetrieveAETitle                                 1/1    1/1    O   O  1
0040E022   DICOMMediaRetrievalSequence                     1C/1   1C/1   O   O  1C
>00880130  StorageMediaFileSetID                           2/2    2/2    O   O  2
>00880140  StorageMediaFileSetUID                          1/1    1/1    O   O  1
0040E023   WADORetrievalSequence                           1C/1   1C/1   O   O  1C
>0040E010  RetrieveURI                                     1/1    1/1    O   O  1
0040E024   XDSRetrievalSequence                            1C/1C  1C/1   O   O  1C
>0040E030  RepositoryUniqueID                              1/1    1/1    O   O  1
>0040E031  HomeCommunityID                                 3/2    3/2    O   O  2
0040E025   WADORSRetrievalSequence                         1C/1   1C/1   O   O  1C
>00081190  RetrieveURL                                     1/1    1/1    O   O  1
""",
    "designator": """
00400031   LocalNamespaceEntityID                          1C/1   -      O   *  1C
00400032   UniversalEntityID                               1C/1   -      O   *  1C
00400033   UniversalEntityIDType                           1C/1   -      O   *  1C
""",
    "issuer": """
00100021   IssuerOfPatientID                               2/2    -      O   R  2
00100024   IssuerOfPatientIDQualifiersSequence             2/2    -      O   O  2
>00400032  UniversalEntityID                               2/2    -      O   O  2
>00400033  UniversalEntityIDType                           1C/1   -      O   O  1C
>00400035  IdentifierTypeCode                              2/2    -      O   O  2
>00400036  AssigningFacilitySequence                       2/2    -      O   O  2
>>@designator
>00400039  AssigningJurisdictionCodeSequence               2/2    -      O   O  2
>>@code
>0040003A  AssigningAgencyOrDepartmentCodeSequence         2/2    -      O   O  2
>>@code
""",
    "reference": """
00081150   ReferencedSOPClassUID                           1/1    1/1    O   *  1
00081155   ReferencedSOPInstanceUID                        1/1    1/1    O   *  1
""",
    "storage": """
00081150   ReferencedSOPClassUID                           1C/1   1C/1   O   O  1C
00404071   DICOMStorageSequence                            1C/1   1C/1   O   O  1C
>21000140  DestinationAE                                   1/1    1/1    O   *  1
00404072   STOWRSStorageSequence                           1C/1   1C/1   O   O  1C
>00404073  StorageURL                                      1/1    1/1    O   *  1
00404074   XDSStorageSequence                              1C/1   1C/1   O   O  1C
>0040E030  RepositoryUniqueID                              1/1    1/1    O   *  1
>0040E031  HomeCommunityID                                 3/2    3/2    O   *  2
""",
}

_TABLE = """
00081195   TransactionUID                                  2/2e   3/1    O   -  -
00080005   SpecificCharacterSet                            3/1    3/1    RC  -  1C
00080016   SOPClassUID                                     -/1    -      R   O  1
00080018   SOPInstanceUID                                  -      -      R   U  1
00741200   ScheduledProcedureStepPriority                  1/1    3/1    R   R  1
00404010   ScheduledProcedureStepModificationDateTime      -/1    -/1    R   O  3
00741204   ProcedureStepLabel                              1/1    3/1    O   R  1
00741202   WorklistLabel                                   2/1    3/1    O   R  1
00741210   ScheduledProcessingParametersSequence           2/2    3/2    O   -  2
>@content
00404025   ScheduledStationNameCodeSequence                2/2    3/2    O   R  2
>@code
00404026   ScheduledStationClassCodeSequence               2/2    3/2    O   R  2
>@code
00404027   ScheduledStationGeographicLocationCodeSequence  2/2    3/2    O   R  2
>@code
00404034   ScheduledHumanPerformersSequence                2C/2C  3/2    O   R  2
>00404009  HumanPerformerCodeSequence                      1/1    1/1    O   R  1
>>@code
>00404037  HumanPerformerName                              1/1    1/1    O   O  3
>00404036  HumanPerformerOrganization                      1/1    1/1    O   O  3
00404005   ScheduledProcedureStepStartDateTime             1/1    3/1    R   R  1
00404011   ExpectedCompletionDateTime                      3/1    3/1    O   R  3
00404008   ScheduledProcedureStepExpirationDateTime        3/3    3/3    O   O  3
00404018   ScheduledWorkitemCodeSequence                   2/2    3/1    O   R  2
>@code
00400400   CommentsOnTheScheduledProcedureStep             2/2    3/1    O   O  3
00404041   InputReadinessState                             1/1    3/1    R   R  1
00404021   InputInformationSequence                        2/2    3/2    O   O  2
>@instances
0020000D   StudyInstanceUID                                1C/2   3/2    O   O  2
00404070   OutputDestinationSequence                       3/3    3/3    O   O  3
>@storage
00100010   PatientName                                     2/2    -      O   R  2
00100020   PatientID                                       1C/2   -      O   R  2
@issuer
00101002   OtherPatientIDsSequence                         2/2    3/3    O   O  2
>00100020  PatientID                                       1/1    1/1    O   O  1
>@issuer
>00100022  TypeOfPatientID                                 3/3    3/3    O   O  3
00100030   PatientBirthDate                                2/2    -      O   R  2
00100040   PatientSex                                      2/2    -      O   R  2
00101100   ReferencedPatientPhotoSequence                  3/3    3/3    O   -  3
>@instances
00380010   AdmissionID                                     2/2    -      O   R  2
00380014   IssuerOfAdmissionIDSequence                     2/2    -      O   R  2
>@designator
00081080   AdmittingDiagnosesDescription                   2/2    -      O   O  2
00081084   AdmittingDiagnosesCodeSequence                  2/2    -      O   O  2
>@code
0040A370   ReferencedRequestSequence                       2/2    -      O   R  2
>0020000D  StudyInstanceUID                                1/1    -      O   O  1
>00080050  AccessionNumber                                 2/2    -      O   R  2
>00080051  IssuerOfAccessionNumberSequence                 2/2    -      O   R  2
>>@designator
>00402016  PlacerOrderNumberImagingServiceRequest          3/1    -      O   O  1C
>00400026  OrderPlacerIdentifierSequence                   2/2    -      O   O  2
>>@designator
>00402017  FillerOrderNumberImagingServiceRequest          3/1    -      O   O  1C
>00400027  OrderFillerIdentifierSequence                   2/2    -      O   O  2
>>@designator
>00401001  RequestedProcedureID                            2/2    -      O   R  2
>00321060  RequestedProcedureDescription                   2/2    -      O   O  2
>00321064  RequestedProcedureCodeSequence                  2/2    -      O   O  2
>>@code
>00401002  ReasonForTheRequestedProcedure                  3/3    3/3    O   O  3
>0040100A  ReasonForRequestedProcedureCodeSequence         3/3    3/3    O   O  3
>>@code
>00401400  RequestedProcedureComments                      3/3    3/3    O   O  1C
>00401008  ConfidentialityCode                             3/3    3/3    O   O  3
>00401010  NamesOfIntendedRecipientsOfResults              3/3    3/3    O   O  3
>00402400  ImagingServiceRequestComments                   3/3    3/3    O   O  3
>00321032  RequestingPhysician                             3/3    3/3    O   O  3
>00321033  RequestingService                               3/1    3/1    O   R  3
>00321034  RequestingServiceCodeSequence                   3/3    3/3    O   O  3
>>@code
>00402004  IssueDateOfImagingServiceRequest                3/3    3/3    O   O  3
>00402005  IssueTimeOfImagingServiceRequest                3/3    3/3    O   O  3
>00080090  ReferringPhysicianName                          3/3    3/3    O   O  3
00741224   ReplacedProcedureStepSequence                   1C/1C  -      O   R  3
>@reference
00102000   MedicalAlerts                                   3/2    3/2    O   O  2C
001021C0   PregnancyStatus                                 3/2    3/2    O   O  2C
00380050   SpecialNeeds                                    3/2    3/2    O   O  2C
00741000   ProcedureStepState                              1/1    -      R   R  1
00741002   ProcedureStepProgressInformationSequence        2/2e   3/2    X   -  2
>00741004  ProcedureStepProgress                           -      3/1    O   -  -
>00741006  ProcedureStepProgressDescription                -      3/1    O   -  -
>00741007  ProcedureStepProgressParametersSequence         -      3/3    O   -  -
>>@content
>>00400441 ContentItemModifierSequence                     -      3/3    O   -  -
>>>@content
>00741008  ProcedureStepCommunicationsURISequence          -      3/1    O   -  -
>>0074100A ContactURI                                      -      1/1    O   -  -
>>0074100C ContactDisplayName                              -      3/1    O   -  -
>00404052  ProcedureStepCancellationDateTime               -      3/1    X   -  -
>00741238  ReasonForCancellation                           -      3/1    O   -  -
>0074100E  ProcedureStepDiscontinuationReasonCodeSequence  -      3/1    X   -  -
>>@code
00741216   UnifiedProcedureStepPerformedProcedureSequence  2/2e   3/2    P   -  -
>00404035  ActualHumanPerformersSequence                   -      3/1    RC  O  1C
>>00404009 HumanPerformerCodeSequence                      -      3/1    RC  -  -
>>>@code
>>00404037 HumanPerformerName                              -      3/1    RC  -  -
>>00404036 HumanPerformerOrganization                      -      3/1    O   -  -
>00404028  PerformedStationNameCodeSequence                -      3/2    P   O  3
>>@code
>00404029  PerformedStationClassCodeSequence               -      3/2    O   -  -
>>@code
>00404030  PerformedStationGeographicLocationCodeSequence  -      3/2    O   -  -
>>@code
>00404050  PerformedProcedureStepStartDateTime             -      3/1    P   -  -
>00400254  PerformedProcedureStepDescription               -      3/1    O   -  -
>00400280  CommentsOnThePerformedProcedureStep             -      3/1    O   -  -
>00404019  PerformedWorkitemCodeSequence                   -      3/1    P   -  -
>>@code
>00741212  PerformedProcessingParametersSequence           -      3/1    O   -  -
>>@content
>00404051  PerformedProcedureStepEndDateTime               -      3/1    P   O  1C
>00404033  OutputInformationSequence                       -      2/2    P   -  -
>>@instances
"""

ENUMERATED: Mapping[str, tuple[str, ...]] = {    # PS3.3 C.30.1, C.30.2
    "00741200": ("HIGH", "MEDIUM", "LOW"),
    "00404041": ("INCOMPLETE", "UNAVAILABLE", "READY"),
    "00741000": ("SCHEDULED", "IN PROGRESS", "CANCELED", "COMPLETED"),
}
NO_ITEMS_NEEDED = "00404033"             # Output Information: nothing relevant came out, but that must be said


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute of the table, with the rows of its items."""

    path: str                            # dotted tags of eight upper-case hex digits
    keyword: str
    create: str
    set: str
    final: str                           # R, RC, P, X, O
    match: str                           # R, U, O: a matching key
    returned: str
    items: tuple["Row", ...] = ()

    @property
    def tag(self) -> str:
        """The last of the path."""
        return self.path.rpartition(".")[2]


def _rows(text: str, above: str, match: str) -> tuple[Row, ...]:
    """The rows of a table's text, those of items inside those of their sequences."""
    rows: list[Row] = []
    for block in blocks(text):
        head, *inner = block
        if head.startswith("@"):
            rows += _rows(_MACROS[head[1:]], above, match)
            continue
        tag, keyword, create, set_, final, key, returned = head.split()
        path = f"{above}{tag}"
        row = Row(path, keyword, create, set_, final, match if key == "*" else key, returned)
        items = _rows("\n".join(line[1:] for line in inner), f"{path}.", row.match)
        rows.append(replace(row, items=items))
    return tuple(rows)


def blocks(text: str) -> Iterator[list[str]]:
    """Of a table's text: a line and those nested below it, marked by `>`."""
    block: list[str] = []
    for line in text.strip().splitlines():
        if block and not line.startswith(">"):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _all(rows: tuple[Row, ...]) -> Iterator[Row]:
    for row in rows:
        yield row
        yield from _all(row.items)


ROWS: tuple[Row, ...] = _rows(_TABLE, "", "-")
ROW_BY_TAG: Mapping[str, Row] = {row.tag: row for row in ROWS}
ROW_BY_PATH: Mapping[str, Row] = {row.path: row for row in _all(ROWS)}

RETURNED: frozenset[str] = frozenset(row.tag for row in ROWS if row.returned in ("1", "2", "1C", "2C"))
"""What a search answers without being asked (PS3.18 11.9.3.3)."""


def is_matching_key(path: str) -> bool:
    """Whether workitems can be searched by this attribute."""
    row = ROW_BY_PATH.get(path)
    return row is not None and row.match in ("R", "U", "O")
