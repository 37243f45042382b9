"""The page, served: to this machine alone, unless another address is said, and then only to those who know a word."""

import ipaddress
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from impasto.errors import UsageError
from impasto.settings import Settings

OUTSIDE = ("/gradio_api/file=http:", "/gradio_api/file=https:")
"""Addresses by which Gradio would fetch other people's pages."""


def serve(
    base: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    queue: int = 20,
    auth: tuple[str, str] | None = None,
    browser: bool = True,
    on_ready: Callable[[str], object] = print,
) -> None:
    """Serve the page until Ctrl-C. ``base`` are the settings that the page's controls change; ``on_ready`` is told its
    address. Raises UsageError for an address that others can reach without ``auth``, a user and a password, and where
    nothing can be served at it."""
    if auth is None and not is_own(host):
        raise UsageError(f"`host` {host} can be reached by others: say with `auth` who may come in, as NAME:PASSWORD")
    with tempfile.TemporaryDirectory(prefix="impasto-studio-", ignore_cleanup_errors=True) as root:
        uploads = Path(root) / "uploads"
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)  # which Gradio's own is not: everybody's, and for ever
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        blocks = launched(Path(root), uploads, base, host, port, queue, auth, browser)
        try:
            on_ready(blocks.local_url)
            while True:
                time.sleep(1)
        finally:
            with suppress(Exception):
                blocks.close(verbose=False)


def launched(
    root: Path,
    uploads: Path,
    base: Settings,
    host: str,
    port: int,
    queue: int,
    auth: tuple[str, str] | None,
    browser: bool,
) -> Any:
    """Gradio's app, being served. Raises UsageError where the port is another's."""
    try:
        import gradio as gr
        from starlette.middleware import Middleware
    except ImportError as error:
        raise UsageError("the studio needs Gradio: pip install 'impasto[studio]'") from error
    from impasto.studio.easel import Studio
    from impasto.studio.page import STYLE, Page, word

    font = ["system-ui", "sans-serif"]
    page = Page(Studio(root / "desks", uploads, base, queue))
    page.blocks.queue(max_size=10 * queue, default_concurrency_limit=queue)
    try:
        page.blocks.launch(
            server_name=host,
            server_port=port,
            auth=auth,
            inbrowser=browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=True,
            max_file_size=base.limits.most_bytes,
            enable_monitoring=False,
            ssr_mode=False,
            footer_links=[],
            i18n=word,
            theme=gr.themes.Default(font=font, font_mono=["monospace"]),
            css=STYLE,
            app_kwargs={"middleware": [Middleware(NothingFromOutside)]},
        )
    except OSError as error:
        raise UsageError(f"`port` {port} cannot be served at {host}: choose another one") from error
    return page.blocks


def is_own(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class NothingFromOutside:
    """Refuses what Gradio would fetch from elsewhere, for anybody."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].lower().startswith(OUTSIDE):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await self.app(scope, receive, send)
