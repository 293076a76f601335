"""Calls to the Mithril API: JSON there and back, with deadlines, and again where that is safe."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.errors import ConfigError, ProviderError, Unreachable
from flow_core.logs.escape import escape_controls
from flow_core.providers.mithril.api_response import ApiResponse, ResponseLost, value_of
from flow_core.providers.mithril.settings import MithrilSettings

if TYPE_CHECKING:
    import httpx

_CONNECT_S = 10.0
_ATTEMPTS = 3
_CONNECTIONS = 6
_FIRST_PAUSE_S = 0.5
_MOST_BYTES = 16 << 20
_LONGEST_PAUSE_S = 8.0
_LONGEST_WAIT_S = 30.0  # an API that asks for more is not waited for
_ID_SHOWN = 80


class _Request(NamedTuple):
    """One request."""

    method: str
    path: str
    params: dict[str, str | int] | None
    content: bytes | None
    headers: dict[str, str]

    @property
    def is_safe_twice(self) -> bool:
        return self.method in ("GET", "DELETE")


class MithrilHttp:
    """One pool of connections, for one event loop. Whoever made it closes it.

    Every method raises AuthError, NotFound, Conflict, ConfigError (what the API says of a field), Unreachable
    and ProviderError, and nothing else; the key is in none of them. Paths are to be quoted by the caller.
    `pause_s` is the first pause before another try (0.5 s); each one after it is twice as long. The API may stay silent
    for `read_s`, and a call with all its tries takes `whole_s` at most.
    """

    def __init__(
        self, settings: MithrilSettings, *, pause_s: float | None = None, read_s: float = 30.0, whole_s: float = 90.0
    ) -> None:
        self.settings = settings
        self._pause_s = _FIRST_PAUSE_S if pause_s is None else pause_s
        self._read_s = read_s
        self._whole_s = whole_s
        self._client: httpx.AsyncClient | None = None

    async def get(self, path: str, **params: str | int) -> Any:
        """The JSON at a path. Tried three times when nobody answers, or the API fails or is busy."""
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: dict[str, Any], *, once: str | None = None) -> Any:
        """The JSON that a POST is answered with. Not safe twice; with `once`, an idempotency key, the API may see to
        that, but its description doesn't promise it."""
        return await self._call("POST", path, body=body, once=once)

    async def patch(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON that a PATCH is answered with. Not tried again when the API fails."""
        return await self._call("PATCH", path, body=body)

    async def delete(self, path: str) -> None:
        """Deletes. Tried as often as `get`: what is not there any more the second time was deleted the first time."""
        await self._call("DELETE", path)

    async def close(self) -> None:
        """Lets go of the connections. Twice is safe."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        params: dict[str, str | int] | None = None,
        body: dict[str, Any] | None = None,
        once: str | None = None,
    ) -> Any:
        headers = {} if body is None else {"Content-Type": "application/json"}
        if once is not None:
            headers["Idempotency-Key"] = once
        asked = _Request(method, path, params, None if body is None else json.dumps(body).encode(), headers)
        try:
            async with asyncio.timeout(self._whole_s):
                answer = await self._answer(asked)
        except TimeoutError as error:
            raise self._lost(asked, "did not answer", "in time") from error
        return value_of(answer, f"{method} {path}", method != "GET", self._hide)

    async def _answer(self, asked: _Request) -> ApiResponse:
        """The first answer that is to be taken as it is, or the last one."""
        may_be_done = False
        attempt = 0
        while True:
            attempt += 1
            is_last = attempt == _ATTEMPTS
            asked_s: float | None = None
            try:
                answer = await self._send(asked)
            except Unreachable:
                if is_last or not asked.is_safe_twice:
                    raise
                may_be_done = True
            else:
                if may_be_done and asked.method == "DELETE" and answer.status == 404:
                    return ApiResponse(204, b"", answer.request_id)
                asked_s, has_failed = answer.wait_s, answer.status >= 500
                is_worth_it = answer.status == 429 or (has_failed and asked.is_safe_twice)
                if is_last or not is_worth_it or (asked_s or 0) > _LONGEST_WAIT_S:
                    return answer
                may_be_done |= has_failed
            await self._pause(attempt, asked_s)

    async def _pause(self, attempt: int, asked_s: float | None) -> None:
        pause_s = min(self._pause_s * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
        await asyncio.sleep((pause_s if asked_s is None else asked_s) * random.uniform(1.0, 1.25))

    async def _send(self, asked: _Request) -> ApiResponse:
        import httpx  # deferred: only calls to a cloud need it

        client = self._client = self._client or self._open()
        method, path, params, content, headers = asked
        try:
            async with client.stream(method, path, params=params, content=content, headers=headers) as response:
                return await self._read(response)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{method} {path[:60]}... is no address the Mithril API could have") from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            raise Unreachable(f"{self._where} can't be reached: {self._hide(escape_controls(str(error)))}") from error
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(f"{self._where} did not answer {method} {path} in time") from error
        except httpx.TimeoutException as error:
            raise self._lost(asked, "did not answer", "in time") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._lost(asked, "broke off its answer to") from error

    async def _read(self, response: httpx.Response) -> ApiResponse:
        """The body as it was sent: we ask for no compression, so that nothing small unpacks to something huge."""
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > _MOST_BYTES:
                raise ProviderError(f"the Mithril API answered more than {_MOST_BYTES >> 20} MiB; ask for less")
        headers = response.headers
        request_id = headers.get("x-request-id") or headers.get("x-correlation-id") or ""
        return ApiResponse(
            response.status_code,
            bytes(body),
            self._hide(escape_controls(request_id))[:_ID_SHOWN],
            headers.get("retry-after", "").strip(),
        )

    def _open(self) -> httpx.AsyncClient:
        import httpx  # deferred: as above

        settings = self.settings
        return httpx.AsyncClient(
            base_url=settings.url,
            headers={
                "Authorization": f"Bearer {settings.api_key}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            timeout=httpx.Timeout(self._read_s, connect=_CONNECT_S, pool=self._whole_s),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            trust_env=not settings.is_loopback,  # a proxy of the environment can't reach this machine for us
            verify=_tls_context(is_used=settings.url.startswith("https:")),
        )

    def _lost(self, asked: _Request, what: str, how: str = "") -> Unreachable:
        sentence = f"{self._where} {what} {asked.method} {asked.path} {how}".rstrip()
        return Unreachable(sentence) if asked.method == "GET" else ResponseLost(sentence)

    @property
    def _where(self) -> str:
        return f"the Mithril API at {self.settings.url}"

    def _hide(self, foreign: str) -> str:
        """Foreign text without the key, should anybody have put it there."""
        return foreign.replace(self.settings.api_key, "<key>")


@cache
def _tls_context(*, is_used: bool) -> ssl.SSLContext:
    """One for all clients, since reading the certificates takes 25 ms. One that is not used trusts nobody."""
    import httpx  # deferred: as above

    return httpx.create_ssl_context() if is_used else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
