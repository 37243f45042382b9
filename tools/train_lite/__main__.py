"""Train impasto's built-in network: a narrow VGG-19 that sees pictures as the wide one does.

    python -m tools.train_lite --teacher vgg19.safetensors --pictures DIR --out lite.safetensors --minutes 60

The student starts from random weights; nothing of the teacher is copied into it. At layer l a linear map A_l, learnt
with it, turns its activations F into the teacher's T, and the loss is the share that is missed of the features and of
their Gram matrices, a mean over pictures:

    L = sum_l  v_l |A F - T|^2 / |T|^2  +  w_l |A F F^T A^T - T T^T|^2 / |T T^T|^2

The pictures are crops of those given, and pictures taken from inside stylisations that the student itself is at: what
it sees wrongly, the optimisation finds. The teacher costs many times what the student costs, so its answers are kept
and each is learnt from several times. A run that was stopped goes on from its checkpoint.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import nn

from impasto.network.registry import load_network

from .export import export
from .lessons import Lessons, Studio, repeated
from .pictures import Crops, load_pictures
from .student import Lesson, Student, filter_counts

FREE = (
    0.3  # share of the time after which the normalisations are frozen: from then on a lesson is seen as a painting is
)


class Run:
    """The student and how far it is."""

    def __init__(self, args: argparse.Namespace, wide: dict[str, int]) -> None:
        self.args = args
        self.checkpoint = args.out.with_suffix(".checkpoint")
        torch.manual_seed(args.seed)
        self.student = Student(args.filters, wide).to(args.device, memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.student.parameters(), lr=args.rate, betas=(0.9, 0.99))
        self.step, self.seconds, self.starts = 0, 0.0, 0
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True, map_location=args.device)
            self.student.load_state_dict(state["student"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds, self.starts = state["step"], state["seconds"], state["starts"] + 1

    def save(self) -> None:
        state: dict[str, Any] = {"student": self.student.state_dict(), "optimiser": self.optimiser.state_dict()}
        state |= {"weights": self.student.weights(), "step": self.step, "seconds": self.seconds, "starts": self.starts}
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def learn(self, lessons: Iterator[Lesson], log: TextIO) -> None:
        """Step after step until the minutes are over."""
        began, before, recent = time.monotonic(), self.seconds, {}
        while (done := self.seconds / (60 * self.args.minutes)) < 1:
            lesson = next(lessons)
            self.student.train(done < FREE)
            for group in self.optimiser.param_groups:
                group["lr"] = self.args.rate * rate_at(self.step, done)
            with torch.autocast(self.args.device, torch.bfloat16):
                loss, shares = self.student.loss(lesson)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
            self.optimiser.step()
            self.step += 1
            self.seconds = before + time.monotonic() - began
            kind = recent.setdefault("painted" if lesson.painted else "crops", {})
            for name, share in shares.items():
                kind[name] = 0.98 * kind.get(name, share) + 0.02 * share
            if self.step % 100 == 0:
                rounded = {kind: {name: round(x, 4) for name, x in shares.items()} for kind, shares in recent.items()}
                log.write(json.dumps({"step": self.step, "seconds": round(self.seconds)} | rounded) + "\n")
                log.flush()
            if self.step % self.args.save_every == 0:
                self.save()
        self.save()


def rate_at(step: int, done: float) -> float:
    """Share of the peak: warm-up over 200 steps, level, and down to 0 over the last third of the time."""
    return min(1.0, (step + 1) / 200, max(0.0, 3 * (1 - done)))


def train(args: argparse.Namespace) -> None:
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    teacher = load_network("vgg19", weights=args.teacher).to(device)
    teacher = teacher.to(torch.bfloat16, memory_format=torch.channels_last)
    run = Run(args, filter_counts(teacher))
    rng = random.Random(args.seed + run.starts)  # after a stop other crops than before it
    torch.manual_seed(args.seed + run.starts)
    crops = Crops(load_pictures(args.pictures), args.side, rng)
    lessons = Lessons(teacher, crops, Studio(crops, run.checkpoint, device), args.batch, args.painted)
    fresh = torch.utils.data.DataLoader(lessons, batch_size=None, num_workers=args.workers)
    with args.out.with_suffix(".log.jsonl").open("a") as log:
        run.learn(repeated(iter(fresh), args.pool, args.reuse, rng), log)
    export(args, run.student, run.step, run.seconds, teacher, crops)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, help="VGG-19's weights, safetensors or .pth")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of sub-folders of pictures")
    parser.add_argument("--out", type=Path, required=True, help="the safetensors; checkpoint and log go beside it")
    parser.add_argument("--minutes", type=float, default=60, help="length of the whole run")
    parser.add_argument("--filters", type=int, nargs=5, default=[16, 32, 96, 192, 256], help="filters of each block")
    parser.add_argument("--side", type=int, default=192, help="crops are side x side px")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--painted", type=float, default=0.4, help="share of lessons from inside stylisations")
    parser.add_argument("--pool", type=int, default=250, help="lessons kept in memory, about 20 MB each at 192 px")
    parser.add_argument("--reuse", type=float, default=6, help="how often a lesson is learnt from")
    parser.add_argument("--rate", type=float, default=2e-3, help="Adam's learning rate at its peak")
    parser.add_argument("--save-every", type=int, default=250, help="steps between checkpoints, log lines every 100")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that make lessons; 0 on a GPU")
    parser.add_argument("--device", default="cpu")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
