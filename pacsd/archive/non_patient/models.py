"""The information models of non-patient instances as one table: classes, attributes, and the resource of the web.

Each model has a single level, the instance (PS3.4 U.3, X.3, BB.3, HH.3, II.3). Both edges, the index and the statements
of conformance read this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR

from pacsd.codec.model_rows import Row, rows_of

_CODE = frozenset(("00080100", "00080102", "00080103", "00080104"))      # PS3.4 C.2.2.2.6: what codes are matched by
_REFERENCE = ("R1 >ReferencedSOPClassUID", "R1 >ReferencedSOPInstanceUID")
_EVERY = ("R1 SOPClassUID", "U1 SOPInstanceUID")


@dataclass(frozen=True, slots=True)
class InformationModel:
    """One model: the storage classes in it, its query and retrieve classes, its attributes."""

    name: str
    clause: str
    resource: str                        # of PS3.18 Table 12.1.1-1; empty: not given out by web
    storage: tuple[tuple[str, str], ...]
    find: str
    move: str
    get: str
    rows: tuple[Row, ...]
    find_name: str = "Information Model - FIND"          # after `name`

    @property
    def storage_uids(self) -> frozenset[str]:
        """The SOP Class UIDs of the instances."""
        return frozenset(uid for uid, _ in self.storage)

    @property
    def tags(self) -> frozenset[str]:
        """Top-level attributes that the index keeps and answers with."""
        return frozenset(row.path for row in self.rows if "." not in row.path)

    @property
    def returned(self) -> frozenset[str]:
        """Top-level attributes of Return Key Type 1, 1C or 2: a search by web answers with them unasked."""
        return frozenset(row.path for row in self.rows if "." not in row.path and row.returned[0] in "12")

    def is_matching_key(self, path: str) -> bool:
        """Whether instances are matched by it: a key of the table, or the parts of a coded one."""
        if _keys(self).get(path, "-") != "-":
            return True
        above, _, last = path.rpartition(".")
        coded = _keys(self).get(above, "-") != "-" and not any(one.startswith(above + ".") for one in _keys(self))
        return coded and last in _CODE and dictionary_VR(int(above.rpartition(".")[2], 16)) == "SQ"


def _keys(model: InformationModel) -> Mapping[str, str]:
    return {row.path: row.match for row in model.rows}


def _rows(*lines: str) -> tuple[Row, ...]:
    return tuple(rows_of((*_EVERY, *lines)))


COLOR_PALETTE = InformationModel(
    "Color Palette", "PS3.4 X", "color-palettes",
    (("1.2.840.10008.5.1.4.39.1", "Color Palette Storage"),),
    "1.2.840.10008.5.1.4.39.2", "1.2.840.10008.5.1.4.39.3", "1.2.840.10008.5.1.4.39.4",
    _rows(                               # Table X.6-1
        "R1 ContentLabel", "-2 ContentDescription", "-2 ContentCreatorName", "-3 AlternateContentDescriptionSequence",
        "-1 >ContentDescription", "-1 >LanguageCodeSequence",
    ),
    find_name="Query/Retrieve Information Model - FIND",
)  # fmt: skip
HANGING_PROTOCOL = InformationModel(
    "Hanging Protocol", "PS3.4 U", "hanging-protocols",
    (("1.2.840.10008.5.1.4.38.1", "Hanging Protocol Storage"),),
    "1.2.840.10008.5.1.4.38.2", "1.2.840.10008.5.1.4.38.3", "1.2.840.10008.5.1.4.38.4",
    _rows(                               # Table U.6-1
        "R1 HangingProtocolName", "-1 HangingProtocolDescription", "R1 HangingProtocolLevel",
        "-1 HangingProtocolCreator", "-1 HangingProtocolCreationDateTime", "R1 HangingProtocolDefinitionSequence",
        "R2 >Modality", "R2 >AnatomicRegionSequence", "R2 >Laterality", "R2 >ProcedureCodeSequence",
        "R2 >ReasonForRequestedProcedureCodeSequence", "R1 NumberOfPriorsReferenced",
        "R2 HangingProtocolUserIdentificationCodeSequence", "R3 HangingProtocolUserGroupName", "R2 NumberOfScreens",
        "-2 NominalScreenDefinitionSequence", "-1 >NumberOfVerticalPixels", "-1 >NumberOfHorizontalPixels",
        "-1 >DisplayEnvironmentSpatialPosition", "-1C >ScreenMinimumGrayscaleBitDepth",
        "-1C >ScreenMinimumColorBitDepth", "-3 >ApplicationMaximumRepaintTime",
    ),
)  # fmt: skip
GENERIC_IMPLANT_TEMPLATE = InformationModel(
    "Generic Implant Template", "PS3.4 BB", "implant-templates",
    (("1.2.840.10008.5.1.4.43.1", "Generic Implant Template Storage"),),
    "1.2.840.10008.5.1.4.43.2", "1.2.840.10008.5.1.4.43.3", "1.2.840.10008.5.1.4.43.4",
    _rows(                               # Table BB.6-1
        "R1 Manufacturer", "R1 ImplantName", "R2 ImplantSize", "R1 ImplantPartNumber",
        "R2 ReplacedImplantTemplateSequence", *_REFERENCE, "R2 DerivationImplantTemplateSequence", *_REFERENCE,
        "R1 EffectiveDateTime", "R2 OriginalImplantTemplateSequence", *_REFERENCE,
        "R2 ImplantTargetAnatomySequence", "R1 >AnatomicRegionSequence", "R2 ImplantRegulatoryDisapprovalCodeSequence",
        "R1 MaterialsCodeSequence", "R1 CoatingMaterialsCodeSequence",
    ),
)  # fmt: skip
IMPLANT_ASSEMBLY_TEMPLATE = InformationModel(
    "Implant Assembly Template", "PS3.4 BB", "implant-templates",
    (("1.2.840.10008.5.1.4.44.1", "Implant Assembly Template Storage"),),
    "1.2.840.10008.5.1.4.44.2", "1.2.840.10008.5.1.4.44.3", "1.2.840.10008.5.1.4.44.4",
    _rows(                               # Table BB.6-2
        "R1 Manufacturer", "R1 ProcedureTypeCodeSequence", "R1 ReplacedImplantAssemblyTemplateSequence", *_REFERENCE,
        "R1 OriginalImplantAssemblyTemplateSequence", *_REFERENCE, "R1 DerivationImplantAssemblyTemplateSequence",
        *_REFERENCE, "R2 SurgicalTechnique",
    ),
)  # fmt: skip
IMPLANT_TEMPLATE_GROUP = InformationModel(
    "Implant Template Group", "PS3.4 BB", "implant-templates",
    (("1.2.840.10008.5.1.4.45.1", "Implant Template Group Storage"),),
    "1.2.840.10008.5.1.4.45.2", "1.2.840.10008.5.1.4.45.3", "1.2.840.10008.5.1.4.45.4",
    _rows(                               # Table BB.6-3
        "R1 ImplantTemplateGroupName", "-2 ImplantTemplateGroupDescription", "R1 ImplantTemplateGroupIssuer",
        "R1 EffectiveDateTime", "R2 ReplacedImplantTemplateGroupSequence", *_REFERENCE,
    ),
)  # fmt: skip
DEFINED_PROCEDURE_PROTOCOL = InformationModel(
    "Defined Procedure Protocol", "PS3.4 HH", "defined-procedure-protocols",
    (
        ("1.2.840.10008.5.1.4.1.1.200.1", "CT Defined Procedure Protocol Storage"),
        ("1.2.840.10008.5.1.4.1.1.200.7", "XA Defined Procedure Protocol Storage"),
    ),
    "1.2.840.10008.5.1.4.20.1", "1.2.840.10008.5.1.4.20.2", "1.2.840.10008.5.1.4.20.3",
    _rows(                               # Table HH.6-1
        "R2 CustodialOrganizationSequence", "R2 >InstitutionName", "R2 >InstitutionCodeSequence",
        "R2 ResponsibleGroupCodeSequence", "R1 ProtocolName", "R1 PotentialScheduledProtocolCodeSequence",
        "R1 PotentialRequestedProcedureCodeSequence", "-2 PotentialReasonsForProcedure",
        "R2 PotentialReasonsForProcedureCodeSequence", "-2 PotentialDiagnosticTasks", "R2 PredecessorProtocolSequence",
        *_REFERENCE, "R1 ContentCreatorName", "R1 InstanceCreationDate", "R1 InstanceCreationTime",
        "R1 ClinicalTrialSponsorName", "R1 ClinicalTrialProtocolID", "R1 EquipmentModality",
        "R2 ModelSpecificationSequence", "R1 >Manufacturer", "R2 >ManufacturerRelatedModelGroup",
        "R2 >ManufacturerModelName", "R2 >SoftwareVersions", "-2 >DeviceSerialNumber", "R2 AnatomicRegionSequence",
        "R2 PrimaryAnatomicStructureSequence",
    ),
)  # fmt: skip
PROTOCOL_APPROVAL = InformationModel(    # no resource in PS3.18 Table 12.1.1-1
    "Protocol Approval", "PS3.4 II", "",
    (("1.2.840.10008.5.1.4.1.1.200.3", "Protocol Approval Storage"),),
    "1.2.840.10008.5.1.4.1.1.200.4", "1.2.840.10008.5.1.4.1.1.200.5", "1.2.840.10008.5.1.4.1.1.200.6",
    _rows(                               # Table II.6-1
        "R1 InstanceCreationDate", "R1 InstanceCreationTime", "R1 ApprovalSubjectSequence", *_REFERENCE,
        "R1 ApprovalSequence", "R1 >AssertionCodeSequence", "-1 >AssertionUID", "R1 >AsserterIdentificationSequence",
        "-1 >>ObserverType", "R1 >>PersonName", "R1 >>PersonIdentificationCodeSequence",
        "R2 >>OrganizationalRoleCodeSequence", "-3 >>StationName", "-3 >>DeviceUID", "-3 >>Manufacturer",
        "-3 >>ManufacturerModelName", "-3 >>StationAETitle", "R1 >>InstitutionName", "R1 >>InstitutionCodeSequence",
        "U2 >>InstitutionalDepartmentName", "U3 >>InstitutionalDepartmentTypeCodeSequence", "R1 >AssertionDateTime",
        "R2 >AssertionExpirationDateTime", "-2 >AssertionComments", "U1 >RelatedAssertionSequence",
        "U1 >>ReferencedAssertionUID", "-1 Manufacturer", "-2 ManufacturerModelName", "-2 SoftwareVersions",
    ),
)  # fmt: skip
INVENTORY = InformationModel(            # attributes of the Inventory IOD's own module: its Table was not at hand
    "Inventory", "PS3.4 JJ", "inventories",
    (("1.2.840.10008.5.1.4.1.1.201.1", "Inventory Storage"),),
    "1.2.840.10008.5.1.4.1.1.201.2", "1.2.840.10008.5.1.4.1.1.201.3", "1.2.840.10008.5.1.4.1.1.201.4",
    _rows(
        "R1 ContentDate", "R1 ContentTime", "R2 InventoryPurpose", "R2 InventoryInstanceDescription",
        "R1 InventoryLevel", "R1 InventoryCompletionStatus", "R1 TransactionStatus", "-3 TransactionStatusComment",
        "-1 NumberOfStudyRecordsInInstance", "-1 TotalNumberOfStudyRecords",
    ),
    find_name="- FIND",
)  # fmt: skip

MODELS = (
    HANGING_PROTOCOL, COLOR_PALETTE, GENERIC_IMPLANT_TEMPLATE, IMPLANT_ASSEMBLY_TEMPLATE, IMPLANT_TEMPLATE_GROUP,
    DEFINED_PROCEDURE_PROTOCOL, PROTOCOL_APPROVAL, INVENTORY,
)  # fmt: skip
MODEL_OF_CLASS: Mapping[str, InformationModel] = {uid: model for model in MODELS for uid, _ in model.storage}
RESOURCES: Mapping[str, tuple[InformationModel, ...]] = {
    resource: tuple(model for model in MODELS if model.resource == resource)
    for resource in sorted({model.resource for model in MODELS if model.resource})
}


def classes_of(models: tuple[InformationModel, ...]) -> frozenset[str]:
    """The storage classes of several models."""
    return frozenset(uid for model in models for uid in model.storage_uids)
