"""Functions of FHIRPath, a module for each chapter of the specification; `library` has them by name."""
