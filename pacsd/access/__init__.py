"""Organisations, application entities, and who may see what."""
