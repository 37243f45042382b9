"""A guest in somebody else's program: what that program has set changes no picture, and stays as it was."""

import json
import locale
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest
import torch

import impasto
from impasto.tensors import once

SMALL = {"size": 48, "steps": 6, "coarse_steps": 1, "scales": 2}
LOOKS = [{}, {"preset": "paper", "steps": 6}]


def soft(seed, height=40, width=48):
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def painted(**options):
    return [step.image.clone() for step in impasto.stylize(soft(1), soft(2), **SMALL | options)]


AROUND = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("mode", AROUND)
def test_the_callers_modes_change_nothing(mode, look):
    expected = painted(**look)
    with AROUND[mode]():
        found = painted(**look)
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        steps = impasto.stylize(soft(1), soft(2), **SMALL)
        next(steps)
        assert before == (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"))
    assert len(found) == len(expected)
    assert all(map(torch.equal, found, expected))


def test_an_image_made_in_inference_mode_can_be_painted():
    with torch.inference_mode():
        photograph = soft(1) * 1
    assert photograph.is_inference()
    assert torch.equal(impasto.paint(photograph, soft(2), **SMALL), impasto.paint(soft(1), soft(2), **SMALL))


@pytest.mark.parametrize("look", LOOKS)
def test_writing_into_a_steps_image_changes_nothing(look):
    expected = painted(**look)
    for step, image in zip(impasto.stylize(soft(1), soft(2), **SMALL | look), expected, strict=True):
        assert torch.equal(step.image, image)
        step.image.fill_(0.5)


def test_writing_into_the_pictures_given_changes_nothing():
    expected = painted()
    photograph, painting = soft(1), soft(2)
    for step, image in zip(impasto.stylize(photograph, painting, **SMALL), expected, strict=True):
        assert torch.equal(step.image, image)
        photograph.zero_()
        painting.zero_()


def test_threads_paint_what_they_would_alone():
    expected, found = painted()[-1], {}

    def paint(name):
        found[name] = painted()[-1]

    threads = [threading.Thread(target=paint, args=[name]) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(torch.equal(image, expected) for image in found.values())


@pytest.mark.parametrize(
    ("chosen", "count"), [({}, "5000"), ({"OMP_WAIT_POLICY": "active"}, "None"), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_waiting_threads_sleep_soon_unless_the_user_says_otherwise(chosen, count):
    program = "import impasto, os, sys; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    ours = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    env = {name: value for name, value in os.environ.items() if name not in ours} | chosen
    ran = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [count, "False"]


def test_everything_is_left_as_it_was():
    def around():
        return (
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
            list(warnings.filters),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            locale.setlocale(locale.LC_ALL),
            torch.random.get_rng_state().tolist(),
        )

    before = around()
    painted(init="noise")
    assert around() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("before", [False, True], ids=["before torch worked", "after"])
def test_a_forked_process_paints(before):
    program = f"""
import os, impasto, torch
small = dict(size=48, steps=2, coarse_steps=1, scales=1)
impasto.Settings()
if {before}:
    impasto.paint("sample:chelsea", "sample:wave", **small)
child = os.fork()
impasto.paint("sample:chelsea", "sample:wave", **small)
if child == 0:
    print("painted", flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "painted\n"), ran.stderr


FORKED = """
import json, multiprocessing, os, signal, sys, threading, time, warnings
from concurrent.futures import ProcessPoolExecutor
import impasto, torch
from PIL import Image
from impasto.images import decoding

small = dict(size=192, steps=2, coarse_steps=1, scales=1)
pair = "sample:chelsea", "sample:wave"
torch.set_num_threads(2)
painter = impasto.Painter("sample:wave", **small)
picture = painter.paint("sample:chelsea")
run = impasto.stylize(*pair, **small)
next(run), run.save("kept")

before = Image.MAX_IMAGE_PIXELS, len(warnings.filters)
held = threading.Event()

def hold():
    with decoding._decoding("a picture", impasto.Limits()):
        held.set()
        time.sleep(600)

threading.Thread(target=hold, daemon=True).start()
held.wait()

def as_before():
    assert before == (Image.MAX_IMAGE_PIXELS, len(warnings.filters))

def in_a_thread():
    thread = threading.Thread(target=painter.paint, args=["sample:chelsea"])
    thread.start(), thread.join()

works = {
    "paint": lambda: impasto.paint(*pair, **small),
    "painter": lambda: painter.paint("sample:chelsea"),
    "in a thread": in_a_thread,
    "read": lambda: impasto.read("sample:chelsea", size=1000),
    "write": lambda: impasto.write(torch.rand(1, 3, 1000, 1000), "x.png"),
    "picture": lambda: picture.save("y.png"),
    "network": lambda: impasto.load_network()(torch.rand(1, 3, 192, 192), ["conv4_1"]),
    "on with a run": lambda: list(run),
    "save": lambda: run.save("again"),
    "resume": lambda: list(impasto.stylize(*pair, **small, resume="kept")),
    "Pillow": as_before,
}

def done(name):
    signal.alarm(60)
    works[name]()
    return 0

def forked(name):
    child = os.fork()
    if child == 0:
        os._exit(done(name))
    return os.waitpid(child, 0)[1]

def by_multiprocessing(name):
    child = multiprocessing.get_context("fork").Process(target=done, args=[name])
    child.start(), child.join()
    return child.exitcode

def by_a_pool(name):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(done, name).result()

ways = {"fork": forked, "multiprocessing": by_multiprocessing, "a pool": by_a_pool}
tried = works if sys.argv[1] == "fork" else ["painter", "read"]
print(json.dumps({name: ways[sys.argv[1]](name) for name in tried}), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("way", ["fork", "a pool"])
def test_a_process_forked_amid_work_does_not_hang(tmp_path, way):
    """Where the parent has painted with threads, and one of them decodes a picture; what hangs is ended by an alarm."""
    command = [sys.executable, "-W", "ignore", "-c", FORKED, way]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert set(json.loads(ran.stdout).values()) == {0}, ran


def test_threads_do_not_wait_for_each_others_sums():
    """Nor a process that is forked meanwhile, for ever."""

    class Summed:
        @once
        def total(self):
            both.wait(10)
            return 1

    both, found = threading.Barrier(2), []
    threads = [threading.Thread(target=lambda: found.append(Summed().total)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1]
