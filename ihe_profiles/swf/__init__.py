"""Scheduled Workflow (IHE RAD TF-1 3): orders and appointments become worklists, and exams tell how far they are."""
