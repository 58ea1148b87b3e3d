"""Every SOP class the DIMSE edge answers to, as one table; README and Conformance Statement are rendered from it.

Storage: the standard classes of PS3.4 Table B.5-1 (2026a) and the retired ones that old devices still send, and the
non-patient objects of PS3.4 Table GG.3-1 with the models they are queried by.
"""

from dataclasses import dataclass
from enum import Enum

from pacsd.archive.non_patient.models import MODELS, InformationModel


class Service(Enum):
    """A DIMSE service of ours; the value is the word the configuration uses for what an AE may ask."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    WORKLIST = "worklist"
    MPPS = "mpps"
    COMMITMENT = "commitment"
    UPS = "ups"


class Model(Enum):
    """A Query/Retrieve information model (PS3.4 C.6) and its levels, upper first."""

    PATIENT_ROOT = ("PATIENT", "STUDY", "SERIES", "IMAGE")
    STUDY_ROOT = ("STUDY", "SERIES", "IMAGE")
    PATIENT_STUDY_ONLY = ("PATIENT", "STUDY")


@dataclass(frozen=True, slots=True)
class SOPClass:
    """One SOP class, the service it is served by as SCP, and for Query/Retrieve its information model."""

    uid: str
    name: str
    service: Service
    model: Model | None = None
    retired: bool = False
    non_patient: InformationModel | None = None


VERIFICATION = "1.2.840.10008.1.1"

VERIFICATION_CLASSES = (SOPClass(VERIFICATION, "Verification", Service.ECHO),)  # PS3.4 A.4

QUERY_RETRIEVE_CLASSES = (  # PS3.4 C.6
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.1.1",
        "Patient Root Query/Retrieve Information Model - FIND",
        Service.FIND,
        Model.PATIENT_ROOT,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.1.2",
        "Patient Root Query/Retrieve Information Model - MOVE",
        Service.MOVE,
        Model.PATIENT_ROOT,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.1.3",
        "Patient Root Query/Retrieve Information Model - GET",
        Service.GET,
        Model.PATIENT_ROOT,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.2.1",
        "Study Root Query/Retrieve Information Model - FIND",
        Service.FIND,
        Model.STUDY_ROOT,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.2.2",
        "Study Root Query/Retrieve Information Model - MOVE",
        Service.MOVE,
        Model.STUDY_ROOT,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.2.3",
        "Study Root Query/Retrieve Information Model - GET",
        Service.GET,
        Model.STUDY_ROOT,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.3.1",
        "Patient/Study Only Query/Retrieve Information Model - FIND",
        Service.FIND,
        Model.PATIENT_STUDY_ONLY,
        retired=True,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.3.2",
        "Patient/Study Only Query/Retrieve Information Model - MOVE",
        Service.MOVE,
        Model.PATIENT_STUDY_ONLY,
        retired=True,
    ),
    SOPClass(
        "1.2.840.10008.5.1.4.1.2.3.3",
        "Patient/Study Only Query/Retrieve Information Model - GET",
        Service.GET,
        Model.PATIENT_STUDY_ONLY,
        retired=True,
    ),
)


WORKLIST_CLASSES = (                     # PS3.4 K.6
    SOPClass("1.2.840.10008.5.1.4.31", "Modality Worklist Information Model - FIND", Service.WORKLIST),
)


def _storage(uid: str, name: str, *, retired: bool = False) -> SOPClass:
    return SOPClass(uid, name, Service.STORE, retired=retired)


STORAGE_CLASSES = (  # PS3.4 Table B.5-1
    _storage("1.2.840.10008.5.1.4.1.1.1", "Computed Radiography Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.1.1", "Digital X-Ray Image Storage - For Presentation"),
    _storage("1.2.840.10008.5.1.4.1.1.1.1.1", "Digital X-Ray Image Storage - For Processing"),
    _storage("1.2.840.10008.5.1.4.1.1.1.2", "Digital Mammography X-Ray Image Storage - For Presentation"),
    _storage("1.2.840.10008.5.1.4.1.1.1.2.1", "Digital Mammography X-Ray Image Storage - For Processing"),
    _storage("1.2.840.10008.5.1.4.1.1.1.3", "Digital Intra-Oral X-Ray Image Storage - For Presentation"),
    _storage("1.2.840.10008.5.1.4.1.1.1.3.1", "Digital Intra-Oral X-Ray Image Storage - For Processing"),
    _storage("1.2.840.10008.5.1.4.1.1.2", "CT Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.2.1", "Enhanced CT Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.2.2", "Legacy Converted Enhanced CT Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.3.1", "Ultrasound Multi-frame Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.4", "MR Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.4.1", "Enhanced MR Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.4.2", "MR Spectroscopy Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.4.3", "Enhanced MR Color Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.4.4", "Legacy Converted Enhanced MR Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.6.1", "Ultrasound Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.6.2", "Enhanced US Volume Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.6.3", "Photoacoustic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.7", "Secondary Capture Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.7.1", "Multi-frame Single Bit Secondary Capture Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.7.2", "Multi-frame Grayscale Byte Secondary Capture Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.7.3", "Multi-frame Grayscale Word Secondary Capture Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.7.4", "Multi-frame True Color Secondary Capture Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.1.1", "12-lead ECG Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.1.2", "General ECG Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.1.3", "Ambulatory ECG Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.1.4", "General 32-bit ECG Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.2.1", "Hemodynamic Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.3.1", "Cardiac Electrophysiology Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.4.1", "Basic Voice Audio Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.4.2", "General Audio Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.5.1", "Arterial Pulse Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.6.1", "Respiratory Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.6.2", "Multi-channel Respiratory Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.7.1", "Routine Scalp Electroencephalogram Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.7.2", "Electromyogram Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.7.3", "Electrooculogram Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.7.4", "Sleep Electroencephalogram Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.8.1", "Body Position Waveform Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.100.1", "Waveform Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.9.100.2", "Waveform Acquisition Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Softcopy Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.2", "Color Softcopy Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.3", "Pseudo-Color Softcopy Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.4", "Blending Softcopy Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.5", "XA/XRF Grayscale Softcopy Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.6", "Grayscale Planar MPR Volumetric Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.7", "Compositing Planar MPR Volumetric Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.8", "Advanced Blending Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.11.9", "Volume Rendering Volumetric Presentation State Storage"),
    _storage(
        "1.2.840.10008.5.1.4.1.1.11.10", "Segmented Volume Rendering Volumetric Presentation State Storage"
    ),
    _storage(
        "1.2.840.10008.5.1.4.1.1.11.11", "Multiple Volume Rendering Volumetric Presentation State Storage"
    ),
    _storage("1.2.840.10008.5.1.4.1.1.11.12", "Variable Modality LUT Softcopy Presentation State Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.12.1", "X-Ray Angiographic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.12.1.1", "Enhanced XA Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.12.2", "X-Ray Radiofluoroscopic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.12.2.1", "Enhanced XRF Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.13.1.1", "X-Ray 3D Angiographic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.13.1.2", "X-Ray 3D Craniofacial Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.13.1.3", "Breast Tomosynthesis Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.13.1.4", "Breast Projection X-Ray Image Storage - For Presentation"),
    _storage("1.2.840.10008.5.1.4.1.1.13.1.5", "Breast Projection X-Ray Image Storage - For Processing"),
    _storage(
        "1.2.840.10008.5.1.4.1.1.14.1",
        "Intravascular Optical Coherence Tomography Image Storage - For Presentation",
    ),
    _storage(
        "1.2.840.10008.5.1.4.1.1.14.2",
        "Intravascular Optical Coherence Tomography Image Storage - For Processing",
    ),
    _storage("1.2.840.10008.5.1.4.1.1.20", "Nuclear Medicine Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.30", "Parametric Map Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66", "Raw Data Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.1", "Spatial Registration Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.2", "Spatial Fiducials Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.3", "Deformable Spatial Registration Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.4", "Segmentation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.5", "Surface Segmentation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.6", "Tractography Results Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.7", "Label Map Segmentation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.66.8", "Height Map Segmentation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.67", "Real World Value Mapping Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.68.1", "Surface Scan Mesh Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.68.2", "Surface Scan Point Cloud Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.1", "VL Endoscopic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.1.1", "Video Endoscopic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.2", "VL Microscopic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.2.1", "Video Microscopic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.3", "VL Slide-Coordinates Microscopic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.4", "VL Photographic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.4.1", "Video Photographic Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.5.1", "Ophthalmic Photography 8 Bit Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.5.2", "Ophthalmic Photography 16 Bit Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.5.3", "Stereometric Relationship Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.5.4", "Ophthalmic Tomography Image Storage"),
    _storage(
        "1.2.840.10008.5.1.4.1.1.77.1.5.5",
        "Wide Field Ophthalmic Photography Stereographic Projection Image Storage",
    ),
    _storage(
        "1.2.840.10008.5.1.4.1.1.77.1.5.6", "Wide Field Ophthalmic Photography 3D Coordinates Image Storage"
    ),
    _storage(
        "1.2.840.10008.5.1.4.1.1.77.1.5.7", "Ophthalmic Optical Coherence Tomography En Face Image Storage"
    ),
    _storage(
        "1.2.840.10008.5.1.4.1.1.77.1.5.8",
        "Ophthalmic Optical Coherence Tomography B-scan Volume Analysis Storage",
    ),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.6", "VL Whole Slide Microscopy Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.7", "Dermoscopic Photography Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.8", "Confocal Microscopy Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.77.1.9", "Confocal Microscopy Tiled Pyramidal Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.1", "Lensometry Measurements Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.2", "Autorefraction Measurements Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.3", "Keratometry Measurements Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.4", "Subjective Refraction Measurements Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.5", "Visual Acuity Measurements Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.6", "Spectacle Prescription Report Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.7", "Ophthalmic Axial Measurements Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.78.8", "Intraocular Lens Calculations Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.79.1", "Macular Grid Thickness and Volume Report Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.80.1", "Ophthalmic Visual Field Static Perimetry Measurements Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.81.1", "Ophthalmic Thickness Map Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.82.1", "Corneal Topography Map Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.22", "Enhanced SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.33", "Comprehensive SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.34", "Comprehensive 3D SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.35", "Extensible SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.40", "Procedure Log Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.50", "Mammography CAD SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection Document Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.65", "Chest CAD SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.67", "X-Ray Radiation Dose SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.68", "Radiopharmaceutical Radiation Dose SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.69", "Colon CAD SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.70", "Implantation Plan SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.71", "Acquisition Context SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.72", "Simplified Adult Echo SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.73", "Patient Radiation Dose SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.74", "Planned Imaging Agent Administration SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.75", "Performed Imaging Agent Administration SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.76", "Enhanced X-Ray Radiation Dose SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.88.77", "Waveform Annotation SR Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.90.1", "Content Assessment Results Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.91.1", "Microscopy Bulk Simple Annotations Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.104.2", "Encapsulated CDA Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.104.3", "Encapsulated STL Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.104.4", "Encapsulated OBJ Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.104.5", "Encapsulated MTL Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.128", "Positron Emission Tomography Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.128.1", "Legacy Converted Enhanced PET Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.130", "Enhanced PET Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.131", "Basic Structured Display Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.200.2", "CT Performed Procedure Protocol Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.200.8", "XA Performed Procedure Protocol Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.1", "RT Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.2", "RT Dose Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.3", "RT Structure Set Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.4", "RT Beams Treatment Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.5", "RT Plan Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.6", "RT Brachy Treatment Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.7", "RT Treatment Summary Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.8", "RT Ion Plan Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.9", "RT Ion Beams Treatment Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.10", "RT Physician Intent Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.11", "RT Segment Annotation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.12", "RT Radiation Set Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.13", "C-Arm Photon-Electron Radiation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.14", "Tomotherapeutic Radiation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.15", "Robotic-Arm Radiation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.16", "RT Radiation Record Set Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.17", "RT Radiation Salvage Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.18", "Tomotherapeutic Radiation Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.19", "C-Arm Photon-Electron Radiation Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.20", "Robotic Radiation Record Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.21", "RT Radiation Set Delivery Instruction Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.22", "RT Treatment Preparation Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.23", "Enhanced RT Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.24", "Enhanced Continuous RT Image Storage"),
    _storage("1.2.840.10008.5.1.4.1.1.481.25", "RT Patient Position Acquisition Instruction Storage"),
    _storage("1.2.840.10008.5.1.4.34.7", "RT Beams Delivery Instruction Storage"),
    _storage("1.2.840.10008.5.1.4.34.10", "RT Brachy Application Setup Delivery Instruction Storage"),
    # Retired (PS3.6 Annex A)
    _storage("1.2.840.10008.5.1.1.29", "Hardcopy Grayscale Image Storage", retired=True),
    _storage("1.2.840.10008.5.1.1.30", "Hardcopy Color Image Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.3", "Ultrasound Multi-frame Image Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.5", "Nuclear Medicine Image Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.6", "Ultrasound Image Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.8", "Standalone Overlay Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.9", "Standalone Curve Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.9.1", "Waveform Storage - Trial", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.10", "Standalone Modality LUT Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.11", "Standalone VOI LUT Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.12.3", "X-Ray Angiographic Bi-Plane Image Storage", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.77.1", "VL Image Storage - Trial", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.77.2", "VL Multi-frame Image Storage - Trial", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.88.1", "Text SR Storage - Trial", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.88.2", "Audio SR Storage - Trial", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.88.3", "Detail SR Storage - Trial", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.88.4", "Comprehensive SR Storage - Trial", retired=True),
    _storage("1.2.840.10008.5.1.4.1.1.129", "Standalone PET Curve Storage", retired=True),
)



def _non_patient(model: InformationModel) -> tuple[SOPClass, ...]:
    retrieve = model.find_name.removesuffix("FIND")
    return (
        *(SOPClass(uid, name, Service.STORE, non_patient=model) for uid, name in model.storage),
        SOPClass(model.find, f"{model.name} {model.find_name}", Service.FIND, non_patient=model),
        SOPClass(model.move, f"{model.name} {retrieve}MOVE", Service.MOVE, non_patient=model),
        SOPClass(model.get, f"{model.name} {retrieve}GET", Service.GET, non_patient=model),
    )


MPPS, MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.3.1.2.3.4"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
INSTANCE_AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"    # we are its SCU alone

PERFORMED_STEP_CLASSES = (  # PS3.4 F.7, F.8
    SOPClass(MPPS, "Modality Performed Procedure Step", Service.MPPS),
    SOPClass(MPPS_RETRIEVE, "Modality Performed Procedure Step Retrieve", Service.MPPS),
)
COMMITMENT_CLASSES = (SOPClass(STORAGE_COMMITMENT, "Storage Commitment Push Model", Service.COMMITMENT),)  # PS3.4 J.3
UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
UPS_WATCH = "1.2.840.10008.5.1.4.34.6.2"
UPS_PULL = "1.2.840.10008.5.1.4.34.6.3"
UPS_EVENT = "1.2.840.10008.5.1.4.34.6.4"
UPS_QUERY = "1.2.840.10008.5.1.4.34.6.5"

UPS_CLASSES = (  # PS3.4 CC.3.1
    SOPClass(UPS_PUSH, "Unified Procedure Step - Push", Service.UPS),
    SOPClass(UPS_WATCH, "Unified Procedure Step - Watch", Service.UPS),
    SOPClass(UPS_PULL, "Unified Procedure Step - Pull", Service.UPS),
    SOPClass(UPS_EVENT, "Unified Procedure Step - Event", Service.UPS),
    SOPClass(UPS_QUERY, "Unified Procedure Step - Query", Service.UPS),
)

NON_PATIENT_CLASSES = tuple(one for model in MODELS for one in _non_patient(model))     # PS3.4 GG, U, X, BB, HH, II, JJ

SOP_CLASSES: tuple[SOPClass, ...] = (
    *VERIFICATION_CLASSES, *QUERY_RETRIEVE_CLASSES, *STORAGE_CLASSES, *NON_PATIENT_CLASSES, *WORKLIST_CLASSES,
    *PERFORMED_STEP_CLASSES, *COMMITMENT_CLASSES, *UPS_CLASSES,
)
_BY_UID: dict[str, SOPClass] = {one.uid: one for one in SOP_CLASSES}


def sop_class(uid: str) -> SOPClass | None:
    """The declared class, or None for one this edge does not know."""
    return _BY_UID.get(uid)
