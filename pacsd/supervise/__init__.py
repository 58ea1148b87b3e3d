"""Processes by role, and the embedded PostgreSQL."""
