"""The built-in pictures."""

import pytest

from impasto.errors import InputError
from impasto.images.decoding import digest
from impasto.images.files import read
from impasto.images.samples import PAINTINGS, SAMPLES, path_of


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_a_colourful_picture_that_says_whose_it_is(name):
    sample = SAMPLES[name]
    assert sample.name == name
    assert sample.description
    assert sample.credit.endswith(("CC0", "public domain", "MIT"))
    image = read(f"sample:{name}")
    assert min(image.shape[2:]) >= 300
    assert image.amax(1).sub(image.amin(1)).mean() > 0.02, "grey"
    assert len(digest(f"sample:{name}")) == 64


def test_there_are_both_kinds():
    assert {sample.kind for sample in SAMPLES.values()} == {"photograph", "painting"}


def test_every_painting_in_the_folder_is_listed():
    listed = {sample.path for sample in SAMPLES.values() if sample.kind == "painting"}
    assert listed == set(PAINTINGS.glob("*.jpg"))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"no sample 'monalisa'.*astronaut, chelsea"):
        path_of("sample:monalisa")
