"""Calls to slurmrestd: JSON requests and answers, with deadlines, and retries if a repeated call is safe."""

from __future__ import annotations

import asyncio
import getpass
import json
import random
import ssl
import time
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from flow_core.errors import ConfigError, FlowError, ProviderError, Unreachable
from flow_core.logs.escape import escape_controls
from flow_core.providers.slurm.rest.api_description import ApiDescription, parse_description
from flow_core.providers.slurm.rest.json_values import Table
from flow_core.providers.slurm.rest.rest_answer import RestAnswer, build_rest_error, describe_faults, parse_body
from flow_core.providers.slurm.rest.token import Token, TokenSource

if TYPE_CHECKING:
    import httpx

    from flow_core.providers.slurm.settings import SlurmSettings

_CONNECT_S = 10.0
_ATTEMPTS = 3
_CONNECTIONS = 4
_FIRST_PAUSE_S = 0.5
_BODY_BYTES_MAX = 256 << 20
_THREAD_BYTES = 1 << 20  # smaller answers are parsed in less time than a thread needs
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DESCRIPTION_PATH = "/openapi/v3"


class AnswerLost(Unreachable):
    """A change was sent, and no complete answer arrived: the change may have been made."""


class _RestRequest(NamedTuple):
    """A request. One that changes nothing is sent again if there is no answer."""

    method: str
    path: str
    params: dict[str, str]
    content: bytes | None = None

    @property
    def call(self) -> str:
        return f"{self.method} {self.path}"


class SlurmRestClient:
    """One pool of connections, for one event loop. The caller that creates it closes it.

    Every method raises AuthError, NotFound, Conflict, ConfigError, Unreachable and ProviderError, and nothing else;
    none of them contains the token. slurmrestd may stay silent for `read_s`: it waits itself for a slurmctld that does
    not answer. A call with all its retries takes at most `whole_s`. `pause_s` is the first pause before a retry.
    """

    def __init__(
        self, settings: SlurmSettings, *, pause_s: float = _FIRST_PAUSE_S, read_s: float = 45.0, whole_s: float = 90.0
    ) -> None:
        self.url = settings.rest_url or ""
        self.user = settings.rest_user or _read_own_name()
        self._tokens = TokenSource(settings.rest_token_file)
        self._token: Token | None = None
        self._pause_s, self._read_s, self._whole_s = pause_s, read_s, whole_s
        self._client: httpx.AsyncClient | None = None
        self._description: ApiDescription | None = None
        self._lock = asyncio.Lock()

    @property
    def title(self) -> str:
        return f"slurmrestd at {self.url}"

    @property
    def known_description(self) -> ApiDescription | None:
        """The version in use; None before the first call. Makes no request."""
        return self._description

    async def describe(self) -> ApiDescription:
        """Returns the version in use, and what it can do. Only the first call makes a request."""
        async with self._lock:
            if self._description is None:
                request = _RestRequest("GET", _DESCRIPTION_PATH, {})
                self._description = parse_description(self._get_body(request, await self._send(request)), self.title)
            return self._description

    async def get(self, resource: str, **params: str) -> Table:
        """Returns the answer about a resource, such as "jobs". Tries three times if there is none."""
        request = await self._build("GET", resource, params)
        answer = await self._send(request)
        if answer.status == 404 and not answer.faults:  # slurmrestd was updated, and no longer serves this version
            self._description = None
            request = await self._build("GET", resource, params)
            answer = await self._send(request)
        return self._get_body(request, answer)

    async def post(self, resource: str, body: Table) -> RestAnswer:
        """Returns the answer to a POST, also one without success. Calling it again is not safe.

        Raises AnswerLost if the change may have been made.
        """
        return await self._send(await self._build("POST", resource, {}, body))

    async def update(self, resource: str, body: Table) -> None:
        """Changes a job."""
        request = await self._build("POST", resource, {}, body)
        self._get_body(request, await self._send(request))

    async def delete(self, resource: str, **params: str) -> None:
        """Cancels a job, or sends it a signal."""
        request = await self._build("DELETE", resource, params)
        self._get_body(request, await self._send(request))

    def build_error(self, answer: RestAnswer, call: str) -> FlowError:
        """Returns the error for an answer without success to a call, such as "POST job/submit"."""
        assert self._token is not None  # there is no answer without a token
        return build_rest_error(answer, call, self.title, self.user, self._token)

    def describe_refusal(self, answer: RestAnswer) -> str:
        """Returns what Slurm says in an answer without success, in one line."""
        assert self._token is not None  # there is no answer without a token
        return describe_faults(answer.faults, self._token)

    async def close(self) -> None:
        """Closes the connections. Calling it again is safe."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _build(
        self, method: str, resource: str, params: dict[str, str], body: Table | None = None
    ) -> _RestRequest:
        path = (await self.describe()).build_path(resource)
        return _RestRequest(method, path, params, None if body is None else json.dumps(body).encode())

    def _get_body(self, request: _RestRequest, answer: RestAnswer) -> Table:
        """Returns the body of a good answer. Raises the error of any other one."""
        if answer.is_good and answer.body is not None:
            return answer.body
        raise self.build_error(answer, request.call)

    async def _send(self, request: _RestRequest) -> RestAnswer:
        """Sends the request with retries, within the deadline of a call."""
        self._token = await self._tokens.read()
        try:
            async with asyncio.timeout(self._whole_s):
                return await self._send_with_retries(request, self._token)
        except TimeoutError as error:
            raise self._lost_error(request, "did not answer", "in time") from error

    async def _send_with_retries(self, request: _RestRequest, token: Token) -> RestAnswer:
        attempt = 1
        while True:
            try:
                return await self._send_once(request, token)
            except Unreachable:
                if attempt == _ATTEMPTS or request.method != "GET":
                    raise
            await asyncio.sleep(self._pause_s * 2 ** (attempt - 1) * random.uniform(1.0, 1.25))
            attempt += 1

    async def _send_once(self, request: _RestRequest, token: Token) -> RestAnswer:
        import httpx  # lazy import: most clusters are reached by SSH

        client = self._client = self._client or self._open()
        method, path, params, content = request
        began_at = time.monotonic()
        headers = {"X-SLURM-USER-NAME": self.user, "X-SLURM-USER-TOKEN": token.text}
        headers |= {} if content is None else {"Content-Type": "application/json"}
        try:
            async with client.stream(method, path, params=params, content=content, headers=headers) as response:
                return await self._read(response, began_at)
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError) as error:
            raise ConfigError(
                f"rest_user: {self.title} can't get a request for user {self.user!r}; check rest_url and rest_user",
                field="rest_user",
            ) from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            reason = escape_controls(str(error).replace(token.text, "<token>"))
            raise Unreachable(f"{self.title} can't be reached: {reason}; check rest_url") from error
        except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(f"{self.title} did not answer {request.call} in time") from error
        except httpx.TimeoutException as error:
            raise self._lost_error(request, "did not answer", "in time") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._lost_error(request, "broke off its answer to") from error

    async def _read(self, response: httpx.Response, began_at: float) -> RestAnswer:
        """Reads the body as it was sent: the request asks for no compression."""
        took_s = time.monotonic() - began_at
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > _BODY_BYTES_MAX:
                raise ProviderError(f"{self.title} answered more than {_BODY_BYTES_MAX >> 20} MiB; check rest_url")
        data = bytes(body)
        parsed = parse_body(data) if len(data) < _THREAD_BYTES else await asyncio.to_thread(parse_body, data)
        return RestAnswer(response.status_code, parsed, took_s)

    def _open(self) -> httpx.AsyncClient:
        import httpx  # lazy import: most clusters are reached by SSH

        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(self._read_s, connect=_CONNECT_S, pool=self._whole_s),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            trust_env=urlsplit(self.url).hostname not in _LOOPBACK,  # a proxy cannot reach this machine
            verify=_tls_context(is_used=self.url.startswith("https:")),
        )

    def _lost_error(self, request: _RestRequest, problem: str, suffix: str = "") -> Unreachable:
        sentence = f"{self.title} {problem} {request.call} {suffix}".rstrip()
        return Unreachable(sentence) if request.method == "GET" else AnswerLost(sentence)


def _read_own_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have no name for its user
        raise ConfigError("rest_user: name the user whom slurmrestd knows", field="rest_user") from None


@cache
def _tls_context(*, is_used: bool) -> ssl.SSLContext:
    """Returns one context for all clients: reading the certificates takes 25 ms. An unused one trusts nothing."""
    import httpx  # lazy import: most clusters are reached by SSH

    return httpx.create_ssl_context() if is_used else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
