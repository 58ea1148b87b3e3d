"""Who of the Patients kept here is somebody (IHE PDQm ITI-119, PIXm ITI-83), by the evidence of pacsd.identity."""
