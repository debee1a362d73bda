"""Lockhouse turns pinned requirements into a verified, offline Python install."""

__version__ = "0.1.0"
