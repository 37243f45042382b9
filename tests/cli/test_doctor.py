"""``impasto doctor``: it tells how things stand, ends with the code of what is wrong, and is never at a loss itself."""

import json
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest
import torch

from impasto import devices, facade, preparation
from impasto.cli import doctor
from impasto.errors import DivergedError, LimitError, UsageError, WeightsError
from impasto.network import registry
from impasto.network.registry import NETWORKS
from impasto.network.vgg import VGG


def lines_of(told):
    """What is said, by what it is of."""
    return {line[:18].strip(): line[19:] for line in told.out.splitlines()}


@pytest.fixture
def without_self_test(monkeypatch):
    monkeypatch.delitem(doctor.SECTIONS, "self-test")


def test_all_is_well(impasto, cache, monkeypatch):
    monkeypatch.setenv("HOME", str(cache.parent))
    told = impasto("doctor")
    assert (told.code, told.err) == (0, "")
    lines = lines_of(told)
    assert lines["python"] == platform.python_version()
    for name in doctor.NEEDED:
        assert lines[name] == metadata.version(name)
    assert lines["lite"].startswith("built in and whole, digest ")
    for name in NETWORKS.keys() - {"lite"}:
        assert lines[name] == f"not fetched (impasto weights fetch {name})"
    assert lines["auto"].startswith(str(devices.device_of("auto")))
    assert lines["disk of the cache"].endswith("GB free in ~/cache")
    assert lines["a default run"].startswith("512 x 512 px as a whole, within ")
    assert lines["network"].startswith("lite on ")
    assert "after 8 steps, in" in lines["painting"]
    assert lines["in all"].startswith("all is well (")
    assert "wrong" not in told.out


def test_nothing_tells_whose_machine_it_is(impasto, cache, monkeypatch, without_self_test):
    monkeypatch.setenv("HOME", str(cache.parent))
    monkeypatch.setattr(platform, "node", lambda: "secret-host")
    cache.mkdir()
    (cache / "vgg19.safetensors").write_bytes(b"damaged")
    for told in (impasto("doctor"), impasto("doctor", "--json")):
        assert str(cache.parent) not in told.out
        assert "~/cache/vgg19.safetensors: cannot be used" in told.out
        assert "secret-host" not in told.out


def test_only_the_home_folder_itself_is_hidden(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    told = "/home/ada/x, /home/adam/x, (/home/ada), /home/ada-2"
    assert doctor.private(told) == "~/x, /home/adam/x, (~), /home/ada-2"
    monkeypatch.setenv("HOME", "/")
    assert doctor.private(told) == told


def test_as_json(impasto, without_self_test):
    told = impasto("doctor", "--json")
    found = json.loads(told.out)
    assert (told.code, found["code"], found["wrong"]) == (0, 0, [])
    assert found["seconds"] < 60
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["networks"].keys() == NETWORKS.keys()
    assert found.keys() == {*doctor.SECTIONS, "wrong", "code", "seconds"}


def test_a_damaged_network_is_named_and_the_rest_told(impasto, cache, published, tmp_path, without_self_test):
    (tmp_path / "theirs.pth").write_bytes(published)
    kept = registry.import_weights(tmp_path / "theirs.pth", "vgg19-torchvision")
    damaged = shutil.copy(kept, cache / "vgg19.safetensors")
    damaged.write_bytes(kept.read_bytes()[:-1] + b"?")
    told = impasto("doctor")
    assert (told.code, told.err) == (6, "")
    lines = lines_of(told)
    assert lines["vgg19"].startswith(f"wrong: {damaged}: cannot be used as weights: its tensors are not those")
    assert "get it anew (impasto weights fetch" in lines["vgg19"]
    assert lines["vgg19-torchvision"].startswith("fetched and whole, digest ")
    assert lines["in all"].startswith("wrong are vgg19 (")
    found = json.loads(impasto("doctor", "--json").out)
    assert (found["wrong"], found["code"]) == (["vgg19"], 6)


@pytest.mark.parametrize("data", [b"", b"x", b"\x80\x04.", b"\0" * 8 + b"{" * 99])
def test_whatever_lies_in_the_cache_is_told(impasto, cache, data, without_self_test):
    cache.mkdir()
    (cache / "vgg16.safetensors").write_bytes(data)
    told = impasto("doctor")
    assert told.code == 6
    assert lines_of(told)["vgg16"].startswith("wrong: ")


def test_a_cache_that_cannot_be_made(impasto, tmp_path, monkeypatch, without_self_test):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "file" / "cache"))
    told = impasto("doctor")
    assert told.code == 6
    assert "set IMPASTO_CACHE" in lines_of(told)["disk of the cache"]
    assert lines_of(told)["lite"].startswith("built in and whole")


def test_short_of_memory(impasto, monkeypatch, without_self_test):
    monkeypatch.setattr(preparation, "free_memory", lambda _: 10**8)
    told = impasto("doctor")
    assert told.code == 4
    assert "there are 0.1 GB: paint a smaller" in lines_of(told)["a default run"]


def test_short_of_disk(impasto, monkeypatch, without_self_test):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    told = impasto("doctor")
    assert told.code == 4
    assert lines_of(told)["disk here"] == "wrong: 0.0 GB free: delete something, or work in another folder"
    assert lines_of(told)["in all"].startswith("wrong are disk here, disk of the cache")


ERRORS = {
    WeightsError("what to do"): 6,
    LimitError("what to do"): 4,
    MemoryError(): 4,
    UsageError("what to do"): 1,
    DivergedError("what to do"): 1,
    RuntimeError("CUDA error:\nno driver"): 1,
    RecursionError(): 1,
    KeyError("x"): 1,
    PermissionError(13, "Permission denied", "x"): 1,
    ImportError("libcudart.so.12"): 1,
}


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("where", ["a check", "a section"])
def test_nothing_gets_out_of_a_check(impasto, monkeypatch, error, where):
    def fails():
        raise error

    broken = (lambda: {"broken": fails}) if where == "a check" else fails
    sections = {"broken": broken, "after": lambda: {"it": lambda: "goes on"}}
    monkeypatch.setattr(doctor, "SECTIONS", sections)
    told = impasto("doctor")
    assert (told.code, told.err) == (ERRORS[error], "")
    assert lines_of(told)["broken"].startswith("wrong: ")
    assert lines_of(told)["it"] == "goes on"
    found = json.loads(impasto("doctor", "--json").out)
    assert (found["wrong"], found["code"]) == (["broken"], ERRORS[error])


def test_weights_come_before_resources_and_these_before_the_rest(impasto, monkeypatch):
    def fails(error):
        raise error

    of = {"a": LimitError("x"), "b": WeightsError("x"), "c": KeyError("x")}
    checks = {name: doctor.partial(fails, error) for name, error in of.items()}
    monkeypatch.setattr(doctor, "SECTIONS", {"all": lambda: checks})
    assert impasto("doctor").code == 6
    del checks["b"]
    assert impasto("doctor").code == 4


def test_libraries_that_are_missing(impasto, monkeypatch, without_self_test):
    def version(name):
        if name in ("pillow-heif", "tifffile"):
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor.metadata, "version", version)
    told = impasto("doctor")
    lines = lines_of(told)
    assert lines["pillow-heif"] == "not installed"
    assert lines["tifffile"] == "wrong: not installed: pip install tifffile"
    assert (told.code, lines["in all"].startswith("wrong are tifffile (")) == (1, True)


@pytest.mark.parametrize("factor", [1.05, float("nan")])
def test_a_network_that_computes_otherwise_than_it_should(monkeypatch, factor):
    look = VGG.look

    def otherwise(self, image, layers):
        found, back = look(self, image, layers)
        return found | {"conv3_1": found["conv3_1"] * factor}, back

    monkeypatch.setattr(VGG, "look", otherwise)
    told, code = doctor.found_by(doctor.network)
    assert code == 1
    assert told.endswith("paint with --device cpu, and report this")


def test_bfloat16_is_near_enough(monkeypatch):
    monkeypatch.setattr(devices, "computes_bfloat16", lambda _: True)
    told, code = doctor.found_by(doctor.network)
    assert (code, "in float32, " in told, told.endswith(" in bfloat16")) == (0, True, True)


@pytest.mark.parametrize(("last", "value"), [(0.95, 0.5), (0.1, float("nan")), (float("nan"), 0.5)])
def test_a_run_that_does_not_go_as_it_should(monkeypatch, last, value):
    def steps(*_):
        for index, loss in enumerate((1.0, last)):
            image, recipe = torch.full((1, 3, 8, 8), value), {"machine": {"device": "cpu"}}
            yield SimpleNamespace(index=index, image=image, loss=loss, seconds=1.0, recipe=recipe)

    monkeypatch.setattr(facade, "stylize", steps)
    told, code = doctor.found_by(doctor.painting)
    assert code == 1
    assert "which should be far less" in told


def test_its_help_does_not_wait_for_torch():
    program = "import sys; from impasto.cli import main; main(['doctor', '--help']); sys.exit('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, "self-test" in ran.stdout) == (0, True)


def doctor_with(before):
    """The command after these lines of Python."""
    program = f"import os, sys\n{before}\nfrom impasto.cli import main\nsys.exit(main(['doctor']))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


ENDS = """
class Ends:
    def find_spec(name, *_):
        if name == "torch":
            os._exit(9)
sys.meta_path.insert(0, Ends)
"""


def test_what_is_known_is_said_before_torch_can_end_the_program():
    ran = doctor_with(ENDS)
    assert (ran.returncode, ran.stderr) == (9, "")
    lines = lines_of(SimpleNamespace(out=ran.stdout))
    assert lines.keys() >= {"python", "torch", "system", "processor"}


def test_without_torch():
    ran = doctor_with("sys.modules['torch'] = None")
    assert (ran.returncode, ran.stderr) == (1, "")
    lines = lines_of(SimpleNamespace(out=ran.stdout))
    assert lines["torch"] == metadata.version("torch")
    assert lines["devices"].startswith("wrong: ModuleNotFoundError: ")
