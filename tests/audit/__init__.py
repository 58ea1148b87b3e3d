"""Tests of pacsd.audit."""
