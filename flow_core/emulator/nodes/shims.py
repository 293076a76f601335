"""Small programs that replace multiple users and systemd on a machine: every user is root, and sh starts the units.

`systemctl` knows services that are files below /etc/systemd/system: their ExecStart, WorkingDirectory, Environment and
EnvironmentFile, and whether they are of type oneshot. Enabled services are started with the machine.
`mount` lists and mounts file shares (folders at /mnt/<name>), as virtiofs and as NFS; the system mounts the rest.
"""

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
_SYSTEMCTL = """\
#!/bin/sh
[ -z "$FLOW_NODE_ROOT" ] || { echo "systemctl: this machine has no systemd" >&2; exit 1; }
units=/etc/systemd/system running=/run/systemd/units wants=/etc/systemd/system/multi-user.target.wants
mkdir -p "$running" "$wants"

of() { sed -n "s/^$1=//p" "$units/$2"; }
is_active() { kill -0 "$(cat "$running/$1" 2>/dev/null)" 2>/dev/null; }
begin() {
  is_active "$1" && return 0
  if [ "$(of Type "$1")" = oneshot ]; then
    "$0" become-unit "$1" </dev/null >>/var/log/syslog 2>&1
  else
    setsid "$0" become-unit "$1" </dev/null >>/var/log/syslog 2>&1 &
    echo $! >"$running/$1"
  fi
}
finish() {
  is_active "$1" || return 0
  kill -s TERM -- "-$(cat "$running/$1")"
  for _ in 1 2 3 4 5 6 7 8 9 10; do is_active "$1" || return 0; sleep 0.2; done
  kill -s KILL -- "-$(cat "$running/$1")"
}
become() {
  cd "$(of WorkingDirectory "$1")/" || exit 200
  eval "$(of Environment "$1" | sed 's/^/export /')"
  for file in $(of EnvironmentFile "$1"); do
    [ ! -r "${file#-}" ] || { set -a; . "${file#-}"; set +a; }
  done
  eval "exec $(of ExecStart "$1" | sed '1q' | sed 's/^[-@:+!]*//')"
}

[ "${1-}" != become-unit ] || become "$2"
now= words= status=0
for word; do
  case $word in --now) now=1 ;; -*) ;; *) words="$words $word" ;; esac
done
set -- $words
verb=${1-}
[ $# -eq 0 ] || shift
[ "$verb" != is-system-running ] || echo running
[ "$verb" != start-enabled ] || for link in "$wants"/*; do [ ! -e "$link" ] || "$0" start "${link##*/}" & done
for name; do
  case $name in *.*) unit=$name ;; *) unit=$name.service ;; esac
  if [ ! -f "$units/$unit" ]; then
    echo "Failed to $verb $unit: Unit $unit not found." >&2
    status=5
    continue
  fi
  case $verb in
    enable) ln -sf "../$unit" "$wants/$unit"; [ -z "$now" ] || begin "$unit" || status=1 ;;
    disable) rm -f "$wants/$unit"; [ -z "$now" ] || finish "$unit" ;;
    start) begin "$unit" || status=1 ;;
    stop) finish "$unit" ;;
    restart | try-restart | reload-or-restart) finish "$unit"; begin "$unit" || status=1 ;;
    is-active | status) if is_active "$unit"; then echo active; else echo inactive; status=3; fi ;;
    is-enabled) if [ -L "$wants/$unit" ]; then echo enabled; else echo disabled; status=1; fi ;;
  esac
done
exit $status
"""
_MOUNT = """\
#!/bin/sh
kind= source= target= want=
for word; do
  case $want in
    kind) kind=$word want=; continue ;;
    options) want=; continue ;;
  esac
  case $word in
    -t | --types) want=kind ;;
    -o | --options) want=options ;;
    -*) ;;
    *) [ -n "$source" ] && target=$word || source=$word ;;
  esac
done
case $kind in
  virtiofs) share=$source ;;
  nfs | nfs4) share=${source#fileshare-} share=${share%%.mithril.internal:*} ;;
  *) exec /bin/mount "$@" ;;
esac
while read -r fid name; do
  if [ -z "$source" ]; then
    echo "$name on /mnt/$name type virtiofs (rw,relatime)"
  elif [ "$share" = "$fid" ] || [ "$share" = "$name" ]; then
    exec /bin/mount --bind "/mnt/$name" "$target"
  fi
done <"$FLOW_NODE_ROOT/var/lib/foundry/file_shares"
[ -z "$source" ] || { echo "mount: $target: no file share $source" >&2; exit 32; }
"""
_MOUNT_NFS = """\
#!/bin/sh
exec mount -t nfs4 "$@"
"""
SHIMS = {"sudo": _SUDO, "su": _SU, "runuser": _SU, "systemctl": _SYSTEMCTL, "mount": _MOUNT, "mount.nfs": _MOUNT_NFS}
