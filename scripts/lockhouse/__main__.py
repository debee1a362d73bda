"""Lets `python -m lockhouse` run the command line; the installed command begins here, too."""

import gc


def main() -> None:
    """Run the command line of this process, and exit with its status."""
    # What is imported stays until the end, and a quick command makes little garbage: to look for it again and again
    # takes longer than to judge a lock.
    gc.set_threshold(100_000)

    from lockhouse.cli import entry_point  # noqa: PLC0415 - what it imports is just what need not be searched

    try:
        entry_point()
    finally:
        gc.freeze()  # Nor need what goes with the process be searched once more.


if __name__ == "__main__":
    main()
