"""Damage to files: what disks, transfers and spiteful people do to them, drawn from a seed."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

INTERESTING = (0, 1, 2, 7, 8, 9, 16, 32, 64, 127, 128, 129, 192, 254, 255)
WIDTHS = (2, 4, 8)
"""Bytes that numbers have in headers."""

PNG = b"\x89PNG\r\n\x1a\n"
TIMES = (1, 1, 1, 2, 2, 4)
"""How often one file is damaged."""

Mutation = Callable[[bytearray, Random, bytes], None]


def mutants(pictures: Mapping[str, bytes], seed: int, numbers: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """Damaged pictures with their names: each is decided by the seed and its number alone."""
    names = list(pictures)
    for number in numbers:
        random = Random(f"{seed} {number}")
        name, other = random.choice(names), random.choice(names)
        yield f"{seed}-{number}-{name.replace(' ', '-')}", mutant(pictures[name], pictures[other], random)


def mutant(picture: bytes, other: bytes, random: Random) -> bytes:
    """A picture damaged in one to four ways; a PNG mostly with checksums that are right, so that more of it is read."""
    data = bytearray(picture)
    for _ in range(random.choice(TIMES)):
        random.choice(MUTATIONS)(data, random, other)
    if data.startswith(PNG) and random.random() < 0.9:
        set_checksums(data)
    return bytes(data)


def place(data: bytearray, random: Random) -> int:
    """Somewhere in a file: as often near its start, where headers are, or near its end, as anywhere."""
    near = int(random.random() ** 4 * len(data))
    return random.choice((near, near, max(0, len(data) - 1 - near), int(random.random() * len(data))))


def block(data: bytes, random: Random) -> slice:
    """A few bytes, or many."""
    start = int(random.random() * len(data))
    return slice(start, start + 1 + int(random.random() ** 3 * len(data)))


def flip_a_bit(data: bytearray, random: Random, _: bytes) -> None:
    if data:
        data[place(data, random)] ^= 1 << random.randrange(8)


def set_a_byte(data: bytearray, random: Random, _: bytes) -> None:
    if data:
        data[place(data, random)] = random.choice((*INTERESTING, random.randrange(256)))


def set_a_number(data: bytearray, random: Random, _: bytes) -> None:
    """None, one, the largest, the lowest, one of any size, or nearly the one that is there."""
    width, order, at = random.choice(WIDTHS), random.choice(("little", "big")), place(data, random)
    top = 256**width
    there = int.from_bytes(data[at : at + width], order)
    any_size = random.getrandbits(random.randint(1, 8 * width))
    number = random.choice((0, 1, top - 1, top // 2 - 1, top // 2, any_size, there + 1, there - 1, 2 * there)) % top
    data[at : at + width] = number.to_bytes(width, order)


def take_out(data: bytearray, random: Random, _: bytes) -> None:
    del data[block(data, random)]


def repeat(data: bytearray, random: Random, _: bytes) -> None:
    part = block(data, random)
    data[part.stop : part.stop] = data[part] * random.choice((1, 1, 2, 30))


def put_in(data: bytearray, random: Random, other: bytes) -> None:
    """A part of another file over one of this."""
    part = other[block(other, random)]
    at = place(data, random)
    data[at : at + len(part)] = part


def cut(data: bytearray, random: Random, _: bytes) -> None:
    del data[place(data, random) :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_a_bit, flip_a_bit, set_a_byte, set_a_byte, set_a_number, set_a_number, set_a_number,
    take_out, repeat, put_in, cut,
)  # fmt: skip
"""As often as they stand here."""


def set_checksums(png: bytearray) -> None:
    """Set those of a PNG's chunks right, as far as the chunks can be followed."""
    at = len(PNG)
    while (end := at + 8 + int.from_bytes(png[at : at + 4], "big")) + 4 <= len(png):
        png[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
