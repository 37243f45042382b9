"""The program, ``impasto`` or ``python -m impasto``: as little as can be, until somebody listens to Ctrl-C."""

import signal
import sys

from impasto.signals import hear_nothing, leave, replaced


def main() -> None:
    """Run the command line and exit with the code that tells how it went."""
    replaced(leave, signal.SIG_DFL, signal.default_int_handler)
    from impasto.cli import main

    code = main(sys.argv[1:])
    hear_nothing()
    sys.exit(code)


if __name__ == "__main__":
    main()
