"""Requests for data from S3 that are refused at once."""

from __future__ import annotations

import pytest

from flow_core.errors import ConfigError, Unsupported


@pytest.mark.parametrize(
    "source",
    [
        *("s3://", "s3:///x", "s3://ab", "s3://Upper/x", "s3://a..b", "s3://under_score", "s3://1.2.3.4/x"),
        *("s3://-ab", "s3://bucket/\n", "s3://bucket/" + "k" * 1025, "s3://bucket/a\tb"),
    ],
)
async def test_an_invalid_address_is_refused_with_its_field(machine, source):
    with pytest.raises(ConfigError) as caught:
        await machine.submit("true", data_mounts=[{"source": source, "target": "/data"}])
    assert caught.value.field in ("data_mounts", "data_mounts.0.source")
    assert await machine.provider.list_tasks() == ()


@pytest.mark.parametrize("options", [{"read_only": False}, {"read_only": "no"}, {"writable": True}, {"upload": "end"}])
async def test_writing_back_is_refused(machine, options):
    with pytest.raises(Unsupported, match="copies, writing back isn't done; upload in the command instead"):
        await machine.submit("true", data_mounts=[{"source": "s3://bucket/x", "target": "/x", "options": options}])
    assert await machine.provider.list_tasks() == ()
