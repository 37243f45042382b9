"""The program, ``impasto`` or ``python -m impasto``: as little as can be, until somebody listens to Ctrl-C."""

import os
import signal
import sys

from impasto.signals import leave, replaced

LACK_OF_MEMORY = 4
"""As errors.py has it, which may not be there yet."""


def main() -> None:
    """Run the command line and exit with the code that tells how it went: at once. All is written by then, and a signal
    would find Python half taken down, with handlers that end it as if nothing had been kept."""
    replaced(leave, signal.SIG_DFL, signal.default_int_handler)
    try:
        from impasto.cli import main
    except (ImportError, MemoryError) as error:
        if isinstance(error, ImportError) and "failed to map segment" not in str(error):
            raise  # else there is no memory to import ``is_lack_of_memory``
        os.write(2, b"impasto: not enough memory to begin: end other programs, or allow this one more\n")
        sys.exit(LACK_OF_MEMORY)
    code = main(sys.argv[1:])
    os._exit(code)


if __name__ == "__main__":
    main()
