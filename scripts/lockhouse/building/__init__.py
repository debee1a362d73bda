"""From a source tree and an environment of locked build wheels to a wheel: isolated, and the same every time."""

from lockhouse.building.recipe import BuildError, Built, HookMissingError, Workshop, build, isolation_here, requires

__all__ = ["BuildError", "Built", "HookMissingError", "Workshop", "build", "isolation_here", "requires"]
