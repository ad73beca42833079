"""``sparsesr serve``: a page and an API on this machine."""

from __future__ import annotations

import os
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.messages import say
from sparsesr.cli.shared_options import TOKEN_VARIABLE
from sparsesr.errors import UsageError
from sparsesr.extras import require_extra
from sparsesr.limits import ServeLimits

if TYPE_CHECKING:
    from sparsesr.serve.settings import Settings

_MOST_PORT = 65_535


def run(
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("-p", "--port", help="Port; 0: any free one.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            help=f"Secret that clients must send; {TOKEN_VARIABLE} keeps it out of lists of processes."
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve other machines without a token.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Name of this machine for browsers; needs a token; repeatable."),
    ] = None,
    memory: shared_options.Memory = None,
    threads: shared_options.Threads = None,
    max_upload: Annotated[str, typer.Option(metavar="SIZE", help="Largest upload, such as 64MB.")] = "64MiB",
    max_megapixels: Annotated[int, typer.Option(help="Largest input in millions of pixels.")] = 50,
    max_result_megapixels: Annotated[int, typer.Option(help="Largest result in millions of pixels.")] = 200,
    queue: Annotated[int, typer.Option(help="Jobs that may wait; more are refused.")] = 32,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> int:
    """Upscale in a browser, or from programs over HTTP; Ctrl-C ends it.

    Nothing is kept: uploads and results end with their job, at the latest with the server.
    """
    require_extra("serve", "serve", "fastapi", "uvicorn", "prometheus_client")
    for option, value in (
        ("-j", threads),
        ("--max-megapixels", max_megapixels),
        ("--max-result-megapixels", max_result_megapixels),
        ("--queue", queue),
    ):
        options.check_positive(option, value)
    if not 0 <= port <= _MOST_PORT:
        raise UsageError(f"--port {port} is not between 0 and {_MOST_PORT}")
    from sparsesr.serve.settings import Settings

    limits = replace(
        ServeLimits(),
        max_body_bytes=options.parse_amount("--max-upload", max_upload),
        max_pixels=max_megapixels * 10**6,
        max_result_pixels=max_result_megapixels * 10**6,
        max_queued=queue,
    )
    # An empty --token is that of an unset variable, and must not open the server; Settings refuses it as too short.
    secret = os.environ.get(TOKEN_VARIABLE) or None if token is None else token
    settings = Settings(host, port, secret, tuple(allow_host or ()), insecure, limits)
    _serve(settings, options.parse_memory(memory), threads, open_page=open_page, quiet=quiet)
    return 0


def _serve(
    settings: Settings, memory: int | None, threads: int | None, *, open_page: bool, quiet: bool
) -> None:
    from sparsesr.free_memory import default_memory_bytes
    from sparsesr.serve.running import run_server
    from sparsesr.serve.service import Service

    def ready(address: str) -> None:
        if not quiet:
            say(f"sparsesr serves {address}  (Ctrl-C ends it)", to_stderr=True)
        if settings.token is not None and not quiet:
            say("open the page with #token=YOUR_TOKEN at the end, or enter the token there", to_stderr=True)
        if open_page:
            webbrowser.open(address)

    service = Service(default_memory_bytes() if memory is None else memory, threads, settings.limits)
    run_server(service, settings, ready)
    if not quiet:
        say("stopped; nothing was kept", to_stderr=True)
