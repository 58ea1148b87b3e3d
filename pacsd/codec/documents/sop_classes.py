"""The storage SOP classes that are no images but documents people read (PS3.4 B.5)."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_SR = _STORAGE + "88."                   # every IOD with the SR Document Content Module, key objects included

# Basic Text, Enhanced, Comprehensive, Comprehensive 3D, Extensible; Procedure Log; Mammography CAD; Key Object
# Selection; Chest CAD; X-Ray and Radiopharmaceutical Radiation Dose; Colon CAD; Implantation Plan; Acquisition
# Context; Simplified Adult Echo; Patient Radiation Dose; Planned and Performed Imaging Agent Administration; Enhanced
# X-Ray Radiation Dose; Waveform Annotation; before them the retired trial classes
STRUCTURED_REPORTS = frozenset(
    f"{_SR}{number}"
    for number in (1, 2, 3, 4, 11, 22, 33, 34, 35, 40, 50, 59, 65, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77)
)

ENCAPSULATED: dict[str, str] = {         # and what each one holds
    _STORAGE + "104.1": "application/pdf",
    _STORAGE + "104.2": "text/xml",      # an HL7 CDA document
    _STORAGE + "104.3": "model/stl",
    _STORAGE + "104.4": "model/obj",
    _STORAGE + "104.5": "model/mtl",
}
CDA = _STORAGE + "104.2"

_ECG = ("12-lead ECG", "General ECG", "Ambulatory ECG", "General 32-bit ECG")
ECG: dict[str, str] = {f"{_STORAGE}9.1.{number}": name for number, name in enumerate(_ECG, 1)}
WAVEFORMS: dict[str, str] = ECG | {
    _STORAGE + "9.2.1": "Hemodynamic",
    _STORAGE + "9.3.1": "Cardiac Electrophysiology",
    _STORAGE + "9.4.1": "Basic Voice Audio",
    _STORAGE + "9.4.2": "General Audio",
    _STORAGE + "9.5.1": "Arterial Pulse",
    _STORAGE + "9.6.1": "Respiratory",
    _STORAGE + "9.6.2": "Multi-channel Respiratory",
    _STORAGE + "9.7.1": "Routine Scalp EEG",
    _STORAGE + "9.7.2": "Electromyogram",
    _STORAGE + "9.7.3": "Electrooculogram",
    _STORAGE + "9.7.4": "Sleep EEG",
    _STORAGE + "9.8.1": "Body Position",
}
