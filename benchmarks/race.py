"""How long impasto takes to the loss that a peer ends at, beside the peer's own program.

    python -m benchmarks.race neural-style-pt --checkout DIR --weights vgg19.safetensors --content A --style B --out DIR

Both paint the same pair at the same size with the same weights and minimise the same, each in a process of its own, one
after the other, and save pictures as they go. Every saved picture is read again and scored by what the peer minimises.
Times are from the start of the program to the moment a picture is there.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.cli.heap import keep_freed_memory
from impasto.images.files import read, write

from .peers import PEERS, STAND_IN

SLACK = (1.0, 1.02, 1.05)
"""How near the peer's final loss, as a factor of it."""


@dataclass(frozen=True)
class Saved:
    """A picture, and when it was there."""

    seconds: float
    loss: float


def race(args: argparse.Namespace) -> dict[str, Any]:
    """The peer, then impasto; the losses of what they saved, and the ratios of their times."""
    out, size = args.out, args.size
    peer = PEERS[args.peer](out.absolute(), args.weights.absolute(), args.evaluations)
    pair = out.absolute() / "content.png", out.absolute() / "style.png"
    for source, picture in zip((args.content, args.style), pair, strict=True):
        write(read(str(source), size=size), picture)  # of the size of the race: nobody has to resize
    folders = {who: out.absolute() / who for who in ("peer", "impasto")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    told = out / "impasto.json"
    options = {"size": size, "steps": args.steps, "device": args.device}
    options |= dict(option.split("=", 1) for option in args.option)
    told.write_text(json.dumps({"peer": args.peer, "weights": str(peer.weights), "options": options}))
    commands = {
        "peer": (peer.command(args.checkout.absolute(), *pair, size, folders["peer"], args.device), folders["peer"]),
        "impasto": ([sys.executable, "-m", "benchmarks.race", "--run", str(told), *map(str, pair)], Path.cwd()),
    }
    loss = peer.judge(*[read(str(picture)) for picture in pair])
    curves = {}
    for who, (command, where) in commands.items():
        times = run(command, where, folders[who])
        curves[who] = [Saved(seconds, loss(read(str(path)))) for path, seconds in times.items()]
    final = curves["peer"][-1].loss
    reached = {who: {slack: when(curve, slack * final) for slack in SLACK} for who, curve in curves.items()}
    return {
        "final_loss_of_peer": final,
        "seconds_to_reach": reached,
        "ratios": {slack: reached["impasto"][slack] / reached["peer"][slack] for slack in SLACK},
        "curves": {who: [vars(saved) for saved in curve] for who, curve in curves.items()},
    }


def run(command: list[str], where: Path, folder: Path) -> dict[Path, float]:
    """The pictures that a command leaves in ``folder``, in order, and how many seconds after its start each came."""
    for old in folder.glob("*.png"):
        old.unlink()
    path = os.pathsep.join([str(STAND_IN), *filter(None, [os.environ.get("PYTHONPATH")])])
    began = time.time()
    subprocess.run(command, cwd=where, env=os.environ | {"PYTHONPATH": path}, check=True, stdout=sys.stderr)
    times = {picture: picture.stat().st_mtime - began for picture in folder.glob("*.png")}
    return dict(sorted(times.items(), key=lambda item: item[1]))


def when(curve: list[Saved], loss: float) -> float:
    """Seconds until the loss was reached; infinite where it was not."""
    return min((saved.seconds for saved in curve if saved.loss <= loss), default=float("inf"))


def paint(told: Path, content: Path, style: Path) -> None:
    """impasto's side of the race: a picture every fifth step, once they have the size of the race."""
    keep_freed_memory()
    run = json.loads(told.read_text())
    peer = PEERS[run["peer"]](told.parent.absolute(), Path(run["weights"]))
    for step in peer.steps(content, style, run["options"]):
        if step.index % 5 == 0 and max(step.image.shape[2:]) == run["options"]["size"]:
            write(step.image, told.parent / "impasto" / f"{step.index:04d}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    if "--run" in sys.argv:
        paint(*map(Path, sys.argv[2:]))
        return
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--checkout", type=Path, required=True, help="folder of the peer's repository")
    parser.add_argument("--weights", type=Path, required=True, help="VGG-19's weights, for both")
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--size", type=int, default=384, help="long side in px")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--evaluations", type=int, default=500, help="of the peer, at each of its sizes")
    parser.add_argument("--steps", type=int, default=150, help="of impasto, at most")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="another of our settings")
    parser.add_argument("--out", type=Path, default=Path("race"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    results = race(args)
    (args.out / "results.json").write_text(json.dumps(results, indent=1))
    print(json.dumps({key: value for key, value in results.items() if key != "curves"}, indent=1))


if __name__ == "__main__":
    main()
