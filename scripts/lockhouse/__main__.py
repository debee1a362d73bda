"""Lets `python -m lockhouse` run the command line."""

from lockhouse.cli import entry_point

if __name__ == "__main__":
    entry_point()
