"""The step `init`: propose what a project lacks to be locked, housed and installed by Lockhouse; see `propose`."""

from lockhouse.scaffold.proposal import Proposal, propose

__all__ = ["Proposal", "propose"]
