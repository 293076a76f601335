"""Small programs of a machine that stand for what needs several users: there, everybody is root."""

from __future__ import annotations

_SUDO = """\
#!/bin/sh
home=$FLOW_NODE_ROOT/root login=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    -u | --user) [ "${2-}" != ubuntu ] || home=$FLOW_NODE_ROOT/home/ubuntu; shift 2 || exit 1 ;;
    -[gpCDRTUhrt] | --group | --prompt | --chdir | --host) shift 2 || exit 1 ;;
    -E | --preserve-env | --preserve-env=* | -[!-]*E) home=$HOME; shift ;;
    -i | -s | --login | --shell) login=1; shift ;;
    -*) shift ;;
    *=*) export "$1"; shift ;;
    *) break ;;
  esac
done
export HOME="$home" SUDO_USER=ubuntu SUDO_UID=0 SUDO_GID=0
[ $# -gt 0 ] || { [ -z "$login" ] || exec "${SHELL:-/bin/sh}" -l; exit 0; }
if ! command -v "$1" >/dev/null 2>&1; then
  echo "sudo: $1: command not found" >&2
  exit 1
fi
exec "$@"
"""
_SU = """\
#!/bin/sh
command= user=root
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; break ;;
    -c | --command) command=${2-}; shift 2 || exit 1 ;;
    -u | --user) user=${2-}; shift 2 || exit 1 ;;
    -[sgGw] | --shell | --group) shift 2 || exit 1 ;;
    -*) shift ;;
    *) [ "${0##*/}" = su ] || [ "$1" = ubuntu ] || [ "$1" = root ] || break; user=$1; shift ;;
  esac
done
home=$FLOW_NODE_ROOT/root
[ "$user" = root ] || home=$FLOW_NODE_ROOT/home/$user
export HOME="$home" USER="$user" LOGNAME="$user"
[ -z "$command" ] || exec "${SHELL:-/bin/sh}" -c "$command" "$user" "$@"
[ $# -eq 0 ] || exec "$@"
exec "${SHELL:-/bin/sh}" -l
"""
SHIMS = {"sudo": _SUDO, "su": _SU, "runuser": _SU}
