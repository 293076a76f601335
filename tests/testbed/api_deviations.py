"""Where the emulator may answer otherwise than the published description says, and why.

Section numbers are those of the project's facts about the API.
"""

from __future__ import annotations

from typing import Any

# Statuses that the description declares nowhere, or not for all. Their body is {"detail": "<text>"}.
UNDECLARED_STATUSES = {
    400: "1.5: names, prices, quotas and what can't be done to a thing as it is are refused with a text",
    401: "1.5, 6.1: a missing or wrong key",
    403: "1.8: only admins say whether an SSH key is required",
    404: "1.5, 6.2: unknown ids; clients ask for a name as if it were an id first",
    409: "1.8: what is in use can't be deleted or attached once more",
}
TEXT_DETAIL: dict[str, Any] = {
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "string", "minLength": 1}},
}

# Answers whose shape the description leaves out, by method and path.
MORE_SHAPES: dict[tuple[str, str], tuple[str, list[dict[str, Any]]]] = {
    ("get", "/v2/reservation/availability"): (
        "1.4: two of its three modes answer with an object, as the schemas of these names say",
        [
            {"$ref": "#/components/schemas/GetLatestEndTimeResponse"},
            {"$ref": "#/components/schemas/CheckAvailabilityResponse"},
        ],
    ),
}

# What clients call and the description doesn't have, by method and path.
UNDESCRIBED: dict[tuple[str, str], str] = {
    ("get", "/marketplace/v1/regions"): "1.7: file volumes fail without it",
    ("get", "/v2/cpu/instance-types"): "1.7: called by every name lookup",
    ("get", "/v2/cpu/regions"): "1.7: as above",
    ("get", "/users/{user}/teammates"): "1.7: owners' names",
    ("get", "/v2/users/{user}"): "1.7: owners' names",
    ("get", "/v2/reservation/{reservation_fid}"): "1.7: one reservation",
    ("post", "/v2/instances/{instance_fid}/restart"): "1.7: newer than the description",
    ("get", "/v2/organizations/{organization}/quotas"): "1.7: newer than the description",
}

# Checks of the fuzzer that hold for no server of this API.
UNFIT_CHECKS = {
    "positive_data_acceptance": "the description calls fids, money, scripts and names plain strings: what fits it "
    "may still name nothing, or be no amount",
}

# Failures that the description itself declares, for what the platform doesn't do with spot instances.
DECLARED_FAILURES = ("501",)
