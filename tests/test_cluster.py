"""The same on several machines: three of Ray's nodes here."""

import shutil
from pathlib import Path

import pytest

from impasto import batch, cluster
from impasto.batch import tasks
from impasto.errors import UsageError
from impasto.images.decoding import read_recipe
from impasto.settings import validated

pytest.importorskip("ray", reason="pip install 'impasto[cluster]'")


@pytest.fixture
def nodes(monkeypatch):
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made, [made.add_node(num_cpus=1) for _ in range(2)]
    ray.shutdown()
    made.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_all_is_painted_though_a_node_is_killed(tiny, photograph, painting, tmp_path, nodes):
    for n in range(12):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(photograph, tmp_path / "in" / f"{n}.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"nonsense")
    settings = validated(weights=tiny, size=48, steps=20, coarse_steps=1, device="cpu")
    wanted = tasks([str(tmp_path / "in")], [str(painting)], tmp_path / "out", ".png")
    made, others = nodes
    outcomes = []
    for outcome in cluster.there(wanted, settings, made.address):
        outcomes.append(outcome)
        if len(outcomes) == 4:
            made.remove_node(others[0], allow_graceful=False)
    states = {of.task.photograph: of.state for of in outcomes}
    assert [Path(name).name for name, state in states.items() if state != "painted"] == ["bad.png"]
    assert len(outcomes) == len(wanted) == 13
    assert all(read_recipe(of.task.out)["inputs"]["content"]["file"] for of in outcomes if of.state == "painted")
    batch.PAINTERS.clear()
    again = list(cluster.there(wanted, settings, made.address))
    assert [of.state for of in again].count("there") == 12


def test_without_a_cluster_it_is_told():
    with pytest.raises(UsageError, match=r"there is no cluster at 127\.0\.0\.1:1"):
        cluster.connected("127.0.0.1:1")
