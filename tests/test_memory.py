"""Memory is planned, what does not fit lies on a disk, and a run that runs out of it goes on in smaller places."""

import resource
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import tiny_network

import impasto
from impasto.assembly import objective_of
from impasto.content import CONTENT_LOSSES
from impasto.disk import Disk
from impasto.errors import LimitError, UsageError
from impasto.features import LEAST_SIDE, Readout
from impasto.kept import Kept
from impasto.objective import TotalLoss, content_targets, style_targets
from impasto.preparation import prepared
from impasto.settings import CONTENT_LAYERS, STYLE_LAYERS, Settings, validated
from impasto.solver import LBFGS, minimise
from impasto.style import STYLE_LOSSES
from impasto.tensors import is_lack_of_memory
from impasto.terms import Style
from impasto.tiling import SCARCE, Cut, InPlaces, Needs, effort, numbers_of, places_of, planned

NO_MEMORY = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"


def noise(height: int, width: int, seed: int, dtype=torch.float64) -> torch.Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=dtype)


@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4), dtype=st.sampled_from([torch.float32, torch.bfloat16])
)
def test_a_tensor_on_a_disk_is_the_same_after_a_rest(tmp_path_factory, shape, dtype):
    disk, x = Disk(tmp_path_factory.mktemp("disk")), torch.randn(shape)
    found = disk.put(x, dtype)
    disk.rest()
    assert torch.equal(found, x.to(dtype))
    assert not any(disk.folder.iterdir())  # nothing is left behind, however the program ends


def test_resting_takes_a_tensor_out_of_memory(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", RESTING, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.split()
    before, there, rested = map(int, told)
    assert there - before > 70_000
    assert rested - before < 20_000


RESTING = """
import re, sys, torch
from pathlib import Path
from impasto.disk import Disk
def resident():
    return re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
disk = Disk(Path(sys.argv[1]))
print(resident())
x = disk.empty([20_000_000], torch.float32)
x += 1
print(resident())
disk.rest()
print(resident())
assert float(x[-1]) == 1
"""


def test_a_full_disk_is_told_before_anything_is_written(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limit[1]))
    try:
        with pytest.raises(LimitError, match=r"no room in .* for 0\.0 GB .*IMPASTO_CACHE.*`memory`"):
            Disk(tmp_path).empty([2**20], torch.float32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not any(tmp_path.iterdir())


def test_pairs_on_a_disk_lead_as_far_down(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.solver.SMALL", 0)
    p, a = noise(32, 40, 1, torch.float32), noise(32, 32, 2, torch.float32)
    objective = objective_of(Settings(style_weight=1e3), tiny_network(), p, a)
    in_memory, on_disk = (
        [step.loss for step in minimise(objective, p, 40, LBFGS(history=8, disk=disk))]
        for disk in (None, Disk(tmp_path))
    )
    assert on_disk[-1] < 0.2 * on_disk[0]
    assert on_disk[-1] == pytest.approx(in_memory[-1], rel=0.05)
    assert on_disk != in_memory  # it was used


@pytest.mark.parametrize("edges", ["mirrored", "black"])
@pytest.mark.parametrize("is_on_disk", [False, True])
@pytest.mark.parametrize("is_guided", [False, True])
@pytest.mark.parametrize("of", [*CONTENT_LOSSES.values(), *STYLE_LOSSES.values()])
def test_targets_of_places_are_those_of_the_whole(tmp_path, monkeypatch, edges, is_on_disk, is_guided, of):
    monkeypatch.setattr("impasto.style.SAMPLES", 500)
    monkeypatch.setattr("impasto.content.SAMPLES", 40)
    network = tiny_network(factored=True).double()
    network.edges = edges
    image, layers = noise(101, 135, 1), {"conv1_1": 1.0, "conv3_1": 1.0}
    places = tuple(places_of(101, 135, 64, 16, 32))
    sizes = {layer: network.map_size(layer, 101, 135) for layer in layers}
    guides = {layer: noise(*size, 3)[0, 0] for layer, size in sizes.items()} if is_guided else None
    make = content_targets if of in CONTENT_LOSSES.values() else style_targets
    on_disk = [Disk(tmp_path)] if is_on_disk and make is content_targets else []
    whole, found = make(network, image, layers, of, guides), make(network, image, layers, of, guides, places, *on_disk)
    for layer in layers:
        for x, y in zip(tensors_of(found[layer]), tensors_of(whole[layer]), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)


def tensors_of(target):
    if isinstance(target, torch.Tensor):
        return [target]
    if isinstance(target, tuple):
        return [torch.as_tensor(x) for x in target if not isinstance(x, Readout)]
    of_normal = target.mean, target.directions @ target.variances.diag() @ target.directions.T  # signs are arbitrary
    return [*of_normal, target.variances]


OPTIONS = {
    "plain": {},
    "paper": {"preset": "paper"},
    "lines, variation and colours": {"keep_lines": 1.0, "tv_weight": 1.0, "colour": "photo"},
    "spectrum": {"spectrum_weight": 1.0},
    "self-similarity": {"content_loss": "self-similarity", "style_loss": "sliced"},
    "photoreal": {"photoreal": True},
    "max pooling and lab": {"pooling": "max", "colour": "lab"},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_run_in_places_begins_as_a_whole_one(options):
    p, a = (noise(h, w, seed, torch.float32) for h, w, seed in ((267, 355, 1), (160, 160, 2)))
    regions = [] if "spectrum_weight" in options else [impasto.Region(mask(267, 355), "sample:wave")]
    of = {"size": 355, "scales": 1, "style_weight": 1e7, "init": "style", "precision": "float32", **options}
    whole, parts = (
        next(impasto.stylize(p, [a, "sample:swirl"], regions=regions, tile=tile, **of)) for tile in ("off", 128)
    )
    assert parts.recipe["machine"]["tile"] == 128
    assert parts.terms == pytest.approx(whole.terms, rel=1e-4)


def mask(height: int, width: int) -> torch.Tensor:
    found = torch.zeros(1, 3, height, width)
    found[..., : width // 2] = 1
    return found


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_places_have_the_gradient_of_the_whole(precision):
    """With VGG-19's own numbers of filters."""
    p, a, x = (noise(h, w, seed, precision) for h, w, seed in ((227, 243, 1), (96, 64, 2), (227, 243, 3)))
    network = tiny_network(filters=(64, 128, 256, 512, 512), deepest="conv5_1").to(precision)
    whole = objective_of(Settings(style_weight=1.0), network, p, a)
    layers = {**CONTENT_LAYERS, **STYLE_LAYERS}
    places = InPlaces(whole, Cut(64))
    assert len(Cut(64).places(network, layers, 227, 243)) == 16
    (values, gradient), (found, found_gradient) = whole.value_and_gradient(x), places.value_and_gradient(x)
    tolerance = 1e-10 if precision is torch.float64 else 1e-4
    assert dict(found) == pytest.approx(dict(values), rel=tolerance)
    assert float((found_gradient - gradient).norm() / gradient.norm()) < tolerance


@pytest.mark.parametrize("edges", ["black", "mirrored"])
def test_where_memory_is_spared_the_largest_maps_of_a_whole_are_in_places(edges):
    p, a, x = (noise(h, w, seed) for h, w, seed in ((327, 303, 1), (96, 64, 2), (327, 303, 3)))
    network = tiny_network(deepest="conv5_1").double()
    network.edges = edges
    whole = objective_of(Settings(style_weight=1.0), network, p, a)
    assert Cut().of(whole, 327, 303) is whole
    values, gradient = whole.value_and_gradient(x)
    network.sparing = True
    spared = Cut().of(whole, 327, 303)
    assert spared.deeper is not None
    assert (len(spared.places), len(spared.deeper.places)) == (4, 1)
    assert spared.layers == {"conv1_1", "pool1"}
    found, found_gradient = spared.value_and_gradient(x)
    assert dict(found) == pytest.approx(dict(values), rel=1e-10)
    torch.testing.assert_close(found_gradient, gradient, rtol=0, atol=1e-10 * float(gradient.abs().max()))


@pytest.mark.parametrize(("layers", "size"), [({"conv1_1": 1.0}, 400), ({"conv1_1": 0.5, "conv2_1": 0.5}, 200)])
def test_there_is_nothing_to_spare(layers, size):
    """Where nothing lies deeper, or in a small picture."""
    network = tiny_network()
    network.sparing = True
    of = STYLE_LOSSES["gram"]
    style = Style(of, style_targets(network, noise(64, 64, 1).float(), layers, of), layers, 1.0)
    whole = TotalLoss(network, [style])
    assert Cut().of(whole, size, size) is whole


class Own:
    layers = ("conv1_1",)
    preprocessing = None

    def __call__(self, image, layers):  # noqa: ARG002
        return {}


def needs(height: int = 4000, width: int = 6000, **changed) -> Needs:
    return replace(Needs(tiny_network(), STYLE_LAYERS, CONTENT_LAYERS, height, width, 20), **changed)


@given(height=st.integers(16, 9000), width=st.integers(16, 9000), memory=st.integers(10**8, 10**11))
def test_a_plan_fits(height, width, memory):
    try:
        plan = planned([needs(height, width)], memory)
    except LimitError:
        assert needs(height, width).total(LEAST_SIDE, on_disk=True) > memory
        return
    assert plan.bytes <= memory
    assert plan.bytes == needs(height, width).total(plan.side, on_disk=plan.on_disk)


def test_more_memory_is_another_way():
    of = needs()
    assert planned([of], 10**12).told == {}
    least = of.total(LEAST_SIDE, on_disk=True)
    sides = [planned([of], round(least * more)).side or 10**9 for more in (1, 1.02, 1.1, 1.3)]
    assert sides == sorted(sides)
    assert sides[0] == LEAST_SIDE
    assert planned([of], least).told == {"tile": LEAST_SIDE, "tiles": [LEAST_SIDE], "on_disk": True}
    assert planned([needs(64, 64)], SCARCE - 1).told == {"scarce": True}
    with pytest.raises(
        LimitError, match=r"not enough memory: a .*6000 x 4000 px takes .* GB at least.*paint a smaller one.*`memory`"
    ):
        planned([of], least - 1)


@pytest.mark.parametrize("side", [None, 512])
def test_regions_have_features_of_their_own(side):
    least, most = (needs(regions=regions).evaluation(side) for regions in (0, 2))
    of_layers = sum(numbers_of(tiny_network(), layer) for layer in STYLE_LAYERS)
    assert most - least >= 2 * 4 * of_layers * needs().seen(None if side is None else side // 2)


def test_networks_spare_memory_where_it_is_scarce():
    settings = validated(
        network=tiny_network(), content_layers={"conv2_1": 1.0}, style_layers={"conv1_1": 1.0}, size=64
    )
    kept, pictures = Kept(settings), {"content": noise(64, 64, 1).float(), "style": noise(64, 64, 2).float()}
    for memory, scarce in ((SCARCE, False), (SCARCE - 1, True)):
        prepared(settings, pictures, None, kept, plan=planned([needs(64, 64)], memory))
        assert kept.network(kept.precisions[0]).sparing is scarce


def test_smaller_sizes_have_larger_places():
    sizes = [needs(4000 >> n, 6000 >> n) for n in (4, 3, 2, 1, 0)]
    of = sizes[-1].total(256, on_disk=True)
    sides = planned(sizes, of).sides
    assert sides[0] is sides[1] is None
    assert (sides[3] or 10**9) > sides[4] == 256
    for side, at in zip(sides, sizes, strict=True):
        assert at.total(side, on_disk=True) <= of


def test_whoever_says_how_has_his_way():
    assert planned([needs()], 10**9, "off").side is None
    assert planned([needs()], 10**9, 512).side == 512
    assert planned([needs()], 10**9, 512).on_disk
    assert not planned([needs()], 10**12, 512).on_disk


def test_a_network_of_ones_own_is_not_cut():
    with pytest.raises(UsageError, match="`tile`"):
        planned([needs(network=Own())], 10**12, 512)


@pytest.mark.parametrize(
    ("given_as", "bytes_"),
    [("4GB", 4 * 10**9), ("1.5 gb", 15 * 10**8), ("500M", 5 * 10**8), (10**9, 10**9), (None, None)],
)
def test_memory_is_said_as_people_say_it(given_as, bytes_):
    assert validated(memory=given_as).memory == bytes_


@pytest.mark.parametrize(
    "wrong", [{"memory": "much"}, {"memory": 0}, {"memory": "-1GB"}, {"tile": 8}, {"tile": "some"}]
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        validated(**wrong)


def test_effort_counts_what_is_looked_at():
    assert effort(2048, 2048) == effort(2048, 2048, 4096) == 2048**2
    here, whole = 4 * (1024 + 32) ** 2, 2048**2
    assert effort(2048, 2048, 1024) == pytest.approx(0.65 * (here + 0.4 * 3 / 4 * here) + 0.35 * whole)
    assert 24e6 < effort(4000, 6000, 2048) < effort(4000, 6000, 1024) < effort(4000, 6000, 256)


@pytest.fixture
def small_memory(monkeypatch):
    """As if no more than 250 x 250 px could be looked at at once."""
    look, asked = TotalLoss.value_and_gradient, []

    def looked(self, image):
        asked.append(len(self.places))
        height, width = image.shape[2:]
        for place in self.places or [*places_of(height, width, max(height, width))]:
            rows, columns = place.seen_rows, place.seen_columns
            if (rows.stop - rows.start) * (columns.stop - columns.start) > 250**2:
                raise RuntimeError(NO_MEMORY)
        return look(self, image)

    monkeypatch.setattr(TotalLoss, "value_and_gradient", looked)
    return asked


def test_without_memory_a_run_goes_on_in_smaller_places(small_memory):
    p, a = noise(200, 480, 1, torch.float32), noise(64, 64, 2, torch.float32)
    steps = list(
        impasto.stylize(p, a, size=480, steps=3, scales=1, style_weight=1e7, tile="off", network=tiny_network())
    )
    assert len(steps) == 4
    assert small_memory[0] == 0  # whole, and then no more than needed
    assert small_memory.count(0) == 1
    assert steps[3].loss < steps[0].loss


def test_where_nothing_can_be_cut_any_more_it_is_told(monkeypatch):
    def fails(self, image):
        raise RuntimeError(NO_MEMORY)

    monkeypatch.setattr(TotalLoss, "value_and_gradient", fails)
    with pytest.raises(LimitError, match="not enough memory"):
        impasto.paint("sample:chelsea", "sample:swirl", size=256, steps=1, scales=1, network=tiny_network())


WITH_LITTLE = """
import re, resource, torch
from pathlib import Path
from impasto.assembly import network_of, objective_of
from impasto.settings import Settings
from impasto.tiling import Cut, InPlaces

torch.set_num_threads(1)
p, x = (torch.rand(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
settings = Settings(size=1024)
objective = objective_of(settings, network_of(settings), p, p[..., :128, :128])
values, gradient = InPlaces(objective, Cut(256)).value_and_gradient(x)
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20, -1))
try:
    objective.value_and_gradient(x)
except RuntimeError as error:
    print("failed:", error)
scarce = InPlaces(objective, cut := Cut())
found, found_gradient = scarce.value_and_gradient(x)
print(cut.side, float((found_gradient - gradient).norm() / gradient.norm()))
print(sum(dict(found).values()) / sum(dict(values).values()) - 1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")
def test_memory_that_is_really_lacking():
    done = subprocess.run([sys.executable, "-c", WITH_LITTLE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    failed, (side, apart), loss = (
        done.stdout.splitlines()[0],
        done.stdout.splitlines()[-2].split(),
        done.stdout.split()[-1],
    )
    assert failed.startswith("failed:"), done.stdout
    assert int(side) < 1024
    assert float(apart) < 1e-4
    assert abs(float(loss)) < 1e-4


def test_lack_of_memory_is_known_by_its_names():
    assert is_lack_of_memory(MemoryError())
    assert is_lack_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_lack_of_memory(RuntimeError(NO_MEMORY))
    assert is_lack_of_memory(RuntimeError("could not create a primitive"))
    assert not is_lack_of_memory(RuntimeError("shapes do not fit"))
