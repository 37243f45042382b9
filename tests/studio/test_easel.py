"""Orders are painted one after another, and nobody's are lost, mixed up or kept for ever."""

import os
import threading
import time

import numpy as np
import pytest
from PIL import Image

from impasto.errors import InputError, LimitError, UsageError
from impasto.images.decoding import read_recipe
from impasto.settings import validated
from impasto.studio import easel
from impasto.studio.easel import FORMATS, KEPT, Studio

SIZE = 64


@pytest.fixture
def studio(tiny, tmp_path):
    base = validated(weights=tiny, size=SIZE, steps=3, coarse_steps=1, device="cpu")
    return Studio(tmp_path / "desks", tmp_path / "uploads", base, 3)


@pytest.fixture
def slow(monkeypatch):
    """Steps are taken when it says so."""
    go_on, stylize = threading.Semaphore(0), easel.stylize

    def steps(*pictures, **options):
        for step in stylize(*pictures, **options):
            go_on.acquire()
            yield step

    monkeypatch.setattr(easel, "stylize", steps)
    return go_on


def until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_order_is_painted_and_can_be_had_in_each_format(studio, photograph, painting):
    _, desk = studio.desk(None)
    order = studio.order(desk, photograph, [painting], seed=5)
    until(lambda: order.ended)
    assert (order.state, order.fault, order.size, [*order.files]) == ("done", "", (64, 53), [*FORMATS])
    for kind, path in order.files.items():
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == (kind, (64, 53))
        assert path.stem == "photograph-painting"
        assert read_recipe(path)["settings"]["seed"] == 5


def test_orders_wait_for_each_other_and_too_many_are_refused(studio, slow, photograph, painting):
    _, mine = studio.desk(None)
    _, other = studio.desk(None)
    first = studio.order(mine, photograph, [painting])
    until(lambda: first.state == "painting")
    waiting = [studio.order(desk, photograph, [painting]) for desk in (other, mine, other)]
    assert [studio.easel.place(order) for order in (first, *waiting)] == [0, 1, 2, 3]
    with pytest.raises(LimitError, match="3 pictures are waiting"):
        studio.order(mine, photograph, [painting])
    assert len(mine.orders) == 2
    assert len(list(mine.folder.iterdir())) == 2  # nothing is left of the one that was refused
    studio.easel.stop(waiting[0])
    assert [studio.easel.place(order) for order in waiting[1:]] == [1, 2]
    slow.release(1000)
    until(lambda: all(order.ended for order in (first, *waiting)))
    assert [order.state for order in (first, *waiting)] == ["done", "stopped", "done", "done"]
    assert waiting[0].files == {}


def test_what_is_stopped_is_kept_as_large_as_was_asked_for(studio, slow, photograph, painting):
    _, desk = studio.desk(None)
    order = studio.order(desk, photograph, [painting], size=256)
    slow.release(3)
    until(lambda: order.seen)
    assert max(order.seen.size) < 256
    studio.easel.stop(order)
    slow.release(1000)
    until(lambda: order.ended)
    assert (order.state, order.size) == ("stopped", (256, 213))
    with Image.open(order.files["PNG"]) as picture:
        assert picture.size == (256, 213)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LimitError("`size` is too large for '/secret/place/x.png'"), "size is too large for 'x.png'"),
        (MemoryError(), "not enough memory"),
        (ZeroDivisionError(), "a fault of impasto's own"),
    ],
)
def test_what_goes_wrong_is_told_and_the_next_is_painted(
    studio, monkeypatch, capsys, photograph, painting, error, told
):
    def steps(*pictures, **options):
        run = stylize(*pictures, **options)
        yield next(run)
        yield next(run)
        raise error

    stylize = easel.stylize
    monkeypatch.setattr(easel, "stylize", steps)
    _, desk = studio.desk(None)
    failed = studio.order(desk, photograph, [painting])
    until(lambda: failed.ended)
    assert (failed.state, told in failed.fault, [*failed.files]) == ("failed", True, [*FORMATS])
    assert ("ZeroDivisionError" in capsys.readouterr().err) == isinstance(error, ZeroDivisionError)
    monkeypatch.setattr(easel, "stylize", stylize)
    after = studio.order(desk, photograph, [painting])
    until(lambda: after.ended)
    assert after.state == "done"


def test_what_makes_no_sense_is_refused_at_once(studio, tmp_path, photograph, painting):
    _, desk = studio.desk(None)
    (tmp_path / "bad.png").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"bad\.png"):
        studio.order(desk, photograph, [tmp_path / "bad.png"])
    with pytest.raises(UsageError, match="strength"):
        studio.order(desk, photograph, [painting], strength=2)
    assert desk.orders == []
    assert not list(desk.folder.rglob("*.png"))


def test_parts_are_painted_otherwise(studio, photograph, painting, inputs):
    """The left half is left as it is; the rest has the paintings that have no part of their own."""
    mask = Image.fromarray(np.repeat([[255] * 24 + [0] * 24], 40, axis=0).astype(np.uint8))
    _, desk = studio.desk(None)
    order = studio.order(desk, photograph, [painting, photograph], [(mask, None)], style_weight=1e7)
    assert order.of_the_rest == [*order.paintings]
    until(lambda: order.ended)
    assert order.state == "done"
    with Image.open(order.files["PNG"]) as picture, Image.open(photograph) as before:
        off = np.abs(np.asarray(picture).astype(int) - np.asarray(before.convert("RGB").resize(picture.size)))
    assert off[:, :24].mean() < off[:, 40:].mean() / 2
    order.over = [(mask, 1)]
    assert order.of_the_rest == [order.paintings[0]]
    assert order.regions[0].style == order.paintings[1]
    order.over = [(mask, 0), (mask, 1)]
    assert order.of_the_rest == [*order.paintings]


def test_desks_are_found_by_their_names_alone(studio):
    name, desk = studio.desk(None)
    other, others = studio.desk(None)
    assert (studio.desk(name)[1], studio.desk(other)[1]) == (desk, others)
    assert desk.folder != others.folder
    assert len(name) > 40
    assert name not in str(desk.folder)
    new, another = studio.desk("guessed")
    assert new not in ("guessed", name, other)
    assert another not in (desk, others)


def test_after_an_hour_all_is_gone(studio, slow, monkeypatch, photograph, painting):
    name, desk = studio.desk(None)
    done, running = (studio.order(desk, photograph, [painting], steps=steps) for steps in (3, 100_000))
    until(lambda: slow.release() or running.seen)
    studio.uploads.mkdir()
    (old, new) = (studio.uploads / "old.png", studio.uploads / "new.png")
    for file in (old, new):
        file.write_bytes(b"x")
    os.utime(old, (time.time() - KEPT - 1,) * 2)
    studio.tidy()
    assert (old.exists(), new.exists(), done.files["PNG"].exists(), studio.desk(name)[1]) == (False, True, True, desk)
    desk.looked_at -= KEPT + 1
    studio.tidy()
    assert (desk.folder.exists(), name in studio.desks) == (False, False)
    slow.release(1000)
    until(lambda: running.ended)
    assert (running.state, running.files, desk.folder.exists()) == ("stopped", {}, False)


def test_what_is_tidied_away_while_it_is_saved_is_gone(studio, monkeypatch, photograph, painting):
    """Between two of its files, which once left the folder behind for ever."""
    _, desk = studio.desk(None)
    save, saved = easel.Picture.save, []

    def and_tidy(picture, path):
        save(picture, path)
        saved.append(path)
        desk.looked_at -= KEPT + 1
        studio.tidy()

    monkeypatch.setattr(easel.Picture, "save", and_tidy)
    order = studio.order(desk, photograph, [painting], steps=3)
    until(lambda: order.ended)
    assert (order.state, order.fault, order.files, len(saved)) == ("done", "", {}, 1)
    assert [path.name for path in studio.folder.iterdir()] == ["samples"]


def test_what_is_saved_while_it_is_tidied_away_is_gone(studio, slow, monkeypatch, photograph, painting):
    _, desk = studio.desk(None)
    order = studio.order(desk, photograph, [painting], steps=100_000)
    until(lambda: slow.release() or order.seen)
    rmtree = easel.shutil.rmtree

    def once_it_has_ended(folder, **options):
        slow.release(1000)
        until(lambda: order.ended)
        rmtree(folder, **options)

    monkeypatch.setattr(easel.shutil, "rmtree", once_it_has_ended)
    desk.looked_at -= KEPT + 1
    studio.tidy()
    assert (order.state, order.files) == ("stopped", {})
    assert [path.name for path in studio.folder.iterdir()] == ["samples"]
