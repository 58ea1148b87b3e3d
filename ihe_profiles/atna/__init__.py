"""Audit Trail and Node Authentication: records sent to Audit Record Repositories (IHE ITI TF-2 3.20)."""
