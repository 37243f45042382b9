"""The same on several machines, by Ray: https://docs.ray.io. Pictures are sent, results come back whole."""

import io
import logging
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

from impasto.batch import Outcome, Task, failed, is_done, make_folder, picture_of
from impasto.errors import ImpastoError, InputError, UsageError
from impasto.images.decoding import NamedBytes, locate
from impasto.images.samples import PREFIX
from impasto.settings import Settings

Sent = tuple[str, bytes]
"""The name of a file, and what is in it."""

TRIES = 3
"""How often a picture is begun anew whose machine or process dies."""

SECONDS = 10
"""Within which a cluster answers."""

AHEAD = 2
"""Pictures that wait for each processor, so that none is idle."""


def there(wanted: Iterable[Task], settings: Settings, address: str, processors: int = 1) -> Iterator[Outcome]:
    """Paint them on the cluster at ``address``, "auto" for one that is begun here; each picture takes so many
    ``processors``, and a GPU where there are any. Outcomes come as they are there. Raises UsageError where there is no
    cluster."""
    ray = connected(address)
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    far = ray.remote(num_cpus=processors, num_gpus=gpus, max_retries=TRIES)(painted)
    paintings: dict[str, Any] = {}
    most = AHEAD * max(1, int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1)) // (gpus or processors))
    running: dict[Any, tuple[Task, float]] = {}
    for task in wanted:
        try:
            if is_done(task, settings):
                yield Outcome(task, "there")
                continue
            if task.painting not in paintings:
                paintings[task.painting] = ray.put(sent(task.painting))
            photograph = sent(task.photograph)
        except ImpastoError as error:
            yield failed(task, error)
            continue
        while len(running) >= most:
            yield from arrived(ray, running)
        reference = far.remote(photograph, paintings[task.painting], settings, task.out.suffix[1:])
        running[reference] = task, time.monotonic()
    while running:
        yield from arrived(ray, running)


def connected(address: str) -> Any:
    """Ray, in touch with a cluster. Nothing of it listens to others: no page, and no jobs from elsewhere."""
    try:
        import ray
    except ImportError as error:
        raise UsageError("`ray` is another library: pip install 'impasto[cluster]'") from error
    try:
        if address != "auto":
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), SECONDS).close()  # Ray would try for minutes
        ray.init(
            address=None if address == "auto" else address,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address == "auto" else None,
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"`ray`: there is no cluster at {address} ({reason}): begin one with `ray start`") from error
    return ray


def sent(file: str) -> Sent:
    """A file for another machine. Raises InputError where it cannot be read."""
    path = locate(file)
    try:
        return file if file.startswith(PREFIX) else path.name, path.read_bytes()
    except OSError as error:
        raise InputError(f"'{file}' cannot be read ({error.strerror}): check its name and folder") from error


def received(sent: Sent) -> NamedBytes:
    """The file, on the other machine."""
    data = NamedBytes(sent[1])
    data.name = sent[0]
    return data


def painted(photograph: Sent, painting: Sent, settings: Settings, kind: str) -> tuple[bytes, float] | Exception:
    """The bytes of the picture's file, and its loss; or what was wrong, which no other try would change."""
    try:
        picture, loss = picture_of(received(photograph), received(painting), settings)
        file = io.BytesIO()
        picture.save(file, format=kind)
    except Exception as error:
        return error
    return file.getvalue(), loss


def arrived(ray: Any, running: dict[Any, tuple[Task, float]]) -> Iterator[Outcome]:
    """The outcomes that are there, their pictures saved."""
    from impasto.atomic import atomic

    done, _ = ray.wait([*running], num_returns=1)
    for reference in done:
        task, began = running.pop(reference)
        try:
            answer = ray.get(reference)
            if isinstance(answer, Exception):
                raise answer
            data, loss = answer
            make_folder(task)
            with atomic(task.out) as file:
                file.write(data)
        except ray.exceptions.RayError as error:
            reason = str(error).partition("\n")[0]
            yield Outcome(task, "failed", 0.0, None, f"the machine that painted it was lost ({reason})", 4)
        except (ImpastoError, OSError, MemoryError, RuntimeError) as error:
            yield failed(task, error)
        else:
            yield Outcome(task, "painted", time.monotonic() - began, loss)
