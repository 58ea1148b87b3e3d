"""Tests of ihe_profiles.atna."""
