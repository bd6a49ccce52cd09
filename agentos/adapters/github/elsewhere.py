"""Texts that GitHub keeps on another host: fetched without the token, which is none of that host's business."""

import asyncio
from urllib.parse import urlsplit

MOST_BYTES = 20_000_000
KEPT_BYTES = 500_000
TIMEOUT_S = 60.0


async def text_at(url: str, *, like: str) -> str:
    """The end of the text at `url`, at most KEPT_BYTES; empty where it cannot be had, for it is only read by people and models.

    Only over https, or as the API itself is reached (`like`). Redirects are not followed.
    """
    import httpx  # only where a log is read

    asked, known = urlsplit(url), urlsplit(like)
    if asked.scheme != "https" and (asked.scheme, asked.hostname) != (known.scheme, known.hostname):
        return ""
    kept, size = bytearray(), 0
    client = httpx.AsyncClient(timeout=TIMEOUT_S)
    try:
        async with asyncio.timeout(TIMEOUT_S), client, client.stream("GET", url) as response:
            if response.status_code != 200:
                return ""
            async for part in response.aiter_bytes():
                size += len(part)
                kept = (kept + part)[-KEPT_BYTES:]
                if size > MOST_BYTES:
                    break
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):  # a log is help, not proof
        return ""
    return kept.decode("utf-8", "replace")
