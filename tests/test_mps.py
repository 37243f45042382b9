"""Apple's GPUs have no float64: a run does without it there, but for what it takes to the CPU."""

import pytest
import torch
from nets import tiny_network
from torch.utils._python_dispatch import TorchDispatchMode

import impasto
from impasto import style, tensors


class WithoutFloat64(TorchDispatchMode):
    """Refuses float64, but in what ``exact`` has taken to the CPU and what is made of that alone."""

    taking = False

    def exact(self, x):
        self.taking = True
        try:
            return x.cpu().to(torch.float64)
        finally:
            self.taking = False

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        found = operator(*args, **(kwargs or {}))
        given, made = ({x.dtype for x in floats(of)} for of in ((args, kwargs), found))
        on_the_way_back = torch._C._current_graph_task_id() >= 0
        copy = operator is torch.ops.aten._to_copy.default and (made == {torch.float32} or on_the_way_back)
        if torch.float64 in made | given and not self.taking and not copy:
            assert given <= {torch.float64}, f"{operator} of {given} on the device"
        return found


def floats(of):
    if isinstance(of, torch.Tensor):
        return [of] if of.is_floating_point() else []
    parts = of.values() if isinstance(of, dict) else of if isinstance(of, list | tuple) else ()
    return [x for part in parts for x in floats(part)]


@pytest.mark.parametrize(
    "options",
    [{}, {"preset": "paper"}, {"solver": "adam"}, {"style_loss": "moments", "keep_lines": 1.0}, {"colour": "matched"}],
    ids=lambda options: "-".join(map(str, options.values())) or "default",
)
def test_a_run_without_float64(monkeypatch, options):
    mode = WithoutFloat64()
    monkeypatch.setattr(tensors, "lacks_float64", lambda _: True)
    for module in (style, tensors):
        monkeypatch.setattr(module, "exact", mode.exact)
    with mode:
        picture = impasto.paint(
            "sample:chelsea", "sample:swirl", network=tiny_network(), size=48, steps=3, device="cpu", **options
        )
    assert picture.tensor.isfinite().all()
