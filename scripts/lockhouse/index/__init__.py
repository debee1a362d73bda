"""Candidates and bytes through pip's own session and finder: the only package that sees the insides of pip and pip-tools."""

from lockhouse.index.command import compiler
from lockhouse.index.settings import Bindings, Scope, pip_environment
from lockhouse.index.source import PipIndex

__all__ = ["Bindings", "PipIndex", "Scope", "compiler", "pip_environment"]
