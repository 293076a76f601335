# Mounts the volumes in the list beside it, unless mounted: "Block vol_1 name /path" in each line, or "File ...".
set -u
root="${FLOW_NODE_ROOT:-}"
bind() { # source target: a link on a node that is only a folder, where nothing may be mounted
  if [ -n "$root" ]; then mkdir -p "${2%/*}" && ln -s "$1" "$2"; else mkdir -p "$2" && mount --bind "$1" "$2"; fi
}
device_of() { # id index: by its id, or by its position after the disks of every node
  local found
  for found in "$root"/dev/disk/by-id/*"${1#vol_}"*; do [ ! -e "$found" ] || { echo "$found"; return; }; done
  [ -z "$root" ] || return 1
  for found in /dev/vd[d-z] /dev/xvd[d-z]; do
    [ ! -b "$found" ] || [ "$2" -gt 0 ] || { echo "$found"; return; }
    [ ! -b "$found" ] || set -- "$1" $(($2 - 1))
  done
  return 1
}
take() { # kind id name target index
  local source="$root/mnt/$3" target="$root$4"
  [ "$1" = File ] || source=$(device_of "$2" "$5") || return 1
  if [ -d "$source" ]; then bind "$source" "$target"; return; fi
  [ -z "$root" ] && mkdir -p "$target" || return 1
  if [ "$1" = File ]; then mount -t virtiofs "$3" "$target"; return; fi
  blkid "$source" >/dev/null 2>&1 || mkfs.ext4 -q "$source" || return 1
  mount "$source" "$target"
}
blocks=0
while read -r kind id name target; do
  if [ ! -L "$root$target" ] && ! mountpoint -q "$root$target"; then
    take "$kind" "$id" "$name" "$target" "$blocks" || { echo "volume $name could not be mounted at $target"; exit 1; }
    ! id ubuntu >/dev/null 2>&1 || chown ubuntu: "$root$target" 2>/dev/null
  fi
  [ "$kind" = File ] || blocks=$((blocks + 1))
done <"$root/var/lib/flow/volumes"
exit 0
