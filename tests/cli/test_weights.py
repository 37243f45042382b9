"""``impasto weights``, and what ``impasto stylize`` does with weights that are not what they should be: exit code 6."""

import json
import os
import pickle

import pytest
import torch
from nets import INPUT, tiny_weights
from safetensors.torch import save_file

from impasto.cli import weights as cli
from impasto.network import registry
from impasto.network.registry import NETWORKS
from impasto.network.weights import Weights, digest_of, read_weights, save_weights


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_list_tells_every_network_and_where_it_is(impasto):
    told = impasto("weights", "list")
    assert (told.code, told.err) == (0, "")
    for name, source in NETWORKS.items():
        assert name in told.out
        assert source.about in told.out
    assert str(registry.builtin("lite.safetensors")) in told.out
    assert told.out.count("not fetched yet: impasto weights fetch vgg19") == 2


def test_list_as_json(impasto, published, tmp_path):
    (tmp_path / "theirs.pth").write_bytes(published)
    kept = registry.import_weights(tmp_path / "theirs.pth", "vgg19-torchvision")
    rows = json.loads(impasto("weights", "list", "--json").out)
    assert {row["name"]: row["path"] for row in rows} == {
        "lite": str(registry.builtin("lite.safetensors")),
        "vgg19": None,
        "vgg19-torchvision": str(kept),
        "vgg16": None,
        "vgg16-torchvision": None,
    }
    assert all(row["about"] == NETWORKS[row["name"]].about for row in rows)


def test_fetch_verify_and_paint_when_the_server_is_gone(impasto, serve, pin, published, cache, photograph, painting):
    server = serve(published)
    pin(server.url)
    told = impasto("weights", "fetch", "vgg19")
    assert (told.code, told.out) == (0, f"{cache / 'vgg19.safetensors'}\n")
    server.stop()
    assert impasto("weights", "fetch", "vgg19").out == told.out, "fetched once is enough"
    verified = impasto("weights", "verify", "vgg19")
    assert verified.code == 0
    assert f"sound, 16 convolutions to conv5_4, digest {digest_of(tiny_weights())[:16]}" in verified.out
    made = impasto("stylize", photograph, painting, "--network", "vgg19", "--size", 32, "--steps", 1, "-o", "out.png")
    assert made.code == 0


def test_a_damaged_file_in_the_cache_is_told_and_fetched_anew(impasto, serve, pin, published, photograph, painting):
    pin(serve(published).url)
    assert impasto("weights", "fetch", "vgg19").code == 0
    kept = registry.where("vgg19")
    kept.write_bytes(kept.read_bytes()[:-1])
    for arguments in (["weights", "verify"], ["stylize", photograph, painting, "--network", "vgg19", "-o", "out.png"]):
        refused = impasto(*arguments)
        assert refused.code == 6
        assert f"{kept}: " in refused.err
        assert "impasto weights fetch" in refused.err
    assert left_in(registry.Path()) == []
    assert impasto("weights", "fetch", "vgg19").code == 0
    assert impasto("weights", "verify").code == 0


def test_a_fetch_that_fails(impasto, serve, pin, cache):
    pin(serve(b"<html>Please sign in</html>").url)
    refused = impasto("weights", "fetch", "vgg19")
    assert (refused.code, refused.out) == (6, "")
    assert "impasto weights import FILE --network vgg19" in refused.err
    assert left_in(cache) == []


def test_no_network(impasto, nobody_listens, pin, cache, photograph, painting):
    pin(nobody_listens)
    for arguments in (
        ["weights", "fetch", "vgg19"],
        ["stylize", photograph, painting, "--network", "vgg19", "--size", 32, "-o", "out.png"],
    ):
        refused = impasto(*arguments)
        assert refused.code == 6
        assert "cannot be fetched" in refused.err
        assert "impasto weights import FILE --network vgg19" in refused.err
        assert left_in(cache) == left_in(registry.Path()) == []


def test_import(impasto, published, cache):
    registry.Path("theirs.pth").write_bytes(published)
    told = impasto("weights", "import", "theirs.pth", "--network", "vgg19-torchvision")
    assert (told.code, told.out) == (0, f"{cache / 'vgg19-torchvision.safetensors'}\n")
    assert impasto("weights", "import", "theirs.pth").out == f"{cache / 'vgg19.safetensors'}\n"
    verified = impasto("weights", "verify")
    assert verified.code == 0
    assert verified.out.count(": sound") == 3


def test_verify_takes_files_and_stops_at_one_that_is_damaged(impasto, tiny):
    registry.Path("bad.safetensors").write_bytes(tiny.read_bytes()[:-1])
    assert impasto("weights", "verify", tiny).out.startswith(f"{tiny}: sound, 16 convolutions")
    refused = impasto("weights", "verify", tiny, "bad.safetensors")
    assert refused.code == 6
    assert "bad.safetensors: cannot be used as weights" in refused.err


REFUSED = {
    ("fetch", "lite2"): (2, "network: there is no 'lite2'; choose one of"),
    ("import", "theirs.pth", "--network", "lite"): (2, "built in"),
    ("import", "theirs.pth", "--network", "vgg20"): (2, "network: there is no 'vgg20'"),
    ("import", "nothing.pth"): (6, "nothing.pth: there is no such file; check"),
    ("verify", "nothing.pth"): (6, "nothing.pth: there is no such file; check"),
    ("verify", "vgg19"): (6, "impasto weights fetch vgg19"),
    ("melt",): (2, "melt"),
    ("fetch",): (2, "Missing"),
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_is_refused_says_what_to_do(impasto, cache, arguments):
    code, reason = REFUSED[arguments]
    refused = impasto("weights", *arguments)
    assert (refused.code, refused.out) == (code, "")
    assert reason in refused.err
    assert left_in(cache) == []


def test_a_built_in_network_needs_no_fetching(impasto):
    told = impasto("weights", "fetch", "lite")
    assert (told.code, told.out) == (0, f"{registry.builtin('lite.safetensors')}\n")


class Code:
    def __reduce__(self):
        return os.mkdir, ("marker",)


def bad_files(tiny):
    """``{name: bytes}`` of what is no weights file."""
    data = tiny.read_bytes()
    theirs = tiny_weights()
    del theirs["conv3_1.weight"]
    torch.save(theirs, "gap.pth")
    save_file(tiny_weights() | {"conv1_2.weight": torch.rand(4, 4, 5, 5)}, "kernel.safetensors")
    torch.save(tiny_weights() | {"conv1_2.weight": torch.empty(4, 4, 3, 3, device="meta")}, "meta.pth")
    torch.save(tiny_weights() | {"conv1_2.bias": torch.ones(4).to_sparse()}, "sparse.pth")
    torch.save(tiny_weights() | {"conv1_2.readout": torch.ones(()).expand(10**10, 4)}, "expanded.pth")
    torch.save({key: torch.full_like(x, float("nan")) for key, x in tiny_weights().items()}, "nan.pth")
    save_file({key: torch.zeros_like(x) for key, x in tiny_weights().items()}, "zeros.safetensors")
    large = json.dumps(vars(INPUT) | {"scale": 10**400})
    save_file(tiny_weights(), "integer.safetensors", {"impasto.preprocessing": large})
    files = {name: registry.Path(name).read_bytes() for name in MADE}
    return files | {
        "truncated.safetensors": data[: len(data) // 2],
        "truncated.pth": files["gap.pth"][: len(files["gap.pth"]) // 2],
        "flipped.safetensors": data[:-1] + bytes([data[-1] ^ 1]),
        "header.safetensors": (2**60).to_bytes(8, "little") + data[8:],
        "empty.pth": b"",
        "text.pth": b"these are not the weights\n" * 9,
        "code.pth": pickle.dumps({"features.0.weight": Code()}),
    }


MADE = ["gap.pth", "kernel.safetensors", "meta.pth", "sparse.pth", "expanded.pth", "nan.pth", "zeros.safetensors"]
MADE += ["integer.safetensors"]
WRITTEN = ["truncated.safetensors", "truncated.pth", "flipped.safetensors", "header.safetensors", "empty.pth"]


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", [*MADE, *WRITTEN, "text.pth", "code.pth", "missing.pth"])
def test_bad_weights_end_with_6_and_leave_nothing(impasto, tiny, cache, photograph, painting, name):
    for file, data in bad_files(tiny).items():
        registry.Path(file).write_bytes(data)
    before = left_in(registry.Path())
    for arguments in (
        ["stylize", photograph, painting, "--weights", name, "--size", 32, "-o", "out.png"],
        ["weights", "verify", name],
        ["weights", "import", name],
    ):
        refused = impasto(*arguments)
        assert (refused.code, refused.out) == (6, "")
        assert refused.err.startswith(f"impasto: {name}: ")
        assert "check its name" in refused.err or "get it anew" in refused.err
    assert left_in(registry.Path()) == before, "something was written, or code was run"
    assert left_in(cache) == []


def test_the_code_in_the_bad_file_would_have_run_if_loaded(impasto):
    pickle.loads(pickle.dumps(Code()))
    assert registry.Path("marker").exists()


def test_bad_weights_in_a_process_bring_no_traceback(process, tiny, tmp_path, photograph, painting):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(tiny.read_bytes()[:-1])
    child = process("stylize", photograph, painting, "--weights", bad, "--size", 32, "-o", "out.png")
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (6, "")
    assert err.startswith(f"impasto: {bad}: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_weights_that_do_not_say_what_they_want_to_see(impasto, photograph, painting):
    save_file(tiny_weights(), "w.safetensors")
    refused = impasto("stylize", photograph, painting, "--weights", "w.safetensors", "--size", 32, "-o", "out.png")
    assert refused.code == 6
    assert "--network vgg19 " in refused.err
    assert left_in(registry.Path()) == ["w.safetensors"]


def test_weights_that_end_too_early_for_a_layer(impasto, photograph, painting):
    save_weights(registry.Path("w.safetensors"), Weights(tiny_weights(deepest="conv3_1"), INPUT, normalised=True))
    run = ["stylize", photograph, painting, "--weights", "w.safetensors", "--size", 32, "--steps", 1, "-o", "out.png"]
    refused = impasto(*run)
    assert refused.code == 2
    assert "no layer 'conv4_2'; this network has conv1_1" in refused.err
    assert left_in(registry.Path()) == ["w.safetensors"]
    assert impasto(*run, "--content-layers", "conv3_1", "--style-layers", "conv1_1").code == 0


def test_an_unwritable_cache_ends_with_6(impasto, tmp_path, monkeypatch, tiny):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "file" / "cache"))
    for arguments in (["fetch", "vgg19"], ["import", tiny]):
        refused = impasto("weights", *arguments)
        assert refused.code == 6
        assert "set IMPASTO_CACHE" in refused.err


def test_the_progress_of_a_download_adds_up_to_its_size(serve, pin, published, cache):
    pin(serve(published).url)
    with cli.bar() as progress:
        download = cli.Download(progress, "vgg19")
        path = registry.fetch("vgg19", download)
        (task,) = progress.tasks
        assert task.total == task.completed == len(published)
    assert read_weights(path).layers
