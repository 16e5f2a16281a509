"""Carrying a decision out: ordered steps that finish or are undone."""
