"""The studio for programs, and for those who want more than they may have."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from impasto.errors import UsageError
from impasto.images.decoding import read_recipe
from impasto.settings import Settings
from impasto.studio import server

client = pytest.importorskip("gradio_client")
DOCS = Path(__file__).parents[2] / "docs" / "studio.md"


@pytest.fixture(autouse=True)
def downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "downloads"))


def test_a_program_paints(address, photograph, painting):
    """As docs/studio.md has it."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    for said, meant in {"http://127.0.0.1:7860/": address, "photo.png": photograph, "painting.png": painting}.items():
        example = example.replace(f'"{said}"', repr(str(meant)))
    exec(example, found := {})
    settings = read_recipe(found["picture"])["settings"]
    assert (settings["strength"], settings["seed"], settings["colour"]) == (0.7, 3, "matched")
    with Image.open(found["picture"]) as image:
        assert (image.format, image.size) == ("PNG", (64, 53))


def test_a_program_is_told_what_is_wrong(address, photograph, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nonsense")
    studio = client.Client(address, verbose=False)
    ask = {"strength": 0.5, "size": 64, "keep_colours": False, "preset": "", "seed": 0, "api_name": "/paint"}
    sent = client.handle_file(photograph)
    with pytest.raises(Exception, match=r"'bad\.png' is damaged, or not a picture"):
        studio.predict(photograph=sent, paintings=[client.handle_file(bad)], **ask)
    with pytest.raises(Exception, match="strength"):
        studio.predict(photograph=sent, paintings=[sent], **ask | {"strength": 7})


def test_twenty_at_once_all_get_their_pictures(address, photograph, painting):
    def ask(seed):
        sent = [client.handle_file(file) for file in (photograph, painting)]
        studio = client.Client(address, verbose=False)
        return studio.predict(sent[0], [sent[1]], 0.5, 64, False, "", seed, api_name="/paint")

    with ThreadPoolExecutor(20) as people:
        pictures = list(people.map(ask, range(20)))
    assert [read_recipe(picture)["settings"]["seed"] for picture in pictures] == [*range(20)]


@pytest.mark.parametrize(
    "name", ["../../escaped.png", "/tmp/escaped.png", "..\\escaped.png", "\x00.png", ".png", "a" * 300]
)
def test_an_upload_lies_where_it_should_whatever_it_is_called(address, name, tmp_path):
    """And nowhere else."""
    edge = "0123456789"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    request = urllib.request.Request(
        f"{address}gradio_api/upload",
        head.encode() + b"x" + f"\r\n--{edge}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={edge}"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            (path,) = json.load(answer)
    except urllib.error.HTTPError as refused:
        assert refused.code in (400, 413, 500)  # noqa: PT017
        refused.close()
        return
    assert re.fullmatch(r".*/impasto-studio-\w+/uploads/[0-9a-f]{64}/[^/]+", path)
    assert ".." not in path.split("/")


def test_only_what_programs_are_to_call_can_be_called(address):
    with urllib.request.urlopen(f"{address}gradio_api/info") as answer:
        told = json.load(answer)
    assert [*told["named_endpoints"]] == ["/paint"]
    assert told["unnamed_endpoints"] == {}


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "/proc/self/environ",
        f"{Path(server.__file__)}",
        f"{Path.cwd() / 'pyproject.toml'}",
        "http://127.0.0.1:1/",
        "https://example.com/",
        "HTTPS://example.com/",
        "",
    ],
)
def test_no_file_outside_its_own_folder_is_served(address, path):
    host, port = re.search(r"//(.+):(\d+)", address).groups()
    with closing(http.client.HTTPConnection(host, int(port))) as connection:
        connection.request("GET", f"/gradio_api/file={path}")
        assert connection.getresponse().status in (403, 404)


def test_no_file_that_was_not_sent_is_painted(address, photograph, painting):
    """A program may name any: here a sound picture."""

    def answer(path, data=None):
        request = urllib.request.Request(f"{address}gradio_api/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as told:
            return told.read().decode()

    theirs = [{"path": str(file), "meta": {"_type": "gradio.FileData"}} for file in (photograph, painting)]
    asked = json.dumps({"data": [theirs[0], [theirs[1]], 0.5, 64, False, "", 0]}).encode()
    event = json.loads(answer("call/paint", asked))["event_id"]
    told = answer(f"call/paint/{event}")
    assert "event: error" in told
    assert "event: complete" not in told


def test_a_file_that_is_too_large_is_not_taken(address, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(20_000_000)  # 16 MB are allowed
    studio = client.Client(address, verbose=False)
    sent = client.handle_file(large)
    with pytest.raises(Exception, match=r"(?i)size|large|413|limit"):
        studio.predict(sent, [sent], 0.5, 64, False, "", 0, api_name="/paint")


def test_only_those_who_know_the_word_come_in(guarded):
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(f"{guarded}config")
    refused.value.close()
    with pytest.raises(Exception, match=r"(?i)auth|credential|login|password"):
        client.Client(guarded, verbose=False, auth=("ada", "byron"))
    assert client.Client(guarded, verbose=False, auth=("ada", "lovelace")).view_api(return_format="dict")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_others_come_in_with_a_word_only(host):
    with pytest.raises(UsageError, match=f"`host` {host} can be reached by others: .*`auth`"):
        server.serve(Settings(), host=host, browser=False)


def test_closed_it_leaves_nothing(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "impasto", "studio", "--port", str(port), "--no-browser"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert f"the studio is open at http://127.0.0.1:{port}/" in process.stdout.readline()
        assert list(tmp_path.glob("impasto-studio-*"))
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    assert not list(tmp_path.glob("impasto-studio-*"))


def test_the_command_line(impasto):
    told = impasto("studio", "--host", "0.0.0.0", "--no-browser")
    assert (told.code, "--host 0.0.0.0 can be reached by others: say with --auth" in told.err) == (2, True)
    told = impasto("studio", "--auth", "nobody", "--no-browser")
    assert (told.code, "--auth is a name and a password, as NAME:PASSWORD" in told.err) == (2, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "impasto", "studio", "--port", str(port), "--no-browser"]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, f"--port {port} cannot be served" in told.stderr) == (2, True)
