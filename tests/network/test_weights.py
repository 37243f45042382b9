"""Weights files: what is read, what is refused, and that no damage goes unseen and no code is ever run."""

import json
import os
import pickle
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import INPUT, tiny_weights
from safetensors.torch import save, save_file

from impasto.errors import WeightsError
from impasto.network.protocol import CAFFE
from impasto.network.vgg import LAYERS
from impasto.network.weights import TORCHVISION_INDICES, Weights, digest_of, read_weights, save_weights

LATE = {"deepest": "conv2_2"}
"""A shorter chain, where bytes are counted one by one."""


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0)


def torchvision_names(tensors):
    indices = dict(zip(LAYERS, TORCHVISION_INDICES, strict=True))
    return {f"features.{indices[key.split('.')[0]]}.{key.split('.')[1]}": value for key, value in tensors.items()}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """``damaged(data)``: a file that holds these bytes."""
    path = tmp_path_factory.mktemp("damaged") / "weights"

    def write(data):
        path.write_bytes(bytes(data))
        return path

    return write


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The bytes of a file that impasto wrote."""
    path = tmp_path_factory.mktemp("ours") / "ours.safetensors"
    save_weights(path, Weights(tiny_weights(**LATE), INPUT, about={"licence": "CC0"}))
    return path.read_bytes()


@pytest.fixture(scope="module", params=["zip", "legacy"])
def pth(request, tmp_path_factory):
    """The bytes of a .pth, in both of torch's formats."""
    path = tmp_path_factory.mktemp("theirs") / "theirs.pth"
    torch.save(tiny_weights(**LATE), path, _use_new_zipfile_serialization=request.param == "zip")
    return path.read_bytes()


@pytest.mark.parametrize("factored", [False, True])
def test_what_was_saved_is_read(tmp_path, factored):
    tensors = tiny_weights(factored=factored)
    means = {layer: torch.rand(len(tensors[f"{layer}.bias"])) for layer in LAYERS}
    save_weights(tmp_path / "w.safetensors", Weights(tensors, INPUT, True, means, {"licence": "CC0"}))
    found = read_weights(tmp_path / "w.safetensors")
    same(found.tensors, tensors)
    same(found.means, means)
    assert (found.preprocessing, found.normalised, found.about) == (INPUT, True, {"licence": "CC0"})
    assert found.layers == LAYERS
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_half_precision_is_checked_as_it_was_written_and_read_as_single(tmp_path):
    tensors = tiny_weights()
    save_weights(tmp_path / "w.safetensors", Weights(tensors, INPUT), torch.float16)
    found = read_weights(tmp_path / "w.safetensors").tensors
    same(found, {key: value.half().float() for key, value in tensors.items()})


@pytest.mark.parametrize("names", [dict, torchvision_names])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_both_layouts_and_both_kinds_are_read_without_what_is_no_convolution(tmp_path, names, suffix):
    tensors = tiny_weights()
    path = tmp_path / f"theirs{suffix}"
    theirs = {**names(tensors), "classifier.0.weight": torch.rand(5, 7), "classifier.0.bias": torch.rand(5)}
    save_file(theirs, path) if suffix == ".safetensors" else torch.save(theirs, path)
    found = read_weights(path)
    same(found.tensors, tensors)
    assert (found.preprocessing, found.normalised, found.means) == (None, False, None)


def test_the_kind_is_told_by_content_not_by_name(tmp_path):
    tensors = tiny_weights()
    torch.save(tensors, tmp_path / "a.safetensors")
    save_file(tensors, tmp_path / "b.pth")
    same(read_weights(tmp_path / "a.safetensors").tensors, tensors)
    same(read_weights(tmp_path / "b.pth").tensors, tensors)


@given(st.data())
def test_a_truncated_file_of_ours_is_refused(damaged, ours, data):
    length = data.draw(st.integers(0, len(ours) - 1))
    with pytest.raises(WeightsError, match="weights: cannot be used as weights"):
        read_weights(damaged(ours[:length]))


@given(st.data())
def test_a_truncated_pth_is_refused(damaged, pth, data):
    length = data.draw(st.integers(0, len(pth) - 1))
    with pytest.raises(WeightsError, match="cannot be used as weights"):
        read_weights(damaged(pth[:length]))


@settings(max_examples=200)
@given(st.binary() | st.binary().map(lambda tail: b"\x80\x02" + tail) | st.binary().map(lambda tail: b"PK\3\4" + tail))
def test_bytes_of_any_kind_are_refused(damaged, data):
    with pytest.raises(WeightsError, match="cannot be used as weights"):
        read_weights(damaged(data))


def header_length(data):
    return 8 + int.from_bytes(data[:8], "little")


def flipped(data, position, bit):
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return changed


@given(st.data(), st.integers(0, 7))
def test_a_flipped_bit_in_the_tensors_is_seen(damaged, ours, data, bit):
    position = data.draw(st.integers(header_length(ours), len(ours) - 1))
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(damaged(flipped(ours, position, bit)))


@settings(max_examples=300)
@given(st.data(), st.integers(0, 7))
def test_a_flipped_bit_in_the_header_never_gives_other_tensors(damaged, ours, data, bit):
    position = data.draw(st.integers(0, header_length(ours) - 1))
    with suppress(WeightsError):
        same(read_weights(damaged(flipped(ours, position, bit))).tensors, tiny_weights(**LATE))


@settings(max_examples=200)
@given(st.data(), st.integers(0, 7))
def test_a_flipped_bit_in_a_pth_brings_a_chain_or_a_weights_error(damaged, pth, data, bit):
    position = data.draw(st.integers(0, len(pth) - 1))
    with suppress(WeightsError):
        assert read_weights(damaged(flipped(pth, position, bit))).layers


@pytest.mark.parametrize("key", ["conv1_1.weight", "conv2_2.bias"])
def test_the_digest_covers_names_shapes_types_and_values(key):
    tensors = tiny_weights()
    others = [
        {**tensors, key: tensors[key] + 1e-3},
        {**tensors, key: tensors[key].half()},
        {**tensors, key: tensors[key].flatten()[:, None]},
        {"renamed" if name == key else name: value for name, value in tensors.items()},
        {name: value for name, value in tensors.items() if name != key},
    ]
    assert len({digest_of(some) for some in [tensors, *others]}) == 6
    assert digest_of(dict(reversed(tensors.items()))) == digest_of(tensors)


class Code:
    """A pickle of this runs a command when it is loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("kind", ["raw", "zip", "legacy"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_code_in_a_file_is_never_run(tmp_path, kind, name):
    marker, path = tmp_path / "marker", tmp_path / name
    theirs = {**torchvision_names(tiny_weights()), "features.0.weight": Code(marker)}
    if kind == "raw":
        path.write_bytes(pickle.dumps(theirs))
    else:
        torch.save(theirs, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(WeightsError, match="code in it is never run"):
        read_weights(path)
    assert not marker.exists()
    with path.open("rb") as file:
        pickle.load(file) if kind == "raw" else torch.load(file, weights_only=False)
    assert marker.exists(), "the file was harmless: this test tested nothing"


def without(key):
    return lambda tensors: tensors.pop(key)


def instead(key, *shape):
    return lambda tensors: tensors.update({key: torch.rand(shape)})


BROKEN_CHAINS = {
    "a gap": without("conv3_2.weight"),
    "no beginning": without("conv1_1.weight"),
    "no bias": without("conv2_1.bias"),
    "5 x 5": instead("conv3_1.weight", 6, 5, 5, 5),
    "other channels in": instead("conv2_2.weight", 5, 6, 3, 3),
    "grey": instead("conv1_1.weight", 4, 1, 3, 3),
    "flat": instead("conv1_2.weight", 4, 36),
    "a number": instead("conv1_2.weight"),
    "other biases": instead("conv1_2.bias", 5),
    "other readout": instead("conv1_2.readout", 4, 5),
    "other squeeze": instead("conv1_2.squeeze", 4, 5),
    "other expansion": instead("conv1_2.expand", 4, 5),
    "empty": lambda tensors: tensors.clear(),
}


@pytest.mark.parametrize("names", [dict, torchvision_names])
@pytest.mark.parametrize("change", BROKEN_CHAINS)
def test_what_is_no_chain_of_vggs_shape_is_refused(tmp_path, change, names):
    tensors = tiny_weights()
    BROKEN_CHAINS[change](tensors)
    torch.save(names(tensors), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth: cannot be used as weights: .*(conv\d_\d|chain)"):
        read_weights(tmp_path / "w.pth")


OTHER_OBJECTS = [[torch.zeros(2)], {"state_dict": tiny_weights(**LATE)}, torch.zeros(3), {1: torch.zeros(3)}, None]


@pytest.mark.parametrize("thing", OTHER_OBJECTS, ids=["list", "nested", "tensor", "numbered", "None"])
def test_a_pth_of_something_else_is_refused(tmp_path, thing):
    torch.save(thing, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="dictionary of tensors"):
        read_weights(tmp_path / "w.pth")


STATED = {"channels": "BGR", "scale": 255.0, "mean": [103.939, 116.779, 123.68], "std": [1.0, 1.0, 1.0]}
SENSELESS = [
    "BGR",
    "{",
    "[]",
    "{}",
    "[" * 100_000,
    json.dumps(STATED | {"channels": "RGBA"}),
    json.dumps(STATED | {"scale": "large"}),
    json.dumps(STATED | {"scale": None}),
    json.dumps(STATED | {"mean": [1.0, 2.0]}),
    json.dumps(STATED | {"mean": 1.0}),
    json.dumps(STATED | {"mean": {"r": 1, "g": 2, "b": 3}}),
    json.dumps(STATED | {"mean": [1.0, 2.0, float("nan")]}),
    json.dumps(STATED | {"std": [1.0, 0.0, 1.0]}),
    json.dumps({key: value for key, value in STATED.items() if key != "std"}),
]


@pytest.mark.parametrize("text", SENSELESS, ids=range(len(SENSELESS)))
def test_a_senseless_preprocessing_is_refused(tmp_path, text):
    (tmp_path / "w.safetensors").write_bytes(save(tiny_weights(**LATE), {"impasto.preprocessing": text}))
    with pytest.raises(WeightsError, match=r"w\.safetensors: cannot be used as weights"):
        read_weights(tmp_path / "w.safetensors")


def test_a_stated_preprocessing_is_read(tmp_path):
    text = json.dumps(STATED)
    (tmp_path / "w.safetensors").write_bytes(save(tiny_weights(**LATE), {"impasto.preprocessing": text}))
    assert read_weights(tmp_path / "w.safetensors").preprocessing == CAFFE


@pytest.mark.parametrize("means", [{"conv1_1": 5}, {"conv1_1": 4}], ids=["another shape", "one layer only"])
def test_means_that_do_not_fit_are_refused(tmp_path, means):
    tensors = tiny_weights(**LATE) | {f"{layer}.mean": torch.rand(n) for layer, n in means.items()}
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="mean activation"):
        read_weights(tmp_path / "w.safetensors")


def test_a_pipe_is_no_file_of_weights(tmp_path):
    """It would be waited for without end."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(WeightsError, match="it is a pipe or a device"):
        read_weights(tmp_path / "pipe.safetensors")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.pth: there is no such file; check"):
        read_weights(tmp_path / "nothing.pth")
    with pytest.raises(WeightsError, match="cannot be used as weights"):
        read_weights(tmp_path)


def test_every_refusal_says_what_to_do(damaged):
    with pytest.raises(WeightsError, match="get it anew"):
        read_weights(damaged(b"not weights"))
