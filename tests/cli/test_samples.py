"""``impasto samples`` and ``impasto recipe``."""

import json
from pathlib import Path

import pytest

from impasto.images.files import read
from impasto.images.samples import SAMPLES


def test_every_sample_is_listed(impasto):
    told = impasto("samples")
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert len(lines) == len(SAMPLES)
    for line, sample in zip(lines, SAMPLES.values(), strict=True):
        assert line.split()[:2] == [f"sample:{sample.name}", sample.kind]
        assert sample.description in line
        assert sample.credit in line


def test_the_names_in_the_list_can_be_read(impasto):
    for line in impasto("samples").out.splitlines():
        assert read(line.split()[0], size=32).shape[1] == 3


def test_every_sample_is_listed_as_json(impasto):
    rows = json.loads(impasto("samples", "--json").out)
    assert [row["name"] for row in rows] == list(SAMPLES)
    for row in rows:
        sample = SAMPLES[row.pop("name")]
        assert row == {"kind": sample.kind, "description": sample.description, "credit": sample.credit}


def test_samples_are_written_into_a_folder_and_nothing_is_replaced(impasto):
    folder = Path("new/folder")
    folder.mkdir(parents=True)
    (folder / "wave.jpg").write_bytes(b"mine")
    told = impasto("samples", "--out", folder)
    names = {sample.path.name for sample in SAMPLES.values()}
    assert told.code == 0
    assert {path.name for path in folder.iterdir()} == names
    assert set(told.out.splitlines()) == {str(folder / name) for name in names - {"wave.jpg"}}
    assert (folder / "wave.jpg").read_bytes() == b"mine"
    for sample in SAMPLES.values():
        if sample.name != "wave":
            assert (folder / sample.path.name).read_bytes() == sample.path.read_bytes()
    assert impasto("samples", "-o", folder).out == ""


def test_a_folder_is_made(impasto):
    assert impasto("samples", "-o", "one/two").code == 0
    assert len(list(Path("one/two").iterdir())) == len(SAMPLES)


@pytest.mark.parametrize("folder", ["file", "file/below", "n" * 300])
def test_what_cannot_be_a_folder_is_refused(impasto, folder):
    Path("file").write_bytes(b"mine")
    refused = impasto("samples", "-o", folder)
    assert (refused.code, refused.out) == (3, "")
    assert "choose another folder" in refused.err
    assert Path("file").read_bytes() == b"mine"


BAD = {
    "missing.png": (None, "does not exist"),
    "empty.png": (b"", "empty"),
    "text.png": (b"dear diary\n" * 20, "not a picture"),
    ".": (None, "is a folder"),
    "sample:monalisa": (None, "no sample 'monalisa'"),
}


@pytest.mark.parametrize("name", BAD)
def test_no_recipe_of_what_is_no_picture(impasto, name):
    data, reason = BAD[name]
    if data is not None:
        Path(name).write_bytes(data)
    refused = impasto("recipe", name)
    assert (refused.code, refused.out) == (3, "")
    assert reason in refused.err


@pytest.mark.parametrize("name", ["sample:wave", "sample:astronaut"])
def test_no_recipe_of_what_impasto_did_not_make(impasto, name):
    refused = impasto("recipe", name)
    assert (refused.code, refused.out) == (3, "")
    assert f"'{name}' carries no recipe" in refused.err
