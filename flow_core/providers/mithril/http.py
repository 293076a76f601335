"""Calls to the Mithril API: JSON requests and responses, with deadlines, and retries if a repeated call is safe."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.errors import ConfigError, ProviderError, Unreachable
from flow_core.logs.escape import escape_controls
from flow_core.providers.mithril.api_response import ApiResponse, JsonBody, ResponseLost, check_success
from flow_core.providers.mithril.settings import MithrilSettings

if TYPE_CHECKING:
    import httpx

_CONNECT_S = 10.0
_ATTEMPTS = 3
_CONNECTIONS = 6
_FIRST_PAUSE_S = 0.5
_BODY_BYTES_MAX = 16 << 20
_LONGEST_PAUSE_S = 8.0
_LONGEST_WAIT_S = 30.0  # if the API asks to wait longer, the call fails
_ID_SHOWN = 80


class _Request(NamedTuple):
    """A request, and whether it may be repeated."""

    method: str
    path: str
    params: dict[str, str | int] | None
    content: bytes | None
    headers: dict[str, str]

    @property
    def may_be_repeated(self) -> bool:
        return self.method in ("GET", "DELETE")


class MithrilHttp:
    """One pool of connections, for one event loop. The caller that creates it closes it.

    Every method raises AuthError, NotFound, Conflict, ConfigError (about a field), Unreachable and
    ProviderError, and nothing else; none of them contains the key. The caller quotes paths. `pause_s` is the first
    pause before a retry (0.5 s); each pause after it is twice as long. The API may stay silent for `read_s`, and a call
    with all its retries takes at most `whole_s`.
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
        """Returns the JSON at a path. Tries three times if there is no response, or the API fails or is busy."""
        return (await self.get_body(path, **params)).parse()

    async def get_body(self, path: str, **params: str | int) -> JsonBody:
        """Returns the response as `get` does, but unparsed."""
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: dict[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Returns the JSON response to a POST. Calling it again is not safe.

        With `idempotency_key` the API may make it safe, but its description doesn't promise it.
        """
        return (await self._call("POST", path, body=body, idempotency_key=idempotency_key)).parse()

    async def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Returns the JSON response to a PATCH. Doesn't retry if the API fails."""
        return (await self._call("PATCH", path, body=body)).parse()

    async def delete(self, path: str) -> None:
        """Deletes. Retries as `get` does; a 404 on a retry counts as success."""
        (await self._call("DELETE", path)).parse()

    async def close(self) -> None:
        """Closes the connections. Calling it again is safe."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        params: dict[str, str | int] | None = None,
        body: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> JsonBody:
        headers = {} if body is None else {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        request = _Request(method, path, params, None if body is None else json.dumps(body).encode(), headers)
        try:
            async with asyncio.timeout(self._whole_s):
                answer = await self._send_with_retries(request)
        except TimeoutError as error:
            raise self._lost_error(request, "did not answer", "in time") from error
        return check_success(answer, f"{method} {path}", method != "GET", self._hide)

    async def _send_with_retries(self, request: _Request) -> ApiResponse:
        """Sends the request, with retries. Returns the first response that needs no retry, or the last one."""
        may_be_done = False
        attempt = 0
        while True:
            attempt += 1
            is_last = attempt == _ATTEMPTS
            requested_wait_s: float | None = None
            try:
                answer = await self._send(request)
            except Unreachable:
                if is_last or not request.may_be_repeated:
                    raise
                may_be_done = True
            else:
                if may_be_done and request.method == "DELETE" and answer.status == 404:
                    return ApiResponse(204, b"", answer.request_id)
                requested_wait_s, has_failed = answer.wait_s, answer.status >= 500
                is_worth_it = answer.status == 429 or (has_failed and request.may_be_repeated)
                if is_last or not is_worth_it or (requested_wait_s or 0) > _LONGEST_WAIT_S:
                    return answer
                may_be_done |= has_failed
            await self._pause(attempt, requested_wait_s)

    async def _pause(self, attempt: int, requested_wait_s: float | None) -> None:
        pause_s = min(self._pause_s * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
        await asyncio.sleep((pause_s if requested_wait_s is None else requested_wait_s) * random.uniform(1.0, 1.25))

    async def _send(self, request: _Request) -> ApiResponse:
        import httpx  # lazy import: only calls to a cloud need it

        client = self._client = self._client or self._open()
        method, path, params, content, headers = request
        try:
            async with client.stream(method, path, params=params, content=content, headers=headers) as response:
                return await self._read(response)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{method} {path[:60]}... is no address the Mithril API could have") from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            raise Unreachable(
                f"{self._api_name} can't be reached: {self._hide(escape_controls(str(error)))}"
            ) from error
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(f"{self._api_name} did not answer {method} {path} in time") from error
        except httpx.TimeoutException as error:
            raise self._lost_error(request, "did not answer", "in time") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._lost_error(request, "broke off its answer to") from error

    async def _read(self, response: httpx.Response) -> ApiResponse:
        """Reads the body as it was sent.

        The request asks for no compression, so that no small body expands to a huge one.
        """
        pieces, size = [], 0
        async for piece in response.aiter_raw():
            pieces.append(piece)
            size += len(piece)
            if size > _BODY_BYTES_MAX:
                raise ProviderError(f"the Mithril API answered more than {_BODY_BYTES_MAX >> 20} MiB; ask for less")
        headers = response.headers
        request_id = headers.get("x-request-id") or headers.get("x-correlation-id") or ""
        return ApiResponse(
            response.status_code,
            b"".join(pieces),
            self._hide(escape_controls(request_id))[:_ID_SHOWN],
            headers.get("retry-after", "").strip(),
        )

    def _open(self) -> httpx.AsyncClient:
        import httpx  # lazy import: only calls to a cloud need it

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
            trust_env=not settings.is_loopback,  # a proxy of the environment cannot reach this machine
            verify=_tls_context(is_used=settings.url.startswith("https:")),
        )

    def _lost_error(self, request: _Request, problem: str, suffix: str = "") -> Unreachable:
        sentence = f"{self._api_name} {problem} {request.method} {request.path} {suffix}".rstrip()
        return Unreachable(sentence) if request.method == "GET" else ResponseLost(sentence)

    @property
    def _api_name(self) -> str:
        return f"the Mithril API at {self.settings.url}"

    def _hide(self, foreign: str) -> str:
        """Removes the key from foreign text."""
        return foreign.replace(self.settings.api_key, "<key>")


@cache
def _tls_context(*, is_used: bool) -> ssl.SSLContext:
    """Returns one context for all clients: reading the certificates takes 25 ms. An unused one trusts nothing."""
    import httpx  # lazy import: only needed once a request is sent

    return httpx.create_ssl_context() if is_used else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
