"""Weights files: what is read, what is refused, and that no damage goes unseen and no code is ever run."""

import io
import json
import os
import pickle
import zipfile
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
from impasto.network.weights import (
    LARGEST,
    LONGEST,
    TORCHVISION_INDICES,
    Weights,
    digest_of,
    read_weights,
    save_weights,
)

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


STRANGE = {
    "sparse": torch.Tensor.to_sparse,
    "rows": lambda x: x[:, 0, 0, :2].to_sparse_csr(),
    "meta": lambda x: x.to("meta"),
    "complex": lambda x: x.to(torch.complex64),
    "boolean": torch.Tensor.bool,
    "integers": torch.Tensor.int,
    "eight bits": lambda x: x.to(torch.float8_e4m3fn),
    "negated": lambda x: torch.complex(x, x).conj().imag,
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_ordinary_tensor_is_refused(tmp_path, kind):
    tensors = tiny_weights()
    torch.save(tensors | {"conv1_2.weight": STRANGE[kind](tensors["conv1_2.weight"])}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"conv1_2\.weight is no ordinary tensor"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("kind", [torch.nn.Parameter, lambda x: torch.stack([x, x])[1], torch.Tensor.double])
def test_parameters_views_and_doubles_are_ordinary(tmp_path, kind):
    tensors = tiny_weights()
    torch.save({key: kind(value) for key, value in tensors.items()}, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth").tensors
    same(found, tensors)
    assert not any(value.requires_grad for value in found.values())


LESS_THAN_IT_SAYS = {
    "nothing": ("conv1_2.weight", torch.zeros(0, 4, 3, 3), "shape"),
    "no filter at the end": ("conv5_4.bias", torch.zeros(0), "shape"),
    "43 GB of filters": ("conv1_1.weight", torch.ones(()).expand(400_000_000, 3, 3, 3), "shape"),
    "9 GB of one number": (
        "conv1_2.weight",
        torch.ones(()).expand(16_000, 16_000, 3, 3),
        r"be 9,216,\d+,\d+ bytes",
    ),
    "a readout of one number": ("conv1_2.readout", torch.ones(()).expand(16_000, 4), "most of them are not there"),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("case", LESS_THAN_IT_SAYS)
def test_tensors_of_which_little_is_there_are_refused_before_they_are_copied(tmp_path, case, zipped):
    key, tensor, reason = LESS_THAN_IT_SAYS[case]
    torch.save(tiny_weights() | {key: tensor}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=reason):
        read_weights(tmp_path / "w.pth")


def test_what_is_left_out_may_be_anything(tmp_path):
    other = {"classifier.0.weight": torch.ones(()).expand(100_000, 100_000), "classifier.0.bias": torch.tensor(True)}
    torch.save(tiny_weights() | other, tmp_path / "w.pth")
    same(read_weights(tmp_path / "w.pth").tensors, tiny_weights())


def filled(value, *keys):
    return lambda tensors: tensors.update({key: torch.full_like(tensors[key], value) for key in keys or tensors})


BLIND = {
    "NaN": (filled(float("nan")), "infinite or NaN"),
    "one NaN": (lambda tensors: tensors["conv4_2.weight"][0, 0, 0].fill_(float("nan")), r"conv4_2\.weight holds"),
    "infinite": (filled(float("inf"), "conv3_1.bias"), r"conv3_1\.bias holds numbers that are infinite"),
    "NaN that is not looked through": (filled(float("nan"), "conv2_1.readout"), r"conv2_1\.readout holds"),
    "beyond single precision": (
        lambda t: t.update({"conv1_2.bias": torch.full([4], 1e300, dtype=torch.float64)}),
        "inf",
    ),
    "too large": (filled(1e38), "conv1_1 grow beyond all bounds"),
    "too large together": (filled(1e20), "grow beyond all bounds"),
    "zeros": (filled(0.0), "conv1_1 says the same of every picture"),
    "a kernel of zeros": (filled(0.0, "conv3_2.weight"), "conv3_2 says the same"),
    "a squeeze of zeros": (filled(0.0, "conv3_2.squeeze"), "conv3_2 says the same"),
    "too small": (filled(1e-30), "conv1_2 says the same"),
    "never open": (filled(-1e9, "conv2_1.bias"), "conv2_1 says the same"),
}


@pytest.mark.parametrize("stated", [None, INPUT])
@pytest.mark.parametrize("case", BLIND)
def test_a_network_that_sees_nothing_is_refused(tmp_path, case, stated):
    change, reason = BLIND[case]
    tensors = tiny_weights(factored=True)
    change(tensors)
    metadata = {} if stated is None else {"impasto.preprocessing": json.dumps(vars(stated))}
    save_file(tensors, tmp_path / "w.safetensors", metadata)
    with pytest.raises(WeightsError, match=rf"w\.safetensors: cannot be used as weights: .*{reason}.*; get it anew"):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("factored", [False, True])
@pytest.mark.parametrize("deepest", ["conv1_1", "conv3_2", "conv5_4"])
def test_a_network_that_sees_is_not_refused(tmp_path, deepest, factored):
    """Whatever it was made by, with three filters as with sixty."""
    for seed in range(5):
        for filters in ((3, 3, 4, 5, 6), (20, 30, 40, 50, 60)):
            tensors = tiny_weights(filters, deepest, seed, factored and deepest != "conv1_1")
            save_file(tensors, tmp_path / "w.safetensors")
            same(read_weights(tmp_path / "w.safetensors").tensors, tensors)


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
    json.dumps(STATED | {"std": [1.0, -1.0, 1.0]}),
    json.dumps(STATED | {"std": [1.0, 1e-300, 1.0]}),
    json.dumps(STATED | {"std": None}),
    json.dumps(STATED | {"scale": 0}),
    json.dumps(STATED | {"scale": 10**400}),
    json.dumps(STATED | {"scale": 1e300}),
    json.dumps(STATED).replace("255.0", "1e400"),
    json.dumps(STATED).replace("255.0", "9" * 5000),
    json.dumps(STATED | {"mean": [10**400, 1.0, 1.0]}),
    '"' + "BGR" * 50_000 + '"',
    json.dumps({key: value for key, value in STATED.items() if key != "std"}),
]


@pytest.mark.parametrize("text", SENSELESS, ids=range(len(SENSELESS)))
def test_a_senseless_preprocessing_is_refused(tmp_path, text):
    (tmp_path / "w.safetensors").write_bytes(save(tiny_weights(**LATE), {"impasto.preprocessing": text}))
    with pytest.raises(WeightsError, match=r"w\.safetensors: cannot be used as weights: (its pre|the act)") as refused:
        read_weights(tmp_path / "w.safetensors")
    assert len(str(refused.value)) < len(str(tmp_path)) + 300


def test_a_stated_preprocessing_is_read(tmp_path):
    text = json.dumps(STATED)
    (tmp_path / "w.safetensors").write_bytes(save(tiny_weights(**LATE), {"impasto.preprocessing": text}))
    assert read_weights(tmp_path / "w.safetensors").preprocessing == CAFFE


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e-40, 1e38])
def test_means_that_no_filter_can_have_are_refused(tmp_path, value):
    tensors = tiny_weights(**LATE)
    tensors |= {f"{layer}.mean": torch.full_like(tensors[f"{layer}.bias"], value) for layer in LAYERS[:4]}
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="conv1_1"):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("means", [{"conv1_1": 5}, {"conv1_1": 4}], ids=["another shape", "one layer only"])
def test_means_that_do_not_fit_are_refused(tmp_path, means):
    tensors = tiny_weights(**LATE) | {f"{layer}.mean": torch.rand(n) for layer, n in means.items()}
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="mean activation"):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_larger_than_any_network_is_not_opened(damaged, ours, pth, name):
    """What it begins with does not matter."""
    path = damaged(ours if name == "w.safetensors" else pth)
    os.truncate(path, 2 * LARGEST)
    with pytest.raises(WeightsError, match=r"cannot be used as weights: it has 8\.0 GB, more than 4"):
        read_weights(path)


def test_a_header_longer_than_any_is_not_read(damaged, ours):
    for length in (2**64 - 1, 2**60, LONGEST + 1):
        with pytest.raises(WeightsError, match=f"its header would be {length:,} bytes"):
            read_weights(damaged(length.to_bytes(8, "little") + ours[8:]))


def test_a_header_of_much_is_refused(damaged, ours):
    """It would be a sound file, but for this."""
    padded = json.loads(ours[8 : header_length(ours)])
    padded["__metadata__"] |= {str(n): "" for n in range(LONGEST // 8)}
    header = json.dumps(padded).encode()
    with pytest.raises(WeightsError, match="its header would be"):
        read_weights(damaged(len(header).to_bytes(8, "little") + header + ours[header_length(ours) :]))


HEADERS = [b"", b"{}", b"{" * 100_000, b'{"a":' + b"[" * 100_000, b'{"__metadata__":{"a":1}}']


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_senseless_header_is_refused(damaged, header):
    with pytest.raises(WeightsError, match="cannot be used as weights"):
        read_weights(damaged(len(header).to_bytes(8, "little") + (header or b"{}") + bytes(9)))


def rezipped(data, compression=zipfile.ZIP_STORED, **instead):
    """A .pth with its records stored otherwise, and with other ones for those that end so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, instead.get(name.rpartition(".")[2], old.read(name)))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def spacious():
    """The bytes of a .pth with much in it that is left out."""
    buffer = io.BytesIO()
    torch.save(tiny_weights(**LATE) | {"classifier.0.weight": torch.zeros(4_000_000)}, buffer)
    return buffer.getvalue()


def test_a_zip_that_unpacks_to_more_than_itself_is_not_unpacked(damaged, spacious):
    assert read_weights(damaged(rezipped(spacious))).layers
    with pytest.raises(WeightsError, match="unpacks to more than its own size"):
        read_weights(damaged(rezipped(spacious, zipfile.ZIP_DEFLATED)))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_without_end_is_given_up(damaged, spacious, zipped):
    endless = b"\x80\x02" + b"N" * (2 * LONGEST) + b"."
    with pytest.raises(WeightsError, match="more than a dictionary of tensors"):
        read_weights(damaged(rezipped(spacious, pkl=endless) if zipped else endless))


def doubled(times, kept=b"q\x01"):
    """A pickle of { t: None }, t a tuple of the same tuple twice, that of the same twice, and so on: some hundred
    bytes, and a key that takes 2 ** times steps to be looked up."""
    return b"\x80\x02})q\x01" + (b"h\x01\x86" + kept) * times + b"Ns."


COSTLY = {
    "a tuple of tuples": doubled(64),
    "one that is kept in two places": doubled(64, b"q\x02q\x01"),
    "a thousand million numbers": b"\x80\x02}cbuiltins\nset\ncbuiltins\nbytearray\nJ\x00\xca\x9a;\x85R\x85RNs.",
    "the same of a counter": b"\x80\x02ccollections\nCounter\ncbuiltins\nbytearray\nJ\x00\xca\x9a;\x85R\x85R.",
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("case", COSTLY)
def test_a_pickle_that_would_take_hours_is_refused(damaged, spacious, case, zipped):
    with pytest.raises(WeightsError, match="cannot be used as weights"):
        read_weights(damaged(rezipped(spacious, pkl=COSTLY[case]) if zipped else COSTLY[case]))


def test_what_pickles_say_is_looked_at_in_every_record(damaged, spacious):
    """In the older format they follow each other."""
    with pytest.raises(WeightsError, match="more than a dictionary of tensors"):
        read_weights(damaged(b"\x80\x02K\x01." * 4 + doubled(64)))


def test_a_pipe_is_no_file_of_weights(tmp_path):
    """It would be waited for without end."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(WeightsError, match="it is a pipe or a device"):
        read_weights(tmp_path / "pipe.safetensors")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.pth: there is no such file; check"):
        read_weights(tmp_path / "nothing.pth")
    with pytest.raises(WeightsError, match="cannot be used as weights: it is a folder; name a file in it"):
        read_weights(tmp_path)
    with pytest.raises(WeightsError, match=r"cannot be opened .*; check its name"):
        read_weights(tmp_path / "w\0.pth")


def test_a_file_that_may_not_be_read_is_told(damaged, ours, monkeypatch):
    path = damaged(ours)

    def forbidden(*arguments):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", forbidden)  # root may read everything
    with pytest.raises(WeightsError, match=r"weights: may not be read \(permission denied\); ask its owner"):
        read_weights(path)


def test_every_refusal_says_what_to_do(damaged):
    with pytest.raises(WeightsError, match="get it anew"):
        read_weights(damaged(b"not weights"))
