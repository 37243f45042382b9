"""Tensors in ``.pth`` files, which are pickles: programs. Of what these may ask for only that is done which it takes to
make a dictionary of tensors, and so often only, so that none runs long and none does anything else.

torch's own unpickler runs no code that it does not know; but a few dozen bytes can have it look at one thing two to the
fortieth times, or count to a thousand million.
"""

import io
import os
import pickletools
import re
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from impasto.errors import WeightsError

LONGEST = 2**18
"""Bytes of a pickle, and things that it may ask for. VGG's has some thousand."""

LEGACY_PICKLES = 5
"""In torch's older format: a magic number, its version, the machine, the tensors, and a list of their storages."""

NOT_PLAIN = "it is not a whole, plain file of tensors (code in it is never run)"

NAMED = re.compile(r"collections OrderedDict|torch(\._utils|\.storage|\.serialization|\.nn\.parameter)? \w+")
"""What tensors are made of, and where that is found. (torch's unpickler knows which of these it may call.)"""

TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
PUTS, GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
OPCODES = {
    *("PROTO", "STOP", "MARK", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_TUPLE"),
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINSTRING"),
    *("GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
} | TUPLES | PUTS | GETS  # fmt: skip
"""What a pickle of it says (``pickletools``)."""


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors in a file that torch has saved. Raises WeightsError for one that is damaged, holds anything else, or
    would do more than that takes."""
    try:
        with Patient(path.open("rb", buffering=0)) as file:  # of a path torch would look at the suffix
            _check_records(file)
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(NOT_PLAIN) from error
    if not isinstance(loaded, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()
    ):
        raise WeightsError("it does not hold a dictionary of tensors")
    return dict(loaded)


def _check_records(file: "Patient") -> None:
    """Raise WeightsError where a zip, torch's newer format, holds more than its own size, or a pickle does more than it
    should."""
    if file.read(4) == b"PK\3\4":
        with zipfile.ZipFile(file) as records:
            if sum(record.file_size for record in records.infolist()) > file.size:
                raise WeightsError("it unpacks to more than its own size, which torch's own files never do")
            for record in records.infolist():
                if record.filename.endswith(".pkl"):
                    if record.file_size > LONGEST:
                        raise WeightsError("it holds more than a dictionary of tensors")
                    check_pickle(io.BytesIO(records.read(record)))
    else:
        file.seek(0)
        for _ in range(LEGACY_PICKLES):
            check_pickle(file)
    file.seek(0)


def check_pickle(file: io.BufferedReader | io.BytesIO) -> None:
    """Raise WeightsError where a pickle does what a dictionary of tensors does not take; what it says is read, and not
    done.

    No tuple is used twice in one: a tuple of one tuple twice, that again twice, and so on, as a key of a dictionary,
    is looked at without end.
    """
    tuples, last = set(), ""
    for opcode, argument, _ in pickletools.genops(file):
        named = opcode.name != "GLOBAL" or NAMED.fullmatch(str(argument))
        if not named or opcode.name not in OPCODES:
            raise WeightsError(NOT_PLAIN)
        if opcode.name in GETS and argument in tuples:
            raise WeightsError("it holds more than a dictionary of tensors")
        if opcode.name not in PUTS:
            last = opcode.name
        elif last in TUPLES:  # what was made last is what is kept
            tuples.add(argument)


class Patient(io.BufferedReader):
    """A file that is read so many times and no more, and never more of it than there is: unpickling takes one time for
    each thing that it says, and asks for as many bytes as that says."""

    patience = 2 * LONGEST

    @property
    def size(self) -> int:
        """In bytes."""
        return os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes. Raises WeightsError where there is no end to it."""
        self.patience -= 1
        if self.patience < 0:
            raise WeightsError("it holds more than a dictionary of tensors")
        return super().read(size if size is None or size < 0 else min(size, self.size))
