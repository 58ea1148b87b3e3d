"""A black-box suite for what modalities tell a server of their exams: MPPS and storage commitment, by DIMSE."""
