# Keeps tasks on a machine: what the provider `hosts` runs at the far side, in POSIX sh and by programs of POSIX.
#
# It is sent to sh on stdin, with one call as its last line; what has to outlive the call runs from ROOT/bin.
#   ROOT/tasks/ID/   record, mounts (lines of the client's)   plan (what to keep to)   task.sh (environment, command)
#                    submitter, keeper, child (process identities)   mark (in the environment of its processes)
#                    state (the last word)   cancel   umask   attempt-A/rank-R.log   work/ (where it works)   volumes/ (links)
#   ROOT/live/ID     there while a task isn't over           ROOT/over      those that are, a line each, after a stamp
#   ROOT/new/ID      a task that is being made
#   ROOT/line/N      who waits for GPUs, in order            ROOT/gpus/GPU/N, ROOT/lock/N   see `claim`
#   ROOT/volumes/ID/ record, data/, holders/TASK             ROOT/volumes/.names/NAME
# Every answer is made of lines that begin with a letter of ours and ends with a line ".": no task can write into it.
# An identity is "pid start boot", so that neither another process with that number nor a restart is taken for it.
# There are no local variables in POSIX: what a keeper goes by (task, id, word, message, ...) is set in keeping.sh only.

sh=/bin/sh
first=1000000000
lock=
usual_mask=$(umask)
umask 077
