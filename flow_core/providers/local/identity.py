"""The operating system's users of this machine, and the SSH keys of the current user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.providers.over_agent.in_process_agent import call_agent

if TYPE_CHECKING:
    from flow_core.models.identity import Project, SshKey, User


class LocalIdentity:
    """Users and keys of this machine. A context has one project, itself, and no teammates.

    Each method imports what it needs when it is called.
    """

    def __init__(self, context: str) -> None:
        self._context = context

    async def projects(self) -> tuple[Project, ...]:
        from flow_core.models.identity import Project

        return (Project(self._context, self._context),)

    async def user(self, user_id: str) -> User | None:
        """Returns a user by login name or user id."""
        return await call_agent(_find_user, user_id)

    async def teammates(self, user_id: str) -> tuple[User, ...]:
        return ()

    async def own_keys(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        """Returns the keys of ~/.ssh/*.pub; the name of each is its file name without the ending."""
        from flow_core.models.identity import SshKey
        from flow_core.ssh.public_keys import read_local_public_keys

        if project_id not in (None, self._context):
            return ()
        keys = await call_agent(read_local_public_keys)
        return tuple(
            SshKey(key.fingerprint, name.removesuffix(".pub"), str(key), key.fingerprint) for name, key in keys.items()
        )


def _find_user(user_id: str) -> User | None:
    import pwd

    from flow_core.models.identity import User

    try:
        is_number = user_id.isascii() and user_id.isdecimal()
        entry = pwd.getpwuid(int(user_id)) if is_number else pwd.getpwnam(user_id)
    except (KeyError, ValueError, OverflowError, UnicodeEncodeError):
        return None
    return User(entry.pw_name, entry.pw_gecos.partition(",")[0] or entry.pw_name)
