"""Train impasto's built-in network: a small VGG-19 that sees pictures as the large one does.

    python -m tools.train_lite --teacher vgg19.safetensors --pictures DIR --out lite.safetensors

Three stages, each with the teacher's answers to pictures as the only source; nothing of it is copied.

1. The first two blocks, narrow, by gradient descent from random weights: features alone.
2. The blocks after them, wide but of low rank, layer by layer by least squares (``fit.py``).
3. All of it together by gradient descent. With F the student's features read out to the teacher's T, the loss is the
   share that is missed of the features and of their Gram matrices, a mean over pictures,

       L = sum_l  v_l |F - T|^2 / |T|^2  +  w_l |F F^T - T T^T|^2 / |T T^T|^2,

   and the share that is misjudged of what sets a picture in progress apart from its painting (``student.misjudged``).

The pictures are crops of those given, and in the third stage pictures taken from inside stylisations that the student
itself is at: what it sees wrongly, the optimisation finds. The teacher costs many times what the student costs, so its
answers are kept and each is learnt from several times. A run that was stopped goes on from its checkpoint, and with
``--start`` a network trained before is trained on, after the layers that it lacks have been fitted.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor, nn

from impasto.network.registry import load_network
from impasto.network.vgg import LAYERS, VGG
from impasto.network.weights import read_weights

from .export import export
from .fit import fit
from .lessons import Lessons, Studio, repeated
from .pictures import Crops, load_pictures
from .student import FIRST_WIDE, GRAMS, INPUT, SHAPE, Lesson, beginner, filter_counts, loss_of

UP_TO_FIRST_WIDE = LAYERS[: LAYERS.index(FIRST_WIDE) + 1]
DEEPEST = list(SHAPE)[-1]
FIRST_SIDE, FIRST_BATCH = 72, 8  # of the first stage, whose layers see no farther
FITTED = 600  # crops that the second stage learns from: 8 MB of memory each


class Run:
    """The student and how far it is."""

    def __init__(self, args: argparse.Namespace, wide: dict[str, int]) -> None:
        self.args = args
        self.checkpoint = args.out.with_suffix(".checkpoint")
        self.starts = 0
        torch.manual_seed(args.seed)
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            self.begin(state["weights"], state["stage"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.seconds, self.starts = state["step"], state["seconds"], state["starts"] + 1
        elif args.start:
            self.begin(read_weights(args.start).tensors, 3)
        else:
            self.begin(beginner(wide), 1)

    def begin(self, weights: dict[str, Tensor], stage: int) -> None:
        """A stage, from these weights."""
        self.stage, self.step, self.seconds = stage, 0, 0.0
        self.student = VGG(weights, INPUT).requires_grad_(True)
        self.student.to(self.args.device)
        self.rate = self.args.first_rate if stage == 1 else self.args.rate
        groups = [{"params": [p], "size": 1.0 if stage == 1 else rms(p)} for p in self.student.parameters()]
        self.optimiser = torch.optim.Adam(groups, lr=self.rate, betas=(0.9, 0.99))

    def save(self) -> None:
        weights = {key: value.cpu() for key, value in self.student.weights().items()}
        state: dict[str, Any] = {"weights": weights, "optimiser": self.optimiser.state_dict(), "stage": self.stage}
        state |= {"step": self.step, "seconds": self.seconds, "starts": self.starts}
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.checkpoint)

    def learn(self, lessons: Iterator[Lesson], minutes: float, log: TextIO) -> None:
        """Step after step until the minutes of this stage are over."""
        began, before, recent = time.monotonic(), self.seconds, {}
        while (done := self.seconds / (60 * minutes)) < 1:
            lesson = next(lessons)
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate * group["size"] * rate_at(self.step, done)
            with torch.autocast(self.args.device, torch.bfloat16, enabled=self.args.half):
                loss, shares = loss_of(self.student, lesson, {} if self.stage == 1 else GRAMS)
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
                self.note(log, rounded)
            if self.step % self.args.save_every == 0:
                self.save()
        self.save()

    def note(self, log: TextIO, what: dict[str, Any]) -> None:
        """A line of the curve."""
        about = {"stage": self.stage, "step": self.step, "seconds": round(self.seconds)}
        log.write(json.dumps(about | what) + "\n")
        log.flush()


def rms(x: Tensor) -> float:
    """How large its values are: in the third stage a rate is relative to it, or the small ones would soon be lost."""
    return float(x.detach().square().mean().sqrt())


def rate_at(step: int, done: float) -> float:
    """Share of the peak: warm-up over 100 steps, level, and down to 0 over the second half of the time."""
    return min(1.0, (step + 1) / 100, max(0.0, 2 * (1 - done)))


def train(args: argparse.Namespace) -> None:
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    dtype = torch.bfloat16 if args.half else torch.float32
    teacher = load_network("vgg19", weights=args.teacher).to(args.device, dtype)
    run = Run(args, filter_counts(teacher))
    rng = random.Random(args.seed + run.starts)  # after a stop other crops than before it
    torch.manual_seed(args.seed + run.starts)
    pictures = load_pictures(args.pictures)
    crops = Crops(pictures, args.side, rng)
    with args.out.with_suffix(".log.jsonl").open("a") as log:
        if run.stage == 1:
            first = Lessons(teacher, Crops(pictures, FIRST_SIDE, rng), UP_TO_FIRST_WIDE, FIRST_BATCH)
            run.learn(lessons(args, first, rng), args.first_minutes, log)
        if run.student.convolutions[-1] != DEEPEST:
            run.begin(fitted(args, run, crops, log), 3)
        run.save()  # what the studio paints with at first
        studio = Studio(crops, run.checkpoint, next(teacher.parameters()))
        third = Lessons(teacher, crops, LAYERS, args.batch, args.painted, studio)
        run.learn(lessons(args, third, rng), args.minutes, log)
    export(args, run.student, run.step, run.seconds, crops)


def lessons(args: argparse.Namespace, fresh: Lessons, rng: random.Random) -> Iterator[Lesson]:
    """Fresh lessons from processes of their own, each repeated."""
    loader = torch.utils.data.DataLoader(fresh, batch_size=None, num_workers=args.workers)
    return repeated(iter(loader), args.pool, args.reuse, rng)


def fitted(args: argparse.Namespace, run: Run, crops: Crops, log: TextIO) -> dict[str, Tensor]:
    """The second stage: weights of the whole student, from those of its first layers."""
    torch.set_num_threads(args.threads + args.workers)
    asked = [crops.batch(1) for _ in range(FITTED)]
    weights = {key: value.cpu() for key, value in run.student.weights().items()}
    exact = load_network("vgg19", weights=args.teacher)
    whole = fit(weights, exact, asked, lambda layer, share: run.note(log, {layer: round(share, 4)}))
    torch.set_num_threads(args.threads)
    return whole


def even(text: str) -> int:
    """Half of the pictures of a painted lesson are the paintings of the other half."""
    number = int(text)
    if number < 2 or number % 2:
        raise argparse.ArgumentTypeError(f"{number} is not an even number above 0")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True, help="VGG-19's weights, safetensors or .pth")
    parser.add_argument("--pictures", type=Path, required=True, help="folder of sub-folders of pictures")
    parser.add_argument("--out", type=Path, required=True, help="the safetensors; checkpoint and log go beside it")
    parser.add_argument("--start", type=Path, help="weights to train on, instead of new ones: stages 2 and 3")
    parser.add_argument("--first-minutes", type=float, default=15, help="length of the first stage")
    parser.add_argument("--minutes", type=float, default=60, help="length of the third stage")
    parser.add_argument("--side", type=int, default=192, help="crops are side x side px")
    parser.add_argument("--batch", type=even, default=4, help="pictures of a lesson, an even number")
    parser.add_argument("--painted", type=float, default=0.7, help="share of lessons from inside stylisations")
    parser.add_argument("--pool", type=int, default=160, help="lessons kept in memory, about 27 MB each at 192 px")
    parser.add_argument("--reuse", type=float, default=4, help="how often a lesson is learnt from")
    parser.add_argument("--first-rate", type=float, default=4e-3, help="Adam's learning rate in the first stage")
    parser.add_argument("--rate", type=float, default=7e-4, help="the third stage's, relative to the weights")
    parser.add_argument("--save-every", type=int, default=250, help="steps between checkpoints, log lines every 100")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that make lessons; 0 on a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true", help="bfloat16, where the processor has it")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
