"""Networks by name: fetched from a real server, kept only when sound, normalised, and at hand without a network."""

import hashlib
import socket
import struct

import pytest
import torch
from nets import INPUT, tiny_weights
from safetensors.torch import load, load_file, save, save_file

from impasto.errors import UsageError, WeightsError
from impasto.images.files import read
from impasto.network import registry
from impasto.network.normalise import FLOOR, mean_activations
from impasto.network.protocol import CAFFE, TORCHVISION
from impasto.network.registry import NETWORKS, fetch, import_weights, load_network, where
from impasto.network.vgg import LAYERS, VGG
from impasto.network.weights import Weights, read_weights, save_weights

TENSORS = tiny_weights()


@pytest.fixture(autouse=True)
def one_photograph(monkeypatch):
    """Means over one sample photograph, not five: the same code in a fifth of the time."""
    chosen = {"rocket": registry.SAMPLES["rocket"], "wave": registry.SAMPLES["wave"]}
    monkeypatch.setattr(registry, "SAMPLES", chosen)


def hang_up(handler):
    announced(200_000)(handler)
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def announced(length, sent=5000):
    """Some bytes of those that were announced, if they were."""

    def answer(handler):
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(bytes(sent))

    return answer


ANSWERS = {
    "shorter than announced": announced(200_000),
    "cut off unannounced": announced(None),
    "another file": announced(5000),
    "nothing": announced(0, sent=0),
    "a web page": b"<html>Please sign in</html>",
    "404": lambda handler: handler.send_error(404),
    "500": lambda handler: handler.send_error(500),
    "hangs up midway": hang_up,
    "hangs up at once": lambda handler: handler.connection.close(),
}


def left_in(cache):
    return [path.name for path in cache.rglob("*")]


def test_fetched_once_reduced_to_convolutions_and_at_hand_when_the_server_is_gone(serve, pin, published, cache):
    server = serve(published)
    pin(server.url)
    assert where("vgg19") is None
    assert fetch("vgg19") == where("vgg19") == cache / "vgg19.safetensors"
    server.stop()
    kept = read_weights(cache / "vgg19.safetensors")
    assert set(load_file(cache / "vgg19.safetensors")) == {*TENSORS, *(f"{layer}.mean" for layer in LAYERS)}
    for key, value in TENSORS.items():
        torch.testing.assert_close(kept.tensors[key], value, rtol=0, atol=0)
    assert kept.preprocessing == CAFFE
    assert kept.about == {"file": "weights.pth", "file_sha256": hashlib.sha256(published).hexdigest()}
    assert not [name for name in left_in(cache) if not name.endswith(".safetensors")]
    assert load_network("vgg19").convolutions == LAYERS


def test_a_network_that_is_not_there_is_fetched_when_it_is_loaded(serve, pin, published, cache):
    pin(serve(published).url)
    assert load_network("vgg19", pooling="max").convolutions == LAYERS
    assert where("vgg19") == cache / "vgg19.safetensors"


@pytest.mark.parametrize("how", ANSWERS)
def test_a_failed_fetch_says_what_to_do_and_leaves_nothing(serve, pin, published, cache, how):
    pin(serve(ANSWERS[how]).url)
    with pytest.raises(WeightsError, match=r"weights\.pth: .*impasto weights import FILE --network vgg19"):
        fetch("vgg19")
    assert left_in(cache) == []
    assert where("vgg19") is None


def test_without_a_network_the_error_says_what_to_do(nobody_listens, pin, cache):
    pin(nobody_listens)
    with pytest.raises(WeightsError, match=r"its server cannot be reached.*impasto weights import FILE"):
        load_network("vgg19")
    assert left_in(cache) == []


def test_a_pinned_file_that_is_no_chain_leaves_nothing(serve, pin, publish, cache):
    data = publish({key: value for key, value in TENSORS.items() if not key.startswith("conv3_2")})
    pin(serve(data).url, data)
    with pytest.raises(WeightsError, match="chain"):
        fetch("vgg19")
    assert left_in(cache) == []


def test_a_failed_fetch_leaves_what_was_there(serve, pin, published, cache):
    server = serve(published)
    pin(server.url)
    before = fetch("vgg19").read_bytes()
    pin(server.url, b"another")
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch("vgg19")
    assert where("vgg19").read_bytes() == before


def test_a_damaged_file_in_the_cache_is_refused(cache):
    save_weights(registry.cached("vgg19"), Weights(TENSORS, INPUT))
    data = bytearray(where("vgg19").read_bytes())
    data[-5] ^= 1
    where("vgg19").write_bytes(data)
    with pytest.raises(WeightsError, match=r"vgg19\.safetensors: .*damaged.*impasto weights fetch"):
        load_network("vgg19")


@pytest.mark.parametrize(("name", "preprocessing"), [("vgg19", CAFFE), ("vgg19-torchvision", TORCHVISION)])
def test_imported_weights_are_at_hand(tmp_path, published, name, preprocessing):
    (tmp_path / "theirs.pth").write_bytes(published)
    assert import_weights(tmp_path / "theirs.pth", name) == where(name)
    assert load_network(name).preprocessing == preprocessing
    assert (tmp_path / "theirs.pth").read_bytes() == published


def test_unsound_weights_are_not_imported(tmp_path, published, cache):
    (tmp_path / "theirs.pth").write_bytes(published[:-100])
    with pytest.raises(WeightsError, match=r"theirs\.pth"):
        import_weights(tmp_path / "theirs.pth", "vgg19")
    assert left_in(cache) == []


def test_other_weights_are_normalised_by_means_measured_on_demand_and_remembered(tmp_path, cache, monkeypatch):
    calls = []

    def measure(*arguments):
        calls.append(arguments)
        return mean_activations(*arguments)

    monkeypatch.setattr(registry, "mean_activations", measure)
    save_weights(tmp_path / "w.safetensors", Weights(TENSORS, INPUT))
    networks = [load_network(weights=tmp_path / "w.safetensors") for _ in range(2)]
    assert len(calls) == 1
    photograph = [read("sample:rocket", size=512)]
    before = mean_activations(VGG(TENSORS, INPUT), photograph)
    for network in networks:
        for layer, means in mean_activations(network, photograph).items():
            alive = before[layer] > FLOOR * before[layer].mean()
            assert alive.any()
            torch.testing.assert_close(means[alive], torch.ones(int(alive.sum())), rtol=1e-3, atol=1e-3)
    other = {**TENSORS, "conv1_1.bias": TENSORS["conv1_1.bias"] + 1}
    save_weights(tmp_path / "w.safetensors", Weights(other, INPUT))
    load_network(weights=tmp_path / "w.safetensors")
    assert len(calls) == 2, "means of one network were taken for another's"
    assert len(left_in(cache)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:50],
        lambda data: save({layer: m[1:].clone() for layer, m in load(data).items()}),
        lambda data: save({layer: torch.full_like(m, float("nan")) for layer, m in load(data).items()}),
        lambda data: save({layer: m for layer, m in load(data).items() if layer != "conv3_1"}),
    ],
    ids=["cut off", "another network's", "NaN", "one missing"],
)
def test_damaged_means_are_measured_anew(tmp_path, cache, damage):
    save_weights(tmp_path / "w.safetensors", Weights(TENSORS, INPUT))
    expected = load_network(weights=tmp_path / "w.safetensors").weights()
    (remembered,) = cache.iterdir()
    remembered.write_bytes(damage(remembered.read_bytes()))
    found = load_network(weights=tmp_path / "w.safetensors").weights()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert len(load_file(remembered)) == len(LAYERS)


def test_normalised_weights_are_taken_as_they_are(tiny, cache):
    found, stated = load_network(weights=tiny).weights(), load_file(tiny)
    assert all(torch.equal(found[key], stated[key]) for key in stated)
    assert not cache.exists(), "nothing had to be measured"


def test_means_in_the_file_are_used(tmp_path, cache):
    means = {layer: torch.full_like(TENSORS[f"{layer}.bias"], 2.0) for layer in LAYERS}
    save_weights(tmp_path / "w.safetensors", Weights(TENSORS, INPUT, means=means))
    found = load_network(weights=tmp_path / "w.safetensors").weights()
    torch.testing.assert_close(found["conv1_1.weight"], TENSORS["conv1_1.weight"] / 2)
    torch.testing.assert_close(found["conv3_2.weight"], TENSORS["conv3_2.weight"])


def test_a_file_that_does_not_state_its_preprocessing_needs_to_be_told_whose_it_is(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"w\.safetensors: .*`network` vgg19 .*`network` vgg19-torchvision"):
        load_network(weights=tmp_path / "w.safetensors")
    assert load_network("vgg19", weights=tmp_path / "w.safetensors").preprocessing == CAFFE


def test_the_files_own_word_on_its_preprocessing_counts(tiny):
    assert load_network("vgg19", weights=tiny).preprocessing == INPUT


def test_a_cache_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match=r"file/cache: cannot be made .*set IMPASTO_CACHE"):
        fetch("vgg19")


@pytest.fixture
def unwritable(monkeypatch):
    """A folder in which not even root can make a file."""
    if not registry.Path("/proc/self").exists():
        pytest.skip("needs Linux's /proc")
    monkeypatch.setenv("IMPASTO_CACHE", "/proc/self")


def test_a_cache_that_cannot_be_written_to_is_told(unwritable, tmp_path, serve, pin, published):
    pin(serve(published).url)
    (tmp_path / "theirs.pth").write_bytes(published)
    for attempt in (lambda: fetch("vgg19"), lambda: import_weights(tmp_path / "theirs.pth", "vgg19")):
        with pytest.raises(WeightsError, match=r"/proc/self.*cannot be written.*set IMPASTO_CACHE"):
            attempt()


def test_a_cache_that_cannot_be_written_to_does_not_keep_from_painting(unwritable, tmp_path):
    save_weights(tmp_path / "w.safetensors", Weights(TENSORS, INPUT))
    assert load_network(weights=tmp_path / "w.safetensors").convolutions == LAYERS


def test_the_built_in_network_is_sound_normalised_and_deep_enough(cache):
    lite = read_weights(where("lite"))
    assert lite.normalised
    assert {"conv4_2", "conv5_1"} <= set(lite.layers)
    assert load_network().convolutions == lite.layers
    assert not cache.exists()


def test_what_is_built_in_is_neither_fetched_nor_replaced(tiny):
    with pytest.raises(UsageError, match="built in"):
        fetch("lite")
    with pytest.raises(UsageError, match="built in"):
        import_weights(tiny, "lite")


@pytest.mark.parametrize("ask", [load_network, where, fetch, lambda name: import_weights(registry.Path("w"), name)])
def test_an_unknown_network_is_refused_with_the_known_ones(ask):
    with pytest.raises(
        UsageError, match=r"`network`: there is no 'vgg20'; choose one of: lite, vgg19, vgg19-torchvision"
    ):
        ask("vgg20")


def test_the_papers_means_fit_the_papers_network():
    means = load_file(registry.builtin(NETWORKS["vgg19"].means))
    widths = [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert {layer: len(means[layer]) for layer in LAYERS} == dict(zip(LAYERS, widths, strict=True))
    assert all((m >= 0).all() and m.mean() > 0 for m in means.values())


def test_every_network_that_is_fetched_is_pinned():
    for source in NETWORKS.values():
        assert source.builtin or (source.url.startswith("https://") and len(source.sha256) >= 8)
        assert source.builtin or source.preprocessing is not None


def test_a_network_without_gradients_of_its_own(tiny):
    network = load_network(weights=tiny)
    assert isinstance(network, VGG)
    assert not any(parameter.requires_grad for parameter in network.parameters())
