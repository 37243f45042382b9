"""A run that ended somewhere goes on from its checkpoint, to the same picture; what is no such file is refused."""

import json
import zlib
from itertools import islice

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import impasto
from impasto import checkpoints, preparation, solver
from impasto.errors import InputError
from impasto.tiling import Plan

RUN = {"size": 184, "steps": 10, "coarse_steps": 1.5, "device": "cpu"}


def steps_of(photograph, painting, tiny, **options):
    return impasto.stylize(photograph, painting, weights=tiny, **{**RUN, **options})


def best_of(steps):
    return max(steps, key=lambda step: step.merit)


WAYS = {
    "adam": {},
    "lbfgs": {"solver": "lbfgs"},
    "paper": {"preset": "paper", "steps": 6, "coarse_steps": 1},
    "auto": {"steps": "auto", "quality": "draft", "size": 64, "solver": "lbfgs"},
    "places": {"tile": 64, "steps": 4},
    "colours": {"colour": "photo", "keep_lines": 0.5, "spectrum_weight": 1, "steps": 4},
}


@pytest.mark.parametrize("way", WAYS)
def test_it_ends_in_the_picture_of_the_unbroken_run(photograph, painting, tiny, tmp_path, monkeypatch, way):
    """Wherever it ended: in a trial of β, between two sizes, after its last step."""
    monkeypatch.setattr("impasto.settings.MOST_STEPS", 40)  # with steps="auto"
    paths, whole = [], []
    run = steps_of(photograph, painting, tiny, **WAYS[way])
    for step in run:
        whole.append(step)
        paths.append(tmp_path / f"{len(whole)}")
        run.save(paths[-1])
    last = best_of(whole)
    for kept in {0, len(whole) // 3, len(whole) // 2, len(whole) - 2, len(whole) - 1}:
        resumed = list(steps_of(photograph, painting, tiny, **WAYS[way], resume=paths[kept]))
        again = best_of(resumed)
        assert torch.equal(again.image, last.image)
        assert (again.index, again.terms, again.recipe) == (last.index, last.terms, last.recipe)
        assert [step.index for step in resumed if step.index > kept] == [step.index for step in whole[kept + 1 :]]
        assert resumed[0].index <= kept


def test_pairs_that_lay_on_a_disk_lie_there_again(photograph, painting, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(solver, "SMALL", 0)
    monkeypatch.setattr(checkpoints, "SMALL", 0)
    monkeypatch.setattr(preparation, "plan_of", lambda *_, **__: Plan((64, 64), on_disk=True, bytes=0))
    how = {"steps": 6, "solver": "lbfgs"}
    run = steps_of(photograph, painting, tiny, **how)
    *_, before = islice(run, 12)
    run.save(tmp_path / "kept")
    last = best_of([before, *run])
    monkeypatch.setattr(preparation, "plan_of", None)  # it goes on as it was planned
    resumed = steps_of(photograph, painting, tiny, **how, resume=tmp_path / "kept")
    assert len(resumed.of.disk.tensors) > 0
    assert {pair.s.dtype for pair in resumed.course.state.descent.state.pairs} == {torch.bfloat16}
    assert torch.equal(best_of(resumed).image, last.image)


def test_textures_and_reconstructions_go_on_too(photograph, painting, tiny, tmp_path):
    for begin in (
        lambda **more: impasto.texture(painting, 40, 24, weights=tiny, steps=4, **more),
        lambda **more: impasto.reconstruct_content(photograph, weights=tiny, size=48, steps=4, **more),
        lambda **more: impasto.reconstruct_style(painting, weights=tiny, size=48, steps=4, **more),
    ):
        run = begin()
        next(run), next(run)
        run.save(tmp_path / "kept")
        assert torch.equal(list(begin(resume=tmp_path / "kept"))[-1].image, list(run)[-1].image)


def test_seconds_go_on_from_where_they_were(photograph, painting, tiny, tmp_path):
    run = steps_of(photograph, painting, tiny)
    next(run)
    run.course.began -= 1000
    run.save(tmp_path / "kept")
    assert next(steps_of(photograph, painting, tiny, resume=tmp_path / "kept")).seconds > 1000


@pytest.fixture
def kept(photograph, painting, tiny, tmp_path):
    run = steps_of(photograph, painting, tiny, size=48)
    *_, _last = islice(run, 8)
    run.save(tmp_path / "kept")
    return tmp_path / "kept"


CHANGES = {
    "`strength` was 0.5 and is 0.7": {"strength": 0.7},
    "`steps` was 10 and is 11": {"steps": 11},
    "`init` was": {"init": "noise"},
    "`style_layers.conv1_1` was": {"style_layers": {"conv2_1": 1.0}},
}


@pytest.mark.parametrize("said", CHANGES)
def test_one_of_other_settings_is_refused(photograph, painting, tiny, kept, said):
    with pytest.raises(InputError, match="is the checkpoint of another run") as refused:
        steps_of(photograph, painting, tiny, resume=kept, **{"size": 48, **CHANGES[said]})
    assert said in str(refused.value)
    assert str(kept) in str(refused.value)


def test_one_of_other_pictures_is_refused(photograph, painting, tiny, kept):
    with pytest.raises(InputError, match=r"`inputs.content.file` was .photograph.png. and is .painting.png."):
        steps_of(painting, painting, tiny, resume=kept, size=48)


def rewritten(path, change):
    """The file with something else in it, and its checksum right."""
    with safe_open(path, "pt") as file:
        told = json.loads(file.metadata()["impasto"])
    change(told)
    text = json.dumps(told)
    save_file(load_file(path), path, {"impasto": text, "sum": str(zlib.crc32(text.encode()))})


def test_one_of_another_version_is_refused(photograph, painting, tiny, kept):
    rewritten(kept, lambda told: told["recipe"].update(torch="1.0"))
    with pytest.raises(InputError, match=r'`torch` was "1.0" and is'):
        steps_of(photograph, painting, tiny, resume=kept, size=48)
    rewritten(kept, lambda told: told.update(format=checkpoints.FORMAT + 1))
    with pytest.raises(InputError, match="another version"):
        steps_of(photograph, painting, tiny, resume=kept, size=48)


STRANGE = {
    "nothing": lambda told: told.clear() or told.update(format=checkpoints.FORMAT),
    "no plan": lambda told: told.update(plan={"sides": 5}),
    "no state": lambda told: told.update(state=[1, 2]),
    "code": lambda told: told.update(state={"os:system": {"command": "true"}}),
    "no such tensor": lambda told: told.update(state={"tensor": "none"}),
    "no recipe": lambda told: told.update(recipe=7),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_state_is_refused(photograph, painting, tiny, kept, what):
    rewritten(kept, STRANGE[what])
    with pytest.raises(InputError, match=r"kept' is"):
        steps_of(photograph, painting, tiny, resume=kept, size=48)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_one_is_refused(photograph, painting, tiny, kept, part, flip, cut):
    """Wherever a byte is another, or it ends."""
    data = bytearray(kept.read_bytes())
    at = int(part * len(data))
    damaged = data[:at] if cut else data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
    path = kept.with_name("damaged")
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        steps_of(photograph, painting, tiny, resume=path, size=48)


def test_none_and_a_folder_are_refused(photograph, painting, tiny, tmp_path):
    with pytest.raises(InputError, match="there is no checkpoint"):
        steps_of(photograph, painting, tiny, resume=tmp_path / "none")
    with pytest.raises(InputError, match=r"damaged|cannot be read"):
        steps_of(photograph, painting, tiny, resume=tmp_path)


def test_before_its_first_step_a_run_is_nowhere(photograph, painting, tiny, tmp_path):
    steps_of(photograph, painting, tiny).save(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_it_is_written_whole_or_not_at_all(photograph, painting, tiny, kept, monkeypatch):
    before = kept.read_bytes()
    run = steps_of(photograph, painting, tiny, size=48)
    next(run)

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="No space"):
        run.save(kept)
    assert kept.read_bytes() == before
    assert [path.name for path in kept.parent.iterdir() if path.is_file()] == ["kept"]
