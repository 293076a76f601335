"""Downloads from S3 without a task: which objects become files, and the sentence for each error."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from testbed.s3_server import S3Server, listing, point_at
from testbed.tables import each

from flow_core.agent.s3.address_download import S3Download, create_s3_client
from flow_core.agent.s3.errors import DownloadError
from flow_core.agent.s3.progress import DownloadProgress

Download = Callable[[str], Path]


@pytest.fixture(scope="module")
def one_server() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def s3(one_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    point_at(one_server, monkeypatch)
    yield one_server
    one_server.reset()


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> str:
    """A bucket name that no other test uses."""
    return f"bucket-{crc32(request.node.nodeid.encode())}"


@pytest.fixture(scope="module")
def clients() -> dict[frozenset[tuple[str, str]], Any]:
    """One for each environment; to make one takes much longer than a download."""
    return {}


@pytest.fixture
def download(s3: S3Server, clients: dict[frozenset[tuple[str, str]], Any], tmp_path: Path) -> Iterator[Download]:
    """Downloads an address; returns where it is then. Raises DownloadError."""
    null = os.open(os.devnull, os.O_WRONLY)
    progress = DownloadProgress(null)
    targets = iter(tmp_path / f"{number}" / "data" for number in range(99))

    def run(address: str) -> Path:
        target = next(targets)
        target.mkdir(parents=True)
        environment = frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))
        client = clients[environment] = clients.get(environment) or create_s3_client(address)
        one = S3Download(client, address, target, progress)
        one.list_objects()
        one.download()
        assert list(target.parent.iterdir()) == [target]
        return target

    yield run
    progress.end("")
    os.close(null)


def refusal(download: Download, address: str) -> str:
    with pytest.raises(DownloadError) as refused:
        download(address)
    assert str(refused.value).startswith(f"{address} can't be fetched: ")
    return str(refused.value).removeprefix(f"{address} can't be fetched: ")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_single_object_is_a_file(s3, bucket, download):
    s3.put(bucket, {"models/tiny.pt": b"weights\n", "models/tiny.pt.sum": b"no\n"})
    assert download(f"s3://{bucket}/models/tiny.pt").read_bytes() == b"weights\n"


def test_a_listing_of_many_pages_is_downloaded_completely(s3, bucket, download, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "6")
    s3.put(bucket, {f"data/{n % 7}/{n}": b"%d" % n for n in range(27)})
    assert files(download(f"s3://{bucket}/data/")) == {f"{n % 7}/{n}": b"%d" % n for n in range(27)}
    assert sum("list-type=2" in request for request in s3.requests) == 5


def test_a_large_object_is_downloaded_in_parts(s3, bucket, download):
    content = os.urandom(1 << 20) * 33
    s3.put(bucket, {"data/large": content})
    assert files(download(f"s3://{bucket}/data")) == {"large": content}
    assert sum(request.startswith("GET") and "large" in request for request in s3.requests) == 3


def test_unusual_names_are_kept(s3, bucket, download):
    names = ["a b", "ünï/cödé 文字", 'it\'s "quoted"', "100%/+&=?#", "trailing. ", "-rf", "tab\tstop", "é" * 127]
    s3.put(bucket, {f"data/{name}": name.encode() for name in names})
    assert files(download(f"s3://{bucket}/data")) == {name: name.encode() for name in names}


def test_a_broken_connection_is_retried(s3, bucket, download):
    s3.put(bucket, {"data/a": b"kept"})
    s3.breaks = 1
    assert files(download(f"s3://{bucket}/data")) == {"a": b"kept"}
    assert s3.breaks == 0


@each("names", [["../up"], ["a/../../up"], ["./a"], ["a//b"], ["/etc/x"], ["a", "a/b"], ["a/.."]])
def test_an_unsupported_key_is_refused_before_any_download(s3, bucket, download, names):
    s3.listing = listing(bucket, *[(f"data/{name}", 1) for name in names])
    assert refusal(download, f"s3://{bucket}/data/").startswith("the object ")
    assert not [request for request in s3.requests if "data/" in request.partition("?")[0]]


@each(
    ("listed", "why"),
    [
        ([("a/b", 1), ("a", 1)], "another"),  # whichever comes second finds the other in its way
        ([("a", 1), ("c", 1), ("a/b", 1)], "another"),
        ([("c", 7)], "was changed meanwhile"),
        ([("c/", 1)], "holds data and is named like a folder"),
    ],
)
def test_conflicting_objects_and_changed_objects_are_refused(s3, bucket, download, listed, why):
    s3.put(bucket, {"data/a": b"x", "data/a/b": b"y", "data/c": b"z"})
    s3.listing = listing(bucket, *[(f"data/{name}", size) for name, size in listed])
    assert why in refusal(download, f"s3://{bucket}/data/")


def test_an_empty_prefix_and_a_missing_bucket_are_errors(s3, bucket, download):
    s3.put(bucket, {"data/": b"", "other": b"x"})
    for address in (f"s3://{bucket}/data", f"s3://{bucket}/data/"):
        assert refusal(download, address) == "there is nothing"
    assert refusal(download, f"s3://{bucket}-else/data") == "there is no such bucket"


@each(
    ("code", "why"),
    [("InvalidAccessKeyId", "the credentials are not accepted"), ("AccessDenied", "these credentials may not read it")],
)
def test_errors_about_credentials_and_rights_contain_no_secret(s3, bucket, download, code, why):
    s3.refusals["somebody"] = code
    message = refusal(download, f"s3://{bucket}/data")
    assert message.startswith(f"{why} ({code})")
    assert "0ther-secret" not in message


def test_without_credentials_public_data_is_downloaded_and_other_data_is_an_error(s3, bucket, download, monkeypatch):
    s3.put(bucket, {"a": b"x"}, public=True)
    s3.put(f"{bucket}-private", {"a": b"x"})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert files(download(f"s3://{bucket}")) == {"a": b"x"}
    message = refusal(download, f"s3://{bucket}-private")
    assert message.startswith("there are no credentials, and it may not be read without; set AWS_ACCESS_KEY_ID")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL is no address of a server"),
        ({"AWS_ENDPOINT_URL": "http://me:s3cret@127.0.0.1:9"}, "the server 127.0.0.1:9 does not answer"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE names a profile that is not configured"),
    ],
)
def test_errors_about_settings_contain_no_secret(s3, bucket, download, monkeypatch, setting, why):
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    message = refusal(download, f"s3://{bucket}/data")
    assert message.startswith(why)
    assert "s3cret" not in message
