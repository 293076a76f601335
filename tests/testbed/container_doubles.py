"""Stand-ins for the tools that run images on clusters: they record their arguments, and execute the command.

A path in the image is replaced by the path that is mounted there, as the command sees the same files.
"""

from __future__ import annotations

_RECORD = r"""#!/bin/sh
{ printf '%s\n' "${0##*/}" "$@"; echo; } >>"$HOME/calls"
"""
APPTAINER = (
    _RECORD
    + r"""
[ "$1" = exec ] || exit 9
shift
directory=
while :; do
  case $1 in
  --nv) shift ;;
  --pwd) directory=$2; shift 2 ;;
  --bind)
    source=${2%%:*} target=${2#*:}
    [ -e "$source" ] || { echo "no such source: $source"; exit 8; }
    [ "${target%:ro}" != "$directory" ] || directory=$source
    shift 2 ;;
  docker://*) shift; break ;;
  *) exit 7 ;;
  esac
done
[ "$1" != true ] || exit 0
export A=of-the-image PATH="/from/the/image:$PATH"
for name in $(env | sed -n 's/^APPTAINERENV_\([A-Za-z_0-9]*\)=.*/\1/p'); do
  eval "export $name=\"\$APPTAINERENV_$name\""
done
cd "$directory" && exec "$@"
"""
)
ENROOT = (
    _RECORD
    + r"""
if [ "$1" = import ]; then
  [ "$2" = --output ] && echo squash >"$3"
  exit
fi
[ "$1" = start ] || exit 9
shift
names=
while :; do
  case $1 in
  --rw) shift ;;
  --env) names="$names $2"; shift 2 ;;
  --mount) source=${2%%:*}; shift 2 ;;
  */images/*.sqsh) [ -e "$1" ] || exit 6; shift; break ;;
  *) exit 7 ;;
  esac
done
[ "$5" != /workspace ] || { script=$3; shift 5; set -- sh -c "$script" sh "$source" "$@"; }
for name in $names; do
  eval "value=\$$name"
  set -- "$name=$value" "$@"
done
exec env -i PATH="$PATH" HOME="$HOME" "$@"
"""
)
SRUN_WITH_PYXIS = (
    _RECORD
    + r"""
case " $* " in
*" --help "*)
  /usr/bin/srun --help
  echo "      --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH [pyxis] the image"
  exit ;;
esac
source=
for word do
  shift
  case $word in
  --container-mounts=*) source=${word##*,}; source=${source%%:*} ;;
  --container-workdir=/workspace) set -- "$@" "--chdir=$source" ;;
  --container-*) ;;
  *) set -- "$@" "$word" ;;
  esac
done
exec /usr/bin/srun "$@"
"""
)
