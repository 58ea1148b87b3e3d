"""From bytes to meaning and back: headers, character sets, DICOM JSON, frames."""
